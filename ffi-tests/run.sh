#!/bin/sh
# run.sh LIBRARY TARGET PROGRAM NAME: runs the suite NAME of a program, or the program NAME, on a target (tcp, unix,
# ring or memory) and tells of it in one line, or with all that it wrote when it fails. TOOL, if set, is put before it.
set -u

library=$1 target=$2 program=$3 name=$4
log=$(dirname "$program")/log.$library.$target.$name

# Suites choose their own database on the target; a program is given a URL.
case $(basename "$program") in
suite-* | hpp-*) argument=$name ;;
*)
    case $target in
    tcp) argument="redis://127.0.0.1:$REDIS_CACHE_TEST_PORT?prefix=$name-$library-$target&timeout=10s" ;;
    unix) argument="unix://$REDIS_CACHE_TEST_SOCKET?prefix=$name-$library-$target&timeout=10s" ;;
    ring)
        ring="redis://127.0.0.1:$REDIS_CACHE_TEST_PORT"
        options="prefix=$name-$library-$target&timeout=10s"
        argument="$ring/0?name=a&$options,$ring/1?name=b,$ring/2?name=c"
        ;;
    *) argument="memory://?prefix=$name" ;;
    esac
    ;;
esac

# In the background, so that it ends with us.
REDIS_CACHE_TEST_TARGET=$target ${TOOL:-} "$program" "$argument" >"$log" 2>&1 </dev/null &
job=$!
trap 'kill "$job" 2>/dev/null; exit 143' INT TERM HUP
wait "$job"
status=$?
# A child's complaint may not reach our exit code: what valgrind or a sanitizer writes is a failure too.
[ "$status" != 0 ] || [ -z "${REDIS_CACHE_TEST_TOOL:-}" ] || ! grep -q '^==[0-9]*==' "$log" || status=9
printf '%-8s %-7s %-12s %s\n' "$library" "$target" "$name" "$(tail -n 1 "$log")"
if [ "$status" != 0 ]; then
    sed 's/^/    /' "$log"
    echo "    exit code $status"
    exit 1
fi
