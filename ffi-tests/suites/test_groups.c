/* Groups of keys: patterns, the iterator over keys, clear in its three sizes, and that only the caller's pattern is
 * a glob. */
#include "check.h"
#include "fixture.h"
#include "raw.h"
#include "suites.h"

#include <stdio.h>
#include <stdlib.h>

static redis_cache *open_prefix(const char *prefix)
{
    redis_cache_config *config = config_with_target(NULL);
    redis_cache *cache = NULL;

    STATUS(OK, redis_cache_config_set(config, "prefix", prefix));
    if (!STATUS(OK, redis_cache_connect(config, &cache)))
        fixture_die("no cache with the prefix %s", prefix);
    redis_cache_config_free(config);
    return cache;
}

static void put(const redis_cache *cache, const char *key)
{
    STATUS(OK, redis_cache_set(cache, key, strlen(key), S("value"), 60000));
}

static uint64_t deleted(const redis_cache *cache, const char *pattern)
{
    uint64_t count = DIRTY_INT;

    STATUS(OK, redis_cache_delete_pattern(cache, pattern, strlen(pattern), NULL, &count));
    return count;
}

/* How many of the wanted keys (a list ended by NULL) the iterator shows; anything else it shows is an error. */
static void check_keys(int line, const redis_cache *cache, const char *pattern, const char *const *wanted)
{
    redis_cache_keys *keys = NULL;
    redis_cache_slice key;
    unsigned seen[64] = { 0 }, i;
    redis_cache_status status;

    if (!STATUS(OK, redis_cache_keys_begin(cache, pattern, strlen(pattern), &keys)))
        return;
    while ((status = redis_cache_keys_next(keys, &key)) == REDIS_CACHE_OK) {
        for (i = 0; wanted[i] != NULL; i++) {
            if (key.len == strlen(wanted[i]) && memcmp(key.data, wanted[i], key.len) == 0)
                break;
        }
        if (wanted[i] == NULL)
            check_failed(__FILE__, line, "%s shows %.*s", pattern, (int)key.len, key.data);
        else
            seen[i]++;
    }
    check_status(__FILE__, line, "the end of the keys", (int)status, REDIS_CACHE_NOT_FOUND);
    for (i = 0; wanted[i] != NULL; i++) {
        if (seen[i] == 0)
            check_failed(__FILE__, line, "%s does not show %s", pattern, wanted[i]);
    }
    redis_cache_keys_free(keys);
}
#define KEYS(cache, pattern, ...)                                 \
    do {                                                          \
        static const char *const wanted[] = { __VA_ARGS__, NULL }; \
        check_keys(__LINE__, cache, pattern, wanted);             \
    } while (0)
#define NO_KEYS(cache, pattern) KEYS(cache, pattern, NULL)

static void keys_come_without_prefix_and_version(void)
{
    redis_cache *cache = open_prefix("list"), *second = redis_cache_with_version(cache, 2), *other = open_prefix("other");

    put(cache, "user:1");
    put(cache, "user:2");
    put(cache, "page:1");
    put(second, "user:3");
    put(other, "user:4");
    KEYS(cache, "*", "user:1", "user:2", "page:1");
    KEYS(cache, "user:*", "user:1", "user:2");
    KEYS(second, "*", "user:3");
    KEYS(other, "*", "user:4");
    NO_KEYS(cache, "nobody*");
    redis_cache_free(other);
    redis_cache_free(second);
    redis_cache_free(cache);
}

static void patterns_are_globs(void)
{
    redis_cache *cache = open_prefix("glob");

    put(cache, "a");
    put(cache, "ab");
    put(cache, "abc");
    put(cache, "b");
    put(cache, "a*");
    put(cache, "a?c");
    put(cache, "[x]");
    KEYS(cache, "a", "a");
    KEYS(cache, "a?", "ab", "a*");
    KEYS(cache, "a*", "a", "ab", "abc", "a*", "a?c");
    KEYS(cache, "[ab]", "a", "b");
    KEYS(cache, "[^a]", "b");
    KEYS(cache, "[a-b]", "a", "b");
    KEYS(cache, "a\\*", "a*");
    KEYS(cache, "a\\?c", "a?c");
    KEYS(cache, "\\[x\\]", "[x]");
    KEYS(cache, "*c", "abc", "a?c");
    NO_KEYS(cache, "A");
    INT(1, deleted(cache, "a\\*"));
    INT(2, deleted(cache, "a??*"));
    KEYS(cache, "*", "a", "ab", "b", "[x]");
    redis_cache_free(cache);
}

