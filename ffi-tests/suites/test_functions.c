/* Functions of the caller: who keeps them and their user_data alive and for how long, what they may do to the client
 * that calls them, and that neither a cancelled thread nor a hook that fails itself ends the process. */
#include <pthread.h>

#include "check.h"
#include "fixture.h"
#include "suites.h"

/* Nobody listens there. */
#define DOWN "redis://127.0.0.1:1?breaker_failures=1000000&timeout=5s"

struct owner {
    redis_cache *cache; /* to be freed by the function */
    int calls, running, destroyed, destroyed_while_running;
};

static void destroy_owner(void *user_data)
{
    struct owner *owner = user_data;

    owner->destroyed++;
    owner->destroyed_while_running += owner->running;
}

static void free_client(struct owner *owner)
{
    redis_cache_free(owner->cache);
    owner->cache = NULL;
}

static void hear_and_free(void *user_data, int32_t status, const char *text)
{
    struct owner *owner = user_data;

    owner->calls++;
    owner->running++;
    CHECK(status < 0 && *text != '\0');
    free_client(owner);
    owner->running--;
}

static int32_t plain_key(void *user_data, const char *prefix, uint64_t version, const redis_cache_slice *key,
                         redis_cache_writer *out)
{
    struct owner *owner = user_data;

    (void)prefix;
    (void)version;
    owner->calls++;
    STATUS(OK, redis_cache_writer_append(out, "k:", 2));
    STATUS(OK, redis_cache_writer_append(out, key->data, key->len));
    return 0;
}

static int32_t key_and_free(void *user_data, const char *prefix, uint64_t version, const redis_cache_slice *key,
                            redis_cache_writer *out)
{
    struct owner *owner = user_data;

    owner->running++;
    free_client(owner);
    plain_key(user_data, prefix, version, key, out);
    owner->running--;
    return 0;
}

static redis_cache *connect_and_free(redis_cache_config *config)
{
    redis_cache *cache = NULL;

    if (redis_cache_connect(config, &cache) != REDIS_CACHE_OK)
        fixture_die("%s", redis_cache_last_error());
    redis_cache_config_free(config);
    return cache;
}

static redis_cache_config *config_down(void)
{
    redis_cache_config *config = redis_cache_config_new();

    STATUS(OK, redis_cache_config_add_server(config, DOWN, NULL, 1));
    return config;
}

static void destroy_waits_for_the_last_object(void)
{
    enum { CLIENT, CLONE, VIEW, KEYS, LOCK, LEASE, OBJECTS };
    int last;

    for (last = 0; last < OBJECTS; last++) {
        struct owner hook = { 0 }, maker = { 0 };
        redis_cache_config *config = config_with_target("prefix=owned");
        redis_cache *cache, *clone, *view;
        redis_cache_keys *keys;
        redis_cache_lock *lock;
        redis_cache_lease *lease;
        redis_cache_bytes bytes;
        int i;

        STATUS(OK, redis_cache_config_set_error_fn_owned(config, hear_and_free, &hook, destroy_owner));
        STATUS(OK, redis_cache_config_set_key_fn_owned(config, plain_key, &maker, destroy_owner));
        cache = connect_and_free(config);
        INT(0, hook.destroyed + maker.destroyed);
        clone = redis_cache_clone(cache);
        view = redis_cache_with_version(cache, 2);
        STATUS(OK, redis_cache_keys_begin(cache, S("*"), &keys));
        STATUS(OK, redis_cache_lock_acquire(cache, S("lock"), 50000, 0, &lock));
        STATUS(NOT_FOUND, redis_cache_lease_begin(cache, S("lease"), &bytes, &lease));
        CHECK(lease != NULL);
        for (i = 1; i <= OBJECTS; i++) {
            INT(0, hook.destroyed + maker.destroyed);
            switch ((last + i) % OBJECTS) {
            case CLIENT: redis_cache_free(cache); break;
            case CLONE: redis_cache_free(clone); break;
            case VIEW: redis_cache_free(view); break;
            case KEYS: redis_cache_keys_free(keys); break;
            case LOCK: STATUS(OK, redis_cache_lock_release(lock)); break;
            default: redis_cache_lease_abandon(lease); break;
            }
        }
        INT(1, hook.destroyed);
        INT(1, maker.destroyed);
        fixture_empty();
    }
}

