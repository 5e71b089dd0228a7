/* Rules 2 and 3 of the header, everywhere: what NULL and length 0 mean, and that outputs of failed calls are zero. */
#include "check.h"
#include "fixture.h"
#include "suites.h"

#define INVALID(call) STATUS(ERR_INVALID_ARGUMENT, call)

static redis_cache *cache;

/* Each call dirties the output first and then must have cleaned it. */
static redis_cache_bytes bytes;
static int64_t number;
static uint64_t count;
static redis_cache_results *results;
static redis_cache_keys *keys;
static redis_cache_lease *lease;
static redis_cache_lock *lock;

#define BYTES_CALL(want, call)                                 \
    do {                                                       \
        static const redis_cache_bytes dirty = DIRTY_BYTES;    \
        bytes = dirty;                                         \
        STATUS(want, call);                                    \
        CLEAN_BYTES(bytes);                                    \
    } while (0)
#define NUMBER_CALL(want, call) (number = DIRTY_INT, STATUS(want, call), INT(0, number))
#define COUNT_CALL(want, call) (count = DIRTY_INT, STATUS(want, call), INT(0, count))
#define RESULTS_CALL(want, call) (results = (redis_cache_results *)1, STATUS(want, call), CHECK(results == NULL))
#define LEASE_CALL(want, call)                                                                             \
    do {                                                                                                  \
        lease = (redis_cache_lease *)1;                                                                   \
        BYTES_CALL(want, call);                                                                           \
        CHECK(lease == NULL);                                                                             \
    } while (0)
#define LOCK_CALL(want, call) (lock = (redis_cache_lock *)1, STATUS(want, call), CHECK(lock == NULL))
#define KEYS_CALL(want, call) (keys = (redis_cache_keys *)1, STATUS(want, call), CHECK(keys == NULL))

static int32_t never_called(void *user_data, redis_cache_writer *out)
{
    (void)user_data;
    (void)out;
    CHECK(!"the loader is not called");
    return 1;
}

static int32_t never_called_for_many(void *user_data, const redis_cache_slice *missing, size_t missing_count,
                                     redis_cache_writer *out)
{
    (void)missing;
    (void)missing_count;
    return never_called(user_data, out);
}

static int32_t makes_empty_values(void *user_data, const redis_cache_slice *missing, size_t missing_count,
                                  redis_cache_writer *out)
{
    (void)user_data;
    CHECK(missing != NULL);
    for (; missing_count > 0; missing_count--)
        STATUS(OK, redis_cache_writer_next(out));
    return 0;
}

static int32_t writes_nothing(void *user_data, redis_cache_writer *out)
{
    INVALID(redis_cache_writer_append(NULL, S("x")));
    INVALID(redis_cache_writer_append(out, NULL, 1));
    INVALID(redis_cache_writer_set_ttl(NULL, 1000));
    INVALID(redis_cache_writer_next(NULL));
    INVALID(redis_cache_writer_skip(NULL));
    INVALID(redis_cache_writer_set_absent(NULL, 1000));
    INVALID(redis_cache_writer_renew(NULL));
    redis_cache_writer_fail(NULL, "nobody hears");
    redis_cache_writer_fail(out, NULL);
    STATUS(OK, redis_cache_writer_append(out, NULL, 0));
    STATUS(OK, redis_cache_writer_append(out, "x", 0));
    (void)user_data;
    return 0;
}

