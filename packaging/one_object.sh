#!/bin/sh
# one_object.sh ARCHIVE PREFIX RESULT: an archive of one object, in which only functions whose names begin with PREFIX can
# be seen. Rust's own library and everything built in stay, but under no name: another Rust archive, or another zstd,
# links beside it.
set -eu

archive=$1 prefix=$2 result=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

nm --defined-only --extern-only "$archive" 2>/dev/null | awk -v prefix="$prefix" \
    'NF == 3 && index($3, prefix) == 1 { print $3 }' | sort -u >"$scratch/visible"
[ -s "$scratch/visible" ] || { echo "one_object.sh: nothing in $archive begins with $prefix" >&2; exit 1; }
sed 's/^/--undefined=/' "$scratch/visible" >"$scratch/roots"

# Groups are dissolved: a linker drops the second of two that are called alike, as Rust's are in every archive, and what is
# hidden here must not lie in the dropped one.
ld -r --gc-sections --force-group-allocation "@$scratch/roots" --whole-archive "$archive" -o "$scratch/whole.o"
name=$(basename "$result" .a).o
# LLVM's bitcode, which Rust's own library brings, is of no use any more, and upsets other versions of LLVM.
objcopy --keep-global-symbols="$scratch/visible" --strip-unneeded --remove-section=.llvmbc --remove-section=.llvmcmd \
    "$scratch/whole.o" "$scratch/$name"
rm -f "$result"
ar rcsD "$result" "$scratch/$name"
