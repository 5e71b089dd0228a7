/* on_error=miss: what each call says when the server cannot serve, and the errors that are reported all the same. */
#include "check.h"
#include "fixture.h"
#include "load.h"
#include "raw.h"
#include "server.h"
#include "suites.h"

#include <stdio.h>

static const redis_cache_slice keys[] = { SLICE("key"), SLICE("other") };
static const redis_cache_entry entries[] = { { SLICE("key"), SLICE("x") }, { SLICE("other"), SLICE("y") } };

static redis_cache *open_own(const struct server *server, const char *options)
{
    char url[512];

    server_url(server, url, sizeof url, options);
    return open_url(url);
}

/* What the contract's table says of reads. */
static void check_reads(const redis_cache *cache)
{
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_results *results = NULL;
    redis_cache_slice item = DIRTY_SLICE;
    int64_t number = DIRTY_INT;
    size_t len = DIRTY_INT;
    char room[8];

    STATUS(NOT_FOUND, redis_cache_get(cache, S("key"), &bytes));
    CLEAN_BYTES(bytes);
    STATUS(NOT_FOUND, redis_cache_get_int(cache, S("key"), &number));
    INT(0, number);
    STATUS(NOT_FOUND, redis_cache_get_into(cache, S("key"), room, sizeof room, &len));
    INT(0, len);
    STATUS(NOT_FOUND, redis_cache_has_key(cache, S("key")));
    number = DIRTY_INT;
    STATUS(NOT_FOUND, redis_cache_ttl(cache, S("key"), &number));
    INT(0, number);
    if (STATUS(OK, redis_cache_get_many(cache, keys, 2, &results))) {
        INT(2, redis_cache_results_len(results));
        STATUS(NOT_FOUND, redis_cache_results_get(results, 0, &item));
        CLEAN_SLICE(item);
        STATUS(NOT_FOUND, redis_cache_results_get(results, 1, &item));
    }
    redis_cache_results_free(results);
}

/* And of those writes that a full or read-only server refuses. */
static void check_writes(const redis_cache *cache)
{
    redis_cache_results *results = NULL;
    redis_cache_slice item;

    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 5000));
    STATUS(OK, redis_cache_set_int(cache, S("key"), 5, 5000));
    STATUS(EXISTS, redis_cache_add(cache, S("key"), S("value"), 5000));
    if (STATUS(OK, redis_cache_set_many(cache, entries, 2, 5000, &results))) {
        STATUS(OK, redis_cache_results_get(results, 0, &item));
        STATUS(OK, redis_cache_results_get(results, 1, &item));
    }
    redis_cache_results_free(results);
}

static void check_changes(const redis_cache *cache)
{
    int64_t number = DIRTY_INT;
    uint64_t count = DIRTY_INT;

    STATUS(NOT_FOUND, redis_cache_touch(cache, S("key"), 5000));
    STATUS(NOT_FOUND, redis_cache_expire(cache, S("key"), 5000));
    STATUS(NOT_FOUND, redis_cache_persist(cache, S("key")));
    STATUS(NOT_FOUND, redis_cache_incr(cache, S("key"), 1, &number));
    INT(0, number);
    STATUS(NOT_FOUND, redis_cache_decr(cache, S("key"), 1, &number));
    STATUS(NOT_FOUND, redis_cache_delete(cache, S("key")));
    STATUS(OK, redis_cache_delete_many(cache, keys, 2, &count));
    INT(0, count);
}

static int32_t load_both(void *user_data, const redis_cache_slice *missing, size_t count, redis_cache_writer *out)
{
    ++*(int *)user_data;
    INT(2, count);
    (void)missing;
    STATUS(OK, redis_cache_writer_append(out, S("one")));
    STATUS(OK, redis_cache_writer_renew(out)); /* there is nothing to renew */
    STATUS(OK, redis_cache_writer_next(out));
    STATUS(OK, redis_cache_writer_append(out, S("two")));
    return 0;
}

