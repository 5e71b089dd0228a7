/* A tour of the cache in C. Without an argument it runs on the embedded store and needs no server:
 *
 *     cargo build
 *     cc examples/tour.c -Iinclude -Ltarget/debug -lredis_cache -o target/tour
 *     ln -sf libredis_cache.so target/debug/libredis_cache.so.0
 *     LD_LIBRARY_PATH=target/debug target/tour
 *     LD_LIBRARY_PATH=target/debug target/tour redis://127.0.0.1:6379/1?prefix=tour
 */
#include "redis_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A string as pointer and length. */
#define S(text) text, strlen(text)

/* Every status from OK on is an ordinary outcome; below are errors. */
static redis_cache_status need(redis_cache_status status)
{
    if (status < 0) {
        fprintf(stderr, "%s: %s\n", redis_cache_status_name(status), redis_cache_last_error());
        exit(1);
    }
    return status;
}

/* Called for a value that is missing: here would be the slow query. */
static int32_t render(void *user_data, redis_cache_writer *out)
{
    int *calls = user_data;

    ++*calls;
    if (redis_cache_writer_append(out, S("<h1>Hello</h1>")) != REDIS_CACHE_OK) {
        redis_cache_writer_fail(out, "the page cannot be rendered");
        return 1;
    }
    return 0;
}

static void one_key(const redis_cache *cache)
{
    redis_cache_bytes bytes;
    char room[64];
    size_t len;
    int64_t left;

    need(redis_cache_set(cache, S("user:7"), S("Ada"), REDIS_CACHE_TTL_DEFAULT));
    if (need(redis_cache_get(cache, S("user:7"), &bytes)) == REDIS_CACHE_OK)
        printf("set, get             %s\n", bytes.data);
    redis_cache_bytes_free(&bytes);

    need(redis_cache_get_into(cache, S("user:7"), room, sizeof room, &len));
    printf("get_into             %lu bytes\n", (unsigned long)len);

    need(redis_cache_make_key(cache, S("user:7"), &bytes));
    printf("the key on the wire  %s\n", bytes.data);
    redis_cache_bytes_free(&bytes);

    need(redis_cache_touch(cache, S("user:7"), 60 * 1000));
    need(redis_cache_ttl(cache, S("user:7"), &left));
    printf("touch, ttl           %.0f s\n", (double)left / 1000);

    printf("add, it exists       %s\n",
           redis_cache_status_name(need(redis_cache_add(cache, S("user:7"), S("Grace"), REDIS_CACHE_TTL_FOREVER))));
    printf("get, no such key     %s\n", redis_cache_status_name(need(redis_cache_get(cache, S("nobody"), &bytes))));
}

static void counters(const redis_cache *cache)
{
    int64_t count;

    need(redis_cache_set_int(cache, S("visits"), 41, REDIS_CACHE_TTL_FOREVER));
    need(redis_cache_incr(cache, S("visits"), 1, &count));
    printf("incr                 %lld\n", (long long)count);
    need(redis_cache_incr_or_create(cache, S("logins"), 1, 1, REDIS_CACHE_TTL_DEFAULT, &count));
    printf("incr_or_create       %lld\n", (long long)count);
}

static void computing(const redis_cache *cache)
{
    redis_cache_bytes page;
    int calls = 0, i;

    for (i = 0; i < 3; i++) {
        need(redis_cache_get_or_set(cache, S("front"), 300 * 1000, render, &calls, &page));
        if (i == 0)
            printf("get_or_set           %s\n", page.data);
        redis_cache_bytes_free(&page);
    }
    printf("  3 calls rendered   %d time\n", calls);
}

static void many_keys(const redis_cache *cache)
{
    const redis_cache_entry pages[] = {
        { { "page:1", 6 }, { "one", 3 } },
        { { "page:2", 6 }, { "two", 3 } },
        { { "page:3", 6 }, { "three", 5 } },
    };
    const redis_cache_slice keys[] = { { "page:1", 6 }, { "page:9", 6 }, { "page:3", 6 } };
    redis_cache_results *results;
    size_t i;

    need(redis_cache_set_many(cache, pages, 3, REDIS_CACHE_TTL_DEFAULT, NULL));
    need(redis_cache_get_many(cache, keys, 3, &results));
    printf("get_many            ");
    for (i = 0; i < redis_cache_results_len(results); i++) {
        redis_cache_slice value;
        if (need(redis_cache_results_get(results, i, &value)) == REDIS_CACHE_OK)
            printf(" %.*s", (int)value.len, value.data);
        else
            printf(" (none)");
    }
    putchar('\n');
    redis_cache_results_free(results);
}

static void groups(const redis_cache *cache)
{
    redis_cache *second = redis_cache_with_version(cache, 2);
    redis_cache_keys *keys;
    redis_cache_slice key;
    uint64_t version, deleted;

    need(redis_cache_incr_version(cache, S("page:1"), 1, &version));
    printf("incr_version         page:1 is now in version %llu: %s\n", (unsigned long long)version,
           redis_cache_status_name(need(redis_cache_has_key(second, S("page:1")))));

    printf("keys                ");
    need(redis_cache_keys_begin(cache, S("page:*"), &keys));
    while (need(redis_cache_keys_next(keys, &key)) == REDIS_CACHE_OK)
        printf(" %.*s", (int)key.len, key.data);
    putchar('\n');
    redis_cache_keys_free(keys);

    need(redis_cache_delete_pattern(cache, S("page:*"), NULL, &deleted));
    printf("delete_pattern       %llu\n", (unsigned long long)deleted);
    need(redis_cache_clear(cache, NULL, &deleted));
    printf("clear, all versions  %llu\n", (unsigned long long)deleted);
    redis_cache_free(second);
}

int main(int argc, char **argv)
{
    redis_cache *cache;
    redis_cache_bytes where;
    redis_cache_stats stats;

    need(redis_cache_open(argc > 1 ? argv[1] : "memory://?prefix=tour", &cache));
    need(redis_cache_where(cache, S("user:7"), &where));
    printf("redis_cache %s on %s\n", redis_cache_version(), where.data);
    redis_cache_bytes_free(&where);

    one_key(cache);
    counters(cache);
    computing(cache);
    many_keys(cache);
    groups(cache);

    need(redis_cache_stats_read(cache, &stats, sizeof stats));
    printf("stats                %llu hits, %llu misses, %llu sets\n", (unsigned long long)stats.hits,
           (unsigned long long)stats.misses, (unsigned long long)stats.sets);
    redis_cache_free(cache);
    return 0;
}
