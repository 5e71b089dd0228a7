#!/bin/sh
# Starts the site: a Redis of its own, the service in C and the Django project. It ends with Ctrl-C, and with it all that
# it has started.
#   run.sh               says where the page is
#   run.sh COMMAND...    runs COMMAND beside the site, which ends with it; SITE_C and SITE_DJANGO say where they are
# It takes Rust, a C compiler, libmicrohttpd, redis-server and Python 3. Django and cffi come from PyPI, once, into
# target/site, unless PYTHON (python3, when nothing is said) has them. CC and REDIS_SERVER are respected. SITE_LAYOUT=tagged
# gives values their headers, and with them leases.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-target}
python=${PYTHON:-python3}

fail() {
    echo "site: $*" >&2
    exit 1
}

needs() {
    command -v "$1" >/dev/null || fail "$1 is needed (Debian: $2)"
}

case $target in
/*) ;;
*) target=$root/$target ;;
esac
mkdir -p "$target/site/lib"
build=$(CDPATH= cd -- "$target/site" && pwd)
redis=${REDIS_SERVER:-redis-server}
needs "$redis" redis-server
needs "$python" python3

# The library and its header. SITE_LIBRARY is one that is built already.
if [ -z "${SITE_LIBRARY:-}" ]; then
    needs cargo cargo
    echo "site: building the library, which takes a minute or two the first time"
    (cd "$root" && cargo build --quiet --lib)
    SITE_LIBRARY=$target/debug/libredis_cache.so
fi
ln -sf "$SITE_LIBRARY" "$build/lib/libredis_cache.so"
ln -sf libredis_cache.so "$build/lib/libredis_cache.so.0"
export REDIS_CACHE_LIBRARY="$build/lib/libredis_cache.so.0" REDIS_CACHE_HEADER="$root/include/redis_cache.h"

# The service in C.
${CC:-cc} -std=c11 -D_POSIX_C_SOURCE=200809L -O1 -g -Wall -Wextra -pthread "$here/service.c" \
    -I"$root/include" -L"$build/lib" "-Wl,-rpath,$build/lib" -lredis_cache -lmicrohttpd -o "$build/service" ||
    fail "the service does not build; libmicrohttpd is needed (Debian: libmicrohttpd-dev)"

# The Django project.
if ! "$python" -c 'import cffi; from django import VERSION' 2>/dev/null; then
    python=$build/venv/bin/python
    if ! "$python" -c 'import cffi; from django import VERSION' 2>/dev/null; then
        echo "site: installing Django and cffi from PyPI into $build/venv"
        "${PYTHON:-python3}" -m venv "$build/venv" || fail "python3 with venv is needed (Debian: python3-venv)"
        grep -E '^(Django|cffi)==' "$root/ffi-tests/python/requirements.txt" >"$build/requirements.txt"
        "$python" -m pip install --quiet --disable-pip-version-check -r "$build/requirements.txt"
    fi
fi
export PYTHONPATH="$root/ffi-tests/python${PYTHONPATH:+:$PYTHONPATH}" PYTHONDONTWRITEBYTECODE=1

# Python would ask a proxy for the neighbours too.
export no_proxy="127.0.0.1${no_proxy:+,$no_proxy}"

dir=$(mktemp -d /tmp/redis-cache-site.XXXXXX) # short: a socket's path has 107 bytes
pids=
stop() {
    trap '' INT TERM HUP
    [ -z "$pids" ] || kill $pids 2>/dev/null || :
    wait
    rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# What is started must show a sign of life while it lives.
# await PID LOG COMMAND...
await() {
    pid=$1 log=$2
    shift 2
    until "$@"; do
        kill -0 "$pid" 2>/dev/null || { cat "$log" >&2; exit 1; }
        sleep 0.05
    done
}

# A socket instead of a port: nobody else can be on it.
"$redis" --port 0 --unixsocket "$dir/redis.sock" --unixsocketperm 700 --save '' --appendonly no --dir "$dir" \
    >"$dir/redis.log" 2>&1 &
pids="$pids $!"
await $! "$dir/redis.log" test -S "$dir/redis.sock"

export SITE_LAYOUT="${SITE_LAYOUT:-plain}"
# The same database, prefix, layout and waits as CACHES in django/project.py.
"$build/service" "$dir/redis.sock?db=1&prefix=site&layout=$SITE_LAYOUT&timeout=5s&wait=30s" \
    >"$dir/service.port" 2>"$dir/service.log" &
pids="$pids $!"
await $! "$dir/service.log" test -s "$dir/service.port"
export SITE_C="http://127.0.0.1:$(cat "$dir/service.port")"

export SITE_REDIS="$dir/redis.sock"
"$python" "$here/django/project.py" >"$dir/django.port" 2>"$dir/django.log" &
pids="$pids $!"
await $! "$dir/django.log" test -s "$dir/django.port"
export SITE_DJANGO="http://127.0.0.1:$(cat "$dir/django.port")"

if [ $# -gt 0 ]; then
    # In the background, so that a signal is heard at once.
    "$@" &
    command=$!
    pids="$pids $command"
    status=0
    wait "$command" || status=$?
    [ "$status" = 0 ] || cat "$dir/service.log" "$dir/django.log" >&2
    exit "$status"
fi
cat <<TEXT
The page:  $SITE_DJANGO/
Django:    $SITE_DJANGO/users/7
C:         $SITE_C/users/7
Redis:     redis-cli -s $SITE_REDIS -n 1
Ctrl-C ends all of them.
TEXT
wait
