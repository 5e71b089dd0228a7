/* Values past their expiry: soft expiry by time and by hand, and who is served what while one caller renews them. */
#include "check.h"
#include "fixture.h"
#include "load.h"
#include "suites.h"

#define EACH_STALE(want, text, call)                                    \
    do {                                                                \
        redis_cache_bytes found = DIRTY_BYTES;                          \
        if (STATUS(want, call))                                         \
            DATA(text, sizeof(text) - 1, found.data, found.len);        \
        redis_cache_bytes_free(&found);                                 \
    } while (0)
/* get_stale and get_or_set of "key". */
#define PEEKS(want, cache, text) EACH_STALE(want, text, redis_cache_get_stale(cache, S("key"), &found))
#define COMPUTES(want, cache, job, text) \
    EACH_STALE(want, text, redis_cache_get_or_set(cache, S("key"), 50000, load, job, &found))

static void a_value_past_its_expiry_is_a_miss_that_can_be_served(void)
{
    static const redis_cache_slice key = SLICE("key");
    redis_cache *cache = open_cache("stale=1m");
    redis_cache_results *results = NULL;
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_slice item = DIRTY_SLICE;
    int64_t left = DIRTY_INT;

    STATUS(NOT_FOUND, redis_cache_get_stale(cache, S("key"), &bytes));
    CLEAN_BYTES(bytes);
    STATUS(OK, redis_cache_set(cache, S("key"), S("old"), 50000));
    PEEKS(OK, cache, "old");
    STATUS(OK, redis_cache_ttl(cache, S("key"), &left));
    CHECK(left > 40000 && left <= 50000);
    STATUS(OK, redis_cache_set(cache, S("key"), S("old"), 50));
    GOES(cache, "key");
    sleep_ms(200); /* some of these are judged by the server itself, whose clock may be a little behind */
    PEEKS(STALE, cache, "old");
    STATUS(NOT_FOUND, redis_cache_get(cache, S("key"), &bytes));
    STATUS(NOT_FOUND, redis_cache_ttl(cache, S("key"), &left));
    STATUS(NOT_FOUND, redis_cache_touch(cache, S("key"), 50000));
    if (STATUS(OK, redis_cache_get_many(cache, &key, 1, &results)))
        STATUS(NOT_FOUND, redis_cache_results_get(results, 0, &item));
    redis_cache_results_free(results);
    STATUS(OK, redis_cache_add(cache, S("key"), S("new"), 50000));
    PEEKS(OK, cache, "new");
    redis_cache_free(cache);
}

static void without_the_option_nothing_outlives_its_expiry(void)
{
    redis_cache *cache = open_cache(NULL);
    redis_cache_bytes bytes = DIRTY_BYTES;

    STATUS(OK, redis_cache_set(cache, S("key"), S("old"), 50));
    GOES(cache, "key");
    STATUS(NOT_FOUND, redis_cache_get_stale(cache, S("key"), &bytes));
    CLEAN_BYTES(bytes);
    redis_cache_free(cache);
}

static void expire_soft_makes_a_value_stale_at_once(void)
{
    redis_cache *cache = open_cache(NULL);
    struct load job = { 0 };

    STATUS(NOT_FOUND, redis_cache_expire_soft(cache, S("key")));
    STATUS(OK, redis_cache_set(cache, S("key"), S("old"), 50000));
    STATUS(OK, redis_cache_expire_soft(cache, S("key")));
    GOES(cache, "key");
    PEEKS(STALE, cache, "old");
    STATUS(NOT_FOUND, redis_cache_expire_soft(cache, S("key")));
    job.text = "new";
    COMPUTES(OK, cache, &job, "new");
    INT(1, job.calls);
    PEEKS(OK, cache, "new");
    GETS(cache, "key", "new");
    STATUS(OK, redis_cache_expire_soft(cache, S("key")));
    STATUS(OK, redis_cache_delete(cache, S("key")));
    STATUS(NOT_FOUND, redis_cache_expire_soft(cache, S("key")));
    redis_cache_free(cache);
}

static void an_integer_cannot_be_stale(void)
{
    redis_cache *cache = open_cache("stale=1m");
    redis_cache_bytes bytes = DIRTY_BYTES;

    STATUS(OK, redis_cache_set_int(cache, S("key"), 7, 50000));
    PEEKS(OK, cache, "7");
    STATUS(OK, redis_cache_expire_soft(cache, S("key")));
    STATUS(NOT_FOUND, redis_cache_get_stale(cache, S("key"), &bytes));
    STATUS(NOT_FOUND, redis_cache_delete(cache, S("key")));
    redis_cache_free(cache);
}

