#!/bin/sh
# beside.sh SERVERS [COUNT]: starts three servers one after the other, the last with a cluster, and runs the harness
# beside them. All are asked over TCP, for not every peer knows Unix sockets.
set -eu

servers=$1 count=${2:-0}
if [ "$count" -lt 3 ]; then
    [ "$count" = 0 ] || export BENCH_RING="${BENCH_RING:+$BENCH_RING,}redis://127.0.0.1:$REDIS_CACHE_TEST_PORT"
    [ "$count" != 2 ] || export REDIS_CACHE_TEST_TARGETS=cluster
    exec "$servers" with "$0" "$servers" $((count + 1))
fi
export BENCH_SINGLE="redis://127.0.0.1:$REDIS_CACHE_TEST_PORT"
export BENCH_RING="$BENCH_RING,$BENCH_SINGLE"
[ -z "${REDIS_CACHE_TEST_CLUSTER_PORT:-}" ] ||
    export BENCH_CLUSTER="redis://127.0.0.1:$REDIS_CACHE_TEST_CLUSTER_PORT?topology=cluster"

objects=
for peer in $BENCH_PEERS; do objects="$objects $BENCH_BUILD/$peer.so"; done
"$BENCH_BUILD/bench" "$BENCH_KIND" $objects

# System calls: 200 and 600 times under strace; the difference is free of what comes before and after.
calls() {
    BENCH_OPERATION=$1 BENCH_TIMES=$2 strace -f -c -o "$BENCH_BUILD/strace" "$BENCH_BUILD/bench" only "$3" >/dev/null 2>&1 || return
    awk '$NF == "total" { print $4 }' "$BENCH_BUILD/strace"
}
[ "$BENCH_KIND" != smoke ] || exit 0
if ! strace -c -o /dev/null true 2>/dev/null; then
    printf '# system calls\tall\tstrace is not there, or may not look\n'
    exit
fi
for peer in $BENCH_PEERS; do
    for operation in GET SET MGET; do
        few=$(calls $operation 200 "$BENCH_BUILD/$peer.so") && many=$(calls $operation 600 "$BENCH_BUILD/$peer.so") || continue
        printf '~ %s\t%s\t%s\n' "$operation" "$peer" "$(((many - few) * 100 / 400))"
    done
done