static void a_null_handle_is_refused(void)
{
    static const redis_cache_slice one = SLICE("k");
    static const redis_cache_entry entry = { SLICE("k"), SLICE("v") };
    char buffer[4];
    size_t len = DIRTY_INT;
    redis_cache_stats stats;
    redis_cache_slice slice = DIRTY_SLICE;
    redis_cache *opened = (redis_cache *)1;

    INVALID(redis_cache_connect(NULL, &opened));
    CHECK(opened == NULL);
    CHECK(redis_cache_clone(NULL) == NULL);
    CHECK(redis_cache_with_version(NULL, 2) == NULL);
    INVALID(redis_cache_ping(NULL));
    BYTES_CALL(ERR_INVALID_ARGUMENT, redis_cache_where(NULL, S("k"), &bytes));
    BYTES_CALL(ERR_INVALID_ARGUMENT, redis_cache_get(NULL, S("k"), &bytes));
    INVALID(redis_cache_get_into(NULL, S("k"), buffer, sizeof buffer, &len));
    INT(0, len);
    INVALID(redis_cache_set(NULL, S("k"), S("v"), 1000));
    INVALID(redis_cache_add(NULL, S("k"), S("v"), 1000));
    INVALID(redis_cache_delete(NULL, S("k")));
    INVALID(redis_cache_has_key(NULL, S("k")));
    INVALID(redis_cache_set_int(NULL, S("k"), 1, 1000));
    NUMBER_CALL(ERR_INVALID_ARGUMENT, redis_cache_get_int(NULL, S("k"), &number));
    NUMBER_CALL(ERR_INVALID_ARGUMENT, redis_cache_incr(NULL, S("k"), 1, &number));
    NUMBER_CALL(ERR_INVALID_ARGUMENT, redis_cache_decr(NULL, S("k"), 1, &number));
    NUMBER_CALL(ERR_INVALID_ARGUMENT, redis_cache_incr_or_create(NULL, S("k"), 1, 1, 1000, &number));
    RESULTS_CALL(ERR_INVALID_ARGUMENT, redis_cache_get_many(NULL, &one, 1, &results));
    RESULTS_CALL(ERR_INVALID_ARGUMENT, redis_cache_set_many(NULL, &entry, 1, 1000, &results));
    COUNT_CALL(ERR_INVALID_ARGUMENT, redis_cache_delete_many(NULL, &one, 1, &count));
    INT(0, redis_cache_results_len(NULL));
    INVALID(redis_cache_results_get(NULL, 0, &slice));
    CLEAN_SLICE(slice);
    INVALID(redis_cache_touch(NULL, S("k"), 1000));
    INVALID(redis_cache_expire(NULL, S("k"), 1000));
    INVALID(redis_cache_expire_at(NULL, S("k"), unix_now_ms() + 1000));
    INVALID(redis_cache_persist(NULL, S("k")));
    NUMBER_CALL(ERR_INVALID_ARGUMENT, redis_cache_ttl(NULL, S("k"), &number));
    COUNT_CALL(ERR_INVALID_ARGUMENT, redis_cache_delete_pattern(NULL, S("*"), NULL, &count));
    COUNT_CALL(ERR_INVALID_ARGUMENT, redis_cache_clear(NULL, NULL, &count));
    COUNT_CALL(ERR_INVALID_ARGUMENT, redis_cache_clear_version(NULL, 1, NULL, &count));
    COUNT_CALL(ERR_INVALID_ARGUMENT, redis_cache_reinsert_keys(NULL, NULL, NULL, NULL, &count));
    COUNT_CALL(ERR_INVALID_ARGUMENT, redis_cache_rebalance(NULL, NULL, &count));
    INVALID(redis_cache_flush_db(NULL));
    KEYS_CALL(ERR_INVALID_ARGUMENT, redis_cache_keys_begin(NULL, S("*"), &keys));
    slice.len = DIRTY_INT;
    INVALID(redis_cache_keys_next(NULL, &slice));
    CLEAN_SLICE(slice);
    COUNT_CALL(ERR_INVALID_ARGUMENT, redis_cache_incr_version(NULL, S("k"), 1, &count));
    BYTES_CALL(ERR_INVALID_ARGUMENT, redis_cache_make_key(NULL, S("k"), &bytes));
    BYTES_CALL(ERR_INVALID_ARGUMENT, redis_cache_get_or_set(NULL, S("k"), 1000, never_called, NULL, &bytes));
    RESULTS_CALL(ERR_INVALID_ARGUMENT,
                 redis_cache_get_or_set_many(NULL, &one, 1, 1000, never_called_for_many, NULL, &results));
    INVALID(redis_cache_expire_soft(NULL, S("k")));
    BYTES_CALL(ERR_INVALID_ARGUMENT, redis_cache_get_stale(NULL, S("k"), &bytes));
    LEASE_CALL(ERR_INVALID_ARGUMENT, redis_cache_lease_begin(NULL, S("k"), &bytes, &lease));
    INVALID(redis_cache_lease_fulfill(NULL, S("v"), 1000));
    INVALID(redis_cache_lease_fulfill_absent(NULL, 1000));
    INVALID(redis_cache_lease_renew(NULL));
    redis_cache_lease_abandon(NULL);
    LOCK_CALL(ERR_INVALID_ARGUMENT, redis_cache_lock_acquire(NULL, S("k"), 1000, 0, &lock));
    INVALID(redis_cache_lock_extend(NULL, 1000));
    INVALID(redis_cache_lock_release(NULL));
    INT(0, redis_cache_lock_token(NULL));
    redis_cache_near_clear(NULL);
    memset(&stats, 7, sizeof stats);
    INVALID(redis_cache_stats_read(NULL, &stats, sizeof stats));
    INT(0, stats.hits);
    INT(0, stats.bytes_written);
    INVALID(redis_cache_config_add_server(NULL, "memory://", NULL, 1));
    INVALID(redis_cache_config_set(NULL, "prefix", "x"));
    INVALID(redis_cache_config_set_error_fn(NULL, NULL, NULL));
    INVALID(redis_cache_config_set_key_fn(NULL, NULL, NULL));
    CHECK(*redis_cache_last_error() != '\0');
}

