# The manual page redis_cache(3) from include/redis_cache.h: the comment that opens it, which is an example, the rules,
# and how the comments of the functions are to be read; and the next one, which lists the options.

function plain(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    return text ~ /^[.']/ ? "\\&" text : text
}

function section(name) {
    print ".SH " name
}

NR == 1 { next }
/^ \*\// && part == "options" { exit }
/^ \*\// { part = "between"; next }
part == "between" && /^\/\*/ { part = "options"; section("OPTIONS") }
part == "between" || /^\/\*/ { next }
{ sub(/^ \* ?/, "") }

# "name [default] meaning": a paragraph each.
part == "options" && match($0, /^[a-z_]+ \[/) {
    end = index($0, "]")
    print ".TP 4\n.BR " plain(substr($0, 1, RLENGTH - 2)) " \" " plain(substr($0, RLENGTH, end - RLENGTH + 1)) "\""
    $0 = substr($0, end + 2)
}
part == "options" {
    sub(/^ +/, "")
    if (length) print plain($0)
    next
}

NR == 2 {
    print ".TH REDIS_CACHE 3 \"\" \"redis_cache " version "\" \"Library Functions Manual\"\n.nh\n.ad l"
    section("NAME")
    print plain($0)
    section("SYNOPSIS")
    print ".nf\n.B #include <redis_cache.h>\n.B #include <redis_cache.hpp>\n"
    print plain("cc main.c $(pkg-config --cflags --libs redis_cache)\n.fi")
    section("DESCRIPTION")
    print "Every function is described where it is declared, in\n.IR redis_cache.h ,\nand for C++ in\n.IR redis_cache.hpp ."
    next
}

# Who made the header.
NR == 3 { next }

/^    / && !listed {
    if (!code) print ".PP\n.RS 4\n.nf"
    code = 1
    gap = 0
    print plain(substr($0, 5))
    next
}
code { print ".fi\n.RE"; code = 0 }

/^[0-9]+\. / {
    if (!listed) section("RULES")
    listed = 1
    gap = 0
    # "1. Names. redis_cache is ...", or without a title.
    match($0, /^[0-9]+\. ([A-Z][a-z]+( [a-z]+)?\. )?/)
    print ".TP 4\n.B " plain(substr($0, 1, RLENGTH - 1))
    $0 = substr($0, RLENGTH + 1)
}
/^$/ { gap = 1; next }
{
    if (gap && listed == 1) {
        section("NOTES")
        listed = 2
    } else if (gap) {
        print ".PP"
    }
    gap = 0
    sub(/^ +/, "")
    print plain($0)
}

END {
    section("SEE ALSO")
    print ".BR pkg\\-config (1)"
}
