/* Connections that die under the caller: killed by the server, lost with it, or cut in the middle of a reply. The
 * process survives with SIGPIPE at its default, and no reply ever reaches another call. */
#include "check.h"
#include "fixture.h"
#include "server.h"
#include "suites.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static struct server server;

static redis_cache *start(const char *options)
{
    char url[512];

    signal(SIGPIPE, SIG_DFL);
    server_prepare(&server, NULL, NULL);
    server_start(&server);
    server_url(&server, url, sizeof url, options);
    return open_url(url);
}

static void end(redis_cache *cache)
{
    redis_cache_free(cache);
    server_stop(&server);
}

static void kill_clients(void)
{
    server_call(&server, "CLIENT", "KILL", "TYPE", "normal", NULL); /* spares the one that asks */
}

static void a_killed_connection_costs_nothing_but_a_retry(void)
{
    redis_cache *cache = start("idle_check=0s");
    redis_cache_stats stats;
    int i;

    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 60000));
    for (i = 0; i < 5; i++) {
        kill_clients();
        GETS(cache, "key", "value");
        kill_clients();
        STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 60000));
        kill_clients();
        STATUS(NOT_FOUND, redis_cache_delete(cache, S("none")));
    }
    STATUS(OK, redis_cache_stats_read(cache, &stats, sizeof stats));
    INT(0, stats.errors);
    INT(1, stats.connections_open);
    end(cache);
}

static void reads_are_sent_again_and_writes_only_if_nothing_was_sent(void)
{
    redis_cache *cache = start(NULL);
    redis_cache_status status;
    int64_t number = DIRTY_INT;
    int i;

    STATUS(OK, redis_cache_set_int(cache, S("n"), 0, 60000));
    for (i = 1; i <= 5; i++) {
        kill_clients();
        STATUS(OK, redis_cache_get_int(cache, S("n"), &number));
        kill_clients();
        /* Over TCP the bytes may have left before the reset comes back: then the outcome is unknown, and an error. */
        status = redis_cache_incr(cache, S("n"), 1, &number);
        CHECK(status == REDIS_CACHE_OK || status == REDIS_CACHE_ERR_IO);
        STATUS(OK, redis_cache_set_int(cache, S("n"), i, 60000));
        STATUS(OK, redis_cache_get_int(cache, S("n"), &number));
        INT(i, number);
    }
    end(cache);
}

static void hold_a_connection(int index, void *shared)
{
    char key = (char)('a' + index);

    STATUS(OK, redis_cache_set(shared, &key, 1, S("value"), 60000));
    sleep_ms(50);
    STATUS(OK, redis_cache_set(shared, &key, 1, S("value"), 60000));
}

static void a_restarted_server_costs_one_retry_for_all_connections(void)
{
    redis_cache *cache = start("idle_check=10s");
    redis_cache_stats stats;
    redis_cache_bytes bytes;
    int i;

    on_threads(8, hold_a_connection, cache);
    server_stop(&server);
    server_start(&server);
    for (i = 0; i < 8; i++)
        STATUS(NOT_FOUND, redis_cache_get(cache, S("key"), &bytes));
    STATUS(OK, redis_cache_stats_read(cache, &stats, sizeof stats));
    CHECK(stats.retries <= 2);
    INT(0, stats.errors);
    INT(1, stats.connections_open);
    end(cache);
}

static void calls_fail_while_the_server_is_away_and_work_again_after(void)
{
    redis_cache *cache = start("timeout=300ms&breaker_failures=1000");
    redis_cache_bytes bytes = DIRTY_BYTES;
    int round, i;

    for (round = 0; round < 3; round++) {
        STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 60000));
        server_stop(&server);
        for (i = 0; i < 5; i++) {
            int64_t begun = now_ms();

            STATUS(ERR_IO, redis_cache_get(cache, S("key"), &bytes));
            SAYS(server.name);
            CLEAN_BYTES(bytes);
            STATUS(ERR_IO, redis_cache_set(cache, S("key"), S("value"), 60000));
            CHECK(now_ms() - begun < 600 + slack_ms());
        }
        server_start(&server);
        STATUS(NOT_FOUND, redis_cache_get(cache, S("key"), &bytes));
    }
    end(cache);
}