/* What is computed is returned, and what is locked is busy. A lease is as good as none, and stores nothing. */
static void check_computing(const redis_cache *cache)
{
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_results *results = NULL;
    redis_cache_slice item;
    redis_cache_lease *lease = NULL;
    redis_cache_lock *lock = (redis_cache_lock *)1;
    struct load job = { 0 };
    int calls = 0;

    job.text = "loaded";
    OR_SET(cache, &job, 5000, "loaded");
    INT(1, job.calls);
    if (STATUS(OK, redis_cache_get_or_set_many(cache, keys, 2, 5000, load_both, &calls, &results))) {
        STATUS(OK, redis_cache_results_get(results, 1, &item));
        DATA("two", 3, item.data, item.len);
    }
    redis_cache_results_free(results);
    INT(1, calls);
    STATUS(NOT_FOUND, redis_cache_get_stale(cache, S("key"), &bytes));
    CLEAN_BYTES(bytes);
    STATUS(NOT_FOUND, redis_cache_expire_soft(cache, S("key")));
    if (STATUS(NOT_FOUND, redis_cache_lease_begin(cache, S("key"), &bytes, &lease)) && lease != NULL) {
        STATUS(OK, redis_cache_lease_renew(lease));
        STATUS(OK, redis_cache_lease_fulfill(lease, S("value"), 5000));
    } else {
        CHECK(lease != NULL);
    }
    STATUS(BUSY, redis_cache_lock_acquire(cache, S("key"), 5000, 5000, &lock));
    CHECK(lock == NULL);
}

/* What on_error never hides. */
#define CHECK_REPORTED(want, cache)                                                      \
    do {                                                                                 \
        redis_cache_keys *iterator = NULL;                                               \
        redis_cache_slice key;                                                           \
        uint64_t count = DIRTY_INT;                                                      \
        STATUS(want, redis_cache_ping(cache));                                           \
        STATUS(want, redis_cache_flush_db(cache));                                       \
        STATUS(want, redis_cache_delete_pattern(cache, S("*"), NULL, &count));           \
        INT(0, count);                                                                   \
        STATUS(want, redis_cache_clear(cache, NULL, NULL));                              \
        STATUS(want, redis_cache_reinsert_keys(cache, NULL, NULL, NULL, NULL));          \
        STATUS(want, redis_cache_clear_version(cache, 1, NULL, NULL));                   \
        STATUS(OK, redis_cache_keys_begin(cache, S("*"), &iterator));                    \
        STATUS(want, redis_cache_keys_next(iterator, &key));                             \
        redis_cache_keys_free(iterator);                                                 \
    } while (0)

static void a_server_that_is_down_looks_like_an_empty_cache(void)
{
    struct server server;
    redis_cache *cache;
    redis_cache_stats stats;

    server_prepare(&server, NULL, NULL);
    cache = open_own(&server, "on_error=miss&breaker_failures=1000");
    check_reads(cache);
    check_writes(cache);
    check_changes(cache);
    check_computing(cache);
    CHECK_REPORTED(ERR_IO, cache);
    STATUS(OK, redis_cache_stats_read(cache, &stats, sizeof stats));
    CHECK(stats.errors >= 20);
    redis_cache_free(cache);
}

static void a_silent_server_looks_like_an_empty_cache(void)
{
    struct peer peer;
    redis_cache *cache;
    char url[512];

    peer_start(&peer, NEVER_ACCEPTS);
    peer_url(&peer, url, sizeof url, "on_error=miss&timeout=25ms&breaker_failures=1000");
    cache = open_url(url);
    check_reads(cache);
    check_writes(cache);
    check_changes(cache);
    check_computing(cache);
    CHECK_REPORTED(ERR_TIMEOUT, cache);
    redis_cache_free(cache);
    peer_stop(&peer);
}

