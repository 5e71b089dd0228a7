/* Every function of the header in random order with random arguments, right ones and wrong ones, also from within functions of
 * the caller that run meanwhile: whatever the header allows must end in a status, leave outputs as rule 3 says, and leave a
 * text only with a negative status. REDIS_CACHE_TEST_CALLS says how many calls, REDIS_CACHE_TEST_SEED which ones. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"
#include "suites.h"

enum { PLACES = 4, DEEPEST = 3, LONGEST = 3000 };

static uint64_t state;
static unsigned long calls;
static int depth;
static bool is_ending; /* what is left is freed: functions do nothing more */

/* What there is. NULL is a right argument too, and `busy` is what a running call was given: that belongs to it. */
static redis_cache *clients[PLACES];
static redis_cache_config *configs[PLACES];
static redis_cache_results *results[PLACES];
static redis_cache_keys *iterators[PLACES];
static redis_cache_lease *leases[PLACES];
static redis_cache_lock *locks[PLACES];
static bool busy_configs[PLACES], busy_iterators[PLACES], busy_leases[PLACES], busy_locks[PLACES];
static long owned, destroyed;
static char value[LONGEST], buffer[LONGEST];

static void one_call(void);

/* Only a negative status leaves an error text: what a call leaves is compared with what it found, unless functions ran
 * meanwhile, whose own calls may have left theirs. */
enum { LEVELS = 40, TEXT = 512 };

static struct {
    char text[TEXT];
    unsigned long functions;
} found[LEVELS];
static int level;
static unsigned long functions; /* how many began to run */

static void before_call(void)
{
    CHECK(level < LEVELS);
    redis_cache_last_error_copy(found[level].text, TEXT);
    found[level].functions = functions;
    level++;
}

static int after_call(int status)
{
    level--;
    if (status < 0)
        CHECK(redis_cache_last_error()[0] != '\0');
    else if (found[level].functions == functions)
        CHECK(strcmp(found[level].text, redis_cache_last_error()) == 0);
    return status;
}

#define CALL(call) (before_call(), after_call(call))
#define QUIET(call) (before_call(), (call), (void)after_call(0))

static unsigned below(unsigned limit) /* xorshift64* */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (unsigned)((state * 2685821657736338717u) >> 33) % limit;
}

static bool seldom(void)
{
    return below(40) == 0;
}

static void nested_calls(void)
{
    unsigned more = below(3);

    if (depth == DEEPEST || is_ending)
        return;
    depth++;
    for (; more > 0; more--)
        one_call();
    depth--;
}

static redis_cache_slice some_key(void)
{
    static const char *const names[] = { "a", "b", "c", "d:1", "d:2", "with space", "*", "" };
    redis_cache_slice key;

    key.data = names[below(8)];
    key.len = strlen(key.data);
    if (seldom())
        key.data = NULL; /* with a length or without */
    return key;
}

static redis_cache_slice some_value(void)
{
    redis_cache_slice bytes;

    bytes.data = seldom() ? NULL : value;
    bytes.len = below(below(4) == 0 ? LONGEST : 20);
    return bytes;
}

static int64_t some_ttl(void)
{
    static const int64_t ttls[] = { REDIS_CACHE_TTL_DEFAULT, REDIS_CACHE_TTL_FOREVER, 0, -5, 1, 20, 50000, INT64_MAX - 1 };

    return ttls[below(8)];
}

static int64_t some_number(void)
{
    static const int64_t numbers[] = { 0, 1, -1, 7, INT64_MAX, INT64_MIN, 1000000, -1000000 };

    return numbers[below(8)];
}

/* Rule 3 for what is to be freed: given with a good outcome, zero otherwise. */
static bool is_given(int status)
{
    return status == REDIS_CACHE_OK || status == REDIS_CACHE_STALE || status == REDIS_CACHE_PARTIAL ||
           status == REDIS_CACHE_STOPPED;
}

static void end_bytes(int status, redis_cache_bytes *bytes)
{
    if (is_given(status))
        CHECK(bytes->data != NULL && bytes->data[bytes->len] == '\0');
    else
        CHECK(bytes->data == NULL && bytes->len == 0);
    QUIET(redis_cache_bytes_free(bytes));
}

/* A place for a new object, free or about to be. */
static void put_results(int status, redis_cache_results *given)
{
    unsigned place = below(PLACES);

    CHECK((given != NULL) == is_given(status));
    QUIET(redis_cache_results_free(results[place]));
    results[place] = given;
}

