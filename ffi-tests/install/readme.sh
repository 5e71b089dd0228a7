#!/bin/sh
# The examples in the README, as they stand there: each block is a program.
#   readme.sh extract README FOLDER   leaves them in FOLDER: 1.c, 2.c, 1.cpp and 2.cpp
#   readme.sh run FOLDER              the programs 1c, 2c, 1cpp and 2cpp say what the README promises
set -eu

says() {
    said=$("$1" | tr '\n' ';')
    [ "$said" = "$2;" ] || { echo "$1 says: $said"; exit 1; }
}

case $1 in
extract)
    mkdir -p "$3"
    for language in c cpp; do
        awk -v language=$language -v to="$3/" '$0 == "```" language { n++; file = to n "." language; next } \
            /^```/ { file = "" } file { print >file }' "$2"
    done
    ;;
run)
    says "$2/1c" "hello"
    says "$2/2c" "<h1>Hi</h1>;REDIS_CACHE_NOT_FOUND, and computed;the lock is ours"
    says "$2/1cpp" "hello;<h1>Hi</h1>"
    says "$2/2cpp" "Ada, somebody;Ada was there;the lock is ours until here"
    ;;
esac
