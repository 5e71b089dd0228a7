/* Who logs in: users and passwords of locations and options, files that say them, functions that do, and what becomes of
 * secrets that change. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"
#include "server.h"
#include "suites.h"

static struct server server;

/* One that knows eve by `password` alone. */
static void eve_is(const char *password)
{
    char rule[80];

    snprintf(rule, sizeof rule, ">%s", password);
    server_call(&server, "ACL", "SETUSER", "eve", "on", "resetpass", rule, "~*", "&*", "+@all", NULL);
}

static redis_cache_config *config_of_server(const char *options)
{
    redis_cache_config *config = redis_cache_config_new();
    char url[512], all[256];

    relax(all, sizeof all, options);
    server_url(&server, url, sizeof url, all);
    STATUS(OK, redis_cache_config_add_server(config, url, NULL, 1));
    return config;
}

static redis_cache *connected(redis_cache_config *config)
{
    redis_cache *cache = NULL;

    if (redis_cache_connect(config, &cache) != REDIS_CACHE_OK)
        fixture_die("%s", redis_cache_last_error());
    redis_cache_config_free(config);
    return cache;
}

struct keeper {
    const char *user, *first, *then; /* the password, and from the second time on */
    redis_cache *cache;              /* to be used, and freed when `frees` */
    bool frees, fails;
    int asked, destroyed;
};

static int32_t say(void *user_data, const char *node, redis_cache_writer *out)
{
    struct keeper *keeper = user_data;
    const char *password = keeper->asked++ > 0 && keeper->then != NULL ? keeper->then : keeper->first;
    redis_cache_bytes bytes = DIRTY_BYTES;
    size_t i;

    CHECK(strstr(node, on_unix() ? server.socket : "127.0.0.1") != NULL && strchr(node, '?') == NULL);
    if (keeper->cache != NULL) {
        STATUS(ERR_UNSUPPORTED, redis_cache_get(keeper->cache, S("k"), &bytes));
        CLEAN_BYTES(bytes);
        STATUS(ERR_UNSUPPORTED, redis_cache_ping(keeper->cache));
    }
    if (keeper->frees) {
        redis_cache_free(keeper->cache);
        keeper->cache = NULL;
    }
    if (keeper->user != NULL) {
        STATUS(OK, redis_cache_writer_append(out, keeper->user, strlen(keeper->user)));
        STATUS(OK, redis_cache_writer_next(out));
    }
    for (i = 0; password[i] != '\0'; i++) /* it grows, and leaves nothing behind */
        STATUS(OK, redis_cache_writer_append(out, password + i, 1));
    STATUS(ERR_UNSUPPORTED, redis_cache_writer_skip(out));
    STATUS(ERR_UNSUPPORTED, redis_cache_writer_set_absent(out, 1));
    STATUS(ERR_UNSUPPORTED, redis_cache_writer_set_ttl(out, 1));
    STATUS(ERR_UNSUPPORTED, redis_cache_writer_renew(out));
    if (keeper->fails)
        redis_cache_writer_fail(out, "the vault is closed");
    return keeper->fails ? 7 : 0;
}

static void forget(void *user_data)
{
    struct keeper *keeper = user_data;

    keeper->destroyed++;
}

static redis_cache *open_with(struct keeper *keeper, const char *options)
{
    redis_cache_config *config = config_of_server(options);

    STATUS(OK, redis_cache_config_set_credentials_fn(config, say, keeper, forget));
    return connected(config);
}

static void a_function_says_user_and_password_at_every_connect(void)
{
    struct keeper keeper = { "eve", "sesame", NULL, NULL, false, false, 0, 0 };
    redis_cache *cache = open_with(&keeper, NULL);

    eve_is("sesame");
    INT(0, keeper.asked);
    STATUS(OK, redis_cache_set(cache, S("k"), S("v"), 50000));
    GETS(cache, "k", "v");
    INT(1, keeper.asked);
    eve_is("mustard");
    keeper.first = "mustard";
    server_call(&server, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL);
    GETS(cache, "k", "v");
    INT(2, keeper.asked);
    INT(0, keeper.destroyed);
    redis_cache_free(cache);
    INT(1, keeper.destroyed);
}

static void what_the_server_refuses_is_asked_for_once_more(void)
{
    struct keeper keeper = { "eve", "stale-pw", "sesame", NULL, false, false, 0, 0 };
    struct keeper wrong = { "eve", "guess", NULL, NULL, false, false, 0, 0 };
    static const char *const protocols[] = { NULL, "protocol=2", "protocol=3", "parser=redis" };
    size_t i;

    eve_is("sesame");
    for (i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        redis_cache *cache;

        keeper.asked = wrong.asked = 0;
        cache = open_with(&keeper, protocols[i]);
        STATUS(OK, redis_cache_set(cache, S("k"), S("v"), 50000));
        INT(2, keeper.asked);
        redis_cache_free(cache);
        cache = open_with(&wrong, protocols[i]);
        STATUS(ERR_AUTH, redis_cache_set(cache, S("k"), S("v"), 50000));
        SAYS("WRONGPASS");
        CHECK(strstr(redis_cache_last_error(), "guess") == NULL);
        INT(2, wrong.asked);
        redis_cache_free(cache);
    }
}

static void a_password_alone_is_that_of_the_default_user(void)
{
    struct keeper keeper = { NULL, "open", NULL, NULL, false, false, 0, 0 };
    redis_cache *cache = open_with(&keeper, NULL);

    server_call(&server, "CONFIG", "SET", "requirepass", "open", NULL);
    STATUS(OK, redis_cache_set(cache, S("k"), S("v"), 50000));
    INT(1, keeper.asked);
    redis_cache_free(cache);
    keeper.user = "";
    cache = open_with(&keeper, NULL);
    GETS(cache, "k", "v");
    redis_cache_free(cache);
    server_stop(&server);
    server_start(&server);
}