static void destroy(void *user_data)
{
    CHECK(user_data == &owned);
    destroyed++;
}

static void use_writer(redis_cache_writer *out)
{
    unsigned steps = below(6);

    for (; steps > 0; steps--) {
        redis_cache_slice bytes = some_value();

        nested_calls();
        switch (below(8)) {
        case 0: CALL(redis_cache_writer_next(out)); break;
        case 1: CALL(redis_cache_writer_skip(out)); break;
        case 2: CALL(redis_cache_writer_set_absent(out, some_ttl())); break;
        case 3: CALL(redis_cache_writer_set_ttl(out, some_ttl())); break;
        case 4: CALL(redis_cache_writer_renew(seldom() ? NULL : out)); break;
        case 5: QUIET(redis_cache_writer_fail(seldom() ? NULL : out, seldom() ? NULL : "a reason")); break;
        default: CALL(redis_cache_writer_append(seldom() ? NULL : out, bytes.data, bytes.len)); break;
        }
    }
}

static int32_t compute(void *user_data, redis_cache_writer *out)
{
    functions++;
    (void)user_data;
    use_writer(out);
    return below(5) == 0 ? -7 : 0;
}

static int32_t compute_many(void *user_data, const redis_cache_slice *missing, size_t count, redis_cache_writer *out)
{
    functions++;
    (void)user_data;
    CHECK(missing != NULL);
    if (below(3) == 0)
        use_writer(out);
    for (; count > 0; count--) {
        CALL(redis_cache_writer_append(out, value, below(50)));
        CALL(redis_cache_writer_next(out));
    }
    return below(9) == 0 ? 1 : 0;
}

static int32_t rewrite(void *user_data, const redis_cache_slice *key, const redis_cache_slice *old, redis_cache_writer *out)
{
    functions++;
    (void)user_data;
    CHECK(key->data != NULL && old->data != NULL);
    use_writer(out);
    return (int32_t)below(5) - 1;
}

static int32_t progress(void *user_data, uint64_t scanned, uint64_t matched, uint64_t changed, double fraction)
{
    functions++;
    (void)user_data;
    (void)scanned;
    CHECK(changed <= matched && fraction >= 0 && fraction <= 1);
    nested_calls();
    return below(4) == 0;
}

static void hook(void *user_data, int32_t status, const char *text)
{
    functions++;
    CHECK(user_data == &owned && status < 8 && text != NULL);
    nested_calls();
}

static int32_t make_key(void *user_data, const char *prefix, uint64_t version, const redis_cache_slice *key,
                        redis_cache_writer *out)
{
    char front[64];

    functions++;
    CHECK(user_data == &owned);
    snprintf(front, sizeof front, "%.20s/%u/", prefix, (unsigned)version);
    CALL(redis_cache_writer_append(out, front, strlen(front)));
    CALL(redis_cache_writer_append(out, key->data, key->len));
    return seldom();
}

/* The right answer, mostly: a server without a password takes any of `default`. */
static int32_t log_in(void *user_data, const char *node, redis_cache_writer *out)
{
    functions++;
    CHECK(user_data == &owned && node[0] != '\0');
    nested_calls();
    if (below(4) == 0) {
        use_writer(out);
        return below(5) == 0;
    }
    CALL(redis_cache_writer_append(out, "default", 7));
    CALL(redis_cache_writer_next(out));
    CALL(redis_cache_writer_append(out, value, 1 + below(50)));
    return 0;
}

static redis_cache_config *new_config(void)
{
    redis_cache_config *config;

    if (below(4) == 0) {
        config = redis_cache_config_new();
        STATUS(OK, redis_cache_config_add_server(config, "redis://127.0.0.1:1?breaker_failures=1000000", NULL, 1));
    } else {
        config = config_with_locations("prefix=torture");
    }
    STATUS(OK, redis_cache_config_set(config, "wait", "1ms"));
    STATUS(OK, redis_cache_config_set(config, "scan_count", "3"));
    STATUS(OK, redis_cache_config_set(config, "stale", below(2) == 0 ? "10m" : "0s"));
    STATUS(OK, redis_cache_config_set(config, "on_error", below(2) == 0 ? "miss" : "raise"));
    return config;
}

