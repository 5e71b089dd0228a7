/* This library; with VARIANT defined, with that option. */
#include "../peer.h"
#include "redis_cache.h"

#include <stdio.h>
#include <string.h>

#ifdef VARIANT
#define NAME "redis_cache, " VARIANT
#define AND "&" VARIANT
#else
#define NAME "redis_cache"
#define AND ""
#endif
#ifndef POOL
#define POOL 1
#endif
#define TTL 300000
#define MOST 1000

static void *open_at(const char *location, int connections) {
    char url[2048];
    redis_cache *cache = NULL;
    snprintf(url, sizeof url, "%s%cmax_connections=%d&pool_timeout=10s&timeout=10s" AND, location,
             strchr(location, '?') ? '&' : '?', connections);
    return redis_cache_open(url, &cache) == REDIS_CACHE_OK ? cache : NULL;
}

static long get(void *cache, struct text key) {
    redis_cache_bytes value;
    if (redis_cache_get(cache, key.data, key.len, &value) != REDIS_CACHE_OK) return -1;
    long len = (long)value.len;
    redis_cache_bytes_free(&value);
    return len;
}

static int set(void *cache, struct text key, struct text value) {
    return redis_cache_set(cache, key.data, key.len, value.data, value.len, TTL) == REDIS_CACHE_OK ? 0 : -1;
}

static int mget(void *cache, const struct text *keys, size_t count) {
    static _Thread_local redis_cache_slice names[MOST];
    redis_cache_slice value;
    redis_cache_results *results;
    int missing = 0;
    for (size_t i = 0; i < count; i++) names[i] = (redis_cache_slice){keys[i].data, keys[i].len};
    if (redis_cache_get_many(cache, names, count, &results) != REDIS_CACHE_OK) return -1;
    for (size_t i = 0; i < count; i++) missing |= redis_cache_results_get(results, i, &value) != REDIS_CACHE_OK;
    redis_cache_results_free(results);
    return missing ? -1 : 0;
}

static int mset(void *cache, const struct text *keys, size_t count, struct text value) {
    static _Thread_local redis_cache_entry entries[MOST];
    for (size_t i = 0; i < count; i++)
        entries[i] = (redis_cache_entry){{keys[i].data, keys[i].len}, {value.data, value.len}};
    return redis_cache_set_many(cache, entries, count, TTL, NULL) == REDIS_CACHE_OK ? 0 : -1;
}

static void close_it(void *cache) {
    redis_cache_free(cache);
}

const struct peer bench_peer = {NAME, REDIS_CACHE_VERSION, POOL, open_at, get, set, mget, mset, close_it};
