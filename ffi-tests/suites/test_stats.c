/* Counters, and the function that hears of every fault. */
#include "check.h"
#include "fixture.h"
#include "suites.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static redis_cache_stats read_stats(const redis_cache *cache)
{
    redis_cache_stats stats;

    memset(&stats, 0xff, sizeof stats);
    STATUS(OK, redis_cache_stats_read(cache, &stats, sizeof stats));
    return stats;
}

static int32_t give(void *user_data, redis_cache_writer *out)
{
    (void)user_data;
    return redis_cache_writer_append(out, S("given")) == REDIS_CACHE_OK ? 0 : 1;
}

static void calls_are_counted(void)
{
    static const redis_cache_slice keys[] = { SLICE("a"), SLICE("none"), SLICE("b"), SLICE("nobody") };
    redis_cache *cache = open_cache("prefix=count");
    redis_cache_results *results = NULL;
    redis_cache_bytes bytes;
    redis_cache_stats stats = read_stats(cache);
    uint64_t count;

    INT(0, stats.hits);
    INT(0, stats.misses);
    INT(0, stats.sets);
    INT(0, stats.connections_open);
    STATUS(OK, redis_cache_set(cache, S("a"), S("x"), 5000));
    STATUS(OK, redis_cache_set(cache, S("b"), S("x"), 5000));
    GETS(cache, "a", "x");
    STATUS(NOT_FOUND, redis_cache_get(cache, S("none"), &bytes));
    stats = read_stats(cache);
    INT(2, stats.sets);
    INT(1, stats.hits);
    INT(1, stats.misses);
    STATUS(OK, redis_cache_get_many(cache, keys, 4, &results));
    redis_cache_results_free(results);
    stats = read_stats(cache);
    INT(3, stats.hits);
    INT(3, stats.misses);
    STATUS(OK, redis_cache_delete(cache, S("a")));
    STATUS(NOT_FOUND, redis_cache_delete(cache, S("a")));
    STATUS(OK, redis_cache_delete_many(cache, keys, 4, &count));
    INT(2, read_stats(cache).deletes);
    STATUS(OK, redis_cache_get_or_set(cache, S("c"), 5000, give, NULL, &bytes));
    redis_cache_bytes_free(&bytes);
    STATUS(OK, redis_cache_get_or_set(cache, S("c"), 5000, give, NULL, &bytes));
    redis_cache_bytes_free(&bytes);
    stats = read_stats(cache);
    INT(1, stats.computes);
    INT(4, stats.hits);
    INT(4, stats.misses);
    INT(0, stats.errors);
    INT(0, stats.decode_errors);
    INT(0, stats.refused);
    INT(0, stats.retries);
    INT(0, stats.near_hits);
    INT(0, stats.stale_served);
    redis_cache_free(cache);
}

/* One, to the server that has the key; a cluster has two keys in two places, and was asked for the slots as well. */
static void connections_are_open(const redis_cache_stats *stats)
{
    if (on_many())
        CHECK(stats->connections_open >= 1 && stats->connections_open <= 3);
    else
        INT(1, stats->connections_open);
}

static void connections_and_traffic_are_counted(void)
{
    redis_cache *cache = open_cache("prefix=traffic");
    redis_cache_stats before, after;
    char data[1000];

    fill(data, sizeof data, 1);
    STATUS(OK, redis_cache_set(cache, S("key"), data, sizeof data, 5000));
    before = read_stats(cache);
    STATUS(OK, redis_cache_has_key(cache, S("key")));
    STATUS(BUFFER_TOO_SMALL, redis_cache_get_into(cache, S("key"), NULL, 0, &(size_t){ 0 }));
    after = read_stats(cache);
    if (on_server() || on_many()) {
        connections_are_open(&after);
        INT(after.connections_open, after.connections_idle);
        CHECK(before.bytes_written > 1000);
        CHECK(after.bytes_written > before.bytes_written);
        CHECK(after.bytes_read >= before.bytes_read + 1000);
    } else {
        INT(0, after.connections_open);
        INT(0, after.bytes_read);
        INT(0, after.bytes_written);
    }
    redis_cache_free(cache);
}

static void clones_and_views_share_the_counters(void)
{
    redis_cache *cache = open_cache("prefix=shared"), *clone = redis_cache_clone(cache);
    redis_cache *view = redis_cache_with_version(cache, 2);
    redis_cache_stats after;

    STATUS(OK, redis_cache_set(clone, S("a"), S("x"), 5000));
    STATUS(OK, redis_cache_set(view, S("a"), S("x"), 5000));
    INT(2, read_stats(cache).sets);
    redis_cache_stats_reset(view);
    INT(0, read_stats(cache).sets);
    INT(0, read_stats(clone).bytes_written);
    after = read_stats(clone);
    if (on_server() || on_many())
        connections_are_open(&after);
    else
        INT(0, after.connections_open);
    redis_cache_free(view);
    redis_cache_free(clone);
    redis_cache_free(cache);
}

