/* Locks: one holder, a wait with an end, lifetimes, fencing tokens. */
#include "check.h"
#include "fixture.h"
#include "suites.h"

#define INVALID(call) STATUS(ERR_INVALID_ARGUMENT, call)

static redis_cache_lock *take(int line, const redis_cache *cache, int64_t ttl_ms, int64_t wait_ms, int want)
{
    redis_cache_lock *lock = (redis_cache_lock *)1;
    int status = (int)redis_cache_lock_acquire(cache, S("door"), ttl_ms, wait_ms, &lock);

    check_status(__FILE__, line, "lock_acquire", status, want);
    if ((status == REDIS_CACHE_OK) != (lock != NULL))
        check_failed(__FILE__, line, "a lock is given when it is taken, and only then");
    return lock;
}
#define TAKE(want, cache, ttl_ms, wait_ms) take(__LINE__, cache, ttl_ms, wait_ms, (int)REDIS_CACHE_##want)

static void one_holds_and_the_others_are_told(void)
{
    redis_cache *cache = open_cache(NULL), *other = open_cache(NULL);
    redis_cache_lock *lock = TAKE(OK, cache, 50000, 0), *next;
    uint64_t first;

    REQUIRE(lock != NULL);
    first = redis_cache_lock_token(lock);
    CHECK(first > 0);
    TAKE(BUSY, cache, 50000, 0);
    TAKE(BUSY, other, 50000, -5);
    TAKE(BUSY, other, 50000, 30);
    INT((int64_t)first, redis_cache_lock_token(lock));
    STATUS(OK, redis_cache_lock_release(lock));
    next = TAKE(OK, other, 50000, 0);
    REQUIRE(next != NULL);
    CHECK(redis_cache_lock_token(next) > first);
    STATUS(OK, redis_cache_lock_release(next));
    redis_cache_free(other);
    redis_cache_free(cache);
}

static void names_are_apart(void)
{
    redis_cache *cache = open_cache("prefix=a"), *other = open_cache("prefix=b");
    redis_cache *version = redis_cache_with_version(cache, 9);
    redis_cache_lock *lock = TAKE(OK, cache, 50000, 0), *more[3] = { NULL, NULL, NULL };

    STATUS(OK, redis_cache_lock_acquire(cache, S("do\0or"), 50000, 0, &more[0]));
    STATUS(OK, redis_cache_lock_acquire(cache, S("do\0or 2"), 50000, 0, &more[1]));
    more[2] = TAKE(OK, other, 50000, 0);
    TAKE(BUSY, version, 50000, 0); /* a lock has no version */
    STATUS(OK, redis_cache_lock_release(lock));
    STATUS(OK, redis_cache_lock_release(more[0]));
    STATUS(OK, redis_cache_lock_release(more[1]));
    STATUS(OK, redis_cache_lock_release(more[2]));
    redis_cache_free(version);
    redis_cache_free(other);
    redis_cache_free(cache);
}

static void a_lock_lasts_as_long_as_was_said(void)
{
    redis_cache *cache = open_cache(NULL);
    redis_cache_lock *late = TAKE(OK, cache, 50, 0), *next;

    REQUIRE(late != NULL);
    next = TAKE(OK, cache, 50000, 20000); /* when the first one ran out */
    REQUIRE(next != NULL);
    CHECK(redis_cache_lock_token(next) > redis_cache_lock_token(late));
    STATUS(ERR_LOST, redis_cache_lock_extend(late, 50000));
    SAYS("lock");
    STATUS(ERR_LOST, redis_cache_lock_release(late));
    TAKE(BUSY, cache, 50000, 0); /* the late one took nothing from the next */
    STATUS(OK, redis_cache_lock_extend(next, 50000));
    STATUS(OK, redis_cache_lock_release(next));
    redis_cache_free(cache);
}