static void a_function_that_fails_fails_the_connect(void)
{
    struct keeper keeper = { "eve", "sesame", NULL, NULL, false, true, 0, 0 };
    redis_cache *cache = open_with(&keeper, NULL);

    STATUS(ERR_AUTH, redis_cache_set(cache, S("k"), S("v"), 50000));
    SAYS("the vault is closed");
    CHECK(strstr(redis_cache_last_error(), "sesame") == NULL);
    INT(1, keeper.asked);
    redis_cache_free(cache);
}

static void a_function_cannot_use_its_client_and_may_free_it(void)
{
    struct keeper keeper = { "eve", "sesame", NULL, NULL, false, false, 0, 0 };
    redis_cache_bytes bytes;

    eve_is("sesame");
    keeper.cache = open_with(&keeper, "max_connections=1");
    STATUS(OK, redis_cache_set(keeper.cache, S("k"), S("v"), 50000));
    server_call(&server, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL);
    keeper.frees = true;
    STATUS(OK, redis_cache_get(keeper.cache, S("k"), &bytes));
    DATA("v", 1, bytes.data, bytes.len);
    redis_cache_bytes_free(&bytes);
    CHECK(keeper.cache == NULL);
    INT(2, keeper.asked);
    INT(1, keeper.destroyed);
}

static void nothing_stands_beside_a_function(void)
{
    static const char *const options[][2] = { { "username", "eve" }, { "password", "hunter2" }, { "password_file", "/pw" } };
    struct keeper keeper = { "eve", "sesame", NULL, NULL, false, false, 0, 0 };
    redis_cache *cache;
    size_t i;

    for (i = 0; i < sizeof options / sizeof *options; i++) {
        redis_cache_config *config = config_of_server(NULL);
        char in_query[64];

        STATUS(OK, redis_cache_config_set_credentials_fn(config, say, &keeper, forget));
        STATUS(OK, redis_cache_config_set(config, options[i][0], options[i][1]));
        STATUS(ERR_CONFIG, redis_cache_connect(config, &cache));
        SAYS("credentials");
        CHECK(cache == NULL && strstr(redis_cache_last_error(), "hunter2") == NULL);
        redis_cache_config_free(config);
        snprintf(in_query, sizeof in_query, "%s=%s", options[i][0], options[i][1]);
        config = config_of_server(in_query);
        STATUS(OK, redis_cache_config_set_credentials_fn(config, say, &keeper, forget));
        STATUS(ERR_CONFIG, redis_cache_connect(config, &cache));
        redis_cache_config_free(config);
    }
    INT(6, keeper.destroyed);
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_config_set_credentials_fn(NULL, say, &keeper, forget));
    INT(7, keeper.destroyed);
    INT(0, keeper.asked);
}

static void a_file_has_the_password_of_the_hour(void)
{
    char path[] = "/tmp/redis-cache-password-XXXXXX", options[128];
    int file = mkstemp(path);
    redis_cache *cache;

    REQUIRE(file >= 0);
    snprintf(options, sizeof options, "username=eve&password_file=%s", path);
    eve_is("sesame");
    CHECK(write(file, "sesame\n", 7) == 7);
    cache = connected(config_of_server(options));
    STATUS(OK, redis_cache_set(cache, S("k"), S("v"), 50000));
    eve_is("mustard");
    CHECK(lseek(file, 0, SEEK_SET) == 0 && write(file, "mustard", 7) == 7);
    server_call(&server, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL);
    GETS(cache, "k", "v");
    close(file);
    unlink(path);
    server_call(&server, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL);
    STATUS(ERR_CONFIG, redis_cache_has_key(cache, S("k")));
    SAYS("password_file");
    redis_cache_free(cache);
}

static void two_passwords_are_one_too_many(void)
{
    redis_cache_config *config = config_of_server("password=hunter2&password_file=/pw");
    redis_cache *cache;

    STATUS(ERR_CONFIG, redis_cache_connect(config, &cache));
    SAYS("`password_file`");
    CHECK(strstr(redis_cache_last_error(), "hunter2") == NULL);
    redis_cache_config_free(config);
}

static void a_user_without_a_password_is_not_the_default_one(void)
{
    redis_cache *cache = connected(config_of_server("username=hunter2"));

    STATUS(ERR_AUTH, redis_cache_set(cache, S("k"), S("v"), 50000));
    SAYS("redis://:password@host");
    CHECK(strstr(redis_cache_last_error(), "hunter2") == NULL);
    redis_cache_free(cache);
    server_call(&server, "ACL", "SETUSER", "bob", "on", "nopass", "~*", "&*", "+@all", NULL);
    cache = connected(config_of_server("username=bob"));
    STATUS(OK, redis_cache_set(cache, S("k"), S("v"), 50000));
    redis_cache_free(cache);
}

void suite_credentials(void)
{
    if (!on_server() || !on_single())
        return;
    server_prepare(&server, NULL, NULL);
    server_start(&server);
    RUN(a_function_says_user_and_password_at_every_connect);
    RUN(what_the_server_refuses_is_asked_for_once_more);
    RUN(a_password_alone_is_that_of_the_default_user);
    RUN(a_function_that_fails_fails_the_connect);
    RUN(a_function_cannot_use_its_client_and_may_free_it);
    RUN(nothing_stands_beside_a_function);
    RUN(a_file_has_the_password_of_the_hour);
    RUN(two_passwords_are_one_too_many);
    RUN(a_user_without_a_password_is_not_the_default_one);
    server_stop(&server);
}