static void older_and_newer_programs_get_what_they_know(void)
{
    redis_cache *cache = open_cache("prefix=sizes");
    struct {
        redis_cache_stats stats;
        uint64_t more[2];
    } newer;
    uint64_t older[3] = { 7, 7, 7 };
    redis_cache_bytes bytes;

    STATUS(NOT_FOUND, redis_cache_get(cache, S("none"), &bytes));
    STATUS(OK, redis_cache_stats_read(cache, (redis_cache_stats *)(void *)older, 2 * sizeof older[0]));
    INT(0, older[0]);
    INT(1, older[1]);
    INT(7, older[2]);
    memset(&newer, 7, sizeof newer);
    STATUS(OK, redis_cache_stats_read(cache, &newer.stats, sizeof newer));
    INT(1, newer.stats.misses);
    INT(0, newer.more[0]);
    INT(0, newer.more[1]);
    redis_cache_free(cache);
}

struct heard {
    pthread_mutex_t lock;
    int calls, status;
    char text[512];
};

static void hear(void *user_data, int32_t status, const char *text)
{
    struct heard *heard = user_data;

    pthread_mutex_lock(&heard->lock);
    heard->calls++;
    heard->status = status;
    snprintf(heard->text, sizeof heard->text, "%s", text);
    pthread_mutex_unlock(&heard->lock);
}

/* On the target without a URL. */
static redis_cache *open_heard(const char *url, struct heard *heard)
{
    redis_cache_config *config = url == NULL ? config_with_locations(NULL) : redis_cache_config_new();
    redis_cache *cache = NULL;

    memset(heard, 0, sizeof *heard);
    pthread_mutex_init(&heard->lock, NULL);
    if (url != NULL)
        STATUS(OK, redis_cache_config_add_server(config, url, NULL, 1));
    STATUS(OK, redis_cache_config_set_error_fn(config, hear, heard));
    STATUS(OK, redis_cache_connect(config, &cache));
    redis_cache_config_free(config);
    return cache;
}

static void the_error_function_hears_of_a_server_that_is_down(void)
{
    struct heard heard;
    redis_cache *cache = open_heard("redis://127.0.0.1:1/?breaker_failures=100", &heard);
    redis_cache_bytes bytes;

    STATUS(ERR_IO, redis_cache_get(cache, S("key"), &bytes));
    INT(1, heard.calls);
    INT(REDIS_CACHE_ERR_IO, heard.status);
    CHECK(strcmp(heard.text, redis_cache_last_error()) == 0);
    INT(1, read_stats(cache).errors);
    redis_cache_free(cache);
}

static void the_error_function_hears_what_becomes_a_miss(void)
{
    struct heard heard;
    redis_cache *cache = open_heard("redis://127.0.0.1:1/?on_error=miss&breaker_failures=100", &heard);
    redis_cache_bytes bytes;

    STATUS(NOT_FOUND, redis_cache_get(cache, S("key"), &bytes));
    INT(1, heard.calls);
    INT(REDIS_CACHE_ERR_IO, heard.status);
    CHECK(strstr(heard.text, "127.0.0.1:1") != NULL);
    INT(1, read_stats(cache).errors);
    STATUS(OK, redis_cache_set(cache, S("key"), S("secret value"), 5000));
    INT(2, heard.calls);
    CHECK(strstr(heard.text, "secret") == NULL);
    redis_cache_free(cache);
}

static void ask_another(void *user_data, int32_t status, const char *text)
{
    redis_cache *other = user_data;

    CHECK(status == REDIS_CACHE_ERR_IO && text != NULL);
    STATUS(OK, redis_cache_set(other, S("heard"), text, strlen(text), 5000));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_delete(other, S("")));
}

static void the_error_function_may_call_the_library(void)
{
    redis_cache_config *config = redis_cache_config_new();
    redis_cache *other = open_cache("prefix=hook"), *cache = NULL;
    redis_cache_bytes bytes;

    STATUS(OK, redis_cache_config_add_server(config, "redis://127.0.0.1:1/?breaker_failures=100", NULL, 1));
    STATUS(OK, redis_cache_config_set_error_fn(config, ask_another, other));
    REQUIRE(STATUS(OK, redis_cache_connect(config, &cache)));
    STATUS(ERR_IO, redis_cache_get(cache, S("key"), &bytes));
    SAYS("127.0.0.1:1"); /* the text of this call, not of those within */
    STATUS(OK, redis_cache_has_key(other, S("heard")));
    redis_cache_free(cache);
    redis_cache_free(other);
    redis_cache_config_free(config);
}

static void the_error_function_hears_nothing_of_ordinary_outcomes(void)
{
    struct heard heard;
    redis_cache *cache = open_heard(NULL, &heard);
    redis_cache_bytes bytes;

    STATUS(NOT_FOUND, redis_cache_get(cache, S("key"), &bytes));
    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 5000));
    STATUS(EXISTS, redis_cache_add(cache, S("key"), S("value"), 5000));
    STATUS(BUFFER_TOO_SMALL, redis_cache_get_into(cache, S("key"), NULL, 0, &(size_t){ 0 }));
    INT(0, heard.calls);
    redis_cache_free(cache);
}

void suite_stats(void)
{
    RUN(calls_are_counted);
    RUN(connections_and_traffic_are_counted);
    RUN(clones_and_views_share_the_counters);
    RUN(older_and_newer_programs_get_what_they_know);
    RUN(the_error_function_hears_of_a_server_that_is_down);
    RUN(the_error_function_hears_what_becomes_a_miss);
    RUN(the_error_function_may_call_the_library);
    RUN(the_error_function_hears_nothing_of_ordinary_outcomes);
}
