#!/usr/bin/env bash
# Runs a command with a PostgreSQL and a Redis of its own, and takes both away afterwards:
#
#     scripts/with-stores.sh COMMAND [ARGUMENT...]
#
# The command finds them in TEST_DATABASE_URL and TEST_CACHE_URL. What of the two is set already is used as it is;
# the rest comes from docker compose when an engine answers, otherwise from the local programs, in a temporary folder
# and on free ports of 127.0.0.1. As root on Debian, programs that are missing are installed. The exit status is the
# command's; nothing stays running, whether the command ends, fails or is interrupted.
set -eu

[ $# -gt 0 ] || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 64; }
# The command runs in the background, where reading from the terminal would suspend it.
[ ! -t 0 ] || exec </dev/null

root=$(cd "$(dirname "$0")/.." && pwd)
user=()         # prefix that runs a program as PostgreSQL's user: it refuses to run as root
folder=         # temporary folder of the local programs
pg_bin=         # folder of PostgreSQL's programs
pg_started=     # set once pg_ctl may have started a server
redis_pid=      # redis-server that this script started
compose_started=
policy=         # /usr/sbin/policy-rc.d while it is ours
command_pid=    # also the id of the command's process group

say() { echo "with-stores: $*" >&2; }
fail() { say "$*"; exit 1; }

# --- taking away ------------------------------------------------------------------------------------------------

alive() { kill -0 -- "$1" 2>/dev/null; }

# Ends a process, or a group when the id is negative: politely, and after ten seconds by force.
end() {
    local id=$1 tries=100
    kill -TERM -- "$id" 2>/dev/null || return 0
    while [ "$tries" -gt 0 ] && alive "$id"; do
        sleep 0.1
        tries=$((tries - 1))
    done
    kill -KILL -- "$id" 2>/dev/null || true
}

stop_postgres() {
    [ -z "$pg_started" ] || "${user[@]}" "$pg_bin/pg_ctl" --pgdata "$folder/postgres/data" --mode immediate stop \
        >/dev/null 2>&1 || true
    pg_started=
}

stop_redis() {
    [ -z "$redis_pid" ] || end "$redis_pid"
    redis_pid=
}

stop_compose() {
    [ -z "$compose_started" ] || compose down --volumes --timeout 2 >/dev/null 2>&1 || true
    compose_started=
}

# shellcheck disable=SC2317,SC2329  # called by the trap
cleanup() {
    local status=$?
    trap '' INT TERM HUP
    set +e
    [ -z "$command_pid" ] || end "-$command_pid"
    stop_redis
    stop_postgres
    stop_compose
    [ -z "$policy" ] || rm -f "$policy"
    [ -z "$folder" ] || rm -rf "$folder"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# --- docker -----------------------------------------------------------------------------------------------------

compose() {
    POSTGRES_PASSWORD=$compose_secret REDIS_PASSWORD=$compose_secret MINIO_ROOT_PASSWORD=$compose_secret \
        JWT_SECRET=$compose_secret DB_PORT='' REDIS_PORT='' DB_MAX_CONNECTIONS=500 \
        docker compose --env-file /dev/null --file "$root/docker-compose.yml" --project-name "runyard-test-$$" "$@"
}

with_docker() {
    command -v docker >/dev/null || return 1
    docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1 || return 1

    local services=() address
    [ -n "${TEST_DATABASE_URL:-}" ] || services+=(db)
    [ -n "${TEST_CACHE_URL:-}" ] || services+=(redis)
    compose_secret=$(od -An -N32 -vtx1 /dev/urandom | tr -d ' \n')
    compose_started=yes
    if ! compose up --detach --wait "${services[@]}" >&2; then
        stop_compose
        return 1
    fi
    if [ -z "${TEST_DATABASE_URL:-}" ]; then
        address=$(compose port db 5432) || return 1
        export TEST_DATABASE_URL="postgres://runyard:$compose_secret@$address/runyard"
    fi
    if [ -z "${TEST_CACHE_URL:-}" ]; then
        address=$(compose port redis 6379) || return 1
        export TEST_CACHE_URL="redis://:$compose_secret@$address/0"
    fi
}

# --- local programs ---------------------------------------------------------------------------------------------

# Folder of the newest PostgreSQL; Debian keeps its programs off the PATH.
find_postgres() {
    local program
    program=$(command -v initdb) || program=$(
        for program in /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb; do
            [ ! -x "$program" ] || echo "$program"
        done | sort -V | tail -n 1
    )
    [ -n "$program" ] || return 1
    pg_bin=$(dirname "$(readlink -f "$program")")
    [ -x "$pg_bin/postgres" ] && [ -x "$pg_bin/pg_ctl" ] && [ -x "$pg_bin/createdb" ]
}

# Whether this user can install packages on this machine.
can_install() {
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null
}

# Tests of outages stop and freeze servers of their own, wherever the shared ones run: they need the programs.
provide_programs_for_outages() {
    local missing=()
    find_postgres || missing+=(postgresql)
    command -v redis-server >/dev/null || missing+=(redis-server)
    [ "${#missing[@]}" -gt 0 ] || return 0
    if can_install; then
        install_packages "${missing[@]}"
    else
        say "the tests of outages are LEFT OUT: they need ${missing[*]} on this machine"
        export TEST_OUTAGES=no
    fi
}

# Installs what is missing, without the packages' own services coming up.
install_packages() {
    if ! can_install; then
        fail "please install $*, start a Docker engine, or set TEST_DATABASE_URL and TEST_CACHE_URL"
    fi
    say "installing $*"
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        policy=/usr/sbin/policy-rc.d
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq -o DPkg::Lock::Timeout=300 update >&2 || say "the package lists could not be renewed"
    apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@" </dev/null >&2
    if [ -n "$policy" ]; then
        rm -f "$policy"
        policy=
    fi
}

# A port that nobody listens on, below the range that the system hands out by itself.
free_port() {
    local port
    while :; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

start_postgres() {
    local port locale='' attempt data=$folder/postgres/data log=$folder/postgres/log

    mkdir "$folder/postgres"
    if [ "$(id -u)" -eq 0 ]; then
        local name=postgres
        id "$name" >/dev/null 2>&1 || name=nobody
        user=(runuser -u "$name" --)
        chown "$name" "$folder/postgres"
    fi
    ! locale -a 2>/dev/null | grep -qix 'C\.utf-\{0,1\}8' || locale=C.UTF-8
    (cd / && "${user[@]}" "$pg_bin/initdb" --pgdata "$data" --username runyard --auth trust --encoding UTF8 \
        ${locale:+--locale "$locale"} --no-sync) >"$folder/initdb.log" 2>&1 ||
        { cat "$folder/initdb.log" >&2; fail "initdb failed"; }

    for attempt in 1 2 3 4 5; do
        port=$(free_port)
        pg_started=yes
        # Durability stays as it is in production; there is no socket file, whose path might be too long.
        if (cd / && "${user[@]}" "$pg_bin/pg_ctl" --pgdata "$data" --log "$log" --timeout 60 --wait --silent start \
            --options "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=500") \
            >/dev/null 2>&1; then
            "$pg_bin/createdb" -h 127.0.0.1 -p "$port" -U runyard runyard_test
            export TEST_DATABASE_URL="postgres://runyard@127.0.0.1:$port/runyard_test"
            return
        fi
        stop_postgres
        say "PostgreSQL did not start on port $port (attempt $attempt)"
    done
    cat "$log" >&2
    fail "PostgreSQL does not start"
}

# Whether a Redis answers on this port.
redis_answers() {
    local answer=
    { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
    printf 'PING\r\n' >&3
    read -r -t 2 answer <&3 || true
    exec 3>&-
    [ "$answer" = $'+PONG\r' ]
}

start_redis() {
    local port attempt tries log=$folder/redis.log
    for attempt in 1 2 3 4 5; do
        port=$(free_port)
        # A process group of its own keeps it out of reach of Ctrl-C until the command has ended.
        set -m
        redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$folder" \
            </dev/null >"$log" 2>&1 &
        redis_pid=$!
        set +m
        tries=100
        while [ "$tries" -gt 0 ] && alive "$redis_pid"; do
            if redis_answers "$port" && alive "$redis_pid"; then
                export TEST_CACHE_URL="redis://127.0.0.1:$port/0"
                return
            fi
            sleep 0.1
            tries=$((tries - 1))
        done
        stop_redis
        say "Redis did not start on port $port (attempt $attempt)"
    done
    cat "$log" >&2
    fail "Redis does not start"
}

with_programs() {
    local missing=()
    [ -n "${TEST_DATABASE_URL:-}" ] || find_postgres || missing+=(postgresql)
    [ -n "${TEST_CACHE_URL:-}" ] || command -v redis-server >/dev/null || missing+=(redis-server)
    if [ "${#missing[@]}" -gt 0 ]; then
        install_packages "${missing[@]}"
        [ -n "${TEST_DATABASE_URL:-}" ] || find_postgres || fail "PostgreSQL's programs are still not to be found"
    fi
    folder=$(mktemp -d "${TMPDIR:-/tmp}/runyard-stores.XXXXXX")
    chmod 711 "$folder"
    [ -n "${TEST_DATABASE_URL:-}" ] || start_postgres
    [ -n "${TEST_CACHE_URL:-}" ] || start_redis
}

# --- the command ------------------------------------------------------------------------------------------------

if [ -z "${TEST_DATABASE_URL:-}" ] || [ -z "${TEST_CACHE_URL:-}" ]; then
    with_docker || with_programs
fi
provide_programs_for_outages

# In a process group of its own, so that a signal to this script alone ends the command's children too.
set -m
"$@" &
command_pid=$!
set +m
status=0
wait "$command_pid" || status=$?
command_pid=
exit "$status"
