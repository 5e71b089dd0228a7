/* A process that may have no more memory: what the caller or the server makes large is refused with a status, nothing else
 * is touched, and the next call works. Each test runs in a child, which is limited when it begins its work. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "child.h"
#include "fixture.h"
#include "suites.h"

enum { LARGE = 48 << 20, LEFT = 24 << 20 };

/* Its address space may grow by so much only. */
static void limit_memory(size_t more)
{
    struct rlimit limit;
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;

    if (file == NULL || fscanf(file, "%lu", &pages) != 1)
        fixture_die("how much memory there is cannot be read");
    fclose(file);
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        fixture_die("the memory cannot be limited");
}

/* The tools need memory of their own. Elsewhere than on one location it is the same code. */
static bool cannot_be_limited(void)
{
    return getenv("REDIS_CACHE_TEST_TOOL") != NULL || !on_single() || access("/proc/self/statm", R_OK) != 0;
}

static redis_cache *open_large(const char *options)
{
    char all[200];

    snprintf(all, sizeof all, "timeout=20s%s%s%s", on_memory() ? "&memory_limit=2g" : "", options == NULL ? "" : "&",
             options == NULL ? "" : options);
    return open_cache(all);
}

static char *large_value(void)
{
    char *value = must_alloc(LARGE);

    memset(value, 'v', LARGE);
    return value;
}

static void in_a_child(void (*work)(const redis_cache *cache, int index), redis_cache *cache)
{
    pid_t child = start_child(work, cache, 0);

    end_child(child);
    redis_cache_free(cache);
}

/* To a server it is written from where it lies; the embedded store has to keep a copy. */
static void write_one_large(const redis_cache *cache, const char *value)
{
    redis_cache_lease *lease = NULL;
    redis_cache_bytes bytes = DIRTY_BYTES;

    STATUS(NOT_FOUND, redis_cache_lease_begin(cache, S("leased"), &bytes, &lease));
    if (on_memory()) {
        STATUS(ERR_NO_MEMORY, redis_cache_set(cache, S("large"), value, LARGE, 60000));
        SAYS("no memory");
        STATUS(ERR_NO_MEMORY, redis_cache_add(cache, S("large"), value, LARGE, 60000));
        STATUS(ERR_NO_MEMORY, redis_cache_lease_fulfill(lease, value, LARGE, 60000));
        return;
    }
    STATUS(OK, redis_cache_set(cache, S("large"), value, LARGE, 60000));
    STATUS(OK, redis_cache_delete(cache, S("large")));
    STATUS(OK, redis_cache_add(cache, S("large"), value, LARGE, 60000));
    STATUS(OK, redis_cache_delete(cache, S("large")));
    STATUS(OK, redis_cache_lease_fulfill(lease, value, LARGE, 60000));
    STATUS(OK, redis_cache_delete(cache, S("leased")));
}

static void write_large(const redis_cache *cache, int index)
{
    char *value = large_value();
    redis_cache_entry entries[] = { { SLICE("a"), SLICE("1") }, { SLICE("large"), { NULL, LARGE } },
                                    { SLICE("b"), SLICE("2") } };
    redis_cache_results *results = NULL;
    redis_cache_slice slice;

    (void)index;
    STATUS(OK, redis_cache_set(cache, S("small"), S("before"), 60000));
    limit_memory(LEFT);
    write_one_large(cache, value);
    STATUS(ERR_NO_MEMORY, redis_cache_delete(cache, value, LARGE));
    SAYS("no memory");
    entries[1].value.data = value;
    if (on_memory()) {
        STATUS(PARTIAL, redis_cache_set_many(cache, entries, 3, 60000, &results));
        STATUS(OK, redis_cache_results_get(results, 0, &slice));
        STATUS(ERR_NO_MEMORY, redis_cache_results_get(results, 1, &slice));
        STATUS(OK, redis_cache_results_get(results, 2, &slice));
        redis_cache_results_free(results);
        MISSES(cache, "large");
    } else {
        STATUS(OK, redis_cache_set_many(cache, entries, 3, 60000, NULL));
        STATUS(OK, redis_cache_delete(cache, S("large")));
    }
    GETS(cache, "a", "1");
    GETS(cache, "b", "2");
    GETS(cache, "small", "before");
    free(value);
}

/* Each of these ended the process. */
static void what_is_too_large_to_write_is_refused(void)
{
    if (!cannot_be_limited())
        in_a_child(write_large, open_large("key_check=off"));
}

