/* reinsert_keys: entries in an old form, and values that a function rewrites; lifetimes stay. */
#include "check.h"
#include "fixture.h"
#include "suites.h"

#include <stdio.h>

static const char compressing[] = "prefix=p&compressor=zlib&compress_min=10";

/* So many values that a compressor has something to do with. */
static void store(const redis_cache *cache, int count)
{
    char key[32], value[600];
    int i;

    memset(value, 'x', sizeof value);
    for (i = 0; i < count; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        STATUS(OK, redis_cache_set(cache, key, strlen(key), value, sizeof value, 50000));
    }
}

static void old_entries_take_the_configured_form(void)
{
    redis_cache *old = open_cache("prefix=p"), *new = open_cache(compressing), *other = open_cache("prefix=other");
    redis_cache_bytes bytes = DIRTY_BYTES;
    uint64_t count = DIRTY_INT;
    int64_t left = DIRTY_INT;
    size_t i;

    store(old, 30);
    store(other, 1);
    STATUS(OK, redis_cache_set_int(old, S("number"), 42, 50000));
    STATUS(OK, redis_cache_reinsert_keys(old, NULL, NULL, NULL, &count));
    INT(0, count);
    STATUS(OK, redis_cache_reinsert_keys(new, NULL, NULL, NULL, &count));
    INT(30, count);
    STATUS(OK, redis_cache_reinsert_keys(new, NULL, NULL, NULL, &count));
    INT(0, count);
    STATUS(OK, redis_cache_get(old, S("key-7"), &bytes)); /* readers go by the header */
    INT(600, bytes.len);
    for (i = 0; i < bytes.len; i++)
        CHECK(bytes.data[i] == 'x');
    redis_cache_bytes_free(&bytes);
    STATUS(OK, redis_cache_ttl(new, S("key-7"), &left));
    CHECK(left > 30000 && left <= 50000);
    GETS(new, "number", "42");
    STATUS(OK, redis_cache_reinsert_keys(old, NULL, NULL, NULL, &count));
    INT(30, count);
    redis_cache_free(other);
    redis_cache_free(new);
    redis_cache_free(old);
}

static void a_sweep_bounds_it_and_tells_where_to_go_on(void)
{
    redis_cache *old = open_cache("prefix=p"), *new = open_cache(compressing);
    redis_cache_bytes cursor = { NULL, 0, 0 }, next;
    redis_cache_sweep sweep;
    redis_cache_status status = REDIS_CACHE_STOPPED;
    uint64_t count = DIRTY_INT, total = 0;
    int rounds;

    store(old, 60);
    memset(&sweep, 0, sizeof sweep);
    sweep.size = sizeof sweep;
    sweep.dry_run = true;
    STATUS(OK, redis_cache_reinsert_keys(new, NULL, NULL, &sweep, &count));
    INT(60, count);
    sweep.dry_run = false;
    sweep.limit = 7;
    sweep.scan_count = 10;
    sweep.out_cursor = &next;
    for (rounds = 0; status == REDIS_CACHE_STOPPED && rounds < 200; rounds++) {
        sweep.cursor = cursor.data;
        status = redis_cache_reinsert_keys(new, NULL, NULL, &sweep, &count);
        CHECK(count <= 7);
        total += count;
        redis_cache_bytes_free(&cursor);
        cursor = next;
    }
    CHECK(rounds >= 9);
    STATUS(OK, status);
    INT(60, total);
    redis_cache_bytes_free(&cursor);
    redis_cache_free(new);
    redis_cache_free(old);
}

/* A function that knows what to do by the first letter of a key. */
struct rewriter {
    int shown;
    const char *fault;
};

