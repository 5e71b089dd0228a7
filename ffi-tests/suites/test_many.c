/* Many keys in one call: order, duplicates, misses, items that fail alone, and nothing at all. */
#include "check.h"
#include "fixture.h"
#include "suites.h"

#include <stdio.h>
#include <stdlib.h>

static void check_item(int line, const redis_cache_results *results, size_t index, const char *want)
{
    redis_cache_slice value = DIRTY_SLICE;
    int status = (int)redis_cache_results_get(results, index, &value);

    if (want == NULL) {
        check_status(__FILE__, line, "item", status, REDIS_CACHE_NOT_FOUND);
        CHECK(value.data == NULL && value.len == 0);
    } else if (check_status(__FILE__, line, "item", status, REDIS_CACHE_OK)) {
        check_data(__FILE__, line, value.data, value.len, want, strlen(want));
    }
}
#define ITEM(results, index, want) check_item(__LINE__, results, index, want)

static void get_many_answers_in_the_order_of_the_keys(void)
{
    static const redis_cache_slice keys[] = { SLICE("c"), SLICE("none"), SLICE("a"), SLICE("n"), SLICE("a"), SLICE("b") };
    redis_cache *cache = open_cache(NULL);
    redis_cache_results *results = NULL;

    STATUS(OK, redis_cache_set(cache, S("a"), S("one"), 5000));
    STATUS(OK, redis_cache_set(cache, S("b"), S(""), 5000));
    STATUS(OK, redis_cache_set(cache, S("c"), S("three"), 5000));
    STATUS(OK, redis_cache_set_int(cache, S("n"), -12, 5000));
    REQUIRE(STATUS(OK, redis_cache_get_many(cache, keys, 6, &results)));
    redis_cache_free(cache); /* the results outlive it */
    INT(6, redis_cache_results_len(results));
    ITEM(results, 0, "three");
    ITEM(results, 1, NULL);
    ITEM(results, 2, "one");
    ITEM(results, 3, "-12");
    ITEM(results, 4, "one");
    ITEM(results, 5, "");
    ITEM(results, 0, "three");
    redis_cache_results_free(results);
}

static void set_many_stores_every_entry(void)
{
    static const redis_cache_entry entries[] = {
        { SLICE("a"), SLICE("one") },
        { SLICE("b\0b"), SLICE("\0\0") },
        { SLICE("c"), { NULL, 0 } },
        { SLICE("a"), SLICE("last wins") },
    };
    redis_cache *cache = open_cache(NULL);
    redis_cache_results *results = NULL;
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_slice value;
    int64_t left = DIRTY_INT;
    size_t i;

    REQUIRE(STATUS(OK, redis_cache_set_many(cache, entries, 4, 50000, &results)));
    INT(4, redis_cache_results_len(results));
    for (i = 0; i < 4; i++)
        STATUS(OK, redis_cache_results_get(results, i, &value));
    redis_cache_results_free(results);
    GETS(cache, "a", "last wins");
    GETS(cache, "c", "");
    STATUS(OK, redis_cache_get(cache, S("b\0b"), &bytes));
    DATA("\0\0", 2, bytes.data, bytes.len);
    redis_cache_bytes_free(&bytes);
    STATUS(OK, redis_cache_ttl(cache, S("c"), &left));
    CHECK(left > 40000 && left <= 50000);
    STATUS(OK, redis_cache_set_many(cache, entries, 1, REDIS_CACHE_TTL_DEFAULT, NULL));
    GETS(cache, "a", "one");
    STATUS(OK, redis_cache_ttl(cache, S("a"), &left));
    CHECK(left > 290000 && left <= 300000);
    redis_cache_free(cache);
}

static void delete_many_counts_what_was_there(void)
{
    static const redis_cache_slice keys[] = { SLICE("a"), SLICE("none"), SLICE("b"), SLICE("a") };
    redis_cache *cache = open_cache(NULL);
    uint64_t count = DIRTY_INT;

    STATUS(OK, redis_cache_set(cache, S("a"), S("x"), 5000));
    STATUS(OK, redis_cache_set(cache, S("b"), S("x"), 5000));
    STATUS(OK, redis_cache_set(cache, S("c"), S("x"), 5000));
    STATUS(OK, redis_cache_delete_many(cache, keys, 4, &count));
    INT(2, count);
    MISSES(cache, "a");
    MISSES(cache, "b");
    GETS(cache, "c", "x");
    STATUS(OK, redis_cache_delete_many(cache, keys, 4, &count));
    INT(0, count);
    STATUS(OK, redis_cache_delete_many(cache, keys, 4, NULL));
    redis_cache_free(cache);
}

static void one_bad_key_fails_alone(void)
{
    static const redis_cache_slice keys[] = { SLICE("a"), SLICE(""), SLICE("b") };
    static const redis_cache_entry entries[] = { { SLICE("x"), SLICE("1") },
                                                 { SLICE(""), SLICE("2") },
                                                 { SLICE("y"), SLICE("3") } };
    redis_cache *cache = open_cache(NULL);
    redis_cache_results *results = NULL;
    redis_cache_slice value = DIRTY_SLICE;
    uint64_t count = DIRTY_INT;

    STATUS(OK, redis_cache_set(cache, S("a"), S("one"), 5000));
    REQUIRE(STATUS(PARTIAL, redis_cache_get_many(cache, keys, 3, &results)));
    INT(3, redis_cache_results_len(results));
    ITEM(results, 0, "one");
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_results_get(results, 1, &value));
    CLEAN_SLICE(value);
    CHECK(*redis_cache_last_error() != '\0');
    ITEM(results, 2, NULL);
    redis_cache_results_free(results);

    results = NULL;
    REQUIRE(STATUS(PARTIAL, redis_cache_set_many(cache, entries, 3, 5000, &results)));
    INT(3, redis_cache_results_len(results));
    STATUS(OK, redis_cache_results_get(results, 0, &value));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_results_get(results, 1, &value));
    STATUS(OK, redis_cache_results_get(results, 2, &value));
    redis_cache_results_free(results);
    STATUS(PARTIAL, redis_cache_set_many(cache, entries, 3, 5000, NULL));
    GETS(cache, "x", "1");
    GETS(cache, "y", "3");

    STATUS(PARTIAL, redis_cache_delete_many(cache, keys, 3, &count));
    INT(1, count);
    redis_cache_free(cache);
}

