/* get_or_set: what a loader may do, what becomes of its value and of its failure. */
#include "check.h"
#include "fixture.h"
#include "load.h"
#include "suites.h"

#include <pthread.h>
#include <stdlib.h>

static int64_t ttl_of(const redis_cache *cache)
{
    int64_t left = DIRTY_INT;

    STATUS(OK, redis_cache_ttl(cache, S("key"), &left));
    return left;
}

static void a_miss_loads_and_a_hit_does_not(void)
{
    redis_cache *cache = open_cache(NULL);
    struct load job = { 0 };

    job.text = "loaded";
    OR_SET(cache, &job, 50000, "loaded");
    INT(1, job.calls);
    CHECK(ttl_of(cache) > 40000 && ttl_of(cache) <= 50000);
    GETS(cache, "key", "loaded");
    job.text = "loaded again";
    OR_SET(cache, &job, 50000, "loaded");
    INT(1, job.calls);
    STATUS(OK, redis_cache_delete(cache, S("key")));
    OR_SET(cache, &job, 50000, "loaded again");
    INT(2, job.calls);
    redis_cache_free(cache);
}

static void every_stored_value_is_a_hit(void)
{
    redis_cache *cache = open_cache(NULL);
    struct load job = { 0 };

    job.text = "never";
    STATUS(OK, redis_cache_set(cache, S("key"), S(""), 50000));
    OR_SET(cache, &job, 50000, "");
    STATUS(OK, redis_cache_set_int(cache, S("key"), -7, 50000));
    OR_SET(cache, &job, 50000, "-7");
    STATUS(OK, redis_cache_set(cache, S("key"), S("bytes"), REDIS_CACHE_TTL_FOREVER));
    OR_SET(cache, &job, 50000, "bytes");
    INT(0, job.calls);
    redis_cache_free(cache);
}

static void a_loaded_value_takes_every_kind_of_ttl(void)
{
    static const int64_t expired[] = { 0, -5, INT64_MIN + 1 };
    redis_cache *cache = open_cache("ttl=1m");
    struct load job = { 0 };
    size_t i;

    job.text = "loaded";
    OR_SET(cache, &job, REDIS_CACHE_TTL_DEFAULT, "loaded");
    CHECK(ttl_of(cache) > 50000 && ttl_of(cache) <= 60000);
    STATUS(OK, redis_cache_delete(cache, S("key")));
    OR_SET(cache, &job, REDIS_CACHE_TTL_FOREVER, "loaded");
    CHECK(ttl_of(cache) == REDIS_CACHE_TTL_FOREVER);
    STATUS(OK, redis_cache_delete(cache, S("key")));
    for (i = 0; i < sizeof expired / sizeof expired[0]; i++) {
        OR_SET(cache, &job, expired[i], "loaded");
        MISSES(cache, "key");
    }
    redis_cache_free(cache);
}

static void the_loader_may_know_a_better_ttl(void)
{
    redis_cache *cache = open_cache(NULL);
    struct load job = { 0 };

    job.text = "loaded";
    job.ttl_ms = 20000;
    OR_SET(cache, &job, REDIS_CACHE_TTL_FOREVER, "loaded");
    CHECK(ttl_of(cache) > 10000 && ttl_of(cache) <= 20000);
    STATUS(OK, redis_cache_delete(cache, S("key")));
    job.ttl_ms = REDIS_CACHE_TTL_FOREVER;
    OR_SET(cache, &job, 1000, "loaded");
    CHECK(ttl_of(cache) == REDIS_CACHE_TTL_FOREVER);
    STATUS(OK, redis_cache_delete(cache, S("key")));
    job.ttl_ms = REDIS_CACHE_TTL_DEFAULT;
    OR_SET(cache, &job, 1000, "loaded");
    CHECK(ttl_of(cache) > 290000 && ttl_of(cache) <= 300000);
    STATUS(OK, redis_cache_delete(cache, S("key")));
    job.ttl_ms = -1;
    OR_SET(cache, &job, 50000, "loaded");
    MISSES(cache, "key");
    redis_cache_free(cache);
}

static int32_t load_in_pieces(void *user_data, redis_cache_writer *out)
{
    const char *data = user_data;
    size_t at;

    for (at = 0; at < 1000000; at += 1000)
        STATUS(OK, redis_cache_writer_append(out, data + at, 1000));
    return 0;
}

