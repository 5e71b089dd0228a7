#!/bin/sh
# symbols.sh LIBRARY HEADER: the shared library exports exactly the functions that the header declares, has the
# soname that programs will look for, and stays loaded.
set -eu

library=$1 header=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

nm -D --defined-only "$library" | awk '$2 ~ /^[A-Z]$/ { print $3 }' | sort -u >"$scratch/exported"
${CC:-cc} -E -P "$header" | grep -o 'redis_cache_[a-z0-9_]* *(' | tr -d ' (' | sort -u >"$scratch/declared"
diff -u "$scratch/declared" "$scratch/exported" >"$scratch/diff" || {
    echo "the header declares (-) and the library exports (+):"
    grep '^[-+]redis\|^+[a-zA-Z_]' "$scratch/diff"
    exit 1
}

soname=$(readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
major=$(${CC:-cc} -E -dM "$header" | awk '$2 == "REDIS_CACHE_VERSION_MAJOR" { print $3 }')
[ "$soname" = "libredis_cache.so.$major" ] || { echo "the soname is '$soname', not libredis_cache.so.$major"; exit 1; }
readelf -d "$library" | grep -q NODELETE || { echo "the library may be unloaded: -z nodelete is missing"; exit 1; }
echo "symbols: $(wc -l <"$scratch/declared") functions, as declared"
