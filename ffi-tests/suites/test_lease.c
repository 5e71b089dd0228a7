/* get_or_set without a callback: who gets the lease, how it ends, and what the others are told meanwhile. */
#include "check.h"
#include "fixture.h"
#include "load.h"
#include "suites.h"

static redis_cache_lease *lease;

/* Begins "key": says `want`, and *out is `text` (NULL: nothing). The lease is left in `lease`. */
static void begin(int line, const redis_cache *cache, int want, const char *text)
{
    redis_cache_bytes bytes = DIRTY_BYTES;
    int status;

    lease = (redis_cache_lease *)1;
    status = (int)redis_cache_lease_begin(cache, S("key"), &bytes, &lease);
    check_status(__FILE__, line, "lease_begin", status, want);
    if (text != NULL)
        check_data(__FILE__, line, bytes.data, bytes.len, text, strlen(text));
    else
        CLEAN_BYTES(bytes);
    redis_cache_bytes_free(&bytes);
}
#define BEGIN(want, cache, text) begin(__LINE__, cache, (int)REDIS_CACHE_##want, text)

static void a_miss_is_yours_to_compute_and_a_hit_is_not(void)
{
    redis_cache *cache = open_cache(NULL);
    int64_t left = DIRTY_INT;

    BEGIN(NOT_FOUND, cache, NULL);
    REQUIRE(lease != NULL);
    MISSES(cache, "key");
    STATUS(OK, redis_cache_lease_fulfill(lease, S("value"), 50000));
    STATUS(OK, redis_cache_ttl(cache, S("key"), &left));
    CHECK(left > 40000 && left <= 50000);
    BEGIN(OK, cache, "value");
    CHECK(lease == NULL);
    STATUS(OK, redis_cache_set(cache, S("key"), S("another"), 50000));
    BEGIN(OK, cache, "another");
    CHECK(lease == NULL);
    STATUS(OK, redis_cache_set_int(cache, S("key"), 42, 50000));
    BEGIN(OK, cache, "42");
    CHECK(lease == NULL);
    redis_cache_free(cache);
}

static void others_are_told_that_it_is_busy(void)
{
    redis_cache *cache = open_cache("wait=50ms"), *other = open_cache("wait=50ms&on_wait_timeout=busy");
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_lease *mine;
    struct load job = { 0 };

    BEGIN(NOT_FOUND, cache, NULL);
    mine = lease;
    REQUIRE(mine != NULL);
    BEGIN(BUSY, cache, NULL);
    CHECK(lease == NULL);
    BEGIN(BUSY, other, NULL);
    CHECK(lease == NULL);
    job.text = "never";
    STATUS(BUSY, redis_cache_get_or_set(other, S("key"), 50000, load, &job, &bytes));
    CLEAN_BYTES(bytes);
    INT(0, job.calls);
    /* The default is to compute, and not to store. */
    OR_SET(cache, &job, 50000, "never");
    MISSES(cache, "key");
    STATUS(OK, redis_cache_lease_fulfill(mine, S("value"), 50000));
    BEGIN(OK, other, "value");
    redis_cache_free(other);
    redis_cache_free(cache);
}

static void an_abandoned_lease_is_free_at_once(void)
{
    redis_cache *cache = open_cache("wait=0ms");

    redis_cache_lease_abandon(NULL);
    BEGIN(NOT_FOUND, cache, NULL);
    REQUIRE(lease != NULL);
    redis_cache_lease_abandon(lease);
    MISSES(cache, "key");
    STATUS(NOT_FOUND, redis_cache_delete(cache, S("key")));
    BEGIN(NOT_FOUND, cache, NULL);
    REQUIRE(lease != NULL);
    STATUS(OK, redis_cache_lease_fulfill(lease, NULL, 0, 50000));
    BEGIN(OK, cache, "");
    redis_cache_free(cache);
}