static void a_refused_node_looks_like_an_empty_cache(void)
{
    struct server server;
    redis_cache *cache;

    server_prepare(&server, NULL, NULL);
    cache = open_own(&server, "on_error=miss&breaker_failures=1&breaker_backoff=60s&breaker_backoff_max=60s");
    STATUS(ERR_IO, redis_cache_ping(cache));
    check_reads(cache);
    check_writes(cache);
    check_changes(cache);
    check_computing(cache);
    CHECK_REPORTED(ERR_UNAVAILABLE, cache);
    redis_cache_free(cache);
}

static void count_calls(void *user_data, int32_t status, const char *text)
{
    int *calls = user_data;

    CHECK(status < 0 && text != NULL && *text != '\0');
    ++*calls;
}

/* Over a list of locations, with a function that counts errors. */
static redis_cache *open_counting(const char *urls, int *calls)
{
    redis_cache_config *config = redis_cache_config_new();
    redis_cache *cache = NULL;
    char all[512], *url, *rest;

    snprintf(all, sizeof all, "%s", urls);
    for (url = strtok_r(all, ",", &rest); url != NULL; url = strtok_r(NULL, ",", &rest))
        STATUS(OK, redis_cache_config_add_server(config, url, NULL, 1));
    STATUS(OK, redis_cache_config_set(config, "on_error", "miss"));
    STATUS(OK, redis_cache_config_set(config, "timeout", "1s"));
    STATUS(OK, redis_cache_config_set_error_fn(config, count_calls, calls));
    STATUS(OK, redis_cache_connect(config, &cache));
    redis_cache_config_free(config);
    return cache;
}

static void every_topology_that_is_down_looks_like_an_empty_cache(void)
{
    static const char *const topologies[] = {
        "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3",
        "127.0.0.1:1?primary=127.0.0.1:1&read_from=any,127.0.0.1:2",
        "127.0.0.1:1?topology=cluster,127.0.0.1:2",
        "127.0.0.1:1?topology=sentinel&sentinel_name=main,127.0.0.1:2",
        "rediss://127.0.0.1:1?tls_insecure=true",
    };
    size_t i;

    for (i = 0; i < sizeof topologies / sizeof topologies[0]; i++) {
        int calls = 0, before;
        redis_cache *cache = open_counting(topologies[i], &calls);
        int64_t number;
        uint64_t count;

        REQUIRE(cache != NULL);
        check_reads(cache);
        check_writes(cache);
        check_changes(cache);
        CHECK(calls >= 6 + 4 + 7); /* at least once for each of them */
        before = calls;
        STATUS(NOT_FOUND, redis_cache_get_int(cache, S("key"), &number));
        CHECK(calls > before);
        before = calls;
        STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 5000));
        CHECK(calls > before);
        before = calls;
        CHECK(redis_cache_ping(cache) < 0);
        CHECK(redis_cache_clear(cache, NULL, &count) < 0);
        CHECK(calls >= before + 2);
        redis_cache_free(cache);
    }
}

static void mistakes_are_reported_all_the_same(void)
{
    redis_cache *cache = open_url("redis://127.0.0.1:1/?on_error=miss");
    redis_cache_slice bad[] = { SLICE("key"), SLICE("") }, item;
    redis_cache_results *results = NULL;
    redis_cache_bytes bytes;
    int64_t number;

    STATUS(ERR_INVALID_ARGUMENT, redis_cache_get(cache, S(""), &bytes));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_set(cache, S(""), S("x"), 5000));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_get(cache, S("key"), NULL));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_decr(cache, S("key"), INT64_MIN, &number));
    STATUS(PARTIAL, redis_cache_get_many(cache, bad, 2, &results));
    STATUS(NOT_FOUND, redis_cache_results_get(results, 0, &item));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_results_get(results, 1, &item));
    redis_cache_results_free(results);
    redis_cache_free(cache);
}