static void call_on_config(unsigned place)
{
    redis_cache *given;
    int status;
    unsigned at = below(PLACES);

    if (busy_configs[place])
        return;
    switch (below(9)) {
    case 0: QUIET(redis_cache_config_free(configs[place])); configs[place] = new_config(); break;
    case 1: CALL(redis_cache_config_set(configs[place], "no_such_option", "1")); break;
    case 2: CALL(redis_cache_config_add_server(configs[place], "redis://127.0.0.1:x", NULL, 1)); break;
    case 3:
        owned++;
        CALL(redis_cache_config_set_error_fn_owned(seldom() ? NULL : configs[place], seldom() ? NULL : hook, &owned, destroy));
        break;
    case 4:
        owned++;
        CALL(redis_cache_config_set_key_fn_owned(seldom() ? NULL : configs[place], seldom() ? NULL : make_key, &owned, destroy));
        break;
    case 5:
        owned++;
        CALL(redis_cache_config_set_credentials_fn(seldom() ? NULL : configs[place], seldom() ? NULL : log_in, &owned, destroy));
        break;
    default:
        busy_configs[place] = true;
        status = CALL(redis_cache_connect(configs[place], &given));
        busy_configs[place] = false;
        CHECK((given != NULL) == (status == REDIS_CACHE_OK));
        QUIET(redis_cache_free(clients[at]));
        clients[at] = given;
        break;
    }
}

static void call_on_object(unsigned place)
{
    redis_cache_slice bytes = some_value(), slice = DIRTY_SLICE;
    redis_cache_lease *lease;
    redis_cache_lock *lock;
    int status;

    switch (below(10)) {
    case 0: case 1: case 2:
        if (busy_iterators[place])
            return;
        busy_iterators[place] = true;
        status = CALL(redis_cache_keys_next(iterators[place], &slice));
        busy_iterators[place] = false;
        CHECK((slice.data != NULL) == (status == REDIS_CACHE_OK));
        if (status == REDIS_CACHE_OK && below(4) != 0)
            return;
        QUIET(redis_cache_keys_free(iterators[place]));
        iterators[place] = NULL;
        return;
    case 3: case 4:
        status = CALL(redis_cache_results_get(results[place], below(5), &slice));
        CHECK((slice.data != NULL) == (status == REDIS_CACHE_OK));
        if (redis_cache_results_len(results[place]) > 0 && below(4) == 0) {
            redis_cache_results_free(results[place]);
            results[place] = NULL;
        }
        return;
    case 5:
        if (busy_locks[place])
            return;
        busy_locks[place] = true;
        CALL(redis_cache_lock_extend(locks[place], some_ttl()));
        busy_locks[place] = false;
        CHECK((redis_cache_lock_token(locks[place]) != 0) == (locks[place] != NULL));
        return;
    case 6:
        if (busy_locks[place])
            return;
        lock = locks[place];
        locks[place] = NULL;
        CALL(redis_cache_lock_release(lock));
        return;
    case 7:
        if (busy_leases[place])
            return;
        busy_leases[place] = true;
        CALL(redis_cache_lease_renew(leases[place]));
        busy_leases[place] = false;
        return;
    default:
        if (busy_leases[place])
            return;
        lease = leases[place];
        leases[place] = NULL;
        switch (below(3)) {
        case 0: QUIET(redis_cache_lease_abandon(lease)); break;
        case 1: CALL(redis_cache_lease_fulfill_absent(lease, some_ttl())); break;
        default: CALL(redis_cache_lease_fulfill(lease, bytes.data, bytes.len, some_ttl())); break;
        }
        return;
    }
}