static void a_value_may_be_written_in_pieces(void)
{
    redis_cache *cache = open_cache("timeout=5s");
    redis_cache_bytes loaded = DIRTY_BYTES, read = DIRTY_BYTES;
    char *data = must_alloc(1000000);

    fill(data, 1000000, 4);
    STATUS(OK, redis_cache_get_or_set(cache, S("key"), 50000, load_in_pieces, data, &loaded));
    CHECK(loaded.len == 1000000 && filled(loaded.data, loaded.len, 4) && loaded.data[loaded.len] == '\0');
    STATUS(OK, redis_cache_get(cache, S("key"), &read));
    CHECK(read.len == 1000000 && filled(read.data, read.len, 4));
    redis_cache_bytes_free(&loaded);
    redis_cache_bytes_free(&read);
    free(data);
    redis_cache_free(cache);
}

static int32_t fail_without_a_word(void *user_data, redis_cache_writer *out)
{
    (void)user_data;
    (void)out;
    return -1;
}

static void a_loader_that_fails_is_an_error_with_its_text(void)
{
    redis_cache *cache = open_cache(NULL);
    redis_cache_bytes bytes = DIRTY_BYTES;
    struct load job = { 0 };

    job.text = "loaded";
    job.fault = "the database is on fire";
    STATUS(ERR_CALLBACK, redis_cache_get_or_set(cache, S("key"), 50000, load, &job, &bytes));
    SAYS("the database is on fire");
    CLEAN_BYTES(bytes);
    MISSES(cache, "key");
    bytes.len = DIRTY_INT;
    STATUS(ERR_CALLBACK, redis_cache_get_or_set(cache, S("key"), 50000, fail_without_a_word, NULL, &bytes));
    CHECK(*redis_cache_last_error() != '\0');
    CHECK(strstr(redis_cache_last_error(), "on fire") == NULL);
    CLEAN_BYTES(bytes);
    job.fault = NULL;
    OR_SET(cache, &job, 50000, "loaded");
    INT(2, job.calls);
    redis_cache_free(cache);
}

/* Uses the library on other keys, and on another handle. */
static int32_t load_from_others(void *user_data, redis_cache_writer *out)
{
    struct load *outer = user_data, inner = { 0 };
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache *other = open_cache("prefix=elsewhere");

    outer->calls++;
    inner.text = "inner";
    STATUS(OK, redis_cache_get_or_set(outer->cache, S("part"), 50000, load, &inner, &bytes));
    STATUS(OK, redis_cache_set(other, S("key"), S("there"), 50000));
    STATUS(NOT_FOUND, redis_cache_has_key(outer->cache, S("none")));
    redis_cache_free(other);
    STATUS(OK, redis_cache_writer_append(out, bytes.data, bytes.len));
    redis_cache_bytes_free(&bytes);
    return 0;
}

static void a_loader_may_use_the_cache(void)
{
    redis_cache *cache = open_cache("max_connections=1");
    redis_cache_bytes bytes = DIRTY_BYTES;
    struct load outer = { 0 };

    outer.cache = cache;
    STATUS(OK, redis_cache_get_or_set(cache, S("whole"), 50000, load_from_others, &outer, &bytes));
    DATA("inner", 5, bytes.data, bytes.len);
    INT(1, outer.calls);
    GETS(cache, "part", "inner");
    GETS(cache, "whole", "inner");
    redis_cache_bytes_free(&bytes);
    redis_cache_free(cache);
}

static int32_t load_itself(void *user_data, redis_cache_writer *out)
{
    struct load *outer = user_data, inner = { 0 };
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_status status;

    inner.text = "inner";
    status = redis_cache_get_or_set(outer->cache, S("key"), 50000, load, &inner, &bytes);
    CHECK(status < 0);
    CHECK(*redis_cache_last_error() != '\0');
    CLEAN_BYTES(bytes);
    INT(0, inner.calls);
    STATUS(NOT_FOUND, redis_cache_get(outer->cache, S("key"), &bytes));
    return redis_cache_writer_append(out, S("outer")) == REDIS_CACHE_OK ? 0 : 1;
}

