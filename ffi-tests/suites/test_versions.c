/* Versions of a key: views on them, moving entries between them, and handles that share one client. */
#include "check.h"
#include "fixture.h"
#include "suites.h"

static void views_see_only_their_version(void)
{
    redis_cache *one = open_cache(NULL), *two = redis_cache_with_version(one, 2);

    REQUIRE(two != NULL);
    STATUS(OK, redis_cache_set(one, S("key"), S("first"), 5000));
    MISSES(two, "key");
    STATUS(OK, redis_cache_set(two, S("key"), S("second"), 5000));
    GETS(one, "key", "first");
    GETS(two, "key", "second");
    STATUS(OK, redis_cache_delete(two, S("key")));
    GETS(one, "key", "first");
    redis_cache_free(two);
    redis_cache_free(one);
}

static void a_view_of_a_view_is_a_view(void)
{
    redis_cache *one = open_cache("version=5"), *two = redis_cache_with_version(one, 6);
    redis_cache *back = redis_cache_with_version(two, 5);

    STATUS(OK, redis_cache_set(one, S("key"), S("five"), 5000));
    GETS(back, "key", "five");
    redis_cache_free(one);
    redis_cache_free(two);
    GETS(back, "key", "five");
    redis_cache_free(back);
}

static void clones_and_views_outlive_what_they_came_from(void)
{
    redis_cache *cache = open_cache("prefix=orders"), *clone = redis_cache_clone(cache);
    redis_cache *view = redis_cache_with_version(cache, 1);

    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 5000));
    redis_cache_free(cache);
    GETS(clone, "key", "value");
    GETS(view, "key", "value");
    redis_cache_free(clone);
    GETS(view, "key", "value");
    STATUS(OK, redis_cache_ping(view));
    redis_cache_free(view);
}

static void incr_version_moves_value_and_expiry(void)
{
    redis_cache *one = open_cache(NULL), *two = redis_cache_with_version(one, 2), *five = redis_cache_with_version(one, 5);
    uint64_t version = DIRTY_INT;
    int64_t left = DIRTY_INT;

    STATUS(OK, redis_cache_set(one, S("key"), S("value"), 50000));
    STATUS(OK, redis_cache_incr_version(one, S("key"), 1, &version));
    INT(2, version);
    MISSES(one, "key");
    GETS(two, "key", "value");
    STATUS(OK, redis_cache_ttl(two, S("key"), &left));
    CHECK(left > 40000 && left <= 50000);
    STATUS(OK, redis_cache_incr_version(two, S("key"), 3, &version));
    INT(5, version);
    MISSES(two, "key");
    STATUS(OK, redis_cache_incr_version(five, S("key"), -4, &version));
    INT(1, version);
    GETS(one, "key", "value");
    redis_cache_free(five);
    redis_cache_free(two);
    redis_cache_free(one);
}

static void incr_version_keeps_what_never_expires(void)
{
    redis_cache *one = open_cache(NULL), *two = redis_cache_with_version(one, 2);
    uint64_t version;
    int64_t left = DIRTY_INT, number = DIRTY_INT;

    STATUS(OK, redis_cache_set_int(one, S("n"), 77, REDIS_CACHE_TTL_FOREVER));
    STATUS(OK, redis_cache_incr_version(one, S("n"), 1, &version));
    STATUS(OK, redis_cache_get_int(two, S("n"), &number));
    INT(77, number);
    STATUS(OK, redis_cache_ttl(two, S("n"), &left));
    CHECK(left == REDIS_CACHE_TTL_FOREVER);
    redis_cache_free(two);
    redis_cache_free(one);
}

static void incr_version_replaces_what_is_there(void)
{
    redis_cache *one = open_cache(NULL), *two = redis_cache_with_version(one, 2);
    uint64_t version;
    int64_t left = DIRTY_INT;

    STATUS(OK, redis_cache_set(two, S("key"), S("a much longer value that was there before"), REDIS_CACHE_TTL_FOREVER));
    STATUS(OK, redis_cache_set(one, S("key"), S("new"), 50000));
    STATUS(OK, redis_cache_incr_version(one, S("key"), 1, &version));
    INT(2, version);
    GETS(two, "key", "new");
    STATUS(OK, redis_cache_ttl(two, S("key"), &left));
    CHECK(left > 40000 && left <= 50000);
    redis_cache_free(two);
    redis_cache_free(one);
}

