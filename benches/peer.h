/* What the harness asks of a client. Each lives in a shared object of its own under peers/, exports `bench_peer`, and is
 * loaded when it could be built. A handle is used by many threads at once only if `pool` is not 0; with 2 it is compared in
 * nothing else. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stddef.h>

struct text {
    const char *data;
    size_t len;
};

struct peer {
    const char *name, *version;
    int pool;
    void *(*open)(const char *location, int connections); /* NULL: not possible */
    long (*get)(void *, struct text key);                 /* length of the value; -1 */
    int (*set)(void *, struct text key, struct text value); /* with 300 s to live; 0, or another number: failed */
    int (*mget)(void *, const struct text *keys, size_t count); /* 0: all of them are there */
    int (*mset)(void *, const struct text *keys, size_t count, struct text value);
    void (*close)(void *);
};

#endif
