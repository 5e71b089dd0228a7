#!/bin/sh
# count.sh PROGRAM LIMITS: user-space instructions of one operation, as callgrind counts them, beside the most it may take,
# the goal and the best of the peers. Run within `server.sh with`. Rows whose server is not here are left out, and said.
set -eu

program=$1 limits=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# Else `rep movsb` is counted byte by byte.
export GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1000000000

# Nothing that the clock of a slow run brings about: no new lease, no look at a connection that rested.
slowly='lease=10m&timeout=1m&connect_timeout=1m&idle_check=10m'
unix=unix://$REDIS_CACHE_TEST_SOCKET

# location WHERE
location() {
    case $1 in
    unix) echo "$unix?$slowly" ;;
    timed) echo "$unix?db=6&latencies=true&$slowly" ;;
    timed_memory) echo "memory://timed?latencies=true&$slowly" ;;
    near) echo "$unix?db=5&near=8m&near_max_lag=10m&$slowly" ;;
    stale) echo "$unix?db=4&stale=1m&$slowly" ;;
    ring) echo "$unix?db=1&name=a&$slowly,$unix?db=2&name=b,$unix?db=3&name=c" ;;
    memory) echo "memory://count?$slowly" ;;
    cluster) [ -z "${REDIS_CACHE_TEST_CLUSTER_PORT:-}" ] ||
        echo "redis://127.0.0.1:$REDIS_CACHE_TEST_CLUSTER_PORT?topology=cluster&$slowly" ;;
    tls) [ -z "${REDIS_CACHE_TEST_TLS_PORT:-}" ] ||
        echo "rediss://127.0.0.1:$REDIS_CACHE_TEST_TLS_PORT?tls_ca=$REDIS_CACHE_TEST_TLS_CA&$slowly" ;;
    esac
}

# count WHERE OPERATION...: one line an operation, of its cheapest round
count() {
    where=$1 url=$(location "$1")
    shift
    if [ -z "$url" ]; then
        echo "count: no server here for $where" >&2
        return
    fi
    times=$(valgrind --quiet --tool=callgrind --callgrind-out-file="$dir/$where" "$program" "$url" "$@" 2>"$dir/log.$where") ||
        { cat "$dir/log.$where" >&2; exit 1; }
    for dump in "$dir/$where".*; do
        sed -n 's/^desc: Trigger: Client Request: //p; s/^totals: //p' "$dump" | paste -s -d ' ' -
    done | awk -v where="$where" -v times="$times" '
        NF == 2 && (!($1 in least) || $2 < least[$1]) { least[$1] = $2 }
        END { for (name in least) printf "%s %s %d\n", where, name, least[name] / times }'
}

# All at the same time: what is counted does not depend on how long it takes.
for where in $(awk '!/^#/ && !seen[$1]++ { print $1 }' "$limits"); do
    (count "$where" $(awk -v where="$where" '$1 == where { print $2 }' "$limits") >"$dir/counted.$where") &
    counting="${counting:-} $!"
done
for one in $counting; do wait "$one"; done
cat "$dir"/counted.* >"$dir/counted"

awk '
    NR == FNR { now[$1 " " $2] = $3; next }
    /^#/ || !(($1 " " $2) in now) { next }
    !rows++ { printf "%-8s %-17s %9s %9s %9s  %s\n", "where", "operation", "now", "at most", "goal", "best peer" }
    {
        is = now[$1 " " $2]
        note = is > $3 ? "  <- too many" : is > $4 ? "  (short of its goal: may not get dearer)" : ""
        if (is > $3) bad = 1
        peer = $5 == "-" ? "-" : $5 " " $6
        printf "%-8s %-17s %9d %9d %9d  %-22s%s\n", $1, $2, is, $3, $4, peer, note
    }
    END { exit bad }' "$dir/counted" "$limits"
