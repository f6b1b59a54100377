#!/usr/bin/env bash
# Puts the load of scripts/load/scenario.py on a server, and fails when a threshold is missed:
#
#     scripts/load.sh
#
# The server is the release build, on a free port of 127.0.0.1, with its default configuration and data that is gone
# afterwards; or the one that LOAD_URL names, which must let strangers sign up, and keeps the runs and accounts.
#
#     LOAD_CLIENTS="1 8 32 64"   clients of each step
#     LOAD_SECONDS=15            how long each step lasts once its clients are there
#     LOAD_SCALE=1               what the thresholds of latency are multiplied by: 3 for a slow machine
#
# Locust and all that it needs have their versions and digests in scripts/load/requirements.txt, and are installed into
# the target folder. The exit status is that of the scenario; nothing stays running.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venv=$target/load/venv
requirements=$root/scripts/load/requirements.txt
folder=         # temporary folder of the server
server_pid=
load_pid=

say() { echo "load: $*" >&2; }
fail() { say "$*"; exit 1; }

alive() { kill -0 "$1" 2>/dev/null; }

# Ends a process: politely, and after ten seconds by force.
end() {
    local tries=100
    kill -TERM "$1" 2>/dev/null || return 0
    while [ "$tries" -gt 0 ] && alive "$1"; do
        sleep 0.1
        tries=$((tries - 1))
    done
    kill -KILL "$1" 2>/dev/null || true
}

# shellcheck disable=SC2317,SC2329  # called by the trap
cleanup() {
    local status=$?
    trap '' INT TERM HUP
    set +e
    [ -z "$load_pid" ] || end "$load_pid"
    [ -z "$server_pid" ] || end "$server_pid"
    [ -z "$folder" ] || rm -rf "$folder"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# A port that nobody listens on, below the range that the system hands out by itself.
free_port() {
    local port
    while :; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# The tool, once for each state of the list of its packages.
install_locust() {
    local python=${PYTHON:-python3}
    if [ -x "$venv/bin/python" ] && cmp -s "$requirements" "$venv/installed.txt"; then
        return
    fi
    "$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "this needs Python 3.11 or later with venv (on Debian: apt-get install python3-venv); PYTHON names another"
    say "installing Locust into $venv"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: \
        --require-hashes --requirement "$requirements" >&2 ||
        fail "the packages of $requirements could not be installed; the reason stands above"
    cp "$requirements" "$venv/installed.txt"
}

start_server() {
    local port attempt tries program=$target/release/runyard
    cargo build --release --locked --manifest-path "$root/Cargo.toml"
    # On the disk of the target folder: a folder for temporary things may be in memory, where a sync costs nothing.
    folder=$(mktemp -d "$target/load/server.XXXXXX")
    for attempt in 1 2 3; do
        port=$(free_port)
        # Without the caller's environment and .env, of which nothing but the defaults is left. The clients share one
        # address, for whose requests the default of RATE_PER_ADDRESS is plenty.
        (cd "$folder" && exec env -i DATA_DIR="$folder/data" PORT="$port" LOG_LEVEL=warn LOG_FORMAT=text \
            "$program" serve) >"$folder/log" 2>&1 &
        server_pid=$!
        tries=300
        while [ "$tries" -gt 0 ] && alive "$server_pid"; do
            if env -i PORT="$port" "$program" health >/dev/null 2>&1 && alive "$server_pid"; then
                LOAD_URL=http://127.0.0.1:$port
                return
            fi
            sleep 0.1
            tries=$((tries - 1))
        done
        end "$server_pid"
        server_pid=
        say "the server did not start on port $port (attempt $attempt)"
    done
    cat "$folder/log" >&2
    fail "the server does not start"
}

mkdir -p "$target/load"
install_locust
[ -n "${LOAD_URL:-}" ] || start_server

# In the background, so that a signal to this script is heard at once.
"$venv/bin/python" "$root/scripts/load/scenario.py" "$LOAD_URL" &
load_pid=$!
status=0
wait "$load_pid" || status=$?
load_pid=
if [ "$status" -ne 0 ] && [ -n "$folder" ] && [ -s "$folder/log" ]; then
    say "what the server had to say:"
    tail -n 20 "$folder/log" >&2
fi
exit "$status"
