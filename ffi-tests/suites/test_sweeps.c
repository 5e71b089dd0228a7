/* Sweeps as bounded jobs: limits, cursors that lose nothing, dry runs, progress, and a struct that is checked. */
#include "check.h"
#include "fixture.h"
#include "suites.h"

#include <stdio.h>

enum { COUNT = 1000 };

/* Keys "k0".."k999", and one that no pattern here means. */
static redis_cache *open_filled(const char *options)
{
    redis_cache *cache = open_cache(options);
    static char names[COUNT][8];
    static redis_cache_entry entries[COUNT];
    size_t i;

    for (i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "k%lu", (unsigned long)i);
        entries[i].key.data = names[i];
        entries[i].key.len = strlen(names[i]);
        entries[i].value = entries[i].key;
    }
    STATUS(OK, redis_cache_set_many(cache, entries, COUNT, 60000, NULL));
    STATUS(OK, redis_cache_set(cache, S("other"), S("stays"), 60000));
    return cache;
}

static uint64_t keys_left(const redis_cache *cache)
{
    redis_cache_sweep sweep = { 0 };
    uint64_t count = DIRTY_INT;

    sweep.size = sizeof sweep;
    sweep.dry_run = true;
    STATUS(OK, redis_cache_delete_pattern(cache, S("k*"), &sweep, &count));
    return count;
}

static void a_sweep_of_zeroes_is_the_default(void)
{
    redis_cache *cache = open_filled("prefix=zero");
    redis_cache_sweep sweep = { 0 };
    uint64_t count = DIRTY_INT;

    sweep.size = sizeof sweep;
    STATUS(OK, redis_cache_delete_pattern(cache, S("k*"), &sweep, &count));
    INT(COUNT, count);
    GETS(cache, "other", "stays");
    redis_cache_free(cache);
}

static void a_dry_run_counts_and_changes_nothing(void)
{
    redis_cache *cache = open_filled("prefix=dry");
    redis_cache_sweep sweep = { 0 };
    uint64_t count = DIRTY_INT;

    sweep.size = sizeof sweep;
    sweep.dry_run = true;
    STATUS(OK, redis_cache_delete_pattern(cache, S("k*"), &sweep, &count));
    CHECK(count >= COUNT); /* SCAN may show a key twice */
    CHECK(count < 2 * COUNT);
    STATUS(OK, redis_cache_clear(cache, &sweep, &count));
    CHECK(count >= COUNT + 1);
    STATUS(OK, redis_cache_clear_version(cache, 1, &sweep, &count));
    CHECK(count >= COUNT + 1);
    STATUS(OK, redis_cache_delete_pattern(cache, S("k*"), NULL, &count));
    INT(COUNT, count);
    redis_cache_free(cache);
}

/* Which of the three sweeps a test runs. */
enum kind { PATTERN, CLEAR, VERSION };

static redis_cache_status run(enum kind kind, const redis_cache *cache, const redis_cache_sweep *sweep, uint64_t *count)
{
    switch (kind) {
    case PATTERN:
        return redis_cache_delete_pattern(cache, S("k*"), sweep, count);
    case CLEAR:
        return redis_cache_clear(cache, sweep, count);
    default:
        return redis_cache_clear_version(cache, 1, sweep, count);
    }
}

/* Deletes in pieces until it is done; every key is deleted once. */
static void sweep_in_pieces(enum kind kind, uint64_t limit, uint32_t scan_count, uint32_t batch)
{
    redis_cache *cache = open_filled("prefix=pieces");
    redis_cache_bytes cursor = { NULL, 0, 0 };
    redis_cache_sweep sweep = { 0 };
    redis_cache_status status;
    uint64_t total = 0, count;
    int rounds = 0;

    sweep.size = sizeof sweep;
    sweep.limit = limit;
    sweep.scan_count = scan_count;
    sweep.batch = batch;
    do {
        redis_cache_bytes next = DIRTY_BYTES;

        sweep.cursor = cursor.data;
        sweep.out_cursor = &next;
        count = DIRTY_INT;
        status = run(kind, cache, &sweep, &count);
        CHECK(count <= limit);
        total += count;
        if (status == REDIS_CACHE_STOPPED) {
            CHECK(next.data != NULL && next.len > 0 && strlen(next.data) == next.len);
        } else {
            STATUS(OK, status);
            CLEAN_BYTES(next);
        }
        redis_cache_bytes_free(&cursor);
        cursor = next;
    } while (status == REDIS_CACHE_STOPPED && ++rounds < 5 * COUNT);
    redis_cache_bytes_free(&cursor);
    INT(kind == PATTERN ? COUNT : COUNT + 1, total);
    CHECK(rounds >= (int)(COUNT / limit) - 1);
    INT(0, keys_left(cache));
    redis_cache_free(cache);
}