static void incr_version_of_nothing_leaves_the_other_alone(void)
{
    redis_cache *one = open_cache(NULL), *two = redis_cache_with_version(one, 2);
    uint64_t version = DIRTY_INT;

    STATUS(OK, redis_cache_set(two, S("key"), S("there"), 5000));
    STATUS(NOT_FOUND, redis_cache_incr_version(one, S("key"), 1, &version));
    INT(0, version);
    GETS(two, "key", "there");
    redis_cache_free(two);
    redis_cache_free(one);
}

static void incr_version_by_nothing_keeps_the_entry(void)
{
    redis_cache *cache = open_cache(NULL);
    uint64_t version = DIRTY_INT;

    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 5000));
    STATUS(OK, redis_cache_incr_version(cache, S("key"), 0, &version));
    INT(1, version);
    GETS(cache, "key", "value");
    STATUS(NOT_FOUND, redis_cache_incr_version(cache, S("none"), 0, &version));
    INT(0, version);
    redis_cache_free(cache);
}

static void versions_below_zero_are_refused(void)
{
    static const int64_t deltas[] = { -2, -1000, INT64_MIN };
    redis_cache *one = open_cache(NULL), *zero = redis_cache_with_version(one, 0);
    redis_cache *last = redis_cache_with_version(one, UINT64_MAX);
    uint64_t version;
    size_t i;

    STATUS(OK, redis_cache_set(one, S("key"), S("value"), 5000));
    for (i = 0; i < sizeof deltas / sizeof deltas[0]; i++) {
        version = DIRTY_INT;
        STATUS(ERR_INVALID_ARGUMENT, redis_cache_incr_version(one, S("key"), deltas[i], &version));
        INT(0, version);
    }
    GETS(one, "key", "value");
    version = DIRTY_INT;
    STATUS(OK, redis_cache_incr_version(one, S("key"), -1, &version));
    INT(0, version);
    GETS(zero, "key", "value");
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_incr_version(zero, S("key"), -1, &version));
    STATUS(OK, redis_cache_set(last, S("key"), S("last"), 5000));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_incr_version(last, S("key"), 1, &version));
    GETS(last, "key", "last");
    redis_cache_free(last);
    redis_cache_free(zero);
    redis_cache_free(one);
}

static void handles_of_one_named_store_or_server_share_it(void)
{
    redis_cache *first = open_cache("prefix=shared"), *second = open_cache("prefix=shared"), *other = open_cache("prefix=x");

    STATUS(OK, redis_cache_set(first, S("key"), S("value"), 5000));
    GETS(second, "key", "value");
    MISSES(other, "key");
    redis_cache_free(first);
    redis_cache_free(second);
    redis_cache_free(other);
}

static void nameless_memory_stores_are_apart(void)
{
    redis_cache *first = open_url("memory://"), *second = open_url("memory://"), *clone = redis_cache_clone(first);

    STATUS(OK, redis_cache_set(first, S("key"), S("value"), 5000));
    MISSES(second, "key");
    GETS(clone, "key", "value");
    redis_cache_free(first);
    redis_cache_free(second);
    GETS(clone, "key", "value");
    redis_cache_free(clone);
}

void suite_versions(void)
{
    RUN(views_see_only_their_version);
    RUN(a_view_of_a_view_is_a_view);
    RUN(clones_and_views_outlive_what_they_came_from);
    RUN(incr_version_moves_value_and_expiry);
    RUN(incr_version_keeps_what_never_expires);
    RUN(incr_version_replaces_what_is_there);
    RUN(incr_version_of_nothing_leaves_the_other_alone);
    RUN(incr_version_by_nothing_keeps_the_entry);
    RUN(versions_below_zero_are_refused);
    RUN(handles_of_one_named_store_or_server_share_it);
    RUN(nameless_memory_stores_are_apart);
}
