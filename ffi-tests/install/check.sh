#!/bin/sh
# check.sh ROOT BUILT PROGRAMS: what `make` left in BUILT is installed into an empty folder, as are the Debian packages, and
# somebody who knows only that folder builds the README's programs (in PROGRAMS) with it.
set -eu

root=$1 built=$2 programs=$3
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
dir=$(mktemp -d /tmp/redis-cache.XXXXXX)
trap 'rm -rf "$dir"' EXIT
prefix=$dir/prefix
cd "$dir"

say() {
    echo "install-check: $*"
}

fail() {
    say "$*" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# Without the flags of the make that calls this.
make_root() {
    MAKEFLAGS= "${MAKE:-make}" --no-print-directory -s -C "$root" "$@"
}

# The pairs of compilers that are here.
compilers() {
    for pair in "${CC:-gcc} ${CXX:-g++}" "clang clang++"; do
        ! has "${pair% *}" || ! has "${pair#* }" || echo "$pair"
    done | sort -u
}

# build NAME C C++ FLAG...: the programs into the folder NAME
build() {
    name=$1 c=$2 cxx=$3
    shift 3
    mkdir -p "$name"
    for n in 1 2; do
        $c -std=c99 -Wall -Wextra -Werror "$programs/$n.c" "$@" -o "$name/${n}c"
        $cxx -std=c++17 -Wall -Wextra -Werror "$programs/$n.cpp" "$@" -o "$name/${n}cpp"
    done
}

# run FOLDER [LIBRARIES]
run() {
    LD_LIBRARY_PATH=${2:-} "$here/readme.sh" run "$1"
}

needs_no_library() {
    ! readelf -d "$1" | grep -q 'NEEDED.*redis_cache' || fail "$1 is to have the library inside"
}

files_under() {
    (cd "$1" && find . ! -type d | sort)
}

# What the command takes, by its help.
commands() {
    "$prefix/bin/redis-cache" --help | awk '/^Commands:/ { listed = 1; next } /^$/ { listed = 0 } listed && /^  [a-z]/ { print $1 }'
}

# uses_command FOLDER
uses_command() {
    [ "$("$1/redis-cache" --version)" = "redis-cache $version" ] || fail "the command is of another version"
    [ "$("$1/redis-cache" -u memory:// set k v)" = stored ] || fail "the command stores nothing"
}

what_is_installed() {
    make_root install PREFIX="$prefix"
    {
        (cd "$root" && find ./include -name '*.h' -o -name '*.hpp')
        for file in libredis_cache.a libredis_cache.so libredis_cache.so."${version%%.*}" libredis_cache.so."$version" \
            pkgconfig/redis_cache.pc cmake/redis_cache/redis_cache-config.cmake \
            cmake/redis_cache/redis_cache-config-version.cmake; do
            echo "./lib/$file"
        done
        echo ./share/man/man3/redis_cache.3
        echo ./bin/redis-cache
        for name in "" $(commands); do
            echo "./share/man/man1/redis-cache${name:+-$name}.1"
        done
        for file in bash-completion/completions/redis-cache zsh/site-functions/_redis-cache \
            fish/vendor_completions.d/redis-cache.fish; do
            echo "./share/$file"
        done
    } | sort >wanted
    files_under "$prefix" >installed
    diff -u wanted installed || fail "that is not what is to be installed"
    [ "$(commands | wc -l)" -gt 10 ] || fail "the command has no commands"
    uses_command "$prefix/bin"
    ! grep -r '@[A-Z_]*@' "$prefix/lib/pkgconfig" "$prefix/lib/cmake" || fail "a template was not filled in"
    for page in "$prefix"/share/man/man?/*; do
        ! has groff || [ -z "$(groff -man -ww -z -Tutf8 "$page" 2>&1)" ] || fail "groff does not like $page"
    done
    bash -n "$prefix/share/bash-completion/completions/redis-cache" || fail "bash does not like the completions"

    "$here/../header/symbols.sh" "$prefix/lib/libredis_cache.so" "$prefix/include/redis_cache.h"
    nm -D --defined-only "$prefix/lib/libredis_cache.so" | awk '{ print $3 }' | sort >exported
    nm --defined-only --extern-only "$prefix/lib/libredis_cache.a" | awk 'NF == 3 { print $3 }' | sort | diff exported - ||
        fail "the static library is to show what the shared one exports, and nothing else"
}

by_pkg_config() {
    has pkg-config || { say "SKIPPED: pkg-config is not installed"; return; }
    export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
    compilers >pairs
    while read -r c cxx; do
        build "shared-$c" "$c" "$cxx" $(pkg-config --cflags --libs redis_cache)
        run "shared-$c" "$prefix/lib"
        build "static-$c" "$c" "$cxx" $(pkg-config --cflags redis_cache) $(pkg-config --variable=static_libs redis_cache)
        needs_no_library "static-$c/1c"
        run "static-$c"
        say "by pkg-config with $c: shared, static"
    done <pairs
    # glibc says of itself that it looks up names by modules.
    build whole "${CC:-gcc}" "${CXX:-g++}" -static $(pkg-config --static --cflags --libs redis_cache) 2>/dev/null
    run whole
    say "by pkg-config: without any shared library"
}

by_cmake() {
    has cmake || { say "SKIPPED: cmake is not installed"; return; }
    mv "$prefix" "$dir/moved"
    compilers >pairs
    while read -r c cxx; do
        set -- -S "$here" -DCMAKE_C_COMPILER="$c" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_PREFIX_PATH="$dir/moved"
        cmake "$@" -B "cmake-$c" -DPROGRAMS="$programs" >log 2>&1 && cmake --build "cmake-$c" -j 2 >>log 2>&1 ||
            { cat log; fail "cmake with $c"; }
        run "cmake-$c/redis_cache"
        run "cmake-$c/redis_cache_static"
        needs_no_library "cmake-$c/redis_cache_static/1c"
        for other in "${version%%.*}.999" "$((${version%%.*} + 1))"; do
            ! cmake "$@" -B "cmake-$other" -DWANTED="$other" >log 2>&1 || fail "cmake takes $version for $other"
            grep -q "redis_cache" log || fail "cmake fails for another reason"
        done
        say "by CMake with $c: shared, static, in another place than where it was installed"
    done <pairs
    mv "$dir/moved" "$prefix"
}

# Whatever the order, and whether the other one hides its names or not.
beside_others() {
    zstd=$(for file in "$(pkg-config --variable=libdir libzstd 2>/dev/null)/libzstd.a" "$built"/../build/zstd-sys-*/out/libzstd.a; do
        [ ! -e "$file" ] || echo "$file"
    done | head -n 1)
    [ -n "$zstd" ] || fail "there is no libzstd.a"
    rustc --edition 2024 --crate-type staticlib -O "$here/second.rs" -o libsecond.a
    "$root/packaging/one_object.sh" libsecond.a second_ libhidden.a
    for archives in "$prefix/lib/libredis_cache.a libsecond.a $zstd" "$zstd libsecond.a $prefix/lib/libredis_cache.a" \
        "libhidden.a $zstd $prefix/lib/libredis_cache.a"; do
        ${CC:-gcc} -std=c99 -Wall -Wextra -I"$prefix/include" "$here/beside.c" $archives $native_libs -o beside
        said=$(./beside) || fail "beside others: $said"
    done
    say "beside another Rust archive and another zstd: good"
}

