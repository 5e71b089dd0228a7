/* Time: what every kind of ttl_ms means to every function that takes one, and the functions that only move it. */
#include "check.h"
#include "fixture.h"
#include "suites.h"

#define FOREVER REDIS_CACHE_TTL_FOREVER
#define DEFAULT REDIS_CACHE_TTL_DEFAULT
#define LARGEST INT64_C(1000000000000000) /* 10^15; above it is for ever */

/* Up to ten seconds may pass between writing and asking. */
static void check_ttl(int line, const redis_cache *cache, const char *key, int64_t want)
{
    int64_t got = DIRTY_INT;

    if (!check_status(__FILE__, line, key, (int)redis_cache_ttl(cache, key, strlen(key), &got), REDIS_CACHE_OK))
        return;
    if (want == FOREVER ? got != FOREVER : (got > want || got < want - 10000 || got <= 0))
        check_failed(__FILE__, line, "ttl of %s: got %lld, want %lld", key, (long long)got, (long long)want);
}
#define TTL(cache, key, want) check_ttl(__LINE__, cache, key, want)

static const int64_t expired[] = { 0, -1, -1000, -LARGEST, INT64_MIN + 1 };
#define EXPIRED (sizeof expired / sizeof expired[0])

static void set_takes_every_kind_of_ttl(void)
{
    redis_cache *cache = open_cache(NULL);
    static const int64_t kept[] = { 20000, 86400000, LARGEST };
    static const int64_t forever[] = { LARGEST + 1, FOREVER - 1, FOREVER };
    size_t i;

    for (i = 0; i < 3; i++) {
        STATUS(OK, redis_cache_set(cache, S("key"), S("value"), kept[i]));
        TTL(cache, "key", kept[i]);
        STATUS(OK, redis_cache_set(cache, S("key"), S("value"), forever[i]));
        TTL(cache, "key", FOREVER);
        GETS(cache, "key", "value");
    }
    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), DEFAULT));
    TTL(cache, "key", 300000);
    redis_cache_free(cache);
}

static void the_default_is_an_option(void)
{
    redis_cache *minute = open_cache("ttl=1m"), *never = open_cache("ttl=never"), *none = open_cache("ttl=0s");
    int64_t number;

    STATUS(OK, redis_cache_set(minute, S("key"), S("value"), DEFAULT));
    TTL(minute, "key", 60000);
    STATUS(OK, redis_cache_set_int(minute, S("key"), 1, DEFAULT));
    TTL(minute, "key", 60000);
    STATUS(OK, redis_cache_add(minute, S("added"), S("value"), DEFAULT));
    TTL(minute, "added", 60000);
    STATUS(OK, redis_cache_incr_or_create(minute, S("made"), 1, 1, DEFAULT, &number));
    TTL(minute, "made", 60000);
    STATUS(OK, redis_cache_persist(minute, S("key")));
    STATUS(OK, redis_cache_touch(minute, S("key"), DEFAULT));
    TTL(minute, "key", 60000);
    STATUS(OK, redis_cache_set(never, S("key"), S("value"), DEFAULT));
    TTL(never, "key", FOREVER);
    STATUS(OK, redis_cache_set(none, S("key"), S("value"), DEFAULT));
    MISSES(none, "key");
    redis_cache_free(minute);
    redis_cache_free(never);
    redis_cache_free(none);
}

static void an_expired_set_removes_the_key(void)
{
    redis_cache *cache = open_cache(NULL);
    size_t i;

    for (i = 0; i < EXPIRED; i++) {
        redis_cache_entry entries[2] = { { SLICE("key"), SLICE("x") }, { SLICE("other"), SLICE("y") } };

        STATUS(OK, redis_cache_set(cache, S("key"), S("value"), FOREVER));
        STATUS(OK, redis_cache_set(cache, S("key"), S("value"), expired[i]));
        MISSES(cache, "key");
        STATUS(OK, redis_cache_set(cache, S("key"), S("value"), expired[i]));
        STATUS(OK, redis_cache_set_int(cache, S("key"), 5, FOREVER));
        STATUS(OK, redis_cache_set_int(cache, S("key"), 6, expired[i]));
        MISSES(cache, "key");
        STATUS(OK, redis_cache_set(cache, S("key"), S("value"), FOREVER));
        STATUS(OK, redis_cache_set_many(cache, entries, 2, expired[i], NULL));
        MISSES(cache, "key");
        MISSES(cache, "other");
    }
    redis_cache_free(cache);
}

