#!/usr/bin/env bash
# Runs the whole suite twice: on the embedded stores and on the distributed ones.
#
#     scripts/test.sh [ARGUMENT OF cargo test...]
set -eu
cd "$(dirname "$0")/.."
export RUN_HANDLER_ENV=test

echo "== embedded: SQLite, local files, in-process cache"
env -u TEST_DATABASE_URL -u TEST_CACHE_URL -u TEST_BLOB_URL TEST_STORES=embedded \
    cargo test --workspace --locked "$@"

# Unit tests know no store, so only the integration tests have something new to say here.
echo "== distributed: PostgreSQL, S3 over HTTP, Redis"
TEST_STORES=distributed exec scripts/with-stores.sh cargo test --locked --test it "$@"