static void sweep_once(redis_cache *cache)
{
    redis_cache_bytes cursor = { 0 }, next = DIRTY_BYTES;
    redis_cache_sweep sweep = { 0 };
    uint64_t count = DIRTY_INT, *out = seldom() ? NULL : &count;
    redis_cache_slice pattern = some_key();
    int status, rounds;

    sweep.size = seldom() ? 3 : sizeof sweep;
    sweep.limit = below(4);
    sweep.batch = below(3);
    sweep.dry_run = below(3) == 0;
    sweep.progress = below(2) == 0 ? progress : NULL;
    sweep.out_cursor = &next;
    for (rounds = 0; rounds < 3; rounds++) {
        next.data = NULL;
        next.len = 0;
        sweep.cursor = seldom() ? "nonsense" : cursor.data;
        switch (below(5)) {
        case 0: status = CALL(redis_cache_clear(cache, &sweep, out)); break;
        case 1: status = CALL(redis_cache_clear_version(cache, below(3), &sweep, out)); break;
        case 2: status = CALL(redis_cache_reinsert_keys(cache, below(2) == 0 ? rewrite : NULL, NULL, &sweep, out)); break;
        case 3: status = CALL(redis_cache_rebalance(cache, &sweep, out)); break;
        default: status = CALL(redis_cache_delete_pattern(cache, pattern.data, pattern.len, &sweep, out)); break;
        }
        CHECK((next.data != NULL) == (status == REDIS_CACHE_STOPPED));
        QUIET(redis_cache_bytes_free(&cursor));
        cursor = next;
        /* Its functions may have freed the client. */
        if (status != REDIS_CACHE_STOPPED || sweep.progress != NULL || below(2) == 0 || depth > 0)
            break;
        cache = clients[below(PLACES)];
    }
    QUIET(redis_cache_bytes_free(&cursor));
}

static void call_on_client(unsigned place)
{
    redis_cache *cache = clients[place], *other;
    redis_cache_slice key = some_key(), bytes = some_value(), keys[3];
    redis_cache_entry entries[3];
    redis_cache_bytes out = DIRTY_BYTES;
    redis_cache_results *many = (redis_cache_results *)1;
    redis_cache_keys *iterator = (redis_cache_keys *)1;
    redis_cache_lease *lease = (redis_cache_lease *)1;
    redis_cache_lock *lock = (redis_cache_lock *)1;
    redis_cache_stats stats;
    size_t len = DIRTY_INT, cap = below(LONGEST), i;
    int64_t number = DIRTY_INT;
    uint64_t count = DIRTY_INT;
    unsigned at = below(PLACES);
    int status;

    for (i = 0; i < 3; i++) {
        keys[i] = entries[i].key = some_key();
        entries[i].value = some_value();
    }
#define KEY cache, key.data, key.len
    switch (below(44)) {
    case 0: CALL(redis_cache_ping(cache)); break;
    case 1: status = CALL(redis_cache_where(KEY, &out)); end_bytes(status, &out); break;
    case 2: case 3: status = CALL(redis_cache_get(KEY, &out)); end_bytes(status, &out); break;
    case 4: CALL(redis_cache_get_into(KEY, seldom() ? NULL : buffer, cap, &len)); break;
    case 5: case 6: CALL(redis_cache_set(KEY, bytes.data, bytes.len, some_ttl())); break;
    case 7: CALL(redis_cache_add(KEY, bytes.data, bytes.len, some_ttl())); break;
    case 8: CALL(redis_cache_delete(KEY)); break;
    case 9: CALL(redis_cache_has_key(KEY)); break;
    case 10: CALL(redis_cache_set_int(KEY, some_number(), some_ttl())); break;
    case 11: status = CALL(redis_cache_get_int(KEY, &number)); CHECK(status == REDIS_CACHE_OK || number == 0); break;
    case 12: status = CALL(redis_cache_incr(KEY, some_number(), &number)); CHECK(is_given(status) || number == 0); break;
    case 13: status = CALL(redis_cache_decr(KEY, some_number(), &number)); CHECK(is_given(status) || number == 0); break;
    case 14: CALL(redis_cache_incr_or_create(KEY, some_number(), some_number(), some_ttl(), &number)); break;
    case 15: case 16:
        status = CALL(redis_cache_get_many(cache, seldom() ? NULL : keys, below(4), &many));
        put_results(status, many);
        break;
    case 17: status = CALL(redis_cache_set_many(cache, entries, below(4), some_ttl(), &many)); put_results(status, many); break;
    case 18: CALL(redis_cache_set_many(cache, entries, below(4), some_ttl(), NULL)); break;
    case 19: CALL(redis_cache_delete_many(cache, keys, below(4), seldom() ? NULL : &count)); break;
    case 20: CALL(redis_cache_touch(KEY, some_ttl())); break;
    case 21: CALL(redis_cache_expire(KEY, some_ttl())); break;
    case 22: CALL(redis_cache_expire_at(KEY, some_number())); break;
    case 23: CALL(redis_cache_persist(KEY)); break;
    case 24: CALL(redis_cache_ttl(KEY, seldom() ? NULL : &number)); break;
    case 25: case 26: sweep_once(cache); break;
    case 27:
        if (seldom())
            redis_cache_flush_db(cache);
        break;
    case 28:
        status = CALL(redis_cache_keys_begin(cache, key.data, key.len, &iterator));
        CHECK((iterator != NULL) == (status == REDIS_CACHE_OK));
        if (busy_iterators[at]) {
            redis_cache_keys_free(iterator);
            break;
        }
        QUIET(redis_cache_keys_free(iterators[at]));
        iterators[at] = iterator;
        break;
    case 29: CALL(redis_cache_incr_version(KEY, (int64_t)below(3) - 1, &count)); break;
    case 30: status = CALL(redis_cache_make_key(KEY, &out)); end_bytes(status, &out); break;
    case 31: CALL(redis_cache_expire_soft(KEY)); break;
    case 32: status = CALL(redis_cache_get_stale(KEY, &out)); end_bytes(status, &out); break;
    case 33: case 34:
        status = CALL(redis_cache_get_or_set(KEY, some_ttl(), seldom() ? NULL : compute, NULL, &out));
        end_bytes(status, &out);
        break;
    case 35: case 36:
        status = CALL(redis_cache_get_or_set_many(cache, keys, below(4), some_ttl(), compute_many, NULL, &many));
        put_results(status, many);
        break;
    case 37: case 38:
        status = CALL(redis_cache_lease_begin(KEY, &out, &lease));
        CHECK(lease == NULL || status == REDIS_CACHE_STALE || status == REDIS_CACHE_NOT_FOUND);
        end_bytes(status, &out);
        if (lease != NULL && !busy_leases[at]) {
            redis_cache_lease *before = leases[at];

            leases[at] = lease;
            lease = before;
        }
        QUIET(redis_cache_lease_abandon(lease));
        break;
    case 39:
        status = CALL(redis_cache_lock_acquire(KEY, some_ttl(), 0, &lock));
        CHECK((lock != NULL) == (status == REDIS_CACHE_OK));
        if (lock != NULL && !busy_locks[at]) {
            redis_cache_lock *before = locks[at];

            locks[at] = lock;
            lock = before;
        }
        if (lock != NULL)
            redis_cache_lock_release(lock);
        break;
    case 40: QUIET(redis_cache_near_clear(cache)); QUIET(redis_cache_stats_reset(seldom() ? cache : NULL)); break;
    case 41: CALL(redis_cache_stats_read(cache, &stats, seldom() ? 5 : sizeof stats)); break;
    case 42:
        other = below(2) == 0 ? redis_cache_clone(cache) : redis_cache_with_version(cache, below(3));
        CHECK((other == NULL) == (cache == NULL));
        QUIET(redis_cache_free(clients[at]));
        clients[at] = other;
        break;
    default:
        clients[place] = NULL;
        QUIET(redis_cache_free(cache));
        break;
    }
#undef KEY
}

