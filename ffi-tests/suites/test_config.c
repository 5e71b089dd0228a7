/* Options and locations: what is accepted, what is refused, and that a refusal names option, value and choice. */
#include "check.h"
#include "fixture.h"
#include "suites.h"

#include <stdio.h>

struct option {
    const char *name, *value;
};

static const struct option accepted[] = {
    { "prefix", "app" },           { "prefix", "" },             { "version", "7" },
    { "ttl", "5m" },               { "ttl", "1h30m" },           { "ttl", "never" },
    { "ttl", "0s" },               { "key_check", "off" },       { "key_check", "reject" },
    { "key_check", "memcached" },  { "key_check", "hash" },      { "codec", "postcard" },
    { "codec", "json" },           { "codec", "msgpack" },       { "compressor", "zlib" },
    { "compressor", "zstd" },      { "compressor", "lz4" },      { "compressor", "none" },      { "compress_min", "2k" },     { "layout", "tagged" },
    { "max_value", "64m" },         { "max_value", "4096" },      { "on_decode_error", "miss" },
    { "on_decode_error", "error" }, { "on_error", "raise" },     { "on_error", "miss" },
    { "topology", "single" },      { "read_from", "primary" },   { "ring", "redis_cache" },
    { "max_connections", "4" },    { "pool_timeout", "250ms" },  { "connect_timeout", "2s" },
    { "timeout", "1m" },           { "idle_check", "10s" },      { "idle_check", "0s" },
    { "idle_timeout", "never" },   { "idle_timeout", "30s" },    { "breaker_failures", "3" },
    { "max_lifetime", "never" },   { "max_lifetime", "1h" },
    { "breaker_backoff", "10ms" }, { "breaker_backoff_max", "1s" }, { "protocol", "auto" },
    { "protocol", "2" },           { "protocol", "3" },          { "parser", "native" },
    { "parser", "redis" },         { "pipelining", "auto" },     { "pipelining", "off" },
    { "scan_count", "10" },        { "memory_limit", "64m" },    { "client_name", "tests" },
    { "stale", "0s" },             { "lease", "10s" },           { "wait", "5s" },
    { "on_wait_timeout", "compute" }, { "early", "1.0" },        { "early", "0" },
    { "ttl_jitter", "0" },         { "ttl_jitter", "0.25" },     { "near", "0" },
    { "latencies", "true" },       { "latencies", "false" },
};

static const struct option refused[] = {
    { "version", "-1" },           { "version", "one" },         { "version", "" },
    { "ttl", "300" },              { "ttl", "soon" },            { "ttl", "-5s" },
    { "key_check", "maybe" },      { "codec", "pickle" },        { "compressor", "rar" },
    { "layout", "square" },        { "max_value", "big" },       { "max_value", "-1" },
    { "max_value", "1x" },         { "on_decode_error", "panic" }, { "on_error", "ignore" },
    { "topology", "star" },        { "read_from", "anywhere" },  { "ring", "saturn" },
    { "max_connections", "many" }, { "max_connections", "-4" },  { "timeout", "never" },
    { "connect_timeout", "never" }, { "pool_timeout", "never" }, { "timeout", "1" },
    { "breaker_failures", "x" },   { "protocol", "4" },          { "parser", "hiredis" },
    { "pipelining", "always" },    { "scan_count", "lots" },     { "on_wait_timeout", "cry" },
    { "early", "soon" },           { "ttl_jitter", "much" },     { "memory_limit", "all" },
    { "db", "x" },                 { "tls_insecure", "yes" },     { "latencies", "maybe" },
};

static void every_option_takes_its_values(void)
{
    size_t i;

    for (i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        redis_cache_config *config = redis_cache_config_new();
        redis_cache *cache = NULL;
        char url[512];

        target_url(url, sizeof url, NULL);
        STATUS(OK, redis_cache_config_add_server(config, url, NULL, 1));
        STATUS(OK, redis_cache_config_set(config, accepted[i].name, accepted[i].value));
        if (!STATUS(OK, redis_cache_connect(config, &cache)) || (!small_run() && !STATUS(OK, redis_cache_ping(cache))))
            CHECK((printf("with %s=%s\n", accepted[i].name, accepted[i].value), false));
        redis_cache_free(cache);
        redis_cache_config_free(config);
    }
}

static void a_bad_value_is_refused_by_name(void)
{
    size_t i;

    for (i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        redis_cache_config *config = redis_cache_config_new();
        char url[512];
        redis_cache *cache = (redis_cache *)1;

        if (!STATUS(ERR_CONFIG, redis_cache_config_set(config, refused[i].name, refused[i].value)))
            CHECK((printf("with %s=%s\n", refused[i].name, refused[i].value), false));
        SAYS(refused[i].name);
        SAYS(refused[i].value);
        redis_cache_config_free(config);

        snprintf(url, sizeof url, "redis://127.0.0.1/?%s=%s", refused[i].name, refused[i].value);
        STATUS(ERR_CONFIG, redis_cache_open(url, &cache));
        CHECK(cache == NULL);
        SAYS(refused[i].name);
        SAYS(refused[i].value);
    }
}