static void destroy_waits_for_nobody_when_nobody_may_call(void)
{
    struct owner first = { 0 }, second = { 0 }, third = { 0 };
    redis_cache_config *config = config_with_target(NULL);
    redis_cache *cache;

    STATUS(OK, redis_cache_config_set_error_fn_owned(config, hear_and_free, &first, destroy_owner));
    STATUS(OK, redis_cache_config_set_error_fn_owned(config, hear_and_free, &second, destroy_owner));
    INT(1, first.destroyed);
    STATUS(OK, redis_cache_connect(config, &cache));
    STATUS(OK, redis_cache_config_set_error_fn(config, hear_and_free, &third));
    INT(0, second.destroyed); /* the client still tells it */
    redis_cache_free(cache);
    INT(1, second.destroyed);
    redis_cache_config_free(config);
    INT(1, first.destroyed);
    INT(0, third.destroyed); /* a plain one is nobody's to end */
}

static void destroy_is_called_at_once_when_the_call_fails(void)
{
    struct owner owner = { 0 };
    redis_cache_config *config = redis_cache_config_new();

    STATUS(ERR_INVALID_ARGUMENT, redis_cache_config_set_error_fn_owned(NULL, hear_and_free, &owner, destroy_owner));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_config_set_error_fn_owned(config, NULL, &owner, destroy_owner));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_config_set_key_fn_owned(NULL, plain_key, &owner, destroy_owner));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_config_set_key_fn_owned(config, NULL, &owner, destroy_owner));
    INT(4, owner.destroyed);
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_config_set_key_fn_owned(config, NULL, &owner, NULL));
    STATUS(OK, redis_cache_config_set_error_fn_owned(config, hear_and_free, &owner, NULL));
    STATUS(OK, redis_cache_config_set_key_fn_owned(config, plain_key, &owner, NULL));
    redis_cache_config_free(config);
    INT(4, owner.destroyed);
}

static int32_t load_and_free(void *user_data, redis_cache_writer *out)
{
    free_client(user_data);
    return redis_cache_writer_append(out, "v", 1);
}

static int32_t load_many_and_free(void *user_data, const redis_cache_slice *missing, size_t count,
                                  redis_cache_writer *out)
{
    (void)missing;
    free_client(user_data);
    for (; count > 0; count--)
        STATUS(OK, redis_cache_writer_next(out));
    return 0;
}

static int32_t progress_and_free(void *user_data, uint64_t scanned, uint64_t matched, uint64_t changed, double fraction)
{
    (void)scanned;
    (void)matched;
    (void)changed;
    (void)fraction;
    free_client(user_data);
    return 0;
}

/* Every call on a client whose function frees it: the call is the last to hold it, and ends it. */
enum call {
    PING, WHERE, GET, GET_INTO, SET, ADD, DELETE, HAS_KEY, SET_INT, GET_INT, INCR, DECR, INCR_OR_CREATE, GET_MANY,
    SET_MANY, DELETE_MANY, TOUCH, EXPIRE, EXPIRE_AT, PERSIST, TTL, DELETE_PATTERN, CLEAR, CLEAR_VERSION, FLUSH_DB,
    REINSERT, KEYS_BEGIN, INCR_VERSION, MAKE_KEY, REBALANCE, EXPIRE_SOFT, GET_STALE, GET_OR_SET, GET_OR_SET_MANY,
    LEASE_BEGIN, LOCK_ACQUIRE, CALLS
};