static void a_lock_may_be_extended(void)
{
    redis_cache *cache = open_cache(NULL);
    redis_cache_lock *lock = TAKE(OK, cache, 1500, 0), *next;
    int64_t begun = now_ms();

    REQUIRE(lock != NULL);
    STATUS(OK, redis_cache_lock_extend(lock, 50000));
    while (now_ms() - begun < 1700)
        sleep_ms(50);
    TAKE(BUSY, cache, 50000, 0);
    STATUS(OK, redis_cache_lock_extend(lock, 30)); /* or be cut short */
    next = TAKE(OK, cache, 50000, 20000);
    STATUS(ERR_LOST, redis_cache_lock_release(lock));
    STATUS(OK, redis_cache_lock_release(next));
    redis_cache_free(cache);
}

static void a_lifetime_must_end_and_a_name_not_be_empty(void)
{
    static const int64_t bad[] = { 0, -1, REDIS_CACHE_TTL_DEFAULT, REDIS_CACHE_TTL_FOREVER, INT64_MAX - 1 };
    redis_cache *cache = open_cache("on_error=miss");
    redis_cache_lock *lock = TAKE(OK, cache, 50000, 0), *none = (redis_cache_lock *)1;
    size_t i;

    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        TAKE(ERR_INVALID_ARGUMENT, cache, bad[i], 0);
        SAYS("lifetime");
        INVALID(redis_cache_lock_extend(lock, bad[i]));
    }
    INVALID(redis_cache_lock_acquire(cache, S(""), 1000, 0, &none));
    CHECK(none == NULL);
    SAYS("name");
    TAKE(BUSY, cache, 50000, 0); /* it is still held */
    STATUS(OK, redis_cache_lock_release(lock));
    redis_cache_free(cache);
}

static void clearing_the_cache_leaves_locks_alone(void)
{
    redis_cache *cache = open_cache("prefix=p");
    redis_cache_lock *lock = TAKE(OK, cache, 50000, 0);
    uint64_t count = DIRTY_INT;

    REQUIRE(lock != NULL);
    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 50000));
    STATUS(OK, redis_cache_clear(cache, NULL, &count));
    INT(1, count);
    TAKE(BUSY, cache, 50000, 0);
    STATUS(OK, redis_cache_flush_db(cache));
    STATUS(ERR_LOST, redis_cache_lock_release(lock));
    redis_cache_free(cache);
}

static void a_lock_outlives_its_client(void)
{
    redis_cache *cache = open_cache(NULL), *clone = redis_cache_clone(cache);
    redis_cache_lock *lock = TAKE(OK, clone, 50000, 0);

    redis_cache_free(clone);
    STATUS(OK, redis_cache_lock_extend(lock, 50000));
    TAKE(BUSY, cache, 50000, 0);
    STATUS(OK, redis_cache_lock_release(lock));
    redis_cache_free(cache);
}

struct turns {
    const redis_cache *cache;
    uint64_t last_token;
    int inside, taken;
};

static void take_turns(int index, void *shared)
{
    struct turns *turns = shared;
    int i;

    (void)index;
    for (i = 0; i < 5; i++) {
        redis_cache_lock *lock = TAKE(OK, turns->cache, 30000, 30000);

        if (lock == NULL)
            return;
        /* Whoever is here is alone: nothing else guards these. */
        CHECK(turns->inside++ == 0);
        CHECK(redis_cache_lock_token(lock) > turns->last_token);
        turns->last_token = redis_cache_lock_token(lock);
        turns->taken++;
        turns->inside--;
        if (!STATUS(OK, redis_cache_lock_release(lock)))
            return;
    }
}

static void ten_threads_take_turns(void)
{
    redis_cache *cache = open_cache(NULL);
    struct turns turns = { NULL, 0, 0, 0 };

    turns.cache = cache;
    on_threads(10, take_turns, &turns);
    INT(50, turns.taken);
    redis_cache_free(cache);
}

void suite_lock(void)
{
    RUN(one_holds_and_the_others_are_told);
    RUN(names_are_apart);
    RUN(a_lock_lasts_as_long_as_was_said);
    RUN(a_lock_may_be_extended);
    RUN(a_lifetime_must_end_and_a_name_not_be_empty);
    RUN(clearing_the_cache_leaves_locks_alone);
    RUN(a_lock_outlives_its_client);
    RUN(ten_threads_take_turns);
}