static void a_refusal_says_what_would_be_accepted(void)
{
    redis_cache_config *config = redis_cache_config_new();

    STATUS(ERR_CONFIG, redis_cache_config_set(config, "on_error", "ignore"));
    SAYS("raise");
    SAYS("miss");
    STATUS(ERR_CONFIG, redis_cache_config_set(config, "key_check", "maybe"));
    SAYS("memcached");
    STATUS(ERR_CONFIG, redis_cache_config_set(config, "ttl", "300"));
    SAYS("300");
    redis_cache_config_free(config);
}

static void an_unknown_option_is_refused_by_name(void)
{
    redis_cache_config *config = redis_cache_config_new();
    redis_cache *cache = (redis_cache *)1;

    STATUS(ERR_CONFIG, redis_cache_config_set(config, "colour", "blue"));
    SAYS("colour");
    STATUS(ERR_CONFIG, redis_cache_config_set(config, "", "blue"));
    STATUS(ERR_CONFIG, redis_cache_config_set(config, "PREFIX", "app"));
    STATUS(ERR_CONFIG, redis_cache_open("memory://?colour=blue", &cache));
    SAYS("colour");
    CHECK(cache == NULL);
    redis_cache_config_free(config);
}

static void a_refused_value_leaves_the_configuration_usable(void)
{
    redis_cache_config *config = config_with_target(NULL);
    redis_cache *cache = NULL;
    redis_cache_bytes key;

    STATUS(OK, redis_cache_config_set(config, "prefix", "kept"));
    STATUS(ERR_CONFIG, redis_cache_config_set(config, "version", "none"));
    STATUS(ERR_CONFIG, redis_cache_config_add_server(config, "ftp://host", NULL, 1));
    REQUIRE(STATUS(OK, redis_cache_connect(config, &cache)));
    STATUS(OK, redis_cache_make_key(cache, S("k"), &key));
    DATA("kept:1:k", 8, key.data, key.len);
    redis_cache_bytes_free(&key);
    redis_cache_free(cache);
    redis_cache_config_free(config);
}

static void wrong_urls_are_refused(void)
{
    static const char *const urls[] = {
        "",
        "nosuchscheme://127.0.0.1",
        "http://127.0.0.1:6379",
        "redis://127.0.0.1:notaport",
        "redis://127.0.0.1:70000",
        "redis://127.0.0.1/one",
        "redis://127.0.0.1/1/2",
        "redis://127.0.0.1/1?db=2",
        "redis://127.0.0.1/-1",
        "redis://[::1",
        "redis://127.0.0.1?prefix=a&prefix=b",
        "redis://127.0.0.1?=x",
    };
    size_t i;

    for (i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        redis_cache *cache = (redis_cache *)1;
        redis_cache_config *config = redis_cache_config_new();

        if (!STATUS(ERR_CONFIG, redis_cache_open(urls[i], &cache)))
            CHECK((printf("for \"%s\"\n", urls[i]), false));
        CHECK(cache == NULL);
        CHECK(*redis_cache_last_error() != '\0');
        redis_cache_config_free(config);
    }
}

static void good_urls_are_accepted_without_a_server(void)
{
    static const char *const urls[] = {
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost:1",
        "[::1]:1",
        "redis://127.0.0.1:1/3",
        "redis://user:pa%2Css@127.0.0.1:1/3",
        "redis://:p%40ss@[::1]:1",
        "/nowhere/redis.sock",
        "unix:///nowhere/redis.sock",
        "unix:///nowhere/redis.sock?db=3",
        "redis+unix:///nowhere/redis.sock",
        "redis://127.0.0.1:1/2?db=2",
        "redis://127.0.0.1:1?prefix=a%26b+c&ttl=never",
        "127.0.0.1:1,127.0.0.1:2",
        "redis://127.0.0.1:1/3?name=a&weight=2&prefix=app,unix:///nowhere/redis.sock?name=b,[::1]:1?name=c",
        "redis://127.0.0.1:1?ring=django-redis-cache,redis://127.0.0.1:2",
        "redis://127.0.0.1:1?primary=127.0.0.1:2,127.0.0.1:2",
        "memory://",
        "memory://urls",
    };
    size_t i;

    for (i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        redis_cache *cache = NULL;

        if (!STATUS(OK, redis_cache_open(urls[i], &cache)))
            CHECK((printf("for \"%s\"\n", urls[i]), false));
        redis_cache_free(cache);
    }
}

