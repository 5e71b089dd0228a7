/* get_or_set on many threads: one loads, the others get what it made, its failure, or enough of waiting. */
#include "check.h"
#include "fixture.h"
#include "load.h"
#include "suites.h"

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
    job.takes_ms = 1000;
    on_threads(10, load_apart, &job);
    INT(10, job.calls);
    CHECK(now_ms() - begun < 8000); /* ten seconds, one after another */
    redis_cache_free(cache);
}

static void wait_or_go(int index, void *shared)
{
    struct load *job = shared, own;
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_status status;
    int64_t begun;

    if (index == 0) {
        OR_SET(job->cache, job, 50000, "slow");
        return;
    }
    await_load(job);
    own = *job;
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
    job.takes_ms = 500 + slack_ms();
    job.cache = busy;
    job.ttl_ms = 50000; /* marks the run that says BUSY */
    on_threads(2, wait_or_go, &job);
    job.cache = compute;
    job.calls = 0;
    job.ttl_ms = 0;
    on_threads(2, wait_or_go, &job);
    GETS(compute, "key", "slow");
    redis_cache_free(busy);
    redis_cache_free(compute);
}

void suite_herd(void)
{
    RUN(ten_threads_on_a_cold_key_load_once);
    RUN(ten_threads_share_a_failure);
    RUN(loads_of_different_keys_do_not_wait_for_each_other);
    RUN(the_wait_for_another_loader_ends);
}
