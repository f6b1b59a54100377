#!/usr/bin/env bash
# Runs the whole suite twice, on the embedded stores and on the distributed ones, and looks through what was logged:
#
#     scripts/test.sh [ARGUMENT OF cargo test...]
set -eu
cd "$(dirname "$0")/.."
export RUN_HANDLER_ENV=test
journal=$(mktemp -d "${TMPDIR:-/tmp}/runyard-journal-XXXXXX")
trap 'rm -rf "$journal"' EXIT
export TEST_JOURNAL=$journal

# Fails when any line that was logged shows what a client of the suite has sent or got as a secret or a payload.
look_through_the_log() {
    # A run of a few tests may have sent nothing.
    [ -s "$journal/secrets" ] || { echo "the log: nothing to look for"; return; }
    # The comparison itself must work: what was logged is found again.
    grep -m1 -h . "$journal"/*.log >"$journal/known"
    grep -q -h -F -f "$journal/known" "$journal"/*.log || { echo "the log cannot be searched" >&2; exit 1; }
    if grep -h -m5 -F -f "$journal/secrets" "$journal"/*.log >&2; then
        echo "the log shows what it must not: see the lines above" >&2
        exit 1
    fi
    printf 'the log: %s lines at debug show none of %s secrets and payloads\n' \
        "$(cat "$journal"/*.log | wc -l)" "$(wc -l <"$journal/secrets")"
    rm -f "$journal"/*
}

echo "== embedded: SQLite, local files, in-process cache"
env -u TEST_DATABASE_URL -u TEST_CACHE_URL -u TEST_BLOB_URL TEST_STORES=embedded \
    cargo test --workspace --locked "$@"
look_through_the_log

# Unit tests know no store, so only the integration tests have something new to say here.
echo "== distributed: PostgreSQL, S3 over HTTP, Redis"
TEST_STORES=distributed scripts/with-stores.sh cargo test --locked --test it "$@"
look_through_the_log