static void a_lease_is_lost_with_its_key(void)
{
    redis_cache *cache = open_cache(NULL);

    BEGIN(NOT_FOUND, cache, NULL);
    REQUIRE(lease != NULL);
    STATUS(OK, redis_cache_delete(cache, S("key")));
    STATUS(ERR_LOST, redis_cache_lease_renew(lease));
    STATUS(ERR_LOST, redis_cache_lease_fulfill(lease, S("old"), 50000));
    SAYS("lease");
    MISSES(cache, "key");
    BEGIN(NOT_FOUND, cache, NULL);
    REQUIRE(lease != NULL);
    STATUS(OK, redis_cache_set(cache, S("key"), S("written meanwhile"), 50000));
    STATUS(ERR_LOST, redis_cache_lease_fulfill(lease, S("old"), 50000));
    GETS(cache, "key", "written meanwhile");
    STATUS(OK, redis_cache_delete(cache, S("key")));
    BEGIN(NOT_FOUND, cache, NULL);
    REQUIRE(lease != NULL);
    STATUS(OK, redis_cache_set(cache, S("key"), S("written meanwhile"), 50000));
    redis_cache_lease_abandon(lease);
    GETS(cache, "key", "written meanwhile");
    redis_cache_free(cache);
}

static void a_lease_ends_by_itself_and_may_be_renewed(void)
{
    redis_cache *cache = open_cache("lease=1500ms&wait=0ms"), *other = open_cache("lease=1m&wait=10s");
    redis_cache_lease *first;
    int64_t begun;
    int i;

    BEGIN(NOT_FOUND, cache, NULL);
    first = lease;
    REQUIRE(first != NULL);
    for (i = 0, begun = now_ms(); now_ms() - begun < 2000; i++) {
        STATUS(OK, redis_cache_lease_renew(first));
        sleep_ms(100);
    }
    BEGIN(BUSY, cache, NULL);
    BEGIN(NOT_FOUND, other, NULL); /* after the rest of the lease */
    REQUIRE(lease != NULL);
    STATUS(ERR_LOST, redis_cache_lease_renew(first));
    STATUS(ERR_LOST, redis_cache_lease_fulfill(first, S("too late"), 50000));
    STATUS(OK, redis_cache_lease_fulfill(lease, S("in time"), 50000));
    GETS(cache, "key", "in time");
    redis_cache_free(other);
    redis_cache_free(cache);
}

static void a_stale_value_comes_with_the_lease_to_renew_it(void)
{
    redis_cache *cache = open_cache("stale=1m");
    redis_cache_lease *mine;

    STATUS(OK, redis_cache_set(cache, S("key"), S("old"), 50000));
    STATUS(OK, redis_cache_expire_soft(cache, S("key")));
    GOES(cache, "key");
    BEGIN(STALE, cache, "old");
    mine = lease;
    REQUIRE(mine != NULL);
    BEGIN(STALE, cache, "old");
    CHECK(lease == NULL);
    STATUS(OK, redis_cache_lease_renew(mine));
    STATUS(OK, redis_cache_lease_fulfill(mine, S("new"), 50000));
    BEGIN(OK, cache, "new");
    CHECK(lease == NULL);
    STATUS(OK, redis_cache_expire_soft(cache, S("key")));
    GOES(cache, "key");
    BEGIN(STALE, cache, "new");
    REQUIRE(lease != NULL);
    redis_cache_lease_abandon(lease);
    BEGIN(STALE, cache, "new");
    CHECK(lease == NULL); /* nobody tries again for a second */
    redis_cache_free(cache);
}

static void a_lease_may_end_with_nothing(void)
{
    redis_cache *cache = open_cache(NULL);

    BEGIN(NOT_FOUND, cache, NULL);
    REQUIRE(lease != NULL);
    STATUS(OK, redis_cache_lease_fulfill_absent(lease, 50000));
    BEGIN(NOT_FOUND, cache, NULL);
    CHECK(lease == NULL);
    STATUS(OK, redis_cache_add(cache, S("key"), S("added"), 50000));
    BEGIN(OK, cache, "added");
    redis_cache_free(cache);
}

