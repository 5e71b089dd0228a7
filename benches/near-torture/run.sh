#!/bin/sh
# run.sh LIBRARY_DIR [SECONDS]: what near caches promise and what they cost, ours and that of redis-py (from PyPI, in a
# folder of its own beside the library), each against a private server: values that were old although the news had come,
# the oldest value handed out, own writes that were not read, and the speed of hits on 20 000 keys of 100 bytes.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
library=$(CDPATH= cd -- "$1" && pwd) seconds=${2:-5}
servers=$here/../../ffi-tests/harness/server.sh
build=$library/../near-torture
mkdir -p "$build"
ln -sf "$library/libredis_cache.so" "$build/libredis_cache.so.0"
${CC:-cc} -std=gnu11 -O2 -Wall -Wextra -pthread -I"$here/../../include" "$here/torture.c" -o "$build/torture" \
    -L"$library" -Wl,-rpath,"$build" -lredis_cache

echo "| client | old after the news | oldest, ms | own writes not read | hit, ns | reads/s, 1 thread | 8 threads |"
echo "|---|---|---|---|---|---|---|"
# shellcheck disable=SC2016 # the inner shell knows the ports
"$servers" with sh -c '"$1/torture" "redis://127.0.0.1:$REDIS_CACHE_TEST_PORT" "$2"' - "$build" "$seconds"
if [ ! -x "$build/venv/bin/python" ]; then
    { python3 -m venv "$build/venv" && "$build/venv/bin/pip" install --quiet 'redis>=5.1'; } >"$build/venv.log" 2>&1 || {
        rm -rf "$build/venv"
        echo "run.sh: redis-py is left out: it could not be installed; see $build/venv.log" >&2
        exit 0
    }
fi
# shellcheck disable=SC2016
"$servers" with sh -c '"$1/venv/bin/python" "$2/peer.py" "$REDIS_CACHE_TEST_PORT" "$3"' - "$build" "$here" "$seconds"
