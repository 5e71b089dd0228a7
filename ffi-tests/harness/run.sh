#!/bin/sh
# run.sh LIBRARY TARGET PROGRAM NAME: runs the suite NAME of a program, or the program NAME, on a target (tcp, unix,
# tls, primary, sentinel, ring, cluster or memory) and tells of it in one line, or with all that it wrote when it fails,
# which the file `failures` beside the program keeps too. TOOL, if set, is put before it.
set -u

library=$1 target=$2 program=$3 name=$4
log=$(dirname "$program")/log.$library.$target.$name

tell() {
    printf '%-8s %-8s %-12s %s\n' "$library" "$target" "$name" "$1"
}

case $target in
tls) [ -n "${REDIS_CACHE_TEST_TLS_PORT:-}" ] || missing="openssl, or TLS in redis-server" ;;
cluster) [ -n "${REDIS_CACHE_TEST_CLUSTER_PORT:-}" ] || missing=redis-cli ;;
esac
if [ -n "${missing:-}" ]; then
    tell "left out: there is no $missing"
    exit 0
fi

# Suites choose their own database on the target; a program is given a URL.
case $(basename "$program") in
suite-* | hpp-*) argument=$name ;;
*)
    options="prefix=$name-$library-$target&timeout=10s"
    server="127.0.0.1:$REDIS_CACHE_TEST_PORT"
    case $target in
    tcp) argument="redis://$server?$options" ;;
    unix) argument="unix://$REDIS_CACHE_TEST_SOCKET?$options" ;;
    tls) argument="rediss://localhost:$REDIS_CACHE_TEST_TLS_PORT?tls_ca=$REDIS_CACHE_TEST_TLS_CA&$options" ;;
    primary) argument="redis://$server?primary=$server&$options,redis://127.0.0.1:$REDIS_CACHE_TEST_REPLICA_PORT" ;;
    sentinel) argument="127.0.0.1:$REDIS_CACHE_TEST_SENTINEL_PORT?topology=sentinel&sentinel_name=tests&$options" ;;
    ring) argument="redis://$server/0?name=a&$options,redis://$server/1?name=b,redis://$server/2?name=c" ;;
    cluster) argument="redis://127.0.0.1:$REDIS_CACHE_TEST_CLUSTER_PORT?topology=cluster&$options" ;;
    *) argument="memory://?prefix=$name" ;;
    esac
    ;;
esac

# In the background, so that it ends with us.
REDIS_CACHE_TEST_TARGET=$target ${TOOL:-} "$program" "$argument" >"$log" 2>&1 </dev/null &
job=$!
trap 'kill "$job" 2>/dev/null; exit 143' INT TERM HUP
wait "$job"
status=$?
# A child's complaint may not reach our exit code: what valgrind or a sanitizer writes is a failure too.
[ "$status" != 0 ] || [ -z "${REDIS_CACHE_TEST_TOOL:-}" ] || ! grep -q '^==[0-9]*==' "$log" || status=9
if [ "$status" != 0 ]; then
    {
        tell "FAILED"
        sed 's/^/    /' "$log"
        echo "    exit code $status"
    } | tee -a "$(dirname "$program")/failures"
    exit 1
fi
tell "$(tail -n 1 "$log")"
