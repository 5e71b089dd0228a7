#!/bin/sh
# count.sh PROGRAM: user-space instructions of one operation through the C API, over a Unix socket, and the most it may
# take. PROGRAM runs it 500 and 1500 times under callgrind; the difference is free of what comes before and after.
set -eu

program=$1
log=$(mktemp)
trap 'rm -f "$log"' EXIT

instructions() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "unix://$REDIS_CACHE_TEST_SOCKET?lease=10m&timeout=1m&connect_timeout=1m" "$1" "$2" \
        >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
    sed -n 's/.*Collected *: *//p' "$log"
}

status=0
measure() {
    few=$(instructions "$1" 500)
    many=$(instructions "$1" 1500)
    each=$(((many - few) / 1000))
    note=
    [ "$each" -le "$2" ] || { note=" <- too many" status=1; }
    printf '%-14s %7d   at most %d%s\n' "$1" "$each" "$2" "$note"
}

measure get 1500
measure get_into 1300
measure set 2000
measure get_many_100 60000
# As many reads as the kernel makes of it.
measure get_1mb 8000
measure computed_hit 3000
measure computed_stale 3000
measure computed_miss 12000
exit "$status"