static void call(enum call which, redis_cache *cache, void *user_data)
{
    static const redis_cache_slice keys[] = { SLICE("a"), SLICE("b") };
    static const redis_cache_entry entries[] = { { SLICE("a"), SLICE("1") }, { SLICE("b"), SLICE("2") } };
    redis_cache_sweep sweep = { 0 };
    redis_cache_bytes bytes = { 0 };
    redis_cache_results *results = NULL;
    redis_cache_keys *iterator = NULL;
    redis_cache_lease *lease = NULL;
    redis_cache_lock *lock = NULL;
    char buffer[8];
    size_t len;
    int64_t number;
    uint64_t count;

    sweep.size = sizeof sweep;
    sweep.progress = progress_and_free;
    sweep.user_data = user_data;
    switch (which) {
    case PING: redis_cache_ping(cache); break;
    case WHERE: redis_cache_where(cache, S("a"), &bytes); break;
    case GET: redis_cache_get(cache, S("a"), &bytes); break;
    case GET_INTO: redis_cache_get_into(cache, S("a"), buffer, sizeof buffer, &len); break;
    case SET: redis_cache_set(cache, S("a"), S("v"), 1000); break;
    case ADD: redis_cache_add(cache, S("a"), S("v"), 1000); break;
    case DELETE: redis_cache_delete(cache, S("a")); break;
    case HAS_KEY: redis_cache_has_key(cache, S("a")); break;
    case SET_INT: redis_cache_set_int(cache, S("a"), 1, 1000); break;
    case GET_INT: redis_cache_get_int(cache, S("a"), &number); break;
    case INCR: redis_cache_incr(cache, S("a"), 1, &number); break;
    case DECR: redis_cache_decr(cache, S("a"), 1, &number); break;
    case INCR_OR_CREATE: redis_cache_incr_or_create(cache, S("a"), 1, 1, 1000, &number); break;
    case GET_MANY: redis_cache_get_many(cache, keys, 2, &results); break;
    case SET_MANY: redis_cache_set_many(cache, entries, 2, 1000, &results); break;
    case DELETE_MANY: redis_cache_delete_many(cache, keys, 2, &count); break;
    case TOUCH: redis_cache_touch(cache, S("a"), 1000); break;
    case EXPIRE: redis_cache_expire(cache, S("a"), 1000); break;
    case EXPIRE_AT: redis_cache_expire_at(cache, S("a"), 1); break;
    case PERSIST: redis_cache_persist(cache, S("a")); break;
    case TTL: redis_cache_ttl(cache, S("a"), &number); break;
    case DELETE_PATTERN: redis_cache_delete_pattern(cache, S("*"), &sweep, &count); break;
    case CLEAR: redis_cache_clear(cache, &sweep, &count); break;
    case CLEAR_VERSION: redis_cache_clear_version(cache, 1, &sweep, &count); break;
    case FLUSH_DB: redis_cache_flush_db(cache); break;
    case REINSERT: redis_cache_reinsert_keys(cache, NULL, NULL, &sweep, &count); break;
    case KEYS_BEGIN: redis_cache_keys_begin(cache, S("*"), &iterator); break;
    case INCR_VERSION: redis_cache_incr_version(cache, S("a"), 1, &count); break;
    case MAKE_KEY: redis_cache_make_key(cache, S("a"), &bytes); break;
    case REBALANCE: redis_cache_rebalance(cache, &sweep, &count); break;
    case EXPIRE_SOFT: redis_cache_expire_soft(cache, S("a")); break;
    case GET_STALE: redis_cache_get_stale(cache, S("a"), &bytes); break;
    case GET_OR_SET: redis_cache_get_or_set(cache, S("a"), 1000, load_and_free, user_data, &bytes); break;
    case GET_OR_SET_MANY:
        redis_cache_get_or_set_many(cache, keys, 2, 1000, load_many_and_free, user_data, &results);
        break;
    case LEASE_BEGIN: redis_cache_lease_begin(cache, S("a"), &bytes, &lease); break;
    default: redis_cache_lock_acquire(cache, S("a"), 1000, 0, &lock); break;
    }
    redis_cache_bytes_free(&bytes);
    redis_cache_results_free(results);
    redis_cache_keys_free(iterator);
    redis_cache_lease_abandon(lease);
    if (lock != NULL)
        redis_cache_lock_release(lock);
}

