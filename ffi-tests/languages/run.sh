#!/bin/sh
# The tours in other languages, on a real server: each must print what expected.txt says. What they say on the
# standard error, as a newer Java does of every native library, is shown when they fail.
#   run.sh LIBRARY INCLUDE BUILD    within `server.sh with`
# A language that is not on this machine is skipped, and says so. koffi comes from npm, once, into build/languages, JNA from
# Debian; REDIS_CACHE_NO_PYPI=1 goes without what would have to be fetched.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
library=$1 include=$2 build=$3/languages
examples=$here/../../examples
place=$here/../build/languages
mkdir -p "$build" "$place"
ln -sf "$library" "$build/libredis_cache.so"
ln -sf "$library" "$build/libredis_cache.so.0"
export LD_LIBRARY_PATH="$build${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
failed=0

skip() {
    echo "languages: $1: skipped: $2"
}

may_fetch() {
    [ "${REDIS_CACHE_NO_PYPI:-}" != 1 ]
}

# tour LANGUAGE COMMAND...
tour() {
    language=$1
    shift
    if ! timeout 120 "$@" "redis://127.0.0.1:$REDIS_CACHE_TEST_PORT/1?prefix=tour-$language&timeout=20s" \
        >"$build/$language.out" 2>"$build/$language.err" ||
        ! diff "$here/expected.txt" "$build/$language.out"; then
        cat "$build/$language.err"
        echo "languages: $language: FAILED"
        failed=1
    else
        echo "languages: $language: as expected"
    fi
}

node_tour() {
    command -v node >/dev/null || { skip node "there is no node"; return; }
    if [ ! -e "$place/node_modules/koffi" ]; then
        may_fetch && command -v npm >/dev/null || { skip node "koffi is not to be had"; return; }
        echo "languages: fetching koffi from npm, the first time"
        npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$place" koffi@3.3.4 >"$place/npm.log" 2>&1 ||
            { skip node "npm does not give koffi; see $place/npm.log"; return; }
    fi
    NODE_PATH="$place/node_modules" tour node node "$examples/tour.js"
}

java_tour() {
    command -v javac >/dev/null || { skip java "there is no JDK"; return; }
    jna=/usr/share/java/jna.jar
    [ -e "$jna" ] || { may_fetch && "$here/../harness/server.sh" install libjna-java; } ||
        { skip java "there is no JNA (Debian: libjna-java)"; return; }
    javac -Xlint:all -Werror -cp "$jna" -d "$build" "$examples/Tour.java" || { failed=1; return; }
    tour java java -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$jna:$build" "-Djna.library.path=$build" Tour
}

go_tour() {
    command -v go >/dev/null || { skip go "there is no go"; return; }
    go vet "$examples/tour.go" && [ -z "$(gofmt -l "$examples/tour.go")" ] || { echo "languages: go: not in form"; failed=1; }
    go build -o "$build/tour-go" "$examples/tour.go" || { failed=1; return; }
    tour go "$build/tour-go"
}

export CGO_CFLAGS="-I$include" CGO_LDFLAGS="-L$build" GO111MODULE=off GOCACHE="$place/go" CGO_ENABLED=1
node_tour
java_tour
go_tour
exit $failed
