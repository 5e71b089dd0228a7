/* Several servers: one that is down costs its own keys only, and entries move to a server that is new. */
#include "check.h"
#include "fixture.h"
#include "suites.h"

#include <stdio.h>

enum { COUNT = 300 };

static char names[COUNT][8];
static redis_cache_entry entries[COUNT];
static redis_cache_slice keys[COUNT];

static void make_entries(void)
{
    size_t i;

    for (i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "k%lu", (unsigned long)i);
        keys[i].data = names[i];
        keys[i].len = strlen(names[i]);
        entries[i].key = entries[i].value = keys[i];
    }
}

static bool lives_on(const redis_cache *cache, const redis_cache_slice *key, const char *node)
{
    redis_cache_bytes where = DIRTY_BYTES;
    bool does = false;

    if (STATUS(OK, redis_cache_where(cache, key->data, key->len, &where)))
        does = strcmp(where.data, node) == 0;
    redis_cache_bytes_free(&where);
    return does;
}

/* The three nodes, and one that nobody listens for. */
static redis_cache *open_with_a_dead_node(const char *options)
{
    char url[600], all[300];

    relax(all, sizeof all, options);
    target_url(url, sizeof url, all);
    strncat(url, ",127.0.0.1:1?name=dead", sizeof url - strlen(url) - 1);
    return open_url(url);
}

static void a_node_that_is_down_fails_its_own_keys_only(void)
{
    redis_cache *cache = open_with_a_dead_node("prefix=down");
    redis_cache_results *results = NULL;
    uint64_t deleted = DIRTY_INT, expected = 0;
    int round;
    size_t i;

    make_entries();
    for (round = 0; round < 3; round++) {
        REQUIRE(STATUS(PARTIAL, redis_cache_set_many(cache, entries, COUNT, 60000, &results)));
        for (i = 0; i < COUNT; i++) {
            redis_cache_slice none = DIRTY_SLICE;
            redis_cache_status status = redis_cache_results_get(results, i, &none);
            bool is_dead = lives_on(cache, &keys[i], "dead");

            expected += round == 0 && !is_dead;
            CHECK(is_dead ? status == REDIS_CACHE_ERR_IO || status == REDIS_CACHE_ERR_UNAVAILABLE
                          : status == REDIS_CACHE_OK);
        }
        redis_cache_results_free(results);
        REQUIRE(STATUS(PARTIAL, redis_cache_get_many(cache, keys, COUNT, &results)));
        INT(COUNT, redis_cache_results_len(results));
        for (i = 0; i < COUNT; i++) {
            redis_cache_slice value = DIRTY_SLICE;
            redis_cache_status status = redis_cache_results_get(results, i, &value);

            if (lives_on(cache, &keys[i], "dead")) {
                CHECK(status == REDIS_CACHE_ERR_IO || status == REDIS_CACHE_ERR_UNAVAILABLE);
                SAYS("dead: ");
            } else if (INT(REDIS_CACHE_OK, status)) {
                DATA(names[i], strlen(names[i]), value.data, value.len);
            }
        }
        redis_cache_results_free(results);
    }
    CHECK(expected > COUNT / 2 && expected < COUNT);
    STATUS(PARTIAL, redis_cache_delete_many(cache, keys, COUNT, &deleted));
    INT(expected, deleted);
    CHECK(redis_cache_ping(cache) < 0);
    SAYS("dead: ");
    redis_cache_free(cache);
}

static void on_error_miss_hides_a_node_that_is_down(void)
{
    redis_cache *cache = open_with_a_dead_node("prefix=hidden&on_error=miss");
    redis_cache_results *results = NULL;
    size_t i;

    make_entries();
    STATUS(OK, redis_cache_set_many(cache, entries, COUNT, 60000, NULL));
    REQUIRE(STATUS(OK, redis_cache_get_many(cache, keys, COUNT, &results)));
    for (i = 0; i < COUNT; i++) {
        redis_cache_slice value = DIRTY_SLICE;
        redis_cache_status status = redis_cache_results_get(results, i, &value);

        INT(lives_on(cache, &keys[i], "dead") ? REDIS_CACHE_NOT_FOUND : REDIS_CACHE_OK, status);
    }
    redis_cache_results_free(results);
    CHECK(redis_cache_clear(cache, NULL, NULL) < 0);
    redis_cache_free(cache);
}

