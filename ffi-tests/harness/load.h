/* A loader for get_or_set that does what it is told and counts its calls. */
#ifndef LOAD_H
#define LOAD_H

#include "check.h"

/* What a loader of these tests does, and how often it did. */
struct load {
    const redis_cache *cache;
    const char *text;
    const char *fault; /* NULL: it succeeds */
    int64_t ttl_ms;    /* 0: none of its own */
    int64_t takes_ms;
    int calls;
};

int32_t load(void *user_data, redis_cache_writer *out);
/* Waits until the loader is called. */
void await_load(struct load *job);
/* The same for a loader that finds "known to be absent", for 50 s. */
int32_t load_nothing(void *user_data, redis_cache_writer *out);

/* get_or_set of "key" with this loader is OK and gives this text. */
void check_or_set(int line, const redis_cache *cache, struct load *job, int64_t ttl_ms, const char *want);
#define OR_SET(cache, job, ttl_ms, want) check_or_set(__LINE__, cache, job, ttl_ms, want)

#endif
