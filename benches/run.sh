#!/bin/sh
# run.sh LIBRARY_DIR BUILD_DIR KIND: builds the harness and the peers that are there, and runs it (KIND: smoke, quick,
# full) beside private servers. What it finds goes to stdout, and which peers are left out and why. BENCH_FETCH=1 has
# fetch.sh get the peers that are not installed.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
servers=$here/../ffi-tests/harness/server.sh
library=$1 build=$2 kind=$3
fetched=$build/peers
mkdir -p "$build"
# Under the name that programs ask for.
ln -sf "$library/libredis_cache.so" "$build/libredis_cache.so.0"

compile() {
    ${CC:-cc} -std=gnu11 -O2 -Wall -Wextra -pthread -I"$here/../include" "$@"
}
object() {
    compile -shared -fPIC "$@"
}
skip() {
    printf '# every workload\t%s\t%s\n' "$1" "$2"
}
# peer NAME WHY COMMAND... -o OBJECT...: one that may not be there.
peer() {
    name=$1 why=$2
    shift 2
    rm -f "$build/$name.so"
    if "$@" -o "$build/$name.so" 2>"$build/$name.log"; then peers="$peers $name"; else skip "$name" "$why; see $build/$name.log"; fi
}

ours="-L$library -Wl,-rpath,$build -lredis_cache"
compile "$here/bench.c" -o "$build/bench" $ours -ldl -lm
object "$here/peers/redis_cache.c" -o "$build/redis_cache.so" $ours
object -DVARIANT='"parser=redis"' "$here/peers/redis_cache.c" -o "$build/parser.so" $ours
object -DVARIANT='"pipelining=off"' -DPOOL=2 "$here/peers/redis_cache.c" -o "$build/pipelining.so" $ours
peers="redis_cache parser pipelining"
if [ "$kind" != smoke ]; then
    [ -z "${BENCH_FETCH:-}" ] || "$here/fetch.sh" "$build" >"$build/fetch.log" 2>&1 ||
        echo "run.sh: not every peer could be fetched; see $build/fetch.log" >&2
    peer hiredis 'not installed (Debian: libhiredis-dev)' object "$here/peers/hiredis.c" -lhiredis
    peer libvalkey 'neither installed nor fetched (BENCH_FETCH=1)' object -DVALKEY "$here/peers/hiredis.c" \
        -I"$fetched/libvalkey/include" -L"$fetched/libvalkey/lib" -lvalkey
    peer redis-plus-plus 'neither installed nor fetched (BENCH_FETCH=1)' ${CXX:-c++} -std=c++17 -O2 -Wall -Wextra -shared \
        -fPIC -pthread "$here/peers/redis_plus_plus.cpp" -I"$fetched/redis-plus-plus/install/include" \
        -L"$fetched/redis-plus-plus/install/lib" -lredis++ -lhiredis
    glide=$(find "$fetched/glide" -name libglide_ffi.so 2>/dev/null | head -n 1)
    wheel=$(find "$fetched/glide" -maxdepth 1 -name 'valkey_glide_sync-*.dist-info' 2>/dev/null | head -n 1)
    wheel=${wheel##*/valkey_glide_sync-}
    peer valkey-glide 'not fetched (BENCH_FETCH=1)' object -DVERSION="\"${wheel%.dist-info}\"" "$here/peers/glide.c" \
        "${glide:-/none}" -Wl,-rpath,"${glide%/*}"
    if ${CARGO:-cargo} build --quiet --release --manifest-path "$here/redis_crate/Cargo.toml" \
        --target-dir "$build/cargo" >&2; then
        cp "$build/cargo/release/libredis_crate.so" "$build/redis_crate.so"
        peers="$peers redis_crate"
    else
        skip 'redis crate + r2d2' 'it does not build here'
    fi
fi

export BENCH_KIND="$kind" BENCH_BUILD="$build" BENCH_PEERS="$peers"
exec "$here/beside.sh" "$servers"
