/* What can be seen of a client from outside: the function that hears of every operation, and the text for Prometheus. */
#include "check.h"
#include "fixture.h"
#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 32, TEXT = 200 };

struct operations {
    unsigned count;
    char names[MOST][TEXT], nodes[MOST][TEXT];
    int32_t status[MOST];
    uint64_t nanoseconds[MOST];
    redis_cache *cache; /* used and freed within, if there is one */
    unsigned destroyed;
};

static void hear(void *user_data, const char *operation, const char *node, int32_t status, uint64_t nanoseconds)
{
    struct operations *heard = user_data;

    if (heard->count == MOST)
        return;
    snprintf(heard->names[heard->count], TEXT, "%s", operation);
    snprintf(heard->nodes[heard->count], TEXT, "%s", node);
    heard->status[heard->count] = status;
    heard->nanoseconds[heard->count++] = nanoseconds;
    if (heard->cache != NULL) {
        STATUS(ERR_INVALID_ARGUMENT, redis_cache_delete(heard->cache, S(""))); /* not told, and its text is gone with it */
        redis_cache_free(heard->cache);
        heard->cache = NULL;
    }
}

static void destroy(void *user_data)
{
    struct operations *heard = user_data;

    heard->destroyed++;
}

static redis_cache *listen(redis_cache_config *config, struct operations *heard)
{
    redis_cache *cache = NULL;

    memset(heard, 0, sizeof *heard);
    STATUS(OK, redis_cache_config_set_operation_fn(config, hear, heard, destroy));
    STATUS(OK, redis_cache_connect(config, &cache));
    redis_cache_config_free(config);
    return cache;
}

static void is_text(const char *want, const char *got)
{
    DATA(want, strlen(want), got, strlen(got));
}

static void heard_of(const struct operations *heard, unsigned place, const char *name, int32_t status, const char *node)
{
    CHECK(heard->count > place);
    is_text(name, heard->names[place]);
    INT(status, heard->status[place]);
    is_text(node, heard->nodes[place]);
    CHECK(heard->nanoseconds[place] > 0);
}

static int32_t give(void *user_data, redis_cache_writer *out)
{
    (void)user_data;
    return redis_cache_writer_append(out, S("given")) == REDIS_CACHE_OK ? 0 : 1;
}

static void every_operation_is_heard_of_with_its_node_and_status(void)
{
    static const redis_cache_slice keys[] = { SLICE("a"), SLICE("none") };
    struct operations heard;
    redis_cache *cache = listen(config_with_target("prefix=operations"), &heard);
    redis_cache *plain = open_cache("prefix=operations");
    redis_cache_bytes bytes, node;
    redis_cache_results *results;
    uint64_t count;
    unsigned i;

    REQUIRE(STATUS(OK, redis_cache_ping(plain)));
    REQUIRE(STATUS(OK, redis_cache_where(plain, S("a"), &node)));
    STATUS(OK, redis_cache_set(cache, S("a"), S("x"), 50000));
    STATUS(EXISTS, redis_cache_add(cache, S("a"), S("x"), 50000));
    STATUS(NOT_FOUND, redis_cache_ttl(cache, S("none"), &(int64_t){ 0 }));
    STATUS(OK, redis_cache_get_many(cache, keys, 2, &results));
    STATUS(OK, redis_cache_delete_pattern(cache, S("*"), NULL, &count));
    STATUS(OK, redis_cache_get_or_set(cache, S("a"), 50000, give, NULL, &bytes));
    INT(6, heard.count);
    heard_of(&heard, 0, "set", REDIS_CACHE_OK, node.data);
    heard_of(&heard, 1, "add", REDIS_CACHE_EXISTS, node.data);
    INT(REDIS_CACHE_NOT_FOUND, heard.status[2]);
    is_text("ttl", heard.names[2]);
    heard_of(&heard, 3, "get_many", REDIS_CACHE_OK, "");
    heard_of(&heard, 4, "delete_pattern", REDIS_CACHE_OK, "");
    heard_of(&heard, 5, "get_or_set", REDIS_CACHE_OK, node.data);
    for (i = 0; i < heard.count; i++)
        CHECK(strchr(heard.nodes[i], '@') == NULL); /* no credentials */
    redis_cache_results_free(results);
    redis_cache_bytes_free(&bytes);
    redis_cache_bytes_free(&node);
    INT(0, heard.destroyed);
    redis_cache_free(cache);
    INT(1, heard.destroyed);
    redis_cache_free(plain);
}