static void a_loader_that_asks_for_its_own_key_gets_an_error(void)
{
    redis_cache *cache = open_cache("wait=5m");
    redis_cache_bytes bytes = DIRTY_BYTES;
    struct load outer = { 0 };
    int64_t begun = now_ms();

    outer.cache = cache;
    STATUS(OK, redis_cache_get_or_set(cache, S("key"), 50000, load_itself, &outer, &bytes));
    CHECK(now_ms() - begun < 30000);
    DATA("outer", 5, bytes.data, bytes.len);
    redis_cache_bytes_free(&bytes);
    GETS(cache, "key", "outer");
    redis_cache_free(cache);
}

/* What happens to the key while it is being loaded. */
struct meanwhile {
    const redis_cache *cache;
    redis_cache_status (*happens)(const redis_cache *cache);
};

static redis_cache_status set_it(const redis_cache *cache)
{
    return redis_cache_set(cache, S("key"), S("written meanwhile"), 50000);
}

static redis_cache_status delete_it(const redis_cache *cache)
{
    return redis_cache_delete(cache, S("key"));
}

static redis_cache_status clear_all(const redis_cache *cache)
{
    return redis_cache_clear(cache, NULL, NULL);
}

static int32_t load_meanwhile(void *user_data, redis_cache_writer *out)
{
    struct meanwhile *meanwhile = user_data;

    STATUS(OK, redis_cache_writer_renew(out));
    STATUS(OK, meanwhile->happens(meanwhile->cache));
    STATUS(ERR_LOST, redis_cache_writer_renew(out));
    SAYS("lease");
    return redis_cache_writer_append(out, S("old")) == REDIS_CACHE_OK ? 0 : 1;
}

static void a_value_that_was_overtaken_goes_to_its_caller_only(void)
{
    struct meanwhile ways[3];
    redis_cache_bytes bytes;
    size_t i;

    ways[0].happens = delete_it;
    ways[1].happens = clear_all;
    ways[2].happens = set_it;
    for (i = 0; i < 3; i++) {
        redis_cache *cache = open_cache("prefix=p");

        ways[i].cache = cache;
        STATUS(OK, redis_cache_get_or_set(cache, S("key"), 50000, load_meanwhile, &ways[i], &bytes));
        DATA("old", 3, bytes.data, bytes.len);
        redis_cache_bytes_free(&bytes);
        if (i < 2)
            MISSES(cache, "key");
        else
            GETS(cache, "key", "written meanwhile");
        redis_cache_free(cache);
    }
}

static int32_t load_strangely(void *user_data, redis_cache_writer *out)
{
    (void)user_data;
    STATUS(ERR_UNSUPPORTED, redis_cache_writer_next(out));
    SAYS("one value");
    STATUS(ERR_UNSUPPORTED, redis_cache_writer_skip(out));
    SAYS("set_absent");
    STATUS(OK, redis_cache_writer_set_ttl(out, 20000));
    STATUS(OK, redis_cache_writer_append(out, S("one")));
    return 0;
}

static void what_concerns_many_values_is_refused_for_one(void)
{
    redis_cache *cache = open_cache(NULL);
    redis_cache_bytes bytes;

    STATUS(OK, redis_cache_get_or_set(cache, S("key"), 50000, load_strangely, NULL, &bytes));
    redis_cache_bytes_free(&bytes);
    GETS(cache, "key", "one");
    CHECK(ttl_of(cache) <= 20000);
    redis_cache_free(cache);
}

/* Works for two seconds under a lease of one and a half. */
static int32_t load_slowly(void *user_data, redis_cache_writer *out)
{
    struct load *job = user_data;
    int64_t begun = now_ms();

    job->calls++;
    while (now_ms() - begun < 2000) {
        STATUS(OK, redis_cache_writer_renew(out));
        sleep_ms(100);
    }
    return redis_cache_writer_append(out, S("slow")) == REDIS_CACHE_OK ? 0 : 1;
}

static void load_or_wait(int index, void *shared)
{
    struct load *job = shared;
    redis_cache *own = open_cache("lease=1500ms&wait=30s");
    redis_cache_bytes bytes;

    if (index != 0)
        sleep_ms(200);
    STATUS(OK, redis_cache_get_or_set(own, S("key"), 50000, load_slowly, job, &bytes));
    DATA("slow", 4, bytes.data, bytes.len);
    redis_cache_bytes_free(&bytes);
    redis_cache_free(own);
}

static void a_loader_may_renew_its_lease(void)
{
    struct load job = { 0 };

    on_threads(3, load_or_wait, &job);
    INT(1, job.calls);
}

struct cancelled {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    redis_cache *cache;
    bool has_begun;
    bool was_cancelled;
    int calls;
};

