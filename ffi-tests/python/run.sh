#!/bin/sh
# The Python package: its wheel, its tests, its benchmark.
#   run.sh wheel LIBRARY INCLUDE BUILD    builds the wheel into BUILD/wheel, with the library inside, stripped
#   run.sh test LIBRARY INCLUDE BUILD     runs the tests, within `server.sh with`
#   run.sh environment LIBRARY INCLUDE BUILD    installs the packages only
#   run.sh bench LIBRARY INCLUDE BUILD    prints the table of the benchmark, within `server.sh with`
# Packages come from PyPI, once, into build/python.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
library=$2 include=$3 build=$4
place=$here/../build/python
python=$place/venv/bin/python

# quietly LOG COMMAND...
quietly() {
    log=$1
    shift
    "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
}

environment() {
    mkdir -p "$place"
    cmp -s "$here/requirements.txt" "$place/installed.txt" && return
    echo "python: installing packages from PyPI, the first time"
    rm -rf "$place/venv"
    python3 -m venv "$place/venv" || { echo "python3 with venv is needed (Debian: python3-venv)" >&2; exit 1; }
    quietly "$place/pip.log" "$python" -m pip install --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$place/installed.txt"
}

# The tests of Django and django-redis, which are in their source packages only.
sources() {
    mkdir -p "$place/sources"
    for package in Django django-redis; do
        wanted=$(grep "^$package==" "$here/requirements.txt")
        [ ! -e "$place/sources/$wanted" ] || continue
        echo "python: fetching the tests of $wanted"
        quietly "$place/pip.log" "$python" -m pip download --disable-pip-version-check --no-deps \
            --no-binary :all: --no-build-isolation --dest "$place/sources" "$wanted"
        archive=$(find "$place/sources" -iname "$(echo "$wanted" | sed 's/==/-/; s/-/?/g').tar.gz")
        mkdir -p "$place/sources/$package"
        tar xzf "$archive" -C "$place/sources/$package" --strip-components=1
        touch "$place/sources/$wanted"
    done
}

stage() {
    rm -rf "$build/python"
    mkdir -p "$build/python" "$build/wheel"
    cp -r "$here/redis_cache_native" "$here/setup.py" "$build/python/"
    rm -rf "$build/python/redis_cache_native/__pycache__"
    cp "$include/redis_cache.h" "$build/python/redis_cache_native/"
    strip --strip-all -o "$build/python/redis_cache_native/libredis_cache.so.0" "$library"
}

wheel() {
    rm -f "$build"/wheel/*.whl
    # Beside what is staged, setuptools would leave folders that are imported instead.
    rm -rf "$build/wheel/source" && cp -r "$build/python" "$build/wheel/source"
    quietly "$build/wheel/log" "$python" -m pip wheel --disable-pip-version-check --no-deps --no-build-isolation \
        --wheel-dir "$build/wheel" "$build/wheel/source"
    rm -rf "$build/wheel/source"
    wheel=$(echo "$build"/wheel/*.whl)
    echo "wheel: $(basename "$wheel"), $(($(wc -c <"$wheel") / 1024)) KiB"
}

environment
[ "$1" != environment ] || exit 0
stage
export PYTHONPATH="$build/python" PYTHONDONTWRITEBYTECODE=1
case $1 in
wheel)
    wheel
    ;;
test)
    sources
    wheel
    export REDIS_CACHE_WHEEL="$wheel" REDIS_CACHE_TEST_SOURCES="$place/sources"
    cd "$here/tests"
    "$python" -m pytest -q -p no:cacheprovider ${PYTEST_OPTIONS:-} .
    ;;
bench)
    "$python" "$here/tests/bench.py"
    ;;
esac