static void a_cursor_goes_on_where_the_limit_stopped(void)
{
    sweep_in_pieces(PATTERN, 100, 0, 0);
    sweep_in_pieces(PATTERN, 100, 10, 7);
    sweep_in_pieces(PATTERN, 333, 100, 1000);
    sweep_in_pieces(CLEAR, 170, 50, 0);
    sweep_in_pieces(VERSION, 999, 0, 10);
    if (!small_run())
        sweep_in_pieces(PATTERN, 1, 100, 1);
}

static void a_limit_that_is_not_reached_is_no_stop(void)
{
    redis_cache *cache = open_filled("prefix=enough");
    redis_cache_bytes cursor = DIRTY_BYTES;
    redis_cache_sweep sweep = { 0 };
    uint64_t count = DIRTY_INT;

    sweep.size = sizeof sweep;
    sweep.limit = COUNT + 1;
    sweep.out_cursor = &cursor;
    STATUS(OK, redis_cache_delete_pattern(cache, S("k*"), &sweep, &count));
    INT(COUNT, count);
    CLEAN_BYTES(cursor);
    redis_cache_free(cache);
}

static void a_stopped_sweep_needs_no_place_for_its_cursor(void)
{
    redis_cache *cache = open_filled("prefix=noplace");
    redis_cache_sweep sweep = { 0 };

    sweep.size = sizeof sweep;
    sweep.limit = 10;
    STATUS(STOPPED, redis_cache_delete_pattern(cache, S("k*"), &sweep, NULL));
    CHECK(keys_left(cache) >= COUNT - 10);
    redis_cache_free(cache);
}

struct watch {
    const redis_cache *cache;
    uint64_t scanned, matched, changed, stop_at;
    double fraction;
    int calls;
};

static int32_t watch(void *user_data, uint64_t scanned, uint64_t matched, uint64_t changed, double fraction)
{
    struct watch *seen = user_data;

    CHECK(scanned >= seen->scanned && matched >= seen->matched && changed >= seen->changed);
    CHECK(scanned >= matched && matched >= changed);
    CHECK(fraction >= 0.0 && fraction <= 1.0);
    seen->scanned = scanned;
    seen->matched = matched;
    seen->changed = changed;
    seen->fraction = fraction;
    seen->calls++;
    /* A callback may call the library again. */
    STATUS(OK, redis_cache_has_key(seen->cache, S("other")));
    return seen->stop_at != 0 && changed >= seen->stop_at ? 1 : 0;
}

static void progress_is_told_and_only_grows(void)
{
    redis_cache *cache = open_filled("prefix=watched");
    struct watch seen = { 0 };
    redis_cache_sweep sweep = { 0 };
    uint64_t count = DIRTY_INT;

    seen.cache = cache;
    sweep.size = sizeof sweep;
    sweep.scan_count = 50;
    sweep.progress = watch;
    sweep.user_data = &seen;
    STATUS(OK, redis_cache_delete_pattern(cache, S("k*"), &sweep, &count));
    INT(COUNT, count);
    INT(COUNT, seen.changed);
    CHECK(seen.calls > 1);
    CHECK(seen.scanned >= COUNT);
    redis_cache_free(cache);
}

static void progress_may_stop_and_the_cursor_goes_on(void)
{
    redis_cache *cache = open_filled("prefix=halted");
    struct watch seen = { 0 };
    redis_cache_bytes cursor = DIRTY_BYTES;
    redis_cache_sweep sweep = { 0 };
    uint64_t first = DIRTY_INT, rest = DIRTY_INT;

    seen.cache = cache;
    seen.stop_at = 1;
    sweep.size = sizeof sweep;
    sweep.scan_count = 50;
    sweep.batch = 20;
    sweep.progress = watch;
    sweep.user_data = &seen;
    sweep.out_cursor = &cursor;
    STATUS(STOPPED, redis_cache_delete_pattern(cache, S("k*"), &sweep, &first));
    CHECK(first >= 1 && first < COUNT);
    INT(first, seen.changed);
    REQUIRE(cursor.data != NULL);
    sweep.progress = NULL;
    sweep.out_cursor = NULL;
    sweep.cursor = cursor.data;
    STATUS(OK, redis_cache_delete_pattern(cache, S("k*"), &sweep, &rest));
    INT(COUNT, first + rest);
    redis_cache_bytes_free(&cursor);
    redis_cache_free(cache);
}