static void one_call(void)
{
    calls++;
    switch (below(12)) {
    case 0: call_on_config(below(PLACES)); break;
    case 1: case 2: call_on_object(below(PLACES)); break;
    default: call_on_client(below(PLACES)); break;
    }
}

static unsigned long asked_for(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoul(text, NULL, 10);
}

static void random_calls_keep_the_rules(void)
{
    unsigned long seed = asked_for("REDIS_CACHE_TEST_SEED", (unsigned long)getpid());
    unsigned long wanted = asked_for("REDIS_CACHE_TEST_CALLS", small_run() ? 3000 : 20000);
    unsigned before = check_failures();
    int i;

    alarm(0);
    printf("seed %lu, %lu calls\n", seed, wanted);
    state = seed * 2654435761u + 88172645463325252u;
    fill(value, sizeof value, 3);
    for (i = 0; i < PLACES; i++)
        configs[i] = new_config();
    while (calls < wanted && check_failures() == before)
        one_call();
    is_ending = true;
    for (i = 0; i < PLACES; i++) {
        QUIET(redis_cache_keys_free(iterators[i]));
        QUIET(redis_cache_results_free(results[i]));
        QUIET(redis_cache_lease_abandon(leases[i]));
        if (locks[i] != NULL)
            redis_cache_lock_release(locks[i]);
        QUIET(redis_cache_free(clients[i]));
        QUIET(redis_cache_config_free(configs[i]));
    }
    INT(owned, destroyed);
}

void suite_torture(void)
{
    RUN(random_calls_keep_the_rules);
}