static int32_t rewrite(void *user_data, const redis_cache_slice *key, const redis_cache_slice *value,
                       redis_cache_writer *out)
{
    struct rewriter *job = user_data;

    job->shown++;
    STATUS(ERR_UNSUPPORTED, redis_cache_writer_set_ttl(out, 1));
    SAYS("lifetime");
    STATUS(ERR_UNSUPPORTED, redis_cache_writer_set_absent(out, 1));
    STATUS(ERR_UNSUPPORTED, redis_cache_writer_skip(out));
    STATUS(ERR_UNSUPPORTED, redis_cache_writer_next(out));
    STATUS(ERR_UNSUPPORTED, redis_cache_writer_renew(out));
    if (job->fault != NULL) {
        redis_cache_writer_fail(out, job->fault);
        return 3;
    }
    switch (key->data[0]) {
    case 'r':
        STATUS(OK, redis_cache_writer_append(out, S("was ")));
        STATUS(OK, redis_cache_writer_append(out, value->data, value->len));
        return 0;
    case 'e':
        return 0; /* nothing was appended: it is empty */
    case 'd':
        return 2;
    default:
        STATUS(OK, redis_cache_writer_append(out, S("dropped")));
        return 1;
    }
}

static void a_function_says_what_becomes_of_each_value(void)
{
    redis_cache *cache = open_cache("prefix=p");
    struct rewriter job = { 0, NULL };
    uint64_t count = DIRTY_INT;
    int64_t left = DIRTY_INT;

    STATUS(OK, redis_cache_set(cache, S("replaced"), S("old"), 50000));
    STATUS(OK, redis_cache_set_int(cache, S("really a number"), 42, REDIS_CACHE_TTL_FOREVER));
    STATUS(OK, redis_cache_set(cache, S("emptied"), S("old"), 50000));
    STATUS(OK, redis_cache_set(cache, S("deleted"), S("old"), 50000));
    STATUS(OK, redis_cache_set(cache, S("kept"), S("old"), 50000));
    STATUS(OK, redis_cache_reinsert_keys(cache, rewrite, &job, NULL, &count));
    INT(5, job.shown);
    INT(4, count);
    GETS(cache, "replaced", "was old");
    GETS(cache, "really a number", "was 42");
    GETS(cache, "emptied", "");
    MISSES(cache, "deleted");
    GETS(cache, "kept", "old");
    STATUS(OK, redis_cache_ttl(cache, S("replaced"), &left));
    CHECK(left > 30000 && left <= 50000);
    STATUS(OK, redis_cache_ttl(cache, S("really a number"), &left));
    CHECK(left == REDIS_CACHE_TTL_FOREVER);
    redis_cache_free(cache);
}

static void a_function_that_fails_ends_it(void)
{
    redis_cache *cache = open_cache("prefix=p");
    struct rewriter job = { 0, NULL };
    uint64_t count = DIRTY_INT;

    STATUS(OK, redis_cache_set(cache, S("replaced"), S("old"), 50000));
    STATUS(OK, redis_cache_set(cache, S("replaced too"), S("old"), 50000));
    job.fault = "no idea what that is";
    STATUS(ERR_CALLBACK, redis_cache_reinsert_keys(cache, rewrite, &job, NULL, &count));
    SAYS("no idea what that is");
    INT(0, count);
    INT(1, job.shown);
    GETS(cache, "replaced", "old");
    redis_cache_free(cache);
}

/* Writes the very key it is asked about: that wins. */
static int32_t write_meanwhile(void *user_data, const redis_cache_slice *key, const redis_cache_slice *value,
                               redis_cache_writer *out)
{
    (void)value;
    STATUS(OK, redis_cache_set(user_data, key->data, key->len, S("written meanwhile"), 50000));
    STATUS(OK, redis_cache_writer_append(out, S("rewritten")));
    return 0;
}

static void whoever_writes_meanwhile_wins(void)
{
    redis_cache *cache = open_cache("prefix=p");
    uint64_t count = DIRTY_INT;

    STATUS(OK, redis_cache_set(cache, S("key"), S("old"), 50000));
    STATUS(OK, redis_cache_reinsert_keys(cache, write_meanwhile, cache, NULL, &count));
    INT(0, count);
    GETS(cache, "key", "written meanwhile");
    redis_cache_free(cache);
}

void suite_reinsert(void)
{
    RUN(old_entries_take_the_configured_form);
    RUN(a_sweep_bounds_it_and_tells_where_to_go_on);
    RUN(a_function_says_what_becomes_of_each_value);
    RUN(a_function_that_fails_ends_it);
    RUN(whoever_writes_meanwhile_wins);
}