static void a_null_or_empty_key_is_refused(void)
{
    /* NULL with a length, NULL without (the empty key, refused in every mode), and the empty string. */
    static const redis_cache_slice bad[] = { { NULL, 3 }, { NULL, 0 }, { "", 0 } };
    size_t i;

    cache = open_cache("key_check=off");
    for (i = 0; i < 3; i++) {
        const char *key = bad[i].data;
        size_t key_len = bad[i].len;
        char buffer[4];
        size_t len = DIRTY_INT;

        BYTES_CALL(ERR_INVALID_ARGUMENT, redis_cache_where(cache, key, key_len, &bytes));
        BYTES_CALL(ERR_INVALID_ARGUMENT, redis_cache_get(cache, key, key_len, &bytes));
        INVALID(redis_cache_get_into(cache, key, key_len, buffer, sizeof buffer, &len));
        INT(0, len);
        INVALID(redis_cache_set(cache, key, key_len, S("v"), 1000));
        INVALID(redis_cache_add(cache, key, key_len, S("v"), 1000));
        INVALID(redis_cache_delete(cache, key, key_len));
        INVALID(redis_cache_has_key(cache, key, key_len));
        INVALID(redis_cache_set_int(cache, key, key_len, 1, 1000));
        NUMBER_CALL(ERR_INVALID_ARGUMENT, redis_cache_get_int(cache, key, key_len, &number));
        NUMBER_CALL(ERR_INVALID_ARGUMENT, redis_cache_incr(cache, key, key_len, 1, &number));
        NUMBER_CALL(ERR_INVALID_ARGUMENT, redis_cache_decr(cache, key, key_len, 1, &number));
        NUMBER_CALL(ERR_INVALID_ARGUMENT, redis_cache_incr_or_create(cache, key, key_len, 1, 1, 1000, &number));
        INVALID(redis_cache_touch(cache, key, key_len, 1000));
        INVALID(redis_cache_expire(cache, key, key_len, 1000));
        INVALID(redis_cache_expire_at(cache, key, key_len, unix_now_ms() + 1000));
        INVALID(redis_cache_persist(cache, key, key_len));
        NUMBER_CALL(ERR_INVALID_ARGUMENT, redis_cache_ttl(cache, key, key_len, &number));
        COUNT_CALL(ERR_INVALID_ARGUMENT, redis_cache_incr_version(cache, key, key_len, 1, &count));
        BYTES_CALL(ERR_INVALID_ARGUMENT, redis_cache_make_key(cache, key, key_len, &bytes));
        BYTES_CALL(ERR_INVALID_ARGUMENT,
                   redis_cache_get_or_set(cache, key, key_len, 1000, never_called, NULL, &bytes));
        RESULTS_CALL(ERR_INVALID_ARGUMENT,
                     redis_cache_get_or_set_many(cache, &bad[i], 1, 1000, never_called_for_many, NULL, &results));
        INVALID(redis_cache_expire_soft(cache, key, key_len));
        BYTES_CALL(ERR_INVALID_ARGUMENT, redis_cache_get_stale(cache, key, key_len, &bytes));
        LEASE_CALL(ERR_INVALID_ARGUMENT, redis_cache_lease_begin(cache, key, key_len, &bytes, &lease));
        LOCK_CALL(ERR_INVALID_ARGUMENT, redis_cache_lock_acquire(cache, key, key_len, 1000, 0, &lock));
    }
    redis_cache_free(cache);
}