static void a_hook_may_free_its_client(void)
{
    int which;

    for (which = 0; which < CALLS; which++) {
        struct owner owner = { 0 };
        redis_cache_config *config = config_down();

        STATUS(OK, redis_cache_config_set_error_fn_owned(config, hear_and_free, &owner, destroy_owner));
        owner.cache = connect_and_free(config);
        call((enum call)which, owner.cache, &owner);
        free_client(&owner); /* what makes no fault tells nobody */
        INT(1, owner.destroyed);
        INT(0, owner.destroyed_while_running);
    }
}

static void a_key_function_may_free_its_client(void)
{
    int which;

    for (which = 0; which < CALLS; which++) {
        struct owner owner = { 0 };
        redis_cache_config *config = config_with_target(NULL);

        STATUS(OK, redis_cache_config_set_key_fn_owned(config, key_and_free, &owner, destroy_owner));
        owner.cache = connect_and_free(config);
        call((enum call)which, owner.cache, &owner);
        free_client(&owner);
        INT(1, owner.destroyed);
        INT(0, owner.destroyed_while_running);
    }
}

static void a_loader_may_free_its_client(void)
{
    int which;

    for (which = 0; which < CALLS; which++) {
        struct owner owner = { 0 };

        owner.cache = open_cache(NULL);
        STATUS(OK, redis_cache_set(owner.cache, S("swept"), S("value"), 50000));
        call((enum call)which, owner.cache, &owner);
        free_client(&owner);
    }
}

static void ask_again(void *user_data, int32_t status, const char *text)
{
    struct owner *owner = user_data;
    redis_cache_bytes bytes;

    (void)text;
    STATUS(ERR_IO, status);
    owner->calls++;
    STATUS(ERR_IO, redis_cache_get(owner->cache, S("key"), &bytes));
    SAYS("127.0.0.1:1");
}

/* It called itself until the stack was used up. */
static void a_hook_hears_nothing_of_what_it_causes(void)
{
    struct owner owner = { 0 };
    redis_cache_config *config = config_down();
    redis_cache_bytes bytes;
    redis_cache_stats stats;

    STATUS(OK, redis_cache_config_set_error_fn(config, ask_again, &owner));
    owner.cache = connect_and_free(config);
    STATUS(ERR_IO, redis_cache_get(owner.cache, S("key"), &bytes));
    INT(1, owner.calls);
    STATUS(ERR_IO, redis_cache_ping(owner.cache));
    INT(2, owner.calls);
    STATUS(OK, redis_cache_stats_read(owner.cache, &stats, sizeof stats));
    INT(4, stats.errors); /* they are counted all the same */
    redis_cache_free(owner.cache);
}

struct cancelled {
    redis_cache *cache;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_inside, was_cancelled, went_on, call_ended;
};

/* In the middle of it the thread is cancelled, and then it comes where that would take effect. */
static void wait_until_cancelled(struct cancelled *shared)
{
    pthread_mutex_lock(&shared->lock);
    shared->is_inside = true;
    pthread_cond_signal(&shared->changed);
    while (!shared->was_cancelled)
        pthread_cond_wait(&shared->changed, &shared->lock);
    pthread_mutex_unlock(&shared->lock);
    pthread_testcancel();
    shared->went_on = true;
}

static void cancelled_hook(void *shared, int32_t status, const char *text)
{
    (void)status;
    (void)text;
    wait_until_cancelled(shared);
}

static int32_t cancelled_key(void *shared, const char *prefix, uint64_t version, const redis_cache_slice *key,
                             redis_cache_writer *out)
{
    (void)prefix;
    (void)version;
    wait_until_cancelled(shared);
    return redis_cache_writer_append(out, key->data, key->len);
}

