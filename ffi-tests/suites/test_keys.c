/* Keys: the bytes on the wire, the modes of key_check, keys of every length, and a key function in C. */
#include "check.h"
#include "fixture.h"
#include "raw.h"
#include "suites.h"

#include <stdio.h>
#include <stdlib.h>

#define WIRE(cache, key, wire)                                                       \
    do {                                                                             \
        redis_cache_bytes made = DIRTY_BYTES;                                        \
        if (STATUS(OK, redis_cache_make_key(cache, key, sizeof(key) - 1, &made)))    \
            DATA(wire, sizeof(wire) - 1, made.data, made.len);                       \
        redis_cache_bytes_free(&made);                                               \
    } while (0)

static void the_wire_key_is_prefix_version_key(void)
{
    redis_cache *plain = open_cache(NULL), *app = open_cache("prefix=app"), *odd = open_cache("prefix=a:b*&version=70");
    redis_cache *second = redis_cache_with_version(app, 2);

    WIRE(plain, "k", ":1:k");
    WIRE(app, "k", "app:1:k");
    WIRE(second, "k", "app:2:k");
    WIRE(odd, "k:1", "a:b*:70:k:1");
    WIRE(app, "a\0b", "app:1:a\0b");
    WIRE(app, "*?[]\\^-", "app:1:*?[]\\^-");
    redis_cache_free(plain);
    redis_cache_free(app);
    redis_cache_free(second);
    redis_cache_free(odd);
}

static void the_largest_version_has_a_wire_key_too(void)
{
    redis_cache *cache = open_cache(NULL), *last = redis_cache_with_version(cache, UINT64_MAX);
    redis_cache *zero = redis_cache_with_version(cache, 0);

    WIRE(last, "k", ":18446744073709551615:k");
    WIRE(zero, "k", ":0:k");
    STATUS(OK, redis_cache_set(last, S("k"), S("v"), 1000));
    GETS(last, "k", "v");
    MISSES(cache, "k");
    redis_cache_free(zero);
    redis_cache_free(last);
    redis_cache_free(cache);
}

static void that_key_is_what_the_server_sees(void)
{
    redis_cache *cache = open_cache("prefix=seen");

    STATUS(OK, redis_cache_set(cache, S("k"), S("v"), 1000));
    INT(1, server_number("EXISTS", "seen:1:k"));
    STATUS(OK, redis_cache_delete(cache, S("k")));
    INT(0, server_number("EXISTS", "seen:1:k"));
    redis_cache_free(cache);
}

static void keys_of_every_length_up_to_64_kib_work(void)
{
    static const size_t sizes[] = { 1, 2, 100, 180, 190, 191, 192, 193, 250, 251, 1000, 4096, 16384, 65000, 65536 };
    redis_cache *cache = open_cache("key_check=off");
    char *key = must_alloc(65536);
    size_t i;

    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        redis_cache_bytes bytes = DIRTY_BYTES;

        fill(key, sizes[i], 5);
        STATUS(OK, redis_cache_set(cache, key, sizes[i], key, sizes[i], 5000));
        STATUS(OK, redis_cache_get(cache, key, sizes[i], &bytes));
        CHECK(bytes.len == sizes[i] && filled(bytes.data, sizes[i], 5));
        redis_cache_bytes_free(&bytes);
        STATUS(OK, redis_cache_delete(cache, key, sizes[i]));
    }
    free(key);
    redis_cache_free(cache);
}

/* Whether set takes a key of this many bytes. */
static redis_cache_status with_length(const redis_cache *cache, size_t len)
{
    char *key = must_alloc(len);
    redis_cache_status status;

    memset(key, 'k', len);
    status = redis_cache_set(cache, key, len, S("v"), 5000);
    if (status == REDIS_CACHE_OK)
        STATUS(OK, redis_cache_has_key(cache, key, len));
    free(key);
    return status;
}