megabytes() {
    stat -c %s "$1" | awk '{ printf "%.2f", $1 / 1000000 }'
}

# size WHAT FILE LIMIT: the README says how large it is, within a tenth
size() {
    measured=$(megabytes "$2")
    said=$(awk -F ' *[|] *' -v what="$1" '$2 == what { print $3 + 0 }' "$root/README.md")
    say "$1: $measured MB; the README says $said, the goal is $3"
    echo "$measured ${said:-0} $3" | awk '{ exit !($1 <= $3 && $1 <= $2 * 1.1 && $1 >= $2 * 0.9) }' || fail "that is not as it should be"
}

sizes() {
    grep -qF "\`$native_libs\`" "$root/README.md" || fail "the README does not say that programs need $native_libs"
    ${CC:-gcc} -O2 -s -Wl,--gc-sections "$programs/1.c" -I"$prefix/include" "$prefix/lib/libredis_cache.a" $native_libs -o hello
    size 'the shared library' "$prefix/lib/libredis_cache.so.$version" 4.8
    size 'a program of ten lines with the static library inside' hello 4.4
}

as_debian_packages() {
    has dpkg-deb || { say "SKIPPED: dpkg-deb is not installed"; return; }
    make_root deb >/dev/null
    set -- "$built/../../deb"/*.deb
    [ $# = 3 ] || fail "there are to be three packages, not $*"
    fresh=$dir/fresh
    if [ "$(id -u)" = 0 ]; then
        mkdir -p "$fresh/var/lib/dpkg"
        touch "$fresh/var/lib/dpkg/status"
        # Of all that they need, only they are there.
        dpkg --root="$fresh" --force-depends --install "$@" >log 2>&1 || { cat log; fail "dpkg does not install them"; }
    else
        for package in "$@"; do dpkg-deb --extract "$package" "$fresh"; done
    fi
    uses_command "$fresh/usr/bin"
    lib=$(dirname "$(find "$fresh/usr/lib" -name libredis_cache.a)")
    if has pkg-config; then
        (
            export PKG_CONFIG_SYSROOT_DIR="$fresh" PKG_CONFIG_PATH="$lib/pkgconfig"
            build packaged "${CC:-gcc}" "${CXX:-g++}" $(pkg-config --cflags --libs redis_cache)
        )
        run packaged "$lib"
    fi
    if [ "$(id -u)" = 0 ]; then
        dpkg --root="$fresh" --force-depends --purge redis-cache libredis-cache-dev "libredis-cache${version%%.*}" >log 2>&1 || { cat log; fail "dpkg does not remove them"; }
        [ ! -e "$lib" ] || fail "the packages leave behind: $(files_under "$lib")"
        [ ! -e "$fresh/usr/bin/redis-cache" ] || fail "the packages leave the command behind"
    fi
    say "as Debian packages: installed into a fresh root, and removed"
}

# By cargo-c the same headers, libraries and flags, and no more. Not optimized: here it matters where everything goes.
by_cargo_c() {
    has cargo-cinstall || { say "SKIPPED: cargo-c is not installed"; return; }
    (cd "$root" && ${CARGO:-cargo} cinstall --profile dev --destdir "$dir/c" --prefix /usr --libdir /usr/lib) >log 2>&1 ||
        { cat log; fail "cargo cinstall"; }
    # What it leaves out, the README names.
    make_root install DESTDIR="$dir/made" PREFIX=/usr COMMAND_FILE=
    files_under "$dir/made" | grep -v '/cmake/\|/share/\|/bin/' >wanted
    files_under "$dir/c" | diff -u wanted - || fail "cargo-c installs something else than make"
    (cd "$dir/made/usr/include" && find . -type f -exec cmp {} "$dir/c/usr/include/{}" \;) | sed 's/^/differs: /' >differs
    [ ! -s differs ] || { cat differs; fail "cargo-c installs other headers than make"; }
    "$here/../header/symbols.sh" "$dir/c/usr/lib/libredis_cache.so.$version" "$dir/c/usr/include/redis_cache.h"
    has pkg-config || return 0
    for from in made c; do
        for flags in --cflags --libs --modversion; do
            PKG_CONFIG_SYSROOT_DIR="" PKG_CONFIG_PATH="$dir/$from/usr/lib/pkgconfig" pkg-config --define-prefix $flags redis_cache |
                sed "s|$dir/$from||g"
        done >"flags-$from"
    done
    diff -u flags-made flags-c || fail "the pkg-config files differ"
    (
        export PKG_CONFIG_SYSROOT_DIR="$dir/c" PKG_CONFIG_PATH="$dir/c/usr/lib/pkgconfig"
        build by-cargo-c "${CC:-gcc}" "${CXX:-g++}" $(pkg-config --cflags --libs redis_cache)
    )
    run by-cargo-c "$dir/c/usr/lib"
    say "by cargo-c: the headers, libraries and flags of make install, and programs run"
}

# For musl, as the README says: by a compiler that has a libgcc of its own. What links may be for glibc all the same, so it
# is looked at.
for_musl() {
    machine=$(uname -m)
    target=$machine-unknown-linux-musl musl=${MUSL_CC:-$machine-linux-musl-gcc}
    rustup target list --installed 2>/dev/null | grep -qx "$target" || { say "SKIPPED: musl: Rust has no target $target here"; return; }
    has "$musl" || { say "SKIPPED: musl: there is no $musl, and MUSL_CC names none"; return; }
    name=$(echo "$target" | tr - _)
    export "CC_$name=$musl" "CARGO_TARGET_$(echo "$name" | tr a-z A-Z)_LINKER=$musl"
    RUSTFLAGS=-Ctarget-feature=-crt-static make_root all install COMMAND_FILE= TARGET="$target" PREFIX="$dir/musl" >log 2>&1 ||
        { cat log; fail "make for musl"; }
    CC=$musl "$here/../header/symbols.sh" "$dir/musl/lib/libredis_cache.so" "$dir/musl/include/redis_cache.h"
    needed=$(readelf -d "$dir/musl/lib/libredis_cache.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
    ! echo "$needed" | grep -q '^libc\.so\.6$\|^ld-linux' || fail "the library for musl is one for glibc: it needs" $needed
    musl_libs=$(sed -n 's/^Libs.private: //p' "$dir/musl/lib/pkgconfig/redis_cache.pc")
    $musl -std=c99 -I"$dir/musl/include" "$programs/1.c" "$dir/musl/lib/libredis_cache.a" -static $musl_libs -o musl1c
    [ "$(./musl1c)" = hello ] || fail "the program for musl does not say hello"
    $musl -std=c99 -I"$dir/musl/include" "$programs/1.c" -L"$dir/musl/lib" -lredis_cache -o musl1c
    say "for musl: a static program runs, and one with the shared library links; that needs" $needed
}

what_is_left() {
    make_root uninstall PREFIX="$prefix"
    [ -z "$(files_under "$prefix")" ] || fail "uninstall leaves $(files_under "$prefix")"
    git -C "$root" rev-parse HEAD >/dev/null 2>&1 || { say "SKIPPED: no tarball without git"; return; }
    tarball=$(make_root dist)
    git -C "$root" ls-tree -r --name-only HEAD | sed "s|^|redis_cache-$version/|" | sort >wanted
    tar tzf "$tarball" | grep -v '/$' | sort | diff wanted - || fail "the tarball has not what git has"
    say "uninstall leaves nothing; the tarball has everything"
}

version=$(awk -F '"' '/^version = / { print $2; exit }' "$root/Cargo.toml")
native_libs=$(cat "$built/native-static-libs")
what_is_installed
by_pkg_config
by_cmake
beside_others
sizes
as_debian_packages
by_cargo_c
for_musl
what_is_left