static void what_it_does_with_the_client_is_not_heard_of_and_leaves_the_text(void)
{
    struct operations heard;
    redis_cache_config *config = redis_cache_config_new();
    redis_cache_bytes bytes;

    STATUS(OK, redis_cache_config_add_server(config, "redis://127.0.0.1:1/?breaker_failures=100", NULL, 1));
    redis_cache *cache = listen(config, &heard);
    heard.cache = cache;
    STATUS(ERR_IO, redis_cache_get(cache, S("key"), &bytes));
    SAYS("127.0.0.1:1"); /* the text of this call, not of those within */
    INT(1, heard.count);
    heard_of(&heard, 0, "get", REDIS_CACHE_ERR_IO, "redis://127.0.0.1:1/");
    INT(1, heard.destroyed); /* it freed the client, whose last user this call was */
}

static void no_function_is_no_function(void)
{
    struct operations heard;
    redis_cache_config *config = redis_cache_config_new();

    memset(&heard, 0, sizeof heard);
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_config_set_operation_fn(config, NULL, &heard, destroy));
    INT(1, heard.destroyed);
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_config_set_operation_fn(NULL, hear, &heard, destroy));
    INT(2, heard.destroyed);
    STATUS(OK, redis_cache_config_set_operation_fn(config, hear, &heard, NULL));
    redis_cache_config_free(config);
    INT(2, heard.destroyed);
}

static void counters_are_told_to_prometheus(void)
{
    redis_cache *cache = open_cache("prefix=prometheus");
    redis_cache_bytes bytes;

    STATUS(OK, redis_cache_set(cache, S("a"), S("x"), 5000));
    GETS(cache, "a", "x");
    STATUS(OK, redis_cache_stats_prometheus(cache, &bytes));
    CHECK(strstr(bytes.data, "# TYPE redis_cache_hits_total counter\nredis_cache_hits_total 1\n") != NULL);
    CHECK(strstr(bytes.data, "# TYPE redis_cache_connections_open gauge\n") != NULL);
    CHECK(bytes.len == strlen(bytes.data) && bytes.data[bytes.len - 1] == '\n');
    redis_cache_bytes_free(&bytes);
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_stats_prometheus(NULL, &bytes));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_stats_prometheus(cache, NULL));
    redis_cache_free(cache);
}

static void latencies_are_told_to_prometheus_when_they_are_measured(void)
{
    redis_cache *cache = open_cache("prefix=latencies&latencies=true");
    redis_cache_bytes bytes;

    STATUS(OK, redis_cache_set(cache, S("a"), S("x"), 5000));
    STATUS(OK, redis_cache_stats_prometheus(cache, &bytes));
    CHECK(strstr(bytes.data, "# TYPE redis_cache_operation_duration_seconds histogram\n") != NULL);
    CHECK(strstr(bytes.data, "redis_cache_operation_duration_seconds_count{operation=\"SET\",node=\"") != NULL);
    CHECK(strstr(bytes.data, "redis_cache_operation_errors_total{operation=\"SET\",node=\"") != NULL);
    redis_cache_bytes_free(&bytes);
    redis_cache_stats_reset(cache);
    STATUS(OK, redis_cache_stats_prometheus(cache, &bytes));
    CHECK(strstr(bytes.data, "redis_cache_operation_") == NULL);
    redis_cache_bytes_free(&bytes);
    redis_cache_free(cache);
}

void suite_operations(void)
{
    RUN(every_operation_is_heard_of_with_its_node_and_status);
    RUN(what_it_does_with_the_client_is_not_heard_of_and_leaves_the_text);
    RUN(no_function_is_no_function);
    RUN(counters_are_told_to_prometheus);
    RUN(latencies_are_told_to_prometheus_when_they_are_measured);
}