static redis_cache *open_nodes(int nodes)
{
    char url[600], all[300];

    relax(all, sizeof all, "prefix=moved");
    ring_url(url, sizeof url, nodes, all);
    return open_url(url);
}

static void a_new_node_gets_its_entries(void)
{
    redis_cache *two = open_nodes(2), *three = open_nodes(3);
    redis_cache_sweep sweep = { 0 };
    uint64_t misplaced = DIRTY_INT, moved = DIRTY_INT;
    size_t i;

    make_entries();
    STATUS(OK, redis_cache_set_many(two, entries, COUNT, 60000, NULL));
    sweep.size = sizeof sweep;
    sweep.dry_run = true;
    STATUS(OK, redis_cache_rebalance(three, &sweep, &misplaced));
    CHECK(misplaced > COUNT / 5 && misplaced < COUNT / 2);
    STATUS(OK, redis_cache_rebalance(three, NULL, &moved));
    INT(misplaced, moved);
    for (i = 0; i < COUNT; i++) {
        int64_t ttl = DIRTY_INT;

        GETS(three, names[i], names[i]);
        STATUS(OK, redis_cache_ttl(three, names[i], strlen(names[i]), &ttl));
        CHECK(ttl > 20000 && ttl <= 60000);
    }
    STATUS(OK, redis_cache_rebalance(three, NULL, &moved));
    INT(0, moved);
    STATUS(OK, redis_cache_rebalance(three, NULL, NULL));
    redis_cache_free(three);
    redis_cache_free(two);
}

static void a_rebalance_stops_and_goes_on(void)
{
    redis_cache *two = open_nodes(2), *three = open_nodes(3);
    redis_cache_bytes cursor = { 0 };
    redis_cache_sweep sweep = { 0 };
    uint64_t misplaced = DIRTY_INT, moved = 0, sum = 0;
    redis_cache_status status;

    make_entries();
    STATUS(OK, redis_cache_set_many(two, entries, COUNT, 60000, NULL));
    sweep.size = sizeof sweep;
    sweep.dry_run = true;
    STATUS(OK, redis_cache_rebalance(three, &sweep, &misplaced));
    sweep.dry_run = false;
    sweep.limit = 20;
    sweep.scan_count = 10;
    sweep.out_cursor = &cursor;
    do {
        redis_cache_bytes last = cursor;

        sweep.cursor = last.data;
        status = redis_cache_rebalance(three, &sweep, &moved);
        redis_cache_bytes_free(&last);
        CHECK(moved <= 20);
        sum += moved;
    } while (status == REDIS_CACHE_STOPPED);
    INT(REDIS_CACHE_OK, status);
    INT(misplaced, sum);
    redis_cache_free(three);
    redis_cache_free(two);
}

static void a_single_store_has_nothing_to_move(void)
{
    redis_cache *cache = open_cache("prefix=single");
    redis_cache_sweep sweep = { 0 };
    uint64_t moved = DIRTY_INT;

    make_entries();
    STATUS(OK, redis_cache_set_many(cache, entries, COUNT, 60000, NULL));
    STATUS(OK, redis_cache_rebalance(cache, NULL, &moved));
    INT(0, moved);
    GETS(cache, "k7", "k7");
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_rebalance(NULL, NULL, NULL));
    sweep.size = 1;
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_rebalance(cache, &sweep, &moved));
    redis_cache_free(cache);
}

void suite_ring(void)
{
    RUN(a_single_store_has_nothing_to_move);
    if (!on_ring())
        return;
    RUN(a_node_that_is_down_fails_its_own_keys_only);
    RUN(on_error_miss_hides_a_node_that_is_down);
    RUN(a_new_node_gets_its_entries);
    RUN(a_rebalance_stops_and_goes_on);
}
