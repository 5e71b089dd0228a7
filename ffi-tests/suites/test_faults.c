/* Servers that are down, silent or no Redis: the right status, a text that names the server, all within the time
 * budget, and a good next call once the cause is gone. */
#include "calls.h"
#include "check.h"
#include "fixture.h"
#include "server.h"
#include "suites.h"

enum { BUDGET = 200 };
#define QUICK "timeout=200ms&breaker_failures=1000"

static redis_cache *open_peer(const struct peer *peer, const char *options)
{
    char url[512];

    peer_url(peer, url, sizeof url, options);
    return open_url(url);
}

static redis_cache *open_own(const struct server *server, const char *options)
{
    char url[512];

    server_url(server, url, sizeof url, options);
    return open_url(url);
}

static void a_server_that_is_down_is_an_io_error_at_once(void)
{
    struct server server;
    redis_cache *cache;

    server_prepare(&server, NULL, NULL);
    cache = open_own(&server, "breaker_failures=1000");
    every_call(REDIS_CACHE_ERR_IO, cache, server.name, 0);
    redis_cache_free(cache);
}

static void the_next_call_works_when_the_server_is_up(void)
{
    struct server server;
    redis_cache *cache;
    redis_cache_bytes bytes;

    server_prepare(&server, NULL, NULL);
    cache = open_own(&server, NULL);
    STATUS(ERR_IO, redis_cache_get(cache, S("key"), &bytes));
    server_start(&server);
    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 5000));
    GETS(cache, "key", "value");
    redis_cache_free(cache);
    server_stop(&server);
}

static void a_server_that_never_answers_is_a_timeout(void)
{
    struct peer peer;
    redis_cache *cache;

    peer_start(&peer, NEVER_ACCEPTS);
    cache = open_peer(&peer, "timeout=50ms&breaker_failures=1000");
    every_call(REDIS_CACHE_ERR_TIMEOUT, cache, peer.name, 50);
    redis_cache_free(cache);
    peer_stop(&peer);
}

static void a_connect_that_gets_no_answer_is_a_timeout(void)
{
    struct peer peer;
    redis_cache *cache;
    redis_cache_bytes bytes;

    peer_start(&peer, QUEUE_FULL);
    cache = open_peer(&peer, QUICK);
    FAULT(ERR_TIMEOUT, BUDGET, peer.name, "", redis_cache_get(cache, S("key"), &bytes));
    FAULT(ERR_TIMEOUT, BUDGET, peer.name, "", redis_cache_set(cache, S("key"), S("value"), 5000));
    redis_cache_free(cache);
    cache = open_peer(&peer, "connect_timeout=100ms&timeout=5s&breaker_failures=1000");
    FAULT(ERR_TIMEOUT, 250, peer.name, "", redis_cache_get(cache, S("key"), &bytes));
    redis_cache_free(cache);
    peer_stop(&peer);
}

static void a_web_server_is_an_io_error(void)
{
    struct peer peer;
    redis_cache *cache;

    peer_start(&peer, HTTP);
    cache = open_peer(&peer, "timeout=500ms&breaker_failures=1000");
    every_call(REDIS_CACHE_ERR_IO, cache, peer.name, 0);
    STATUS(ERR_IO, redis_cache_ping(cache));
    SAYS("HTTP");
    redis_cache_free(cache);
    peer_stop(&peer);
}

static void garbage_and_a_closed_door_are_io_errors(void)
{
    static const enum manners all[] = { GARBAGE, CLOSES };
    struct peer peer;
    redis_cache *cache;
    redis_cache_bytes bytes;
    size_t i;

    for (i = 0; i < 2; i++) {
        peer_start(&peer, all[i]);
        cache = open_peer(&peer, "timeout=500ms&breaker_failures=1000");
        FAULT(ERR_IO, 100, peer.name, "", redis_cache_ping(cache));
        FAULT(ERR_IO, 100, peer.name, "", redis_cache_get(cache, S("key"), &bytes));
        FAULT(ERR_IO, 100, peer.name, "", redis_cache_set(cache, S("key"), S("value"), 5000));
        redis_cache_free(cache);
        peer_stop(&peer);
    }
}

static void the_budget_counts_for_the_whole_call(void)
{
    struct peer peer;
    redis_cache *cache;
    redis_cache_bytes bytes;

    peer_start(&peer, DRIPS);
    cache = open_peer(&peer, QUICK);
    FAULT(ERR_TIMEOUT, BUDGET, peer.name, "", redis_cache_get(cache, S("key"), &bytes));
    redis_cache_free(cache);
    peer_stop(&peer);
}

static void one_slow_call(int index, void *shared)
{
    redis_cache_bytes bytes;

    if (index == 0) {
        STATUS(ERR_TIMEOUT, redis_cache_get(shared, S("key"), &bytes));
    } else {
        int64_t begun, took;

        sleep_ms(100);
        begun = now_ms();
        STATUS(ERR_TIMEOUT, redis_cache_get(shared, S("key"), &bytes));
        took = now_ms() - begun;
        CHECK(took >= 90 && took <= 100 + slack_ms());
    }
}

