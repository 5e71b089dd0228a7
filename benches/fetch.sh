#!/bin/sh
# fetch.sh BUILD_DIR: builds the peers that Debian has not, from source. They come from GitHub, or from the git
# repository that BENCH_REDIS_PLUS_PLUS and BENCH_LIBVALKEY name. What is built already is left alone.
set -eu

build=$1
mkdir -p "$build/peers"
cd "$build/peers"

# source NAME REPOSITORY
source_of() {
    [ -d "$1" ] || git clone --quiet --depth 1 "$2" "$1"
}

if [ ! -e redis-plus-plus/done ]; then
    source_of redis-plus-plus "${BENCH_REDIS_PLUS_PLUS:-https://github.com/sewenew/redis-plus-plus}"
    cmake -S redis-plus-plus -B redis-plus-plus/build -DCMAKE_BUILD_TYPE=Release -DREDIS_PLUS_PLUS_BUILD_TEST=OFF \
        -DREDIS_PLUS_PLUS_BUILD_SHARED=OFF -DREDIS_PLUS_PLUS_BUILD_STATIC_WITH_PIC=ON \
        -DCMAKE_INSTALL_PREFIX="$PWD/redis-plus-plus/install" -DCMAKE_INSTALL_LIBDIR=lib
    cmake --build redis-plus-plus/build -j2
    cmake --install redis-plus-plus/build
    touch redis-plus-plus/done
fi

if [ ! -e libvalkey/done ]; then
    source_of libvalkey "${BENCH_LIBVALKEY:-https://github.com/valkey-io/libvalkey}"
    make -C libvalkey static USE_WERROR=0
    touch libvalkey/done
fi

# valkey-glide's C library is in a wheel; what else it wants is not needed for that.
[ -d glide ] || { python3 -m venv venv && venv/bin/pip install -q --no-deps --target glide valkey-glide-sync; }
