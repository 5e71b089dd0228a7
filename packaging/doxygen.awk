# include/redis_cache.h as doxygen reads it: the comment that opens it is the main page, the list of options a page of its
# own, and in all comments what doxygen would take for a command, a tag or an entity is text. Lines stay lines, so that its
# warnings name the right ones.

function escaped(text) {
    gsub(/[\\@<>&#]/, "\\\\&", text)
    return text
}

NR == 1 { print "/** \\file */ /** \\mainpage"; inside = page = 1; next }
NR == 3 { print " *"; next } # who made the header
/^\/\*$/ && !options { print "/** \\page options Options"; inside = page = options = 1; next }
/^\/\*/ || /^ +\/\*\*/ { inside = 1; page = 0 }
!inside { print; next }

# Four spaces are code, but in the list of options, where they go on with an item.
page && options { sub(/^ \*     /, " *   ") }
page && options && match($0, /^ \* [a-z_]+ \[/) {
    name = substr($0, 4, RLENGTH - 5)
    $0 = " * - `" name "` " substr($0, RLENGTH)
}
/^ \*     / { print; next }
{
    ends = sub(/ *\*\/$/, "")
    print escaped($0) (ends ? " */" : "")
    if (ends) inside = 0
}