static int32_t dawdle(void *user_data, uint64_t scanned, uint64_t matched, uint64_t changed, double fraction)
{
    (void)user_data;
    (void)scanned;
    (void)matched;
    (void)changed;
    (void)fraction;
    sleep_ms(30);
    return 0;
}

static void a_time_budget_stops_and_the_cursor_goes_on(void)
{
    redis_cache *cache = open_filled("prefix=timed");
    redis_cache_bytes cursor = DIRTY_BYTES;
    redis_cache_sweep sweep = { 0 };
    uint64_t first = DIRTY_INT, rest = DIRTY_INT;
    int64_t begun = now_ms();

    sweep.size = sizeof sweep;
    sweep.time_ms = 20;
    sweep.scan_count = 10;
    sweep.batch = 10;
    sweep.progress = dawdle;
    sweep.out_cursor = &cursor;
    STATUS(STOPPED, redis_cache_delete_pattern(cache, S("k*"), &sweep, &first));
    CHECK(now_ms() - begun < 15000);
    CHECK(first < COUNT);
    REQUIRE(cursor.data != NULL);
    sweep.time_ms = 0;
    sweep.progress = NULL;
    sweep.out_cursor = NULL;
    sweep.cursor = cursor.data;
    STATUS(OK, redis_cache_delete_pattern(cache, S("k*"), &sweep, &rest));
    INT(COUNT, first + rest);
    redis_cache_bytes_free(&cursor);
    redis_cache_free(cache);
}

static void old_and_new_cursor_may_be_one_place(void)
{
    redis_cache *cache = open_filled("prefix=oneplace");
    redis_cache_bytes cursor = { NULL, 0, 0 };
    redis_cache_sweep sweep = { 0 };
    char text[256];

    sweep.size = sizeof sweep;
    sweep.limit = 300;
    sweep.out_cursor = &cursor;
    STATUS(STOPPED, redis_cache_delete_pattern(cache, S("k*"), &sweep, NULL));
    REQUIRE(cursor.data != NULL && cursor.len < sizeof text);
    snprintf(text, sizeof text, "%s", cursor.data);
    redis_cache_bytes_free(&cursor);
    sweep.cursor = text;
    sweep.limit = 0;
    STATUS(OK, redis_cache_delete_pattern(cache, S("k*"), &sweep, NULL));
    CLEAN_BYTES(cursor);
    INT(0, keys_left(cache));
    redis_cache_free(cache);
}

static void a_cursor_that_is_none_is_refused(void)
{
    static const char *const cursors[] = { "not a cursor", "-1", "12345:nowhere:9", "\xff" };
    redis_cache *cache = open_filled("prefix=nonsense");
    redis_cache_sweep sweep = { 0 };
    uint64_t count;
    size_t i;

    sweep.size = sizeof sweep;
    for (i = 0; i < sizeof cursors / sizeof cursors[0]; i++) {
        count = DIRTY_INT;
        sweep.cursor = cursors[i];
        if (!STATUS(ERR_INVALID_ARGUMENT, redis_cache_delete_pattern(cache, S("k*"), &sweep, &count)))
            printf("with the cursor %s\n", cursors[i]);
        INT(0, count);
    }
    INT(COUNT, keys_left(cache));
    redis_cache_free(cache);
}

static void a_sweep_of_no_size_is_refused(void)
{
    redis_cache *cache = open_filled("prefix=size");
    redis_cache_sweep sweep = { 0 };
    uint64_t count = DIRTY_INT;

    STATUS(ERR_INVALID_ARGUMENT, redis_cache_delete_pattern(cache, S("k*"), &sweep, &count));
    INT(0, count);
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_clear(cache, &sweep, &count));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_clear_version(cache, 1, &sweep, &count));
    INT(COUNT, keys_left(cache));
    redis_cache_free(cache);
}

void suite_sweeps(void)
{
    RUN(a_sweep_of_zeroes_is_the_default);
    RUN(a_dry_run_counts_and_changes_nothing);
    RUN(a_cursor_goes_on_where_the_limit_stopped);
    RUN(a_limit_that_is_not_reached_is_no_stop);
    RUN(a_stopped_sweep_needs_no_place_for_its_cursor);
    RUN(progress_is_told_and_only_grows);
    RUN(progress_may_stop_and_the_cursor_goes_on);
    RUN(a_time_budget_stops_and_the_cursor_goes_on);
    RUN(old_and_new_cursor_may_be_one_place);
    RUN(a_cursor_that_is_none_is_refused);
    RUN(a_sweep_of_no_size_is_refused);
}