static void a_null_value_is_empty_or_refused(void)
{
    cache = open_cache(NULL);
    INVALID(redis_cache_set(cache, S("k"), NULL, 1, 1000));
    INVALID(redis_cache_add(cache, S("k"), NULL, 1, 1000));
    MISSES(cache, "k");
    STATUS(OK, redis_cache_set(cache, S("set"), NULL, 0, 1000));
    GETS(cache, "set", "");
    STATUS(OK, redis_cache_add(cache, S("add"), NULL, 0, 1000));
    GETS(cache, "add", "");
    redis_cache_free(cache);
}

static void a_null_output_is_refused(void)
{
    static const redis_cache_slice one = SLICE("k");
    redis_cache_config *config = config_with_target(NULL);
    char buffer[4];

    cache = open_cache(NULL);
    INVALID(redis_cache_open("memory://", NULL));
    INVALID(redis_cache_connect(config, NULL));
    STATUS(OK, redis_cache_set_int(cache, S("k"), 5, 1000));
    INVALID(redis_cache_where(cache, S("k"), NULL));
    INVALID(redis_cache_get(cache, S("k"), NULL));
    INVALID(redis_cache_get_into(cache, S("k"), buffer, sizeof buffer, NULL));
    INVALID(redis_cache_get_int(cache, S("k"), NULL));
    INVALID(redis_cache_incr(cache, S("k"), 1, NULL));
    INVALID(redis_cache_decr(cache, S("k"), 1, NULL));
    INVALID(redis_cache_incr_or_create(cache, S("k"), 1, 1, 1000, NULL));
    INVALID(redis_cache_get_many(cache, &one, 1, NULL));
    INVALID(redis_cache_ttl(cache, S("k"), NULL));
    INVALID(redis_cache_keys_begin(cache, S("*"), NULL));
    INVALID(redis_cache_incr_version(cache, S("k"), 1, NULL));
    INVALID(redis_cache_make_key(cache, S("k"), NULL));
    INVALID(redis_cache_get_or_set(cache, S("k"), 1000, never_called, NULL, NULL));
    INVALID(redis_cache_get_or_set_many(cache, &one, 1, 1000, never_called_for_many, NULL, NULL));
    INVALID(redis_cache_get_stale(cache, S("k"), NULL));
    lease = (redis_cache_lease *)1;
    INVALID(redis_cache_lease_begin(cache, S("k"), NULL, &lease));
    CHECK(lease == NULL);
    BYTES_CALL(ERR_INVALID_ARGUMENT, redis_cache_lease_begin(cache, S("k"), &bytes, NULL));
    INVALID(redis_cache_lock_acquire(cache, S("k"), 1000, 0, NULL));
    INVALID(redis_cache_stats_read(cache, NULL, sizeof(redis_cache_stats)));
    GETS(cache, "k", "5");
    redis_cache_config_free(config);
    redis_cache_free(cache);
}

static void null_texts_are_refused(void)
{
    redis_cache_config *config = redis_cache_config_new();
    redis_cache *opened = (redis_cache *)1;

    INVALID(redis_cache_open(NULL, &opened));
    CHECK(opened == NULL);
    INVALID(redis_cache_config_add_server(config, NULL, NULL, 1));
    INVALID(redis_cache_config_set(config, NULL, "x"));
    INVALID(redis_cache_config_set(config, "prefix", NULL));
    redis_cache_config_free(config);
}

static void get_into_takes_no_buffer_of_a_length_at_null(void)
{
    size_t len = DIRTY_INT;

    cache = open_cache(NULL);
    STATUS(OK, redis_cache_set(cache, S("k"), S("value"), 1000));
    INVALID(redis_cache_get_into(cache, S("k"), NULL, 5, &len));
    INT(0, len);
    STATUS(BUFFER_TOO_SMALL, redis_cache_get_into(cache, S("k"), NULL, 0, &len));
    INT(5, len);
    redis_cache_free(cache);
}