static void the_wait_for_a_connection_has_its_own_limit(void)
{
    struct peer peer;
    redis_cache *cache;

    peer_start(&peer, NEVER_ACCEPTS);
    cache = open_peer(&peer, "max_connections=1&pool_timeout=100ms&timeout=800ms&connect_timeout=800ms");
    on_threads(2, one_slow_call, cache);
    redis_cache_free(cache);
    peer_stop(&peer);
}

static void a_silent_server_does_not_mix_up_later_replies(void)
{
    struct server server;
    redis_cache *cache;
    redis_cache_bytes bytes;
    int i;

    server_prepare(&server, NULL, NULL);
    server_start(&server);
    cache = open_own(&server, "timeout=150ms&breaker_failures=1000");
    STATUS(OK, redis_cache_set(cache, S("a"), S("value of a"), 60000));
    STATUS(OK, redis_cache_set(cache, S("b"), S("value of b"), 60000));
    for (i = 0; i < 3; i++) {
        GETS(cache, "b", "value of b");
        server_pause(&server, true);
        FAULT(ERR_TIMEOUT, 150, server.name, "GET", redis_cache_get(cache, S("a"), &bytes));
        server_pause(&server, false);
        sleep_ms(20);
        GETS(cache, "b", "value of b");
        GETS(cache, "a", "value of a");
    }
    redis_cache_free(cache);
    server_stop(&server);
}

static void a_failing_server_is_left_alone_for_a_while(void)
{
    struct peer peer;
    redis_cache *cache;
    redis_cache_bytes bytes;
    redis_cache_stats stats;
    int i;

    peer_start(&peer, NEVER_ACCEPTS);
    cache = open_peer(&peer, "timeout=100ms&breaker_failures=3&breaker_backoff=60s&breaker_backoff_max=60s");
    for (i = 0; i < 3; i++)
        FAULT(ERR_TIMEOUT, 100, peer.name, "", redis_cache_get(cache, S("key"), &bytes));
    for (i = 0; i < 20; i++)
        FAULT(ERR_UNAVAILABLE, 5, peer.name, "", redis_cache_get(cache, S("key"), &bytes));
    every_call(REDIS_CACHE_ERR_UNAVAILABLE, cache, peer.name, 5);
    STATUS(OK, redis_cache_stats_read(cache, &stats, sizeof stats));
    CHECK(stats.refused >= 20);
    redis_cache_free(cache);
    peer_stop(&peer);
}

static void a_server_that_came_back_is_used_again(void)
{
    struct server server;
    redis_cache *cache;
    redis_cache_bytes bytes;
    int i;

    server_prepare(&server, NULL, NULL);
    cache = open_own(&server, "breaker_failures=2&breaker_backoff=1s&breaker_backoff_max=1s");
    for (i = 0; i < 2; i++)
        STATUS(ERR_IO, redis_cache_get(cache, S("key"), &bytes));
    STATUS(ERR_UNAVAILABLE, redis_cache_get(cache, S("key"), &bytes));
    server_start(&server);
    sleep_ms(1600);
    STATUS(NOT_FOUND, redis_cache_get(cache, S("key"), &bytes));
    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 5000));
    redis_cache_free(cache);
    server_stop(&server);
}

static int32_t give(void *user_data, redis_cache_writer *out)
{
    ++*(int *)user_data;
    return redis_cache_writer_append(out, S("given")) == REDIS_CACHE_OK ? 0 : 1;
}

static void a_loader_runs_although_the_server_is_down(void)
{
    static const char *const urls[] = { "redis://127.0.0.1:1/?on_error=miss&breaker_failures=1000",
                                        "redis://127.0.0.1:1/?breaker_failures=1000" };
    int calls = 0;
    size_t i;

    for (i = 0; i < 2; i++) {
        redis_cache *cache = open_url(urls[i]);
        redis_cache_bytes bytes = DIRTY_BYTES;

        STATUS(OK, redis_cache_get_or_set(cache, S("key"), 5000, give, &calls, &bytes));
        DATA("given", 5, bytes.data, bytes.len);
        INT(i + 1, calls);
        redis_cache_bytes_free(&bytes);
        redis_cache_free(cache);
    }
}

void suite_faults(void)
{
    RUN(a_server_that_is_down_is_an_io_error_at_once);
    RUN(the_next_call_works_when_the_server_is_up);
    RUN(a_server_that_never_answers_is_a_timeout);
    RUN(a_connect_that_gets_no_answer_is_a_timeout);
    RUN(a_web_server_is_an_io_error);
    RUN(garbage_and_a_closed_door_are_io_errors);
    RUN(the_budget_counts_for_the_whole_call);
    RUN(the_wait_for_a_connection_has_its_own_limit);
    RUN(a_silent_server_does_not_mix_up_later_replies);
    RUN(a_failing_server_is_left_alone_for_a_while);
    RUN(a_server_that_came_back_is_used_again);
    RUN(a_loader_runs_although_the_server_is_down);
}