static void only_bad_keys_are_one_error(void)
{
    static const redis_cache_slice keys[] = { SLICE(""), { NULL, 0 } };
    static const redis_cache_entry entries[] = { { SLICE(""), SLICE("1") }, { { NULL, 0 }, SLICE("2") } };
    redis_cache *cache = open_cache(NULL);
    redis_cache_results *results = (redis_cache_results *)1;
    uint64_t count = DIRTY_INT;

    STATUS(ERR_INVALID_ARGUMENT, redis_cache_get_many(cache, keys, 2, &results));
    CHECK(results == NULL);
    results = (redis_cache_results *)1;
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_set_many(cache, entries, 2, 5000, &results));
    CHECK(results == NULL);
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_delete_many(cache, keys, 2, &count));
    INT(0, count);
    redis_cache_free(cache);
}

static void a_null_slice_with_a_length_never_passes(void)
{
    static const redis_cache_slice keys[] = { SLICE("a"), { NULL, 3 } };
    static const redis_cache_entry entries[] = { { SLICE("a"), SLICE("1") }, { SLICE("b"), { NULL, 3 } } };
    redis_cache *cache = open_cache(NULL);
    redis_cache_results *results = NULL;
    redis_cache_status status;

    /* Whether the call or only its item is refused is not fixed. */
    status = redis_cache_get_many(cache, keys, 2, &results);
    CHECK(status == REDIS_CACHE_PARTIAL || status == REDIS_CACHE_ERR_INVALID_ARGUMENT);
    redis_cache_results_free(results);
    status = redis_cache_set_many(cache, entries, 2, 5000, NULL);
    CHECK(status == REDIS_CACHE_PARTIAL || status == REDIS_CACHE_ERR_INVALID_ARGUMENT);
    MISSES(cache, "b");
    status = redis_cache_delete_many(cache, keys, 2, NULL);
    CHECK(status == REDIS_CACHE_PARTIAL || status == REDIS_CACHE_ERR_INVALID_ARGUMENT);
    redis_cache_free(cache);
}

enum { MANY = 3000 };

static void thousands_of_keys_go_in_one_call(void)
{
    redis_cache *cache = open_cache("timeout=10s");
    redis_cache_entry *entries = must_alloc(MANY * sizeof *entries);
    redis_cache_slice *keys = must_alloc(MANY * sizeof *keys), value;
    char(*names)[16] = must_alloc(MANY * sizeof *names);
    char *data = must_alloc(MANY);
    redis_cache_results *results = NULL;
    uint64_t count = 0;
    size_t i;

    fill(data, MANY, 9);
    for (i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "key-%lu", (unsigned long)i);
        entries[i].key.data = names[i];
        entries[i].key.len = strlen(names[i]);
        entries[i].value.data = data;
        entries[i].value.len = i;
        keys[MANY - 1 - i] = entries[i].key;
    }
    STATUS(OK, redis_cache_set_many(cache, entries, MANY, 60000, NULL));
    REQUIRE(STATUS(OK, redis_cache_get_many(cache, keys, MANY, &results)));
    INT(MANY, redis_cache_results_len(results));
    for (i = 0; i < MANY; i++) {
        if (!STATUS(OK, redis_cache_results_get(results, i, &value)) || !INT(MANY - 1 - i, value.len) ||
            !DATA(data, value.len, value.data, value.len))
            break;
    }
    redis_cache_results_free(results);
    STATUS(OK, redis_cache_delete_many(cache, keys, MANY, &count));
    INT(MANY, count);
    free(entries);
    free(keys);
    free(names);
    free(data);
    redis_cache_free(cache);
}

static void large_values_come_in_one_call_too(void)
{
    enum { COUNT = 4 };
    size_t size = small_run() ? 100000 : 2000000, i;
    redis_cache *cache = open_cache("timeout=10s");
    char *data = must_alloc(size), name[COUNT] = { 'a', 'b', 'c', 'd' };
    redis_cache_slice keys[COUNT], value;
    redis_cache_results *results = NULL;

    for (i = 0; i < COUNT; i++) {
        fill(data, size + 0, (unsigned)i);
        STATUS(OK, redis_cache_set(cache, &name[i], 1, data, size - i, 60000));
        keys[i].data = &name[i];
        keys[i].len = 1;
    }
    REQUIRE(STATUS(OK, redis_cache_get_many(cache, keys, COUNT, &results)));
    for (i = 0; i < COUNT; i++) {
        STATUS(OK, redis_cache_results_get(results, i, &value));
        CHECK(value.len == size - i && filled(value.data, size - i, (unsigned)i));
    }
    redis_cache_results_free(results);
    free(data);
    redis_cache_free(cache);
}

void suite_many(void)
{
    RUN(get_many_answers_in_the_order_of_the_keys);
    RUN(set_many_stores_every_entry);
    RUN(delete_many_counts_what_was_there);
    RUN(one_bad_key_fails_alone);
    RUN(only_bad_keys_are_one_error);
    RUN(a_null_slice_with_a_length_never_passes);
    RUN(thousands_of_keys_go_in_one_call);
    RUN(large_values_come_in_one_call_too);
}