static void reject_refuses_keys_over_64_kib(void)
{
    redis_cache *cache = open_cache(NULL);

    STATUS(OK, with_length(cache, 60000));
    STATUS(ERR_INVALID_ARGUMENT, with_length(cache, 70000));
    CHECK(*redis_cache_last_error() != '\0');
    STATUS(OK, redis_cache_set(cache, S(" \n\x7f"), S("v"), 5000));
    redis_cache_free(cache);
}

static void off_takes_keys_over_64_kib(void)
{
    redis_cache *cache = open_cache("key_check=off");

    STATUS(OK, with_length(cache, 70000));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_set(cache, S(""), S("v"), 5000));
    redis_cache_free(cache);
}

static void memcached_refuses_long_keys_spaces_and_controls(void)
{
    redis_cache *cache = open_cache("prefix=p&key_check=memcached"); /* "p:1:" is 4 of the 250 bytes */
    redis_cache_bytes bytes = DIRTY_BYTES;

    STATUS(OK, with_length(cache, 246));
    STATUS(ERR_INVALID_ARGUMENT, with_length(cache, 247));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_set(cache, S("a b"), S("v"), 5000));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_set(cache, S("a\nb"), S("v"), 5000));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_set(cache, S("a\0b"), S("v"), 5000));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_set(cache, S("a\x7f"), S("v"), 5000));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_get(cache, S("a b"), &bytes));
    CLEAN_BYTES(bytes);
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_set(cache, S(""), S("v"), 5000));
    STATUS(OK, redis_cache_set(cache, S("plain"), S("v"), 5000));
    redis_cache_free(cache);
}

static void hash_shortens_only_long_keys(void)
{
    redis_cache *cache = open_cache("key_check=hash");
    redis_cache_bytes bytes = DIRTY_BYTES;
    char key[300];

    memset(key, 'a', sizeof key);
    STATUS(OK, redis_cache_make_key(cache, key, 300, &bytes));
    DATA(":1:sha256:9835fa6bf4e20a9b9ea812506302e98982721a6cf8d2cae67af57129bf21ae90", 74, bytes.data, bytes.len);
    redis_cache_bytes_free(&bytes);
    WIRE(cache, "short", ":1:short");
    STATUS(OK, with_length(cache, 300));
    STATUS(OK, with_length(cache, 70000));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_set(cache, S(""), S("v"), 5000));
    redis_cache_free(cache);
}

static int32_t bracketed(void *user_data, const char *prefix, uint64_t version, const redis_cache_slice *key,
                         redis_cache_writer *out)
{
    char head[64];
    int len = snprintf(head, sizeof head, "%s<%lu>", prefix, (unsigned long)version);

    ++*(int *)user_data;
    redis_cache_writer_append(out, head, (size_t)len);
    return redis_cache_writer_append(out, key->data, key->len) == REDIS_CACHE_OK ? 0 : 1;
}

static void a_key_function_makes_every_key(void)
{
    redis_cache_config *config = config_with_target("prefix=fn");
    redis_cache *cache = NULL, *second;
    redis_cache_slice many[] = { SLICE("a\0b"), SLICE("none") }, key = DIRTY_SLICE;
    redis_cache_results *results = NULL;
    redis_cache_keys *keys = NULL;
    uint64_t count = DIRTY_INT;
    int calls = 0;

    STATUS(OK, redis_cache_config_set_key_fn(config, bracketed, &calls));
    REQUIRE(STATUS(OK, redis_cache_connect(config, &cache)));
    redis_cache_config_free(config);
    second = redis_cache_with_version(cache, 2);
    WIRE(cache, "k", "fn<1>k");
    WIRE(second, "k", "fn<2>k");
    STATUS(OK, redis_cache_set(cache, S("a\0b"), S("one"), 5000));
    STATUS(OK, redis_cache_set(second, S("a\0b"), S("two"), 5000));
    STATUS(OK, redis_cache_get_many(cache, many, 2, &results));
    STATUS(OK, redis_cache_results_get(results, 0, &key));
    DATA("one", 3, key.data, key.len);
    STATUS(NOT_FOUND, redis_cache_results_get(results, 1, &key));
    redis_cache_results_free(results);

    /* keys yields wire keys then, and clear covers this view's version only. */
    REQUIRE(STATUS(OK, redis_cache_keys_begin(cache, S("a*"), &keys)));
    STATUS(OK, redis_cache_keys_next(keys, &key));
    DATA("fn<1>a\0b", 8, key.data, key.len);
    STATUS(NOT_FOUND, redis_cache_keys_next(keys, &key));
    redis_cache_keys_free(keys);
    STATUS(OK, redis_cache_clear(cache, NULL, &count));
    INT(1, count);
    STATUS(OK, redis_cache_has_key(second, S("a\0b")));
    CHECK(calls > 5);
    redis_cache_free(second);
    redis_cache_free(cache);
}