static void a_value_of_another_type_is_reported_all_the_same(void)
{
    redis_cache *cache = open_cache("on_error=miss&prefix=w");
    redis_cache_bytes bytes;
    struct raw raw;
    int64_t number;

    raw_open(&raw, target_socket(), target_db());
    raw_call(&raw, "RPUSH", "w:1:key", "x", NULL);
    raw_close(&raw);
    STATUS(ERR_WRONG_TYPE, redis_cache_get(cache, S("key"), &bytes));
    STATUS(ERR_WRONG_TYPE, redis_cache_get_int(cache, S("key"), &number));
    STATUS(ERR_WRONG_TYPE, redis_cache_incr(cache, S("key"), 1, &number));
    redis_cache_free(cache);
}

static void a_wrong_password_is_reported_all_the_same(void)
{
    struct server server;
    redis_cache *cache;
    redis_cache_bytes bytes;

    server_prepare(&server, "--requirepass", "s3cret");
    server_start(&server);
    cache = open_own(&server, "on_error=miss&password=wrong");
    STATUS(ERR_AUTH, redis_cache_get(cache, S("key"), &bytes));
    STATUS(ERR_AUTH, redis_cache_set(cache, S("key"), S("value"), 5000));
    STATUS(ERR_AUTH, redis_cache_ping(cache));
    redis_cache_free(cache);
    server_stop(&server);
}

static void a_full_server_takes_nothing_and_says_ok(void)
{
    struct server server;
    redis_cache *miss, *raise;
    redis_cache_stats stats;

    server_prepare(&server, "--maxmemory", "1");
    server_start(&server);
    miss = open_own(&server, "on_error=miss");
    raise = open_own(&server, NULL);
    check_writes(miss);
    check_reads(miss);
    check_computing(miss);
    STATUS(OK, redis_cache_ping(miss));
    STATUS(ERR_SERVER, redis_cache_set(raise, S("key"), S("value"), 5000));
    STATUS(ERR_SERVER, redis_cache_add(raise, S("key"), S("value"), 5000));
    STATUS(ERR_SERVER, redis_cache_set_many(raise, entries, 2, 5000, NULL));
    STATUS(OK, redis_cache_stats_read(miss, &stats, sizeof stats));
    CHECK(stats.errors >= 4);
    redis_cache_free(raise);
    redis_cache_free(miss);
    server_stop(&server);
}

static void a_read_only_server_takes_nothing_and_says_ok(void)
{
    struct server server;
    redis_cache *miss, *raise;
    redis_cache_bytes bytes;

    server_prepare(&server, NULL, NULL);
    server_start(&server);
    server_call(&server, "REPLICAOF", "127.0.0.1", "1", NULL);
    miss = open_own(&server, "on_error=miss&timeout=300ms");
    raise = open_own(&server, "timeout=300ms");
    check_writes(miss);
    STATUS(ERR_SERVER, redis_cache_set(raise, S("key"), S("value"), 5000));
    SAYS("READONLY");
    STATUS(NOT_FOUND, redis_cache_get(raise, S("key"), &bytes));
    server_call(&server, "REPLICAOF", "NO", "ONE", NULL);
    STATUS(OK, redis_cache_set(raise, S("key"), S("value"), 5000));
    GETS(miss, "key", "value");
    redis_cache_free(raise);
    redis_cache_free(miss);
    server_stop(&server);
}

void suite_on_error(void)
{
    RUN(a_server_that_is_down_looks_like_an_empty_cache);
    RUN(a_silent_server_looks_like_an_empty_cache);
    RUN(a_refused_node_looks_like_an_empty_cache);
    RUN(every_topology_that_is_down_looks_like_an_empty_cache);
    RUN(mistakes_are_reported_all_the_same);
    RUN(a_value_of_another_type_is_reported_all_the_same);
    RUN(a_wrong_password_is_reported_all_the_same);
    RUN(a_full_server_takes_nothing_and_says_ok);
    RUN(a_read_only_server_takes_nothing_and_says_ok);
}