static void a_value_may_live_no_longer(void)
{
    static const int64_t expired[] = { 0, -5, INT64_MIN + 1 };
    redis_cache *cache = open_cache("ttl=1m");
    int64_t left = DIRTY_INT;
    size_t i;

    for (i = 0; i < sizeof expired / sizeof expired[0]; i++) {
        BEGIN(NOT_FOUND, cache, NULL);
        REQUIRE(lease != NULL);
        STATUS(OK, redis_cache_lease_fulfill(lease, S("value"), expired[i]));
        MISSES(cache, "key");
    }
    BEGIN(NOT_FOUND, cache, NULL);
    REQUIRE(lease != NULL);
    STATUS(OK, redis_cache_lease_fulfill(lease, S("value"), REDIS_CACHE_TTL_DEFAULT));
    STATUS(OK, redis_cache_ttl(cache, S("key"), &left));
    CHECK(left > 50000 && left <= 60000);
    redis_cache_free(cache);
}

static void a_lease_outlives_its_client_and_is_used_up_by_mistakes(void)
{
    redis_cache *cache = open_cache("wait=0ms"), *view = redis_cache_with_version(cache, 7);

    BEGIN(NOT_FOUND, view, NULL);
    REQUIRE(lease != NULL);
    redis_cache_free(view);
    STATUS(OK, redis_cache_lease_renew(lease));
    STATUS(OK, redis_cache_lease_fulfill(lease, S("of version 7"), 50000));
    MISSES(cache, "key");
    view = redis_cache_with_version(cache, 7);
    GETS(view, "key", "of version 7");
    redis_cache_free(view);
    /* Whatever fulfill says, the lease is over, and given back. */
    BEGIN(NOT_FOUND, cache, NULL);
    REQUIRE(lease != NULL);
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_lease_fulfill(lease, NULL, 5, 50000));
    BEGIN(NOT_FOUND, cache, NULL);
    CHECK(lease != NULL);
    redis_cache_lease_abandon(lease);
    redis_cache_free(cache);
}

static void load_or_fulfill(int index, void *shared)
{
    struct load *job = shared;
    redis_cache_bytes bytes = DIRTY_BYTES;

    if (index == 0) {
        sleep_ms(100); /* the others wait by now */
        job->calls++;
        STATUS(OK, redis_cache_lease_fulfill(lease, S("fulfilled"), 50000));
    } else if (index % 2 == 0) {
        OR_SET(job->cache, job, 50000, "fulfilled");
    } else {
        redis_cache_lease *mine = NULL;

        if (STATUS(OK, redis_cache_lease_begin(job->cache, S("key"), &bytes, &mine)))
            DATA("fulfilled", 9, bytes.data, bytes.len);
        CHECK(mine == NULL);
        redis_cache_bytes_free(&bytes);
    }
}

static void both_kinds_of_callers_wait_for_a_lease(void)
{
    redis_cache *cache = open_cache("wait=20s&lease=20s");
    struct load job = { 0 };

    job.cache = cache;
    job.text = "never";
    BEGIN(NOT_FOUND, cache, NULL);
    REQUIRE(lease != NULL);
    on_threads(8, load_or_fulfill, &job);
    INT(1, job.calls);
    redis_cache_free(cache);
}

static void a_plain_layout_has_no_leases(void)
{
    redis_cache *cache = open_cache("layout=plain");

    BEGIN(ERR_UNSUPPORTED, cache, NULL);
    CHECK(lease == NULL);
    redis_cache_free(cache);
}

void suite_lease(void)
{
    RUN(a_miss_is_yours_to_compute_and_a_hit_is_not);
    RUN(others_are_told_that_it_is_busy);
    RUN(an_abandoned_lease_is_free_at_once);
    RUN(a_lease_is_lost_with_its_key);
    RUN(a_lease_ends_by_itself_and_may_be_renewed);
    RUN(a_stale_value_comes_with_the_lease_to_renew_it);
    RUN(a_lease_may_end_with_nothing);
    RUN(a_value_may_live_no_longer);
    RUN(a_lease_outlives_its_client_and_is_used_up_by_mistakes);
    RUN(both_kinds_of_callers_wait_for_a_lease);
    RUN(a_plain_layout_has_no_leases);
}
