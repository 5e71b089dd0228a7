/* Every kind of call, once; see calls.h. */
#include "calls.h"

static const redis_cache_slice keys[] = { SLICE("key"), SLICE("other") };
static const redis_cache_entry entries[] = { { SLICE("key"), SLICE("x") }, { SLICE("other"), SLICE("y") } };

void check_fault(const char *file, int line, const char *call, int status, int want, int64_t took_ms,
                 int64_t budget_ms, const char *name, const char *command)
{
    if (!check_status(file, line, call, status, want))
        return;
    if (took_ms > budget_ms + slack_ms())
        check_failed(file, line, "%s took %ld ms of %ld", call, (long)took_ms, (long)budget_ms);
    check_text(file, line, redis_cache_last_error(), name);
    check_text(file, line, redis_cache_last_error(), command);
    if (strlen(redis_cache_last_error()) < strlen(name) + strlen(command) + 5)
        check_failed(file, line, "%s: \"%s\" says too little", call, redis_cache_last_error());
}

/* A password is refused before the command is sent: the text names that then. */
#define EACH(command, call) \
    CALL_FAULT(want, budget_ms, name, want == REDIS_CACHE_ERR_AUTH ? "" : command, call)

static void single_keys(int want, const redis_cache *cache, const char *name, int64_t budget_ms)
{
    redis_cache_bytes bytes = DIRTY_BYTES;
    int64_t number = DIRTY_INT;
    uint64_t version = DIRTY_INT;
    size_t len = DIRTY_INT;
    char room[8];

    EACH("GET", redis_cache_get(cache, S("key"), &bytes));
    CLEAN_BYTES(bytes);
    EACH("GET", redis_cache_get_into(cache, S("key"), room, sizeof room, &len));
    INT(0, len);
    EACH("SET", redis_cache_set(cache, S("key"), S("value"), 5000));
    EACH("", redis_cache_add(cache, S("key"), S("value"), 5000));
    EACH("", redis_cache_delete(cache, S("key")));
    EACH("", redis_cache_has_key(cache, S("key")));
    EACH("", redis_cache_set_int(cache, S("key"), 1, 5000));
    EACH("", redis_cache_get_int(cache, S("key"), &number));
    INT(0, number);
    number = DIRTY_INT;
    EACH("", redis_cache_incr(cache, S("key"), 1, &number));
    EACH("", redis_cache_decr(cache, S("key"), 1, &number));
    EACH("", redis_cache_incr_or_create(cache, S("key"), 1, 1, 5000, &number));
    INT(0, number);
    EACH("", redis_cache_touch(cache, S("key"), 5000));
    EACH("", redis_cache_expire(cache, S("key"), 5000));
    EACH("", redis_cache_expire_at(cache, S("key"), unix_now_ms() + 5000));
    EACH("", redis_cache_persist(cache, S("key")));
    number = DIRTY_INT;
    EACH("", redis_cache_ttl(cache, S("key"), &number));
    INT(0, number);
    EACH("", redis_cache_incr_version(cache, S("key"), 1, &version));
    INT(0, version);
}

static void leases_and_locks(int want, const redis_cache *cache, const char *name, int64_t budget_ms)
{
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_lease *lease = (redis_cache_lease *)1;
    redis_cache_lock *lock = (redis_cache_lock *)1;

    EACH("", redis_cache_expire_soft(cache, S("key")));
    EACH("GET", redis_cache_get_stale(cache, S("key"), &bytes));
    CLEAN_BYTES(bytes);
    bytes.len = DIRTY_INT;
    EACH("GET", redis_cache_lease_begin(cache, S("key"), &bytes, &lease));
    CLEAN_BYTES(bytes);
    CHECK(lease == NULL);
    EACH("", redis_cache_lock_acquire(cache, S("key"), 5000, 5000, &lock));
    CHECK(lock == NULL);
}

static void many_keys(int want, const redis_cache *cache, const char *name, int64_t budget_ms)
{
    redis_cache_results *results = (redis_cache_results *)1;
    uint64_t count = DIRTY_INT;

    EACH("", redis_cache_get_many(cache, keys, 2, &results));
    CHECK(results == NULL);
    results = (redis_cache_results *)1;
    EACH("", redis_cache_set_many(cache, entries, 2, 5000, &results));
    CHECK(results == NULL);
    EACH("", redis_cache_delete_many(cache, keys, 2, &count));
    INT(0, count);
}

static void groups(int want, const redis_cache *cache, const char *name, int64_t budget_ms)
{
    redis_cache_keys *iterator = NULL;
    redis_cache_slice slice = DIRTY_SLICE;
    uint64_t count = DIRTY_INT;

    EACH("", redis_cache_delete_pattern(cache, S("k*"), NULL, &count));
    INT(0, count);
    EACH("", redis_cache_clear(cache, NULL, &count));
    EACH("", redis_cache_clear_version(cache, 1, NULL, &count));
    count = DIRTY_INT;
    EACH("", redis_cache_reinsert_keys(cache, NULL, NULL, NULL, &count));
    INT(0, count);
    EACH("", redis_cache_flush_db(cache));
    STATUS(OK, redis_cache_keys_begin(cache, S("*"), &iterator));
    EACH("", redis_cache_keys_next(iterator, &slice));
    CLEAN_SLICE(slice);
    redis_cache_keys_free(iterator);
}

void every_call(int want, const redis_cache *cache, const char *name, int64_t budget_ms)
{
    EACH("PING", redis_cache_ping(cache));
    single_keys(want, cache, name, budget_ms);
    leases_and_locks(want, cache, name, budget_ms);
    many_keys(want, cache, name, budget_ms);
    groups(want, cache, name, budget_ms);
}