static int32_t picky(void *user_data, const char *prefix, uint64_t version, const redis_cache_slice *key,
                     redis_cache_writer *out)
{
    (void)user_data;
    (void)prefix;
    (void)version;
    STATUS(ERR_UNSUPPORTED, redis_cache_writer_set_ttl(out, 1000)); /* a key has no lifetime of its own */
    if (key->len == 3 && memcmp(key->data, "bad", 3) == 0) {
        redis_cache_writer_fail(out, "this key is not to my taste");
        return 1;
    }
    return redis_cache_writer_append(out, key->data, key->len) == REDIS_CACHE_OK ? 0 : 1;
}

static void a_key_function_may_refuse_a_key(void)
{
    redis_cache_config *config = config_with_target(NULL);
    redis_cache *cache = NULL;
    redis_cache_slice many[] = { SLICE("good"), SLICE("bad") }, value;
    redis_cache_results *results = NULL;

    STATUS(OK, redis_cache_config_set_key_fn(config, picky, NULL));
    REQUIRE(STATUS(OK, redis_cache_connect(config, &cache)));
    redis_cache_config_free(config);
    STATUS(OK, redis_cache_set(cache, S("good"), S("v"), 5000));
    STATUS(ERR_CALLBACK, redis_cache_set(cache, S("bad"), S("v"), 5000));
    SAYS("this key is not to my taste");
    STATUS(PARTIAL, redis_cache_get_many(cache, many, 2, &results));
    STATUS(OK, redis_cache_results_get(results, 0, &value));
    STATUS(ERR_CALLBACK, redis_cache_results_get(results, 1, &value));
    redis_cache_results_free(results);
    redis_cache_free(cache);
}

static void where_names_the_node_without_credentials(void)
{
    redis_cache *cache = open_cache("prefix=w");
    redis_cache_bytes where = DIRTY_BYTES;
    char port[16];

    STATUS(OK, redis_cache_where(cache, S("key"), &where));
    REQUIRE(where.data != NULL);
    CHECK(strstr(where.data, "prefix") == NULL);
    snprintf(port, sizeof port, ":%u", on_server() ? target_port() : 0);
    if (on_unix())
        CHECK(strstr(where.data, target_socket()) != NULL);
    else if (on_server())
        CHECK(strstr(where.data, port) != NULL);
    else if (on_ring())
        CHECK(strncmp(where.data, "node", 4) == 0);
    else if (on_many())
        CHECK(strstr(where.data, "127.0.0.1:") != NULL);
    else
        CHECK(strstr(where.data, "memory") != NULL);
    redis_cache_bytes_free(&where);
    redis_cache_free(cache);
}

void suite_keys(void)
{
    RUN(the_wire_key_is_prefix_version_key);
    RUN(the_largest_version_has_a_wire_key_too);
    if (on_server())
        RUN(that_key_is_what_the_server_sees);
    RUN(keys_of_every_length_up_to_64_kib_work);
    RUN(reject_refuses_keys_over_64_kib);
    RUN(off_takes_keys_over_64_kib);
    RUN(memcached_refuses_long_keys_spaces_and_controls);
    RUN(hash_shortens_only_long_keys);
    RUN(a_key_function_makes_every_key);
    RUN(a_key_function_may_refuse_a_key);
    RUN(where_names_the_node_without_credentials);
}