static int32_t cancelled_credentials(void *shared, const char *node, redis_cache_writer *out)
{
    (void)node;
    wait_until_cancelled(shared);
    redis_cache_writer_fail(out, "cancelled");
    return 1;
}

static void cancelled_destroy(void *shared)
{
    wait_until_cancelled(shared);
}

/* Here a cancellation takes effect. */
static void *end_of_thread(void)
{
    /* AddressSanitizer cannot follow a thread that is unwound to its end. */
#ifdef __SANITIZE_ADDRESS__
    return PTHREAD_CANCELED;
#else
    pthread_testcancel();
    return NULL;
#endif
}

static void cancelled_get(struct cancelled *shared)
{
    redis_cache_bytes bytes = { 0 };

    redis_cache_get(shared->cache, S("key"), &bytes);
    redis_cache_bytes_free(&bytes);
    shared->call_ended = true;
}

static void *get_and_be_cancelled(void *shared)
{
    cancelled_get(shared);
    return end_of_thread();
}

static void *free_and_be_cancelled(void *user_data)
{
    struct cancelled *shared = user_data;

    redis_cache_free(shared->cache);
    shared->call_ended = true;
    return end_of_thread();
}

static void cancel_within(struct cancelled *shared, void *(*thread_function)(void *))
{
    pthread_t thread;
    void *result;

    REQUIRE(pthread_create(&thread, NULL, thread_function, shared) == 0);
    pthread_mutex_lock(&shared->lock);
    while (!shared->is_inside)
        pthread_cond_wait(&shared->changed, &shared->lock);
    CHECK(pthread_cancel(thread) == 0);
    shared->was_cancelled = true;
    pthread_cond_signal(&shared->changed);
    pthread_mutex_unlock(&shared->lock);
    CHECK(pthread_join(thread, &result) == 0);
    CHECK(result == PTHREAD_CANCELED);
    CHECK(shared->went_on && shared->call_ended);
}

#define CANCELLED { NULL, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false, false, false }

/* It was unwound in the middle of the call, which ended the process. */
static void a_cancelled_thread_ends_after_its_call(void)
{
    struct cancelled hook = CANCELLED, key = CANCELLED, login = CANCELLED, end = CANCELLED;
    redis_cache_config *config = config_down();

    STATUS(OK, redis_cache_config_set_error_fn(config, cancelled_hook, &hook));
    hook.cache = connect_and_free(config);
    cancel_within(&hook, get_and_be_cancelled);
    redis_cache_free(hook.cache);

    config = config_with_target(NULL);
    STATUS(OK, redis_cache_config_set_key_fn(config, cancelled_key, &key));
    key.cache = connect_and_free(config);
    cancel_within(&key, get_and_be_cancelled);
    redis_cache_free(key.cache);

    if (on_server() && on_single()) {
        config = config_with_target(NULL);
        STATUS(OK, redis_cache_config_set_credentials_fn(config, cancelled_credentials, &login, NULL));
        login.cache = connect_and_free(config);
        cancel_within(&login, get_and_be_cancelled);
        redis_cache_free(login.cache);
    }

    config = config_down();
    STATUS(OK, redis_cache_config_set_error_fn_owned(config, cancelled_hook, &end, cancelled_destroy));
    end.cache = connect_and_free(config);
    cancel_within(&end, free_and_be_cancelled);
}

void suite_functions(void)
{
    RUN(destroy_waits_for_the_last_object);
    RUN(destroy_waits_for_nobody_when_nobody_may_call);
    RUN(destroy_is_called_at_once_when_the_call_fails);
    RUN(a_hook_may_free_its_client);
    RUN(a_key_function_may_free_its_client);
    RUN(a_loader_may_free_its_client);
    RUN(a_hook_hears_nothing_of_what_it_causes);
    RUN(a_cancelled_thread_ends_after_its_call);
}
