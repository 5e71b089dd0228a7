#!/bin/sh
# deb.sh VERSION FOLDER: what `make` left, as Debian packages in FOLDER: libredis-cache0, the shared library that
# programs need, redis-cache, the command, where there is one, and libredis-cache-dev, all else. `make deb` calls it.
set -eu

version=$1 folder=$2
cd "$(dirname "$0")/.."
major=${version%%.*}
architecture=$(dpkg --print-architecture)
triplet=$(cc -print-multiarch 2>/dev/null || dpkg-architecture -qDEB_HOST_MULTIARCH)
lib=usr/lib/${triplet:?}
runtime=libredis-cache$major development=libredis-cache-dev command=redis-cache
rm -rf "$folder"
mkdir -p "$folder/$runtime/$lib"
"${MAKE:-make}" --no-print-directory -s install DESTDIR="$folder/$development" PREFIX=/usr LIBDIR="/$lib"
mv "$folder/$development/$lib/libredis_cache.so."* "$folder/$runtime/$lib"
gzip -9n "$folder/$development/usr/share/man/man3/redis_cache.3"

if [ -e "$folder/$development/usr/bin/redis-cache" ]; then
    mkdir -p "$folder/$command/usr/share/man"
    mv "$folder/$development/usr/bin" "$folder/$command/usr"
    mv "$folder/$development/usr/share/man/man1" "$folder/$command/usr/share/man"
    for completions in bash-completion zsh fish; do
        mv "$folder/$development/usr/share/$completions" "$folder/$command/usr/share"
    done
    gzip -9n "$folder/$command"/usr/share/man/man1/*.1
fi

# The newest version of a symbol of glibc that a program or a library asks for.
glibc() {
    objdump -T "$1" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1 | sed 's/GLIBC_//'
}

# package NAME SECTION MULTIARCH DEPENDS, its description from the standard input
package() {
    root=$folder/$1
    doc=$root/usr/share/doc/$1
    mkdir -p "$root/DEBIAN" "$doc"
    cp LICENSE "$doc/copyright"
    gzip -9n <CHANGELOG.md >"$doc/changelog.gz"
    chmod -R u=rwX,go=rX "$root"
    (cd "$root" && find usr -type f -exec md5sum {} +) >"$root/DEBIAN/md5sums"
    {
        echo "Package: $1"
        echo "Version: $version-1"
        echo "Architecture: $architecture"
        echo "Multi-Arch: $3"
        echo "Section: $2"
        echo "Priority: optional"
        echo "Source: redis-cache"
        echo "Maintainer: The redis_cache developers <developers@redis-cache.invalid>"
        echo "Homepage: https://github.com/redis-cache/redis-cache"
        echo "Installed-Size: $(du -sk "$root/usr" | cut -f 1)"
        echo "Depends: $4"
        cat
    } >"$root/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$root" "$folder/${1}_$version-1_$architecture.deb"
}

mkdir -p "$folder/$runtime/DEBIAN"
echo "libredis_cache $major $runtime (>= $version)" >"$folder/$runtime/DEBIAN/shlibs"
echo "activate-noawait ldconfig" >"$folder/$runtime/DEBIAN/triggers"
package "$runtime" libs same "libc6 (>= $(glibc "$folder/$runtime/$lib/libredis_cache.so.$major")), libgcc-s1" <<END
Description: synchronous Redis cache for C and C++ (shared library)
 Connection pools, sharding, herd protection and versioned keys behind
 blocking calls with one time budget each. It starts no threads.
END
package "$development" libdevel same "$runtime (= $version-1)" <<END
Description: synchronous Redis cache for C and C++ (development files)
 The headers for C and C++, the static library, and what pkg-config and
 CMake need to find them.
END
[ ! -e "$folder/$command" ] || package "$command" database foreign "libc6 (>= $(glibc "$folder/$command/usr/bin/redis-cache")), libgcc-s1" <<END
Description: looks into a cache of redis_cache, and after its servers
 Entries, sweeps, locks, and a doctor for the servers: what is wrong,
 and what to do.
END