static void the_breaker_lets_a_restarted_server_in_again(void)
{
    redis_cache *cache = start("timeout=300ms");
    redis_cache_bytes bytes;
    redis_cache_status status = REDIS_CACHE_OK;
    int64_t deadline;
    int i;

    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 60000));
    server_stop(&server);
    for (i = 0; i < 20; i++) {
        status = redis_cache_get(cache, S("key"), &bytes);
        CHECK(status == REDIS_CACHE_ERR_IO || status == REDIS_CACHE_ERR_UNAVAILABLE);
    }
    INT(REDIS_CACHE_ERR_UNAVAILABLE, status);
    server_start(&server);
    deadline = now_ms() + 30000;
    do {
        sleep_ms(20);
        status = redis_cache_get(cache, S("key"), &bytes);
    } while (status == REDIS_CACHE_ERR_UNAVAILABLE && now_ms() < deadline);
    STATUS(NOT_FOUND, status);
    end(cache);
}

static void write_to_a_dead_connection(int index, void *shared)
{
    /* Long enough to be written in several parts, so that the later ones meet a closed socket. */
    size_t size = small_run() ? 300000 : 3000000;
    char *value = must_alloc(size);
    int i;

    fill(value, size, (unsigned)index);
    for (i = 0; i < 10; i++) {
        if (index == 0) {
            sleep_ms(5);
            kill_clients();
        } else {
            redis_cache_status status = redis_cache_set(shared, S("large"), value, size, 60000);
            CHECK(status == REDIS_CACHE_OK || status == REDIS_CACHE_ERR_IO);
        }
    }
    free(value);
}

static void a_socket_closed_in_the_middle_of_a_write_kills_nobody(void)
{
    redis_cache *cache = start("timeout=5s&breaker_failures=1000");

    on_threads(4, write_to_a_dead_connection, cache);
    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 60000));
    GETS(cache, "key", "value");
    end(cache);
}

struct storm {
    redis_cache *cache;
    pthread_mutex_t lock;
    bool over;
    unsigned right, failed;
};

static void read_own_values(int index, void *shared)
{
    struct storm *storm = shared;
    unsigned right = 0, failed = 0;
    bool over = false;
    int i;

    if (index == 0) {
        for (i = 0; i < 15; i++) {
            sleep_ms(30);
            if (i % 5 == 4) {
                server_pause(&server, true);
                sleep_ms(150);
                server_pause(&server, false);
            } else {
                kill_clients();
            }
        }
        pthread_mutex_lock(&storm->lock);
        storm->over = true;
        pthread_mutex_unlock(&storm->lock);
        return;
    }
    for (i = 0; !over; i++) {
        char key[32], value[5000];
        size_t size = (size_t)(10 + (i * 97) % 4990);
        redis_cache_bytes bytes = { NULL, 0, 0 };
        redis_cache_status status;

        snprintf(key, sizeof key, "thread-%d", index);
        fill(value, size, (unsigned)index);
        status = redis_cache_set(storm->cache, key, strlen(key), value, size, 60000);
        if (status == REDIS_CACHE_OK)
            status = redis_cache_get(storm->cache, key, strlen(key), &bytes);
        if (status == REDIS_CACHE_OK) {
            right++;
            if (bytes.len != size || !filled(bytes.data, size, (unsigned)index))
                CHECK(!"the reply of another call");
        } else {
            failed++;
            if (status != REDIS_CACHE_ERR_IO && status != REDIS_CACHE_ERR_TIMEOUT)
                STATUS(ERR_IO, status);
        }
        redis_cache_bytes_free(&bytes);
        pthread_mutex_lock(&storm->lock);
        over = storm->over;
        pthread_mutex_unlock(&storm->lock);
    }
    pthread_mutex_lock(&storm->lock);
    storm->right += right;
    storm->failed += failed;
    pthread_mutex_unlock(&storm->lock);
}

static void no_reply_reaches_another_call_whatever_breaks(void)
{
    struct storm storm = { 0 };

    storm.cache = start("timeout=100ms&breaker_failures=1000000");
    pthread_mutex_init(&storm.lock, NULL);
    on_threads(6, read_own_values, &storm);
    CHECK(storm.right > 20);
    sleep_ms(50);
    STATUS(OK, redis_cache_set(storm.cache, S("key"), S("value"), 60000));
    GETS(storm.cache, "key", "value");
    end(storm.cache);
}

void suite_restart(void)
{
    RUN(a_killed_connection_costs_nothing_but_a_retry);
    RUN(reads_are_sent_again_and_writes_only_if_nothing_was_sent);
    RUN(a_restarted_server_costs_one_retry_for_all_connections);
    RUN(calls_fail_while_the_server_is_away_and_work_again_after);
    RUN(the_breaker_lets_a_restarted_server_in_again);
    RUN(a_socket_closed_in_the_middle_of_a_write_kills_nobody);
    RUN(no_reply_reaches_another_call_whatever_breaks);
}