static void prefixes_are_not_globs(void)
{
    /* Each first prefix, read as a glob, would match the second. */
    static const char *const pairs[][2] = {
        { "app*", "appXX" }, { "*", "anything" }, { "a?p", "aXp" }, { "[a]pp", "app" }, { "a\\pp", "app" },
        { "[^x]y", "ay" },   { "[a-c]", "b" },
    };
    size_t i;

    for (i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        redis_cache *literal = open_prefix(pairs[i][0]), *matched = open_prefix(pairs[i][1]);

        put(literal, "k");
        put(literal, "l");
        put(matched, "k");
        KEYS(literal, "*", "k", "l");
        INT(1, deleted(literal, "k*"));
        MISSES(literal, "k");
        GETS(matched, "k", "value");
        STATUS(OK, redis_cache_clear_version(literal, 1, NULL, NULL));
        MISSES(literal, "l");
        GETS(matched, "k", "value");
        put(literal, "k");
        STATUS(OK, redis_cache_clear(literal, NULL, NULL));
        MISSES(literal, "k");
        GETS(matched, "k", "value");
        STATUS(OK, redis_cache_clear(matched, NULL, NULL));
        redis_cache_free(literal);
        redis_cache_free(matched);
    }
}

static void delete_pattern_stays_in_its_version_and_prefix(void)
{
    redis_cache *cache = open_prefix("dp"), *second = redis_cache_with_version(cache, 12), *plain = open_cache(NULL);

    put(cache, "user:1");
    put(cache, "user:2");
    put(cache, "page");
    put(second, "user:1");
    put(plain, "user:1");
    put(plain, "dp:1:user:9");
    INT(2, deleted(cache, "user:*"));
    GETS(cache, "page", "value");
    GETS(second, "user:1", "value");
    GETS(plain, "user:1", "value");
    GETS(plain, "dp:1:user:9", "value");
    INT(0, deleted(cache, "user:*"));
    INT(1, deleted(cache, "page"));
    INT(0, deleted(cache, ""));
    redis_cache_free(plain);
    redis_cache_free(second);
    redis_cache_free(cache);
}

static void clear_takes_all_versions_of_its_prefix_only(void)
{
    redis_cache *cache = open_prefix("cl"), *second = redis_cache_with_version(cache, 2);
    redis_cache *large = redis_cache_with_version(cache, 123456789), *longer = open_prefix("clx"), *plain = open_cache(NULL);
    uint64_t count = DIRTY_INT;

    put(cache, "a");
    put(second, "a");
    put(second, "b");
    put(large, "c:d");
    put(longer, "a");
    put(plain, "a");
    STATUS(OK, redis_cache_clear(second, NULL, &count));
    INT(4, count);
    MISSES(cache, "a");
    MISSES(large, "c:d");
    GETS(longer, "a", "value");
    GETS(plain, "a", "value");
    STATUS(OK, redis_cache_clear(plain, NULL, &count));
    INT(1, count);
    GETS(longer, "a", "value");
    redis_cache_free(plain);
    redis_cache_free(longer);
    redis_cache_free(large);
    redis_cache_free(second);
    redis_cache_free(cache);
}

static void clear_version_takes_one_version(void)
{
    redis_cache *one = open_prefix("cv"), *eleven = redis_cache_with_version(one, 11), *two = redis_cache_with_version(one, 2);
    uint64_t count = DIRTY_INT;

    put(one, "a");
    put(one, "b");
    put(eleven, "a");
    put(two, "a");
    STATUS(OK, redis_cache_clear_version(eleven, 1, NULL, &count));
    INT(2, count);
    MISSES(one, "a");
    GETS(eleven, "a", "value");
    GETS(two, "a", "value");
    STATUS(OK, redis_cache_clear_version(one, 99, NULL, &count));
    INT(0, count);
    redis_cache_free(two);
    redis_cache_free(eleven);
    redis_cache_free(one);
}

static void clear_leaves_keys_of_others_alone(void)
{
    redis_cache *cache = open_prefix("mine");
    struct raw raw;

    raw_open(&raw, target_socket(), target_db());
    raw_call(&raw, "SET", "mine:session:abc", "x", NULL);
    raw_call(&raw, "SET", "mine", "x", NULL);
    raw_call(&raw, "SET", "xmine:1:a", "x", NULL);
    put(cache, "a");
    STATUS(OK, redis_cache_clear(cache, NULL, NULL));
    INT(1, server_number("EXISTS", "mine:session:abc"));
    INT(1, server_number("EXISTS", "mine"));
    INT(1, server_number("EXISTS", "xmine:1:a"));
    INT(0, server_number("EXISTS", "mine:1:a"));
    raw_close(&raw);
    redis_cache_free(cache);
}