static int32_t append_large(void *user_data, redis_cache_writer *out)
{
    (void)user_data;
    STATUS(OK, redis_cache_writer_append(out, S("small ")));
    STATUS(ERR_NO_MEMORY, redis_cache_writer_append(out, user_data, LARGE));
    return redis_cache_writer_append(out, S("all the same"));
}

static void load_large(const redis_cache *cache, int index)
{
    char *value = large_value();
    redis_cache_bytes bytes = DIRTY_BYTES;

    (void)index;
    limit_memory(LEFT);
    STATUS(OK, redis_cache_get_or_set(cache, S("loaded"), 60000, append_large, value, &bytes));
    DATA("small all the same", 18, bytes.data, bytes.len);
    redis_cache_bytes_free(&bytes);
    free(value);
}

static void what_is_too_large_to_load_is_refused(void)
{
    if (!cannot_be_limited())
        in_a_child(load_large, open_large(NULL));
}

static void read_large(const redis_cache *cache, int index)
{
    static const redis_cache_slice keys[] = { SLICE("small"), SLICE("large"), SLICE("other") };
    char *buffer = must_alloc(LARGE);
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_results *results = NULL;
    redis_cache_lease *lease = NULL;
    redis_cache_slice slice;
    redis_cache_stats stats;
    size_t len;

    (void)index;
    limit_memory(LEFT);
    STATUS(ERR_NO_MEMORY, redis_cache_get(cache, S("large"), &bytes));
    CLEAN_BYTES(bytes);
    SAYS("no memory");
    GETS(cache, "small", "1");
    STATUS(ERR_NO_MEMORY, redis_cache_lease_begin(cache, S("large"), &bytes, &lease));
    CHECK(lease == NULL);
    STATUS(PARTIAL, redis_cache_get_many(cache, keys, 3, &results));
    STATUS(OK, redis_cache_results_get(results, 0, &slice));
    DATA("1", 1, slice.data, slice.len);
    STATUS(ERR_NO_MEMORY, redis_cache_results_get(results, 1, &slice));
    CLEAN_SLICE(slice);
    STATUS(OK, redis_cache_results_get(results, 2, &slice));
    DATA("2", 1, slice.data, slice.len);
    redis_cache_results_free(results);
    /* The caller's own memory is enough. */
    STATUS(OK, redis_cache_get_into(cache, S("large"), buffer, LARGE, &len));
    INT(LARGE, len);
    CHECK(buffer[0] == 'v' && buffer[LARGE - 1] == 'v');
    STATUS(OK, redis_cache_has_key(cache, S("large")));
    GETS(cache, "other", "2");
    /* It is nothing that a server should be left alone for. */
    STATUS(OK, redis_cache_stats_read(cache, &stats, sizeof stats));
    INT(0, stats.refused);
    INT(0, stats.retries);
    free(buffer);
}

static void what_is_too_large_to_read_is_refused(void)
{
    redis_cache *cache;
    char *value;

    if (cannot_be_limited())
        return;
    value = large_value();
    cache = open_large("breaker_failures=1");
    STATUS(OK, redis_cache_set(cache, S("small"), S("1"), 60000));
    STATUS(OK, redis_cache_set(cache, S("other"), S("2"), 60000));
    STATUS(OK, redis_cache_set(cache, S("large"), value, LARGE, 60000));
    free(value);
    in_a_child(read_large, cache);
}

static void inflate_large(const redis_cache *cache, int index)
{
    static const redis_cache_slice keys[] = { SLICE("small"), SLICE("large") };
    char *value = large_value();
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_results *results = NULL;
    redis_cache_slice slice;
    char buffer[8] = "as was";
    size_t len;

    (void)index;
    limit_memory(LEFT);
    STATUS(ERR_NO_MEMORY, redis_cache_get(cache, S("large"), &bytes));
    CLEAN_BYTES(bytes);
    SAYS("no memory");
    STATUS(ERR_NO_MEMORY, redis_cache_get_into(cache, S("large"), buffer, sizeof buffer, &len));
    DATA("as was", 6, buffer, 6);
    STATUS(PARTIAL, redis_cache_get_many(cache, keys, 2, &results));
    STATUS(OK, redis_cache_results_get(results, 0, &slice));
    DATA("1", 1, slice.data, slice.len);
    STATUS(ERR_NO_MEMORY, redis_cache_results_get(results, 1, &slice));
    redis_cache_results_free(results);
    /* Of what is as even as this a zlib stream takes little; the others ask for what it might take. */
    if (redis_cache_set(cache, S("again"), value, LARGE, 60000) != REDIS_CACHE_OK)
        SAYS("no memory");
    GETS(cache, "small", "1");
    free(value);
}

