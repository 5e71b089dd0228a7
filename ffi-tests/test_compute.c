/* get_or_set: what a loader may do, what becomes of its value and of its failure, and that it runs once. */
#include "check.h"
#include "fixture.h"
#include "suites.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* What a loader of these tests does, and how often it did. */
struct load {
    const redis_cache *cache;
    const char *text;
    const char *fault; /* NULL: it succeeds */
    int64_t ttl_ms;    /* 0: none of its own */
    int64_t takes_ms;
    int calls;
};

static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;

static int32_t load(void *user_data, redis_cache_writer *out)
{
    struct load *job = user_data;

    pthread_mutex_lock(&counting);
    job->calls++;
    pthread_mutex_unlock(&counting);
    if (job->takes_ms != 0)
        sleep_ms(job->takes_ms);
    if (job->fault != NULL) {
        redis_cache_writer_append(out, S("half a va"));
        redis_cache_writer_fail(out, job->fault);
        return 5;
    }
    if (job->ttl_ms != 0)
        STATUS(OK, redis_cache_writer_set_ttl(out, job->ttl_ms));
    STATUS(OK, redis_cache_writer_append(out, job->text, strlen(job->text)));
    return 0;
}

static void check_or_set(int line, const redis_cache *cache, struct load *job, int64_t ttl_ms, const char *want)
{
    redis_cache_bytes bytes = DIRTY_BYTES;
    int status = (int)redis_cache_get_or_set(cache, S("key"), ttl_ms, load, job, &bytes);

    if (check_status(__FILE__, line, "get_or_set", status, REDIS_CACHE_OK)) {
        check_data(__FILE__, line, bytes.data, bytes.len, want, strlen(want));
        check_int(__FILE__, line, "the NUL behind it", bytes.data[bytes.len], 0);
    }
    redis_cache_bytes_free(&bytes);
}
#define OR_SET(cache, job, ttl_ms, want) check_or_set(__LINE__, cache, job, ttl_ms, want)

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
    redis_cache *cache = open_cache(NULL);
    redis_cache_bytes bytes = DIRTY_BYTES;
    struct load outer = { 0 };
    int64_t begun = now_ms();

    outer.cache = cache;
    STATUS(OK, redis_cache_get_or_set(cache, S("key"), 50000, load_itself, &outer, &bytes));
    CHECK(now_ms() - begun < 2000);
    DATA("outer", 5, bytes.data, bytes.len);
    redis_cache_bytes_free(&bytes);
    GETS(cache, "key", "outer");
    redis_cache_free(cache);
}

static void load_together(int index, void *shared)
{
    struct load *job = shared;
    redis_cache_bytes bytes = DIRTY_BYTES;

    (void)index;
    if (job->fault == NULL) {
        OR_SET(job->cache, job, 50000, job->text);
    } else {
        STATUS(ERR_CALLBACK, redis_cache_get_or_set(job->cache, S("key"), 50000, load, job, &bytes));
        SAYS(job->fault);
        CLEAN_BYTES(bytes);
    }
}

static void ten_threads_on_a_cold_key_load_once(void)
{
    redis_cache *cache = open_cache(NULL);
    struct load job = { 0 };

    job.cache = cache;
    job.text = "loaded once";
    job.takes_ms = 150;
    on_threads(10, load_together, &job);
    INT(1, job.calls);
    redis_cache_free(cache);
}

static void ten_threads_share_a_failure(void)
{
    redis_cache *cache = open_cache(NULL);
    struct load job = { 0 };

    job.cache = cache;
    job.fault = "it failed for all of you";
    job.takes_ms = 150;
    on_threads(10, load_together, &job);
    CHECK(job.calls < 10);
    job.fault = NULL;
    job.text = "loaded";
    OR_SET(cache, &job, 50000, "loaded");
    redis_cache_free(cache);
}

static void load_apart(int index, void *shared)
{
    struct load *job = shared;
    redis_cache_bytes bytes = DIRTY_BYTES;
    char key = (char)('a' + index);

    STATUS(OK, redis_cache_get_or_set(job->cache, &key, 1, 50000, load, job, &bytes));
    redis_cache_bytes_free(&bytes);
}

static void loads_of_different_keys_do_not_wait_for_each_other(void)
{
    redis_cache *cache = open_cache("max_connections=3");
    struct load job = { 0 };
    int64_t begun = now_ms();

    job.cache = cache;
    job.text = "loaded";
    job.takes_ms = 200;
    on_threads(10, load_apart, &job);
    INT(10, job.calls);
    CHECK(now_ms() - begun < 1000 + slack_ms());
    redis_cache_free(cache);
}

static void wait_or_go(int index, void *shared)
{
    struct load *job = shared, own = *job;
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_status status;
    int64_t begun;

    if (index == 0) {
        OR_SET(job->cache, job, 50000, "slow");
        return;
    }
    sleep_ms(150); /* the other one loads now */
    own.text = "quick";
    own.takes_ms = 0;
    begun = now_ms();
    status = redis_cache_get_or_set(job->cache, S("key"), 50000, load, &own, &bytes);
    CHECK(now_ms() - begun < 100 + slack_ms());
    if (own.ttl_ms != 0) {
        STATUS(BUSY, status);
        CLEAN_BYTES(bytes);
    } else if (STATUS(OK, status)) {
        DATA("quick", 5, bytes.data, bytes.len);
    }
    redis_cache_bytes_free(&bytes);
}

static void the_wait_for_another_loader_ends(void)
{
    struct load job = { 0 };
    redis_cache *busy = open_cache("wait=100ms&on_wait_timeout=busy&prefix=b");
    redis_cache *compute = open_cache("wait=100ms&on_wait_timeout=compute&prefix=c");

    job.text = "slow";
    job.takes_ms = 700 + 2 * slack_ms();
    job.cache = busy;
    job.ttl_ms = 50000; /* marks the run that says BUSY */
    on_threads(2, wait_or_go, &job);
    job.cache = compute;
    job.ttl_ms = 0;
    on_threads(2, wait_or_go, &job);
    GETS(compute, "key", "slow");
    redis_cache_free(busy);
    redis_cache_free(compute);
}

void suite_compute(void)
{
    RUN(a_miss_loads_and_a_hit_does_not);
    RUN(every_stored_value_is_a_hit);
    RUN(a_loaded_value_takes_every_kind_of_ttl);
    RUN(the_loader_may_know_a_better_ttl);
    RUN(a_value_may_be_written_in_pieces);
    RUN(a_loader_that_fails_is_an_error_with_its_text);
    RUN(a_loader_may_use_the_cache);
    RUN(a_loader_that_asks_for_its_own_key_gets_an_error);
    RUN(ten_threads_on_a_cold_key_load_once);
    RUN(ten_threads_share_a_failure);
    RUN(loads_of_different_keys_do_not_wait_for_each_other);
    RUN(the_wait_for_another_loader_ends);
}