static void a_null_array_of_nothing_is_an_empty_list(void)
{
    cache = open_cache(NULL);
    results = NULL;
    STATUS(OK, redis_cache_get_many(cache, NULL, 0, &results));
    CHECK(results != NULL);
    INT(0, redis_cache_results_len(results));
    redis_cache_results_free(results);
    results = NULL;
    STATUS(OK, redis_cache_set_many(cache, NULL, 0, 1000, &results));
    CHECK(results != NULL);
    INT(0, redis_cache_results_len(results));
    redis_cache_results_free(results);
    STATUS(OK, redis_cache_set_many(cache, NULL, 0, 1000, NULL));
    count = DIRTY_INT;
    STATUS(OK, redis_cache_delete_many(cache, NULL, 0, &count));
    INT(0, count);
    STATUS(OK, redis_cache_delete_many(cache, NULL, 0, NULL));
    RESULTS_CALL(ERR_INVALID_ARGUMENT, redis_cache_get_many(cache, NULL, 2, &results));
    RESULTS_CALL(ERR_INVALID_ARGUMENT, redis_cache_set_many(cache, NULL, 2, 1000, &results));
    INVALID(redis_cache_set_many(cache, NULL, 2, 1000, NULL));
    COUNT_CALL(ERR_INVALID_ARGUMENT, redis_cache_delete_many(cache, NULL, 2, &count));
    results = NULL;
    STATUS(OK, redis_cache_get_or_set_many(cache, NULL, 0, 1000, never_called_for_many, NULL, &results));
    CHECK(results != NULL);
    INT(0, redis_cache_results_len(results));
    redis_cache_results_free(results);
    RESULTS_CALL(ERR_INVALID_ARGUMENT,
                 redis_cache_get_or_set_many(cache, NULL, 2, 1000, never_called_for_many, NULL, &results));
    redis_cache_free(cache);
}

static void a_null_pattern_is_empty_or_refused(void)
{
    redis_cache_slice slice;

    cache = open_cache(NULL);
    STATUS(OK, redis_cache_set(cache, S("k"), S("v"), 1000));
    COUNT_CALL(ERR_INVALID_ARGUMENT, redis_cache_delete_pattern(cache, NULL, 1, NULL, &count));
    KEYS_CALL(ERR_INVALID_ARGUMENT, redis_cache_keys_begin(cache, NULL, 1, &keys));
    COUNT_CALL(OK, redis_cache_delete_pattern(cache, NULL, 0, NULL, &count));
    REQUIRE(STATUS(OK, redis_cache_keys_begin(cache, NULL, 0, &keys)));
    STATUS(NOT_FOUND, redis_cache_keys_next(keys, &slice));
    redis_cache_keys_free(keys);
    GETS(cache, "k", "v");
    redis_cache_free(cache);
}

static void sweeps_take_null_sweep_and_null_counts(void)
{
    cache = open_cache("prefix=nulls");
    STATUS(OK, redis_cache_set(cache, S("k"), S("v"), 1000));
    STATUS(OK, redis_cache_delete_pattern(cache, S("k*"), NULL, NULL));
    MISSES(cache, "k");
    STATUS(OK, redis_cache_set(cache, S("k"), S("v"), 1000));
    STATUS(OK, redis_cache_clear_version(cache, 1, NULL, NULL));
    MISSES(cache, "k");
    STATUS(OK, redis_cache_set(cache, S("k"), S("v"), 1000));
    STATUS(OK, redis_cache_reinsert_keys(cache, NULL, NULL, NULL, NULL));
    GETS(cache, "k", "v");
    STATUS(OK, redis_cache_clear(cache, NULL, NULL));
    MISSES(cache, "k");
    redis_cache_free(cache);
}

static void iterators_and_results_need_an_output(void)
{
    static const redis_cache_slice one = SLICE("k");
    redis_cache_slice slice = DIRTY_SLICE;

    cache = open_cache(NULL);
    STATUS(OK, redis_cache_set(cache, S("k"), S("v"), 1000));
    REQUIRE(STATUS(OK, redis_cache_keys_begin(cache, S("*"), &keys)));
    INVALID(redis_cache_keys_next(keys, NULL));
    STATUS(OK, redis_cache_keys_next(keys, &slice));
    DATA("k", 1, slice.data, slice.len);
    STATUS(NOT_FOUND, redis_cache_keys_next(keys, &slice));
    CLEAN_SLICE(slice);
    redis_cache_keys_free(keys);
    REQUIRE(STATUS(OK, redis_cache_get_many(cache, &one, 1, &results)));
    INVALID(redis_cache_results_get(results, 0, NULL));
    slice.len = DIRTY_INT;
    INVALID(redis_cache_results_get(results, 1, &slice));
    CLEAN_SLICE(slice);
    redis_cache_results_free(results);
    redis_cache_free(cache);
}