/* Memory that could not be had for what a compressor makes was a miss, or the end of the process. */
static void what_is_too_large_to_inflate_is_refused(void)
{
    static const char *const compressors[] = { "compressor=zlib", "compressor=zstd", "compressor=lz4" };
    size_t i;

    for (i = 0; i < 3 && !cannot_be_limited(); i++) {
        redis_cache *cache = open_large(compressors[i]);
        char *value = large_value();

        STATUS(OK, redis_cache_set(cache, S("small"), S("1"), 60000));
        STATUS(OK, redis_cache_set(cache, S("large"), value, LARGE, 60000));
        free(value);
        in_a_child(inflate_large, cache);
    }
}

static int32_t keep(void *user_data, const redis_cache_slice *key, const redis_cache_slice *value, redis_cache_writer *out)
{
    (void)user_data;
    (void)key;
    (void)value;
    (void)out;
    return 1;
}

static void rewrite_large(const redis_cache *cache, int index)
{
    uint64_t count = DIRTY_INT;

    (void)index;
    limit_memory(LEFT);
    STATUS(ERR_NO_MEMORY, redis_cache_reinsert_keys(cache, keep, NULL, NULL, &count));
    INT(0, count);
    GETS(cache, "small", "1");
}

static void what_is_too_large_to_rewrite_is_refused(void)
{
    redis_cache *cache;
    char *value;

    if (cannot_be_limited())
        return;
    value = large_value();
    cache = open_large(NULL);
    STATUS(OK, redis_cache_set(cache, S("small"), S("1"), 60000));
    STATUS(OK, redis_cache_set(cache, S("large"), value, LARGE, 60000));
    free(value);
    in_a_child(rewrite_large, cache);
}

static void read_by_the_other_parser(const redis_cache *cache, int index)
{
    redis_cache_bytes bytes = DIRTY_BYTES;

    (void)index;
    limit_memory(LEFT);
    STATUS(ERR_NO_MEMORY, redis_cache_get(cache, S("large"), &bytes));
    CLEAN_BYTES(bytes);
    GETS(cache, "small", "1");
    STATUS(OK, redis_cache_has_key(cache, S("large")));
}

/* It asks for memory in a way that cannot fail. */
static void what_is_too_large_for_the_other_parser_is_refused(void)
{
    redis_cache *cache;
    char *value;

    if (cannot_be_limited() || on_memory())
        return;
    value = large_value();
    cache = open_large("parser=redis");
    STATUS(OK, redis_cache_set(cache, S("small"), S("1"), 60000));
    STATUS(OK, redis_cache_set(cache, S("large"), value, LARGE, 60000));
    free(value);
    in_a_child(read_by_the_other_parser, cache);
}

enum { MANY = 500000 };

static void ask_for_many(const redis_cache *cache, int index)
{
    redis_cache_slice *keys = must_alloc(MANY * sizeof *keys);
    redis_cache_entry *entries = must_alloc(MANY * sizeof *entries);
    redis_cache_results *results = (redis_cache_results *)1;
    uint64_t count = DIRTY_INT;
    size_t i;

    (void)index;
    STATUS(OK, redis_cache_set(cache, S("small"), S("1"), 60000));
    for (i = 0; i < MANY; i++) {
        keys[i].data = entries[i].key.data = entries[i].value.data = "small";
        keys[i].len = entries[i].key.len = entries[i].value.len = 5;
    }
    limit_memory(LEFT);
    STATUS(ERR_NO_MEMORY, redis_cache_get_many(cache, keys, MANY, &results));
    CHECK(results == NULL);
    STATUS(ERR_NO_MEMORY, redis_cache_set_many(cache, entries, MANY, 60000, NULL));
    STATUS(ERR_NO_MEMORY, redis_cache_delete_many(cache, keys, MANY, &count));
    SAYS("no memory");
    INT(0, count);
    GETS(cache, "small", "1");
    free(keys);
    free(entries);
}

/* There is memory for what is said of each key, and none for the keys. */
static void a_list_that_is_too_long_is_refused(void)
{
    if (!cannot_be_limited())
        in_a_child(ask_for_many, open_large(NULL));
}

void suite_limits(void)
{
    RUN(what_is_too_large_to_rewrite_is_refused);
    RUN(what_is_too_large_for_the_other_parser_is_refused);
    RUN(a_list_that_is_too_long_is_refused);
    RUN(what_is_too_large_to_write_is_refused);
    RUN(what_is_too_large_to_load_is_refused);
    RUN(what_is_too_large_to_read_is_refused);
    RUN(what_is_too_large_to_inflate_is_refused);
}