static void an_expired_add_stores_nothing_and_removes_nothing(void)
{
    redis_cache *cache = open_cache(NULL);
    size_t i;

    for (i = 0; i < EXPIRED; i++) {
        STATUS(OK, redis_cache_add(cache, S("none"), S("value"), expired[i]));
        MISSES(cache, "none");
        STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 50000));
        STATUS(EXISTS, redis_cache_add(cache, S("key"), S("other"), expired[i]));
        GETS(cache, "key", "value");
        TTL(cache, "key", 50000);
    }
    redis_cache_free(cache);
}

static void an_expired_touch_removes_the_key_and_says_it_was_there(void)
{
    redis_cache *cache = open_cache(NULL);
    size_t i;

    for (i = 0; i < EXPIRED; i++) {
        STATUS(OK, redis_cache_set(cache, S("key"), S("value"), FOREVER));
        STATUS(OK, redis_cache_touch(cache, S("key"), expired[i]));
        MISSES(cache, "key");
        STATUS(NOT_FOUND, redis_cache_touch(cache, S("key"), expired[i]));
        STATUS(OK, redis_cache_set(cache, S("key"), S("value"), FOREVER));
        STATUS(OK, redis_cache_expire(cache, S("key"), expired[i]));
        MISSES(cache, "key");
        STATUS(NOT_FOUND, redis_cache_expire(cache, S("key"), expired[i]));
    }
    redis_cache_free(cache);
}

static void an_expired_counter_is_not_created(void)
{
    redis_cache *cache = open_cache(NULL);
    int64_t number = DIRTY_INT;

    STATUS(OK, redis_cache_incr_or_create(cache, S("count"), 1, 40, 0, &number));
    INT(40, number);
    MISSES(cache, "count");
    STATUS(OK, redis_cache_set_int(cache, S("count"), 1, FOREVER));
    STATUS(OK, redis_cache_incr_or_create(cache, S("count"), 1, 40, -5, &number));
    INT(2, number);
    TTL(cache, "count", FOREVER);
    redis_cache_free(cache);
}

static void touch_and_expire_move_the_expiry_and_nothing_else(void)
{
    redis_cache *cache = open_cache(NULL);

    STATUS(NOT_FOUND, redis_cache_touch(cache, S("key"), 1000));
    STATUS(NOT_FOUND, redis_cache_touch(cache, S("key"), FOREVER));
    STATUS(NOT_FOUND, redis_cache_touch(cache, S("key"), DEFAULT));
    STATUS(NOT_FOUND, redis_cache_expire(cache, S("key"), 1000));
    STATUS(NOT_FOUND, redis_cache_persist(cache, S("key")));
    MISSES(cache, "key");
    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 20000));
    STATUS(OK, redis_cache_touch(cache, S("key"), 90000));
    TTL(cache, "key", 90000);
    STATUS(OK, redis_cache_touch(cache, S("key"), 30000));
    TTL(cache, "key", 30000);
    STATUS(OK, redis_cache_touch(cache, S("key"), LARGEST + 1));
    TTL(cache, "key", FOREVER);
    STATUS(OK, redis_cache_expire(cache, S("key"), 40000));
    TTL(cache, "key", 40000);
    STATUS(OK, redis_cache_expire(cache, S("key"), LARGEST));
    TTL(cache, "key", LARGEST);
    STATUS(OK, redis_cache_expire(cache, S("key"), FOREVER));
    TTL(cache, "key", FOREVER);
    STATUS(OK, redis_cache_expire(cache, S("key"), DEFAULT));
    TTL(cache, "key", 300000);
    GETS(cache, "key", "value");
    redis_cache_free(cache);
}

static void persist_is_true_whenever_the_key_exists(void)
{
    redis_cache *cache = open_cache(NULL);

    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 20000));
    STATUS(OK, redis_cache_persist(cache, S("key")));
    TTL(cache, "key", FOREVER);
    STATUS(OK, redis_cache_persist(cache, S("key")));
    STATUS(OK, redis_cache_touch(cache, S("key"), FOREVER));
    TTL(cache, "key", FOREVER);
    STATUS(OK, redis_cache_set_int(cache, S("count"), 3, 20000));
    STATUS(OK, redis_cache_persist(cache, S("count")));
    TTL(cache, "count", FOREVER);
    redis_cache_free(cache);
}