static void an_old_value_is_served_when_the_loader_fails(void)
{
    redis_cache *cache = open_cache("stale=1m");
    struct load job = { 0 };
    redis_cache_stats stats;
    int64_t deadline = now_ms() + 10000;

    STATUS(OK, redis_cache_set(cache, S("key"), S("old"), 50000));
    STATUS(OK, redis_cache_expire_soft(cache, S("key")));
    GOES(cache, "key");
    job.fault = "the database is on fire";
    job.text = "new";
    COMPUTES(STALE, cache, &job, "old");
    INT(1, job.calls);
    /* Nobody tries again for a second. */
    COMPUTES(STALE, cache, &job, "old");
    INT(1, job.calls);
    STATUS(OK, redis_cache_stats_read(cache, &stats, sizeof stats));
    INT(2, stats.stale_served);
    INT(1, stats.computes);
    job.fault = NULL;
    while (job.calls == 1 && now_ms() < deadline) {
        redis_cache_bytes bytes;

        sleep_ms(50);
        redis_cache_get_or_set(cache, S("key"), 50000, load, &job, &bytes);
        redis_cache_bytes_free(&bytes);
    }
    INT(2, job.calls);
    GETS(cache, "key", "new");
    redis_cache_free(cache);
}

/* Looks, while it renews the key, what others are served. */
static int32_t look_around(void *user_data, redis_cache_writer *out)
{
    struct load *outer = user_data, inner = { 0 };
    redis_cache_lease *lease = (redis_cache_lease *)1;
    redis_cache_bytes bytes = DIRTY_BYTES;

    outer->calls++;
    inner.text = "never";
    COMPUTES(STALE, outer->cache, &inner, "old");
    INT(0, inner.calls);
    if (STATUS(STALE, redis_cache_lease_begin(outer->cache, S("key"), &bytes, &lease)))
        DATA("old", 3, bytes.data, bytes.len);
    CHECK(lease == NULL);
    redis_cache_bytes_free(&bytes);
    MISSES(outer->cache, "key");
    STATUS(OK, redis_cache_writer_renew(out));
    return redis_cache_writer_append(out, S("new")) == REDIS_CACHE_OK ? 0 : 1;
}

static void all_but_one_are_served_the_old_value(void)
{
    redis_cache *cache = open_cache("stale=1m"), *other = open_cache("stale=1m");
    redis_cache_bytes bytes = DIRTY_BYTES;
    struct load job = { 0 };

    job.cache = other;
    STATUS(OK, redis_cache_set(cache, S("key"), S("old"), 50000));
    STATUS(OK, redis_cache_expire_soft(cache, S("key")));
    GOES(cache, "key");
    GOES(other, "key");
    if (STATUS(OK, redis_cache_get_or_set(cache, S("key"), 50000, look_around, &job, &bytes)))
        DATA("new", 3, bytes.data, bytes.len);
    redis_cache_bytes_free(&bytes);
    INT(1, job.calls);
    GETS(other, "key", "new");
    redis_cache_free(other);
    redis_cache_free(cache);
}

static void renew_together(int index, void *shared)
{
    struct load *job = shared;
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_status status = redis_cache_get_or_set(job->cache, S("key"), 50000, load, job, &bytes);

    (void)index;
    if (status == REDIS_CACHE_STALE)
        DATA("old", 3, bytes.data, bytes.len);
    else if (STATUS(OK, status))
        DATA("new", 3, bytes.data, bytes.len);
    redis_cache_bytes_free(&bytes);
}

static void twenty_threads_renew_once(void)
{
    redis_cache *cache = open_cache("stale=1m");
    struct load job = { 0 };

    job.cache = cache;
    job.text = "new";
    job.takes_ms = 100;
    STATUS(OK, redis_cache_set(cache, S("key"), S("old"), 50000));
    STATUS(OK, redis_cache_expire_soft(cache, S("key")));
    GOES(cache, "key");
    on_threads(20, renew_together, &job);
    INT(1, job.calls);
    GETS(cache, "key", "new");
    redis_cache_free(cache);
}

static void a_plain_layout_has_no_stale_values(void)
{
    redis_cache *cache = open_cache("layout=plain");
    redis_cache_bytes bytes = DIRTY_BYTES;

    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 50000));
    STATUS(ERR_UNSUPPORTED, redis_cache_expire_soft(cache, S("key")));
    SAYS("layout");
    STATUS(ERR_UNSUPPORTED, redis_cache_get_stale(cache, S("key"), &bytes));
    CLEAN_BYTES(bytes);
    GETS(cache, "key", "value");
    redis_cache_free(cache);
}

void suite_stale(void)
{
    RUN(a_value_past_its_expiry_is_a_miss_that_can_be_served);
    RUN(without_the_option_nothing_outlives_its_expiry);
    RUN(expire_soft_makes_a_value_stale_at_once);
    RUN(an_integer_cannot_be_stale);
    RUN(an_old_value_is_served_when_the_loader_fails);
    RUN(all_but_one_are_served_the_old_value);
    RUN(twenty_threads_renew_once);
    RUN(a_plain_layout_has_no_stale_values);
}