static void get_or_set_needs_a_loader(void)
{
    static const redis_cache_slice two[] = { SLICE("a"), SLICE("b") };

    cache = open_cache(NULL);
    BYTES_CALL(ERR_INVALID_ARGUMENT, redis_cache_get_or_set(cache, S("k"), 1000, NULL, NULL, &bytes));
    STATUS(OK, redis_cache_get_or_set(cache, S("k"), 1000, writes_nothing, NULL, &bytes));
    INT(0, bytes.len);
    redis_cache_bytes_free(&bytes);
    GETS(cache, "k", "");
    RESULTS_CALL(ERR_INVALID_ARGUMENT, redis_cache_get_or_set_many(cache, two, 2, 1000, NULL, NULL, &results));
    STATUS(OK, redis_cache_get_or_set_many(cache, two, 2, 1000, makes_empty_values, NULL, &results));
    redis_cache_results_free(results);
    GETS(cache, "b", "");
    redis_cache_free(cache);
}

static void leases_and_locks_end_with_a_call_that_is_refused(void)
{
    redis_cache_bytes none = DIRTY_BYTES;

    cache = open_cache("wait=0ms");
    redis_cache_near_clear(cache); /* there is none: nothing happens */
    REQUIRE(STATUS(NOT_FOUND, redis_cache_lease_begin(cache, S("k"), &none, &lease)) && lease != NULL);
    CLEAN_BYTES(none);
    INVALID(redis_cache_lease_fulfill(lease, NULL, 1, 1000));
    REQUIRE(STATUS(NOT_FOUND, redis_cache_lease_begin(cache, S("k"), &none, &lease)) && lease != NULL);
    STATUS(OK, redis_cache_lease_fulfill(lease, NULL, 0, 1000));
    GETS(cache, "k", "");
    STATUS(OK, redis_cache_lock_acquire(cache, S("k"), 1000, 0, &lock));
    STATUS(OK, redis_cache_flush_db(cache));
    STATUS(ERR_LOST, redis_cache_lock_release(lock));
    redis_cache_free(cache);
}

static void ordinary_outcomes_leave_outputs_zero(void)
{
    redis_cache_lock *held = NULL;
    size_t len = DIRTY_INT;
    char buffer[4];

    cache = open_cache(NULL);
    BYTES_CALL(NOT_FOUND, redis_cache_get(cache, S("none"), &bytes));
    STATUS(NOT_FOUND, redis_cache_get_into(cache, S("none"), buffer, sizeof buffer, &len));
    INT(0, len);
    NUMBER_CALL(NOT_FOUND, redis_cache_get_int(cache, S("none"), &number));
    NUMBER_CALL(NOT_FOUND, redis_cache_incr(cache, S("none"), 1, &number));
    NUMBER_CALL(NOT_FOUND, redis_cache_decr(cache, S("none"), 1, &number));
    NUMBER_CALL(NOT_FOUND, redis_cache_ttl(cache, S("none"), &number));
    BYTES_CALL(NOT_FOUND, redis_cache_get_stale(cache, S("none"), &bytes));
    REQUIRE(STATUS(OK, redis_cache_lock_acquire(cache, S("door"), 50000, 0, &held)));
    LOCK_CALL(BUSY, redis_cache_lock_acquire(cache, S("door"), 50000, 0, &lock));
    STATUS(OK, redis_cache_lock_release(held));
    COUNT_CALL(NOT_FOUND, redis_cache_incr_version(cache, S("none"), 1, &count));
    redis_cache_free(cache);
}

void suite_arguments(void)
{
    RUN(a_null_handle_is_refused);
    RUN(a_null_or_empty_key_is_refused);
    RUN(a_null_value_is_empty_or_refused);
    RUN(a_null_output_is_refused);
    RUN(null_texts_are_refused);
    RUN(get_into_takes_no_buffer_of_a_length_at_null);
    RUN(a_null_array_of_nothing_is_an_empty_list);
    RUN(a_null_pattern_is_empty_or_refused);
    RUN(sweeps_take_null_sweep_and_null_counts);
    RUN(iterators_and_results_need_an_output);
    RUN(get_or_set_needs_a_loader);
    RUN(leases_and_locks_end_with_a_call_that_is_refused);
    RUN(ordinary_outcomes_leave_outputs_zero);
}