static void expire_at_takes_unix_milliseconds_and_no_sentinels(void)
{
    static const int64_t past[] = { 0, 1, -1, 1000000000000, INT64_MIN, INT64_MIN + 1 };
    redis_cache *cache = open_cache(NULL);
    int64_t left = DIRTY_INT;
    size_t i;

    STATUS(NOT_FOUND, redis_cache_expire_at(cache, S("key"), unix_now_ms() + 60000));
    STATUS(NOT_FOUND, redis_cache_expire_at(cache, S("key"), 5));
    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), FOREVER));
    STATUS(OK, redis_cache_expire_at(cache, S("key"), unix_now_ms() + 60000));
    TTL(cache, "key", 60010);
    STATUS(OK, redis_cache_expire_at(cache, S("key"), INT64_MAX));
    STATUS(OK, redis_cache_ttl(cache, S("key"), &left));
    CHECK(left >= LARGEST);
    GETS(cache, "key", "value");
    for (i = 0; i < sizeof past / sizeof past[0]; i++) {
        STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 60000));
        STATUS(OK, redis_cache_expire_at(cache, S("key"), past[i]));
        MISSES(cache, "key");
    }
    redis_cache_free(cache);
}

static void an_entry_ends_with_its_time(void)
{
    redis_cache *cache = open_cache(NULL);
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_slice key = SLICE("key"), value;
    redis_cache_results *results = NULL;
    int64_t number;

    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 60));
    STATUS(OK, redis_cache_set_int(cache, S("count"), 5, 60));
    STATUS(OK, redis_cache_set(cache, S("touched"), S("value"), 60));
    STATUS(OK, redis_cache_touch(cache, S("touched"), 60000));
    sleep_ms(120);
    STATUS(NOT_FOUND, redis_cache_get(cache, S("key"), &bytes));
    STATUS(NOT_FOUND, redis_cache_has_key(cache, S("key")));
    STATUS(NOT_FOUND, redis_cache_ttl(cache, S("key"), &number));
    STATUS(NOT_FOUND, redis_cache_touch(cache, S("key"), 60000));
    STATUS(NOT_FOUND, redis_cache_persist(cache, S("key")));
    STATUS(NOT_FOUND, redis_cache_delete(cache, S("key")));
    STATUS(NOT_FOUND, redis_cache_incr(cache, S("count"), 1, &number));
    STATUS(OK, redis_cache_get_many(cache, &key, 1, &results));
    STATUS(NOT_FOUND, redis_cache_results_get(results, 0, &value));
    redis_cache_results_free(results);
    STATUS(OK, redis_cache_incr_or_create(cache, S("count"), 1, 9, 60000, &number));
    INT(9, number);
    STATUS(OK, redis_cache_add(cache, S("key"), S("again"), 60000));
    GETS(cache, "key", "again");
    GETS(cache, "touched", "value");
    redis_cache_free(cache);
}

static void jitter_spreads_expiries_downwards(void)
{
    redis_cache *cache = open_cache("ttl_jitter=0.5");
    int64_t left, least = INT64_MAX, most = 0;
    int i;

    for (i = 0; i < 40; i++) {
        STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 1000000));
        STATUS(OK, redis_cache_ttl(cache, S("key"), &left));
        least = left < least ? left : least;
        most = left > most ? left : most;
    }
    CHECK(least >= 490000 && most <= 1000000);
    CHECK(most - least > 50000);
    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), FOREVER));
    TTL(cache, "key", FOREVER);
    redis_cache_free(cache);
}

void suite_expiry(void)
{
    RUN(set_takes_every_kind_of_ttl);
    RUN(the_default_is_an_option);
    RUN(an_expired_set_removes_the_key);
    RUN(an_expired_add_stores_nothing_and_removes_nothing);
    RUN(an_expired_touch_removes_the_key_and_says_it_was_there);
    RUN(an_expired_counter_is_not_created);
    RUN(touch_and_expire_move_the_expiry_and_nothing_else);
    RUN(persist_is_true_whenever_the_key_exists);
    RUN(expire_at_takes_unix_milliseconds_and_no_sentinels);
    RUN(an_entry_ends_with_its_time);
    RUN(jitter_spreads_expiries_downwards);
}