/* A loader that is in the middle of its work when its thread is cancelled. */
static int32_t load_until_cancelled(void *user_data, redis_cache_writer *out)
{
    struct cancelled *shared = user_data;

    pthread_mutex_lock(&shared->mutex);
    shared->calls++;
    shared->has_begun = true;
    pthread_cond_broadcast(&shared->changed);
    while (!shared->was_cancelled)
        pthread_cond_wait(&shared->changed, &shared->mutex);
    pthread_mutex_unlock(&shared->mutex);
    sleep_ms(50);
    return redis_cache_writer_append(out, S("loaded")) == REDIS_CACHE_OK ? 0 : 1;
}

static void cancelled_call(struct cancelled *shared)
{
    redis_cache_bytes bytes;

    STATUS(OK, redis_cache_get_or_set(shared->cache, S("key"), 50000, load_until_cancelled, shared, &bytes));
    redis_cache_bytes_free(&bytes);
}

static void *cancelled_thread(void *shared)
{
    cancelled_call(shared);
    /* AddressSanitizer cannot follow a thread that is unwound to its end. */
#ifdef __SANITIZE_ADDRESS__
    return PTHREAD_CANCELED;
#else
    pthread_testcancel();
    return NULL;
#endif
}

/* It ends after the call: the value is there, for others who wait for it too. */
static void a_cancelled_thread_strands_nobody(void)
{
    struct cancelled shared = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, false, false, 0 };
    struct load never = { 0 };
    pthread_t thread;
    void *ended = NULL;

    shared.cache = open_cache("wait=30s");
    CHECK(pthread_create(&thread, NULL, cancelled_thread, &shared) == 0);
    pthread_mutex_lock(&shared.mutex);
    while (!shared.has_begun)
        pthread_cond_wait(&shared.changed, &shared.mutex);
    pthread_mutex_unlock(&shared.mutex);
    CHECK(pthread_cancel(thread) == 0);
    pthread_mutex_lock(&shared.mutex);
    shared.was_cancelled = true;
    pthread_cond_broadcast(&shared.changed);
    pthread_mutex_unlock(&shared.mutex);
    never.text = "never";
    OR_SET(shared.cache, &never, 50000, "loaded");
    CHECK(pthread_join(thread, &ended) == 0);
    CHECK(ended == PTHREAD_CANCELED);
    INT(1, shared.calls);
    INT(0, never.calls);
    GETS(shared.cache, "key", "loaded");
    redis_cache_free(shared.cache);
}

static int32_t load_too_much(void *user_data, redis_cache_writer *out)
{
    static const char much[2000] = "much";

    ++*(int *)user_data;
    return redis_cache_writer_append(out, much, sizeof much);
}

static void a_loaded_value_above_max_value_goes_to_its_caller_only(void)
{
    redis_cache *cache = open_cache("max_value=1k");
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_stats stats;
    int calls = 0;

    STATUS(OK, redis_cache_get_or_set(cache, S("key"), 50000, load_too_much, &calls, &bytes));
    INT(2000, bytes.len);
    redis_cache_bytes_free(&bytes);
    MISSES(cache, "key");
    STATUS(OK, redis_cache_get_or_set(cache, S("key"), 50000, load_too_much, &calls, &bytes));
    INT(2000, bytes.len);
    redis_cache_bytes_free(&bytes);
    INT(2, calls);
    STATUS(OK, redis_cache_stats_read(cache, &stats, sizeof stats));
    INT(2, stats.errors);
    redis_cache_free(cache);
}

void suite_compute(void)
{
    RUN(a_loaded_value_above_max_value_goes_to_its_caller_only);
    RUN(a_miss_loads_and_a_hit_does_not);
    RUN(every_stored_value_is_a_hit);
    RUN(a_loaded_value_takes_every_kind_of_ttl);
    RUN(the_loader_may_know_a_better_ttl);
    RUN(a_value_may_be_written_in_pieces);
    RUN(a_loader_that_fails_is_an_error_with_its_text);
    RUN(a_loader_may_use_the_cache);
    RUN(a_loader_that_asks_for_its_own_key_gets_an_error);
    RUN(a_value_that_was_overtaken_goes_to_its_caller_only);
    RUN(what_concerns_many_values_is_refused_for_one);
    RUN(a_loader_may_renew_its_lease);
    RUN(a_cancelled_thread_strands_nobody);
}
