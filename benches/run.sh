#!/bin/sh
# run.sh LIBRARY_DIR BUILD_DIR KIND: builds the harness and the peers that are there, and runs it (KIND: smoke, quick,
# full) beside private servers. What it finds goes to stdout, and which peers are left out.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
servers=$here/../ffi-tests/harness/server.sh
library=$1 build=$2 kind=$3
mkdir -p "$build"
# Under the name that programs ask for.
ln -sf "$library/libredis_cache.so" "$build/libredis_cache.so.0"

compile() {
    ${CC:-cc} -std=gnu11 -O2 -Wall -Wextra -pthread -I"$here/../include" "$@"
}
skip() {
    printf '# every workload\t%s\t%s\n' "$1" "$2"
}

compile "$here/bench.c" -o "$build/bench" -L"$library" -Wl,-rpath,"$build" -lredis_cache -ldl -lm
compile -shared -fPIC "$here/peers/redis_cache.c" -o "$build/redis_cache.so" -L"$library" -Wl,-rpath,"$build" -lredis_cache
compile -shared -fPIC -DPARSER "$here/peers/redis_cache.c" -o "$build/parser.so" -L"$library" -Wl,-rpath,"$build" -lredis_cache
set -- "$build/redis_cache.so" "$build/parser.so"
if [ "$kind" != smoke ]; then
    if compile -shared -fPIC "$here/peers/hiredis.c" -o "$build/hiredis.so" -lhiredis 2>"$build/hiredis.log"; then
        set -- "$@" "$build/hiredis.so"
    else
        skip hiredis 'not installed (Debian: libhiredis-dev)'
    fi
    if ${CARGO:-cargo} build --quiet --release --manifest-path "$here/redis_crate/Cargo.toml" \
        --target-dir "$build/cargo" >&2; then
        set -- "$@" "$build/cargo/release/libredis_crate.so"
    else
        skip 'redis crate + r2d2' 'it does not build here'
    fi
    for peer in redis-plus-plus libvalkey valkey-glide; do skip "$peer" 'no adapter yet'; done
fi

# Three servers for the ring, of which the first is the single one, and a cluster.
BENCH_KIND=$kind exec "$servers" with sh -c '
    A=$REDIS_CACHE_TEST_SOCKET exec "$0" with sh -c '\''
        B=$REDIS_CACHE_TEST_SOCKET REDIS_CACHE_TEST_TARGETS=cluster exec "$0" with sh -c '\''\'\'''\''
            export BENCH_SINGLE="unix://$A" BENCH_RING="unix://$A,unix://$B,unix://$REDIS_CACHE_TEST_SOCKET"
            [ -z "${REDIS_CACHE_TEST_CLUSTER_PORT:-}" ] ||
                export BENCH_CLUSTER="redis://127.0.0.1:$REDIS_CACHE_TEST_CLUSTER_PORT?topology=cluster"
            program=$1; shift
            exec "$program" "$BENCH_KIND" "$@"
        '\''\'\'''\'' "$0" "$@"
    '\'' "$0" "$@"
' "$servers" "$build/bench" "$@"
