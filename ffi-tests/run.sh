#!/bin/sh
# run.sh LIBRARY TARGET PROGRAM [ARGUMENT]: runs a test program on a target (tcp, unix or memory) and tells of it in
# one line, or with all that it wrote when it fails. TOOL, if set, is put before the program.
set -u

library=$1 target=$2 program=$3
shift 3
name=${1:-$(basename "$program")}
log=$(dirname "$program")/log.$library.$target.$name

case $target in
tcp) url="redis://127.0.0.1:$REDIS_CACHE_TEST_PORT/0?prefix=$name-$library-tcp" ;;
unix) url="unix://$REDIS_CACHE_TEST_SOCKET?prefix=$name-$library-unix" ;;
*) url="memory://" ;;
esac

# Suites choose their own database; the other programs are given a URL.
REDIS_CACHE_TEST_TARGET=$target REDIS_CACHE_TEST_URL=$url ${TOOL:-} "$program" "${@:-$url}" >"$log" 2>&1 </dev/null
status=$?
printf '%-8s %-7s %-12s %s\n' "$library" "$target" "$name" "$(tail -n 1 "$log")"
if [ "$status" != 0 ]; then
    sed 's/^/    /' "$log"
    echo "    exit code $status"
    exit 1
fi