static void flush_db_takes_everything(void)
{
    redis_cache *cache = open_prefix("f"), *other = open_prefix("g");

    put(cache, "a");
    put(other, "a");
    STATUS(OK, redis_cache_flush_db(cache));
    MISSES(cache, "a");
    MISSES(other, "a");
    if (on_server())
        INT(0, server_number("DBSIZE", NULL));
    redis_cache_free(other);
    redis_cache_free(cache);
}

static void binary_keys_are_listed_and_deleted(void)
{
    redis_cache *cache = open_prefix("bin");
    redis_cache_keys *keys = NULL;
    redis_cache_slice key = DIRTY_SLICE;
    uint64_t count = DIRTY_INT;

    STATUS(OK, redis_cache_set(cache, S("a\0\xff\n*"), S("value"), 60000));
    REQUIRE(STATUS(OK, redis_cache_keys_begin(cache, S("a\0*"), &keys)));
    STATUS(OK, redis_cache_keys_next(keys, &key));
    DATA("a\0\xff\n*", 5, key.data, key.len);
    STATUS(NOT_FOUND, redis_cache_keys_next(keys, &key));
    redis_cache_keys_free(keys);
    STATUS(OK, redis_cache_delete_pattern(cache, S("a\0\xff\n\\*"), NULL, &count));
    INT(1, count);
    redis_cache_free(cache);
}

static void many_batches_show_and_delete_every_key(void)
{
    enum { COUNT = 2500 };
    redis_cache *cache = open_cache("prefix=batch&scan_count=100");
    redis_cache_keys *keys = NULL;
    redis_cache_slice key;
    redis_cache_entry entries[COUNT];
    char *seen = must_alloc(COUNT), (*names)[8] = must_alloc(COUNT * 8), text[16];
    unsigned long total = 0, number;
    size_t i;

    for (i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "k%lu", (unsigned long)i);
        entries[i].key.data = names[i];
        entries[i].key.len = strlen(names[i]);
        entries[i].value = entries[i].key;
    }
    STATUS(OK, redis_cache_set_many(cache, entries, COUNT, 60000, NULL));
    memset(seen, 0, COUNT);
    REQUIRE(STATUS(OK, redis_cache_keys_begin(cache, S("k*"), &keys)));
    while (redis_cache_keys_next(keys, &key) == REDIS_CACHE_OK) {
        snprintf(text, sizeof text, "%.*s", (int)key.len, key.data);
        number = strtoul(text + 1, NULL, 10);
        REQUIRE(text[0] == 'k' && number < COUNT);
        total += !seen[number];
        seen[number] = 1;
    }
    INT(COUNT, total);
    redis_cache_keys_free(keys);
    INT(COUNT, deleted(cache, "k*"));
    NO_KEYS(cache, "*");
    free(seen);
    free(names);
    redis_cache_free(cache);
}

static void an_iterator_may_be_left_early_and_outlive_its_cache(void)
{
    redis_cache *cache = open_prefix("early");
    redis_cache_keys *keys = NULL, *never_used = NULL;
    redis_cache_slice key;

    put(cache, "a");
    put(cache, "b");
    REQUIRE(STATUS(OK, redis_cache_keys_begin(cache, S("*"), &keys)));
    REQUIRE(STATUS(OK, redis_cache_keys_begin(cache, S("*"), &never_used)));
    STATUS(OK, redis_cache_keys_next(keys, &key));
    put(cache, "c"); /* other calls go on meanwhile */
    redis_cache_free(cache);
    STATUS(OK, redis_cache_keys_next(keys, &key));
    redis_cache_keys_free(keys);
    redis_cache_keys_free(never_used);
}

void suite_groups(void)
{
    RUN(keys_come_without_prefix_and_version);
    RUN(patterns_are_globs);
    RUN(prefixes_are_not_globs);
    RUN(delete_pattern_stays_in_its_version_and_prefix);
    RUN(clear_takes_all_versions_of_its_prefix_only);
    RUN(clear_version_takes_one_version);
    if (on_server())
        RUN(clear_leaves_keys_of_others_alone);
    RUN(flush_db_takes_everything);
    RUN(binary_keys_are_listed_and_deleted);
    RUN(many_batches_show_and_delete_every_key);
    RUN(an_iterator_may_be_left_early_and_outlive_its_cache);
}