static void the_query_of_a_url_is_decoded(void)
{
    redis_cache *cache = open_cache("prefix=a%26b+c%2C");
    redis_cache_bytes key;

    STATUS(OK, redis_cache_make_key(cache, S("k"), &key));
    DATA("a&b+c,:1:k", 10, key.data, key.len);
    redis_cache_bytes_free(&key);
    redis_cache_free(cache);
}

static void settings_that_disagree_are_refused(void)
{
    redis_cache_config *config = config_with_target("prefix=one");
    redis_cache *cache = (redis_cache *)1;
    redis_cache_status status = redis_cache_config_set(config, "prefix", "two");

    if (status == REDIS_CACHE_OK)
        status = redis_cache_connect(config, &cache);
    else
        cache = NULL;
    STATUS(ERR_CONFIG, status);
    SAYS("prefix");
    CHECK(cache == NULL);
    redis_cache_config_free(config);

    config = config_with_target("prefix=one");
    STATUS(OK, redis_cache_config_set(config, "prefix", "one"));
    STATUS(OK, redis_cache_connect(config, &cache));
    redis_cache_free(cache);
    redis_cache_config_free(config);
}

static void a_configuration_without_a_server_is_refused(void)
{
    redis_cache_config *config = redis_cache_config_new();
    redis_cache *cache = (redis_cache *)1;

    STATUS(ERR_CONFIG, redis_cache_connect(config, &cache));
    CHECK(cache == NULL);
    CHECK(*redis_cache_last_error() != '\0');
    redis_cache_config_free(config);
}

static void a_configuration_serves_many_clients_and_may_go_first(void)
{
    redis_cache_config *config = config_with_target("prefix=many");
    redis_cache *first = NULL, *second = NULL;

    STATUS(OK, redis_cache_connect(config, &first));
    STATUS(OK, redis_cache_connect(config, &second));
    redis_cache_config_free(config);
    STATUS(OK, redis_cache_set(first, S("key"), S("shared"), 1000));
    GETS(second, "key", "shared");
    redis_cache_free(first);
    redis_cache_free(second);
}

static void error_texts_never_hold_a_password(void)
{
    redis_cache *cache = NULL;
    redis_cache_bytes where;

    STATUS(ERR_CONFIG, redis_cache_open("redis://joe:hunter2@127.0.0.1:notaport", &cache));
    CHECK(strstr(redis_cache_last_error(), "hunter2") == NULL);
    STATUS(ERR_CONFIG, redis_cache_open("redis://joe:hunter2@127.0.0.1/?colour=blue", &cache));
    CHECK(strstr(redis_cache_last_error(), "hunter2") == NULL);
    REQUIRE(STATUS(OK, redis_cache_open("redis://joe:hunter2@127.0.0.1:1/?timeout=200ms", &cache)));
    STATUS(ERR_IO, redis_cache_ping(cache));
    SAYS("127.0.0.1:1");
    CHECK(strstr(redis_cache_last_error(), "hunter2") == NULL);
    STATUS(OK, redis_cache_where(cache, S("key"), &where));
    CHECK(where.data != NULL && strstr(where.data, "hunter2") == NULL && strstr(where.data, "127.0.0.1") != NULL);
    redis_cache_bytes_free(&where);
    redis_cache_free(cache);
}

static void a_server_may_have_a_name(void)
{
    redis_cache_config *config = redis_cache_config_new();
    redis_cache *cache = NULL;
    redis_cache_bytes where = DIRTY_BYTES;
    char url[512];

    target_url(url, sizeof url, NULL);
    STATUS(OK, redis_cache_config_add_server(config, url, "first", 1));
    REQUIRE(STATUS(OK, redis_cache_connect(config, &cache)));
    STATUS(OK, redis_cache_where(cache, S("key"), &where));
    DATA("first", 5, where.data, where.len);
    redis_cache_bytes_free(&where);
    redis_cache_free(cache);
    redis_cache_config_free(config);
}

void suite_config(void)
{
    RUN(every_option_takes_its_values);
    RUN(a_bad_value_is_refused_by_name);
    RUN(a_refusal_says_what_would_be_accepted);
    RUN(an_unknown_option_is_refused_by_name);
    RUN(a_refused_value_leaves_the_configuration_usable);
    RUN(wrong_urls_are_refused);
    RUN(good_urls_are_accepted_without_a_server);
    RUN(the_query_of_a_url_is_decoded);
    RUN(settings_that_disagree_are_refused);
    RUN(a_configuration_without_a_server_is_refused);
    RUN(a_configuration_serves_many_clients_and_may_go_first);
    RUN(error_texts_never_hold_a_password);
    RUN(a_server_may_have_a_name);
}
