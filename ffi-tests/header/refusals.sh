#!/usr/bin/env bash
# refusals.sh INCLUDE WORK COMPILER STANDARD: every case of refusals.txt is refused by the compiler, in our words.
set -euo pipefail

include=$1 work=$2 compiler=$3 standard=$4
cases=$(dirname "$0")/refusals.txt
flags=("-std=$standard" -Wall -Wextra -Werror -I"$include")
rm -rf "$work" && mkdir -p "$work"
export LC_ALL=C

cat >"$work/prelude.hpp" <<'END'
#include "redis_cache.hpp"
#include <map>
#include <string>
#include <vector>
using namespace std::chrono_literals;
END
# The header is read once; each case then takes a moment.
"$compiler" "${flags[@]}" -Wno-error -x c++-header "$work/prelude.hpp" -o "$work/prelude.hpp.gch"
if "$compiler" --version | grep -q clang; then
    prelude=(-include-pch "$work/prelude.hpp.gch")
else
    prelude=(-include "$work/prelude.hpp")
fi

count=0 failed=0
complain() {
    printf '%s, %s: "%s": %s\n' "$compiler" "$standard" "$name" "$1"
    sed 's/^/    /' "$work/said" | head -20
    failed=1
}

judge() {
    [ -n "$name" ] || return 0
    count=$((count + 1))
    local refused=0
    if [ -n "$alone" ]; then
        echo '#include "redis_cache.hpp"' >"$work/case.cpp"
        # shellcheck disable=SC2086 # flags are words
        "$compiler" "${flags[@]}" $alone -fsyntax-only "$work/case.cpp" >"$work/said" 2>&1 || refused=1
    else
        printf 'void refused(const rediscache::Cache &cache);\nvoid refused(const rediscache::Cache &cache) {\n%s}\n' \
            "$code" >"$work/case.cpp"
        "$compiler" "${flags[@]}" -Wno-unused-variable -Wno-unused-parameter "${prelude[@]}" -fsyntax-only \
            "$work/case.cpp" >"$work/said" 2>&1 || refused=1
    fi
    if [ "$says" = "" ]; then
        [ $refused = 0 ] || complain "does not compile"
    elif [ $refused = 0 ]; then
        complain "compiles"
    elif ! grep -qF -- "$says" "$work/said"; then
        complain "is refused without a word of '$says'"
    elif [ -n "$once" ] && [ "$(grep -cE '(^|[: ])error:' "$work/said")" != 1 ]; then
        complain "is refused in more than one sentence"
    fi
}

name=
while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    "== "*) judge; name=${line#== } says= once= alone= code= ;;
    "says "*) says=${line#says } ;;
    once) once=1 ;;
    "alone "*) alone=${line#alone } ;;
    compiles | "") ;;
    *) code+=$line$'\n' ;;
    esac
done <"$cases"
judge
echo "refusals: $count cases by $compiler in $standard"
exit $failed
