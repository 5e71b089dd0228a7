/* Servers that are there and refuse: passwords, rights, memory, databases. */
#include "calls.h"
#include "check.h"
#include "fixture.h"
#include "raw.h"
#include "server.h"
#include "suites.h"

static redis_cache *open_own(const struct server *server, const char *options)
{
    char url[512];

    server_url(server, url, sizeof url, options);
    return open_url(url);
}

static void a_wrong_password_is_an_auth_error(void)
{
    struct server server;
    redis_cache *none, *wrong, *right;

    server_prepare(&server, "--requirepass", "s3cret");
    server_start(&server);
    none = open_own(&server, "breaker_failures=1000");
    wrong = open_own(&server, "password=letmein&breaker_failures=1000");
    right = open_own(&server, "password=s3cret");
    every_call(REDIS_CACHE_ERR_AUTH, none, server.name, 100);
    every_call(REDIS_CACHE_ERR_AUTH, wrong, server.name, 100);
    CHECK(strstr(redis_cache_last_error(), "letmein") == NULL);
    STATUS(OK, redis_cache_set(right, S("key"), S("value"), 5000));
    redis_cache_free(right);
    redis_cache_free(wrong);
    redis_cache_free(none);
    server_stop(&server);
}

static void a_changed_password_lets_the_next_call_in(void)
{
    struct server server;
    struct raw raw;
    redis_cache *cache;
    redis_cache_bytes bytes;

    server_prepare(&server, "--requirepass", "s3cret");
    server_start(&server);
    cache = open_own(&server, "password=later");
    STATUS(ERR_AUTH, redis_cache_get(cache, S("key"), &bytes));
    raw_open(&raw, server.socket, 0);
    raw_call(&raw, "AUTH", "s3cret", NULL);
    raw_call(&raw, "CONFIG", "SET", "requirepass", "later", NULL);
    CHECK(raw.kind == '+');
    raw_close(&raw);
    STATUS(NOT_FOUND, redis_cache_get(cache, S("key"), &bytes));
    redis_cache_free(cache);
    server_stop(&server);
}

static void a_user_that_may_not_is_an_auth_error(void)
{
    struct server server;
    struct raw raw;
    redis_cache *reader;
    redis_cache_bytes bytes;

    server_prepare(&server, NULL, NULL);
    server_start(&server);
    raw_open(&raw, server.socket, 0);
    raw_call(&raw, "ACL", "SETUSER", "reader", "on", ">p%w", "~*", "+get", "+ping", NULL);
    CHECK(raw.kind == '+');
    raw_close(&raw);
    reader = open_own(&server, "username=reader&password=p%25w");
    STATUS(OK, redis_cache_ping(reader));
    STATUS(NOT_FOUND, redis_cache_get(reader, S("key"), &bytes));
    FAULT(ERR_AUTH, 100, server.name, "SET", redis_cache_set(reader, S("key"), S("value"), 5000));
    STATUS(NOT_FOUND, redis_cache_get(reader, S("key"), &bytes));
    redis_cache_free(reader);
    server_stop(&server);
}

static void a_server_that_refuses_is_a_server_error(void)
{
    struct server server;
    redis_cache *cache;
    redis_cache_bytes bytes;

    server_prepare(&server, "--maxmemory", "1");
    server_start(&server);
    cache = open_own(&server, NULL);
    FAULT(ERR_SERVER, 100, server.name, "SET", redis_cache_set(cache, S("key"), S("a secret"), 5000));
    SAYS("OOM");
    CHECK(strstr(redis_cache_last_error(), "secret") == NULL);
    STATUS(NOT_FOUND, redis_cache_get(cache, S("key"), &bytes));
    redis_cache_free(cache);
    cache = open_own(&server, "db=77"); /* there are 16 */
    FAULT(ERR_SERVER, 100, server.name, "", redis_cache_get(cache, S("key"), &bytes));
    redis_cache_free(cache);
    server_stop(&server);
}

void suite_refusals(void)
{
    RUN(a_wrong_password_is_an_auth_error);
    RUN(a_changed_password_lets_the_next_call_in);
    RUN(a_user_that_may_not_is_an_auth_error);
    RUN(a_server_that_refuses_is_a_server_error);
}
