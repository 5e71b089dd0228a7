/* "Known to be absent": a loader's finding that there is nothing, kept like a value, and what other calls make of it. */
#include "check.h"
#include "fixture.h"
#include "load.h"
#include "suites.h"

/* A loader that finds nothing. */
struct search {
    int64_t ttl_ms;
    int calls;
};

static int32_t find_nothing(void *user_data, redis_cache_writer *out)
{
    struct search *search = user_data;

    search->calls++;
    STATUS(OK, redis_cache_writer_append(out, S("what was begun")));
    STATUS(OK, redis_cache_writer_set_absent(out, search->ttl_ms));
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_writer_append(out, S("more")));
    return 0;
}

static void search_key(const redis_cache *cache, struct search *search)
{
    redis_cache_bytes bytes = DIRTY_BYTES;

    STATUS(NOT_FOUND, redis_cache_get_or_set(cache, S("key"), 50000, find_nothing, search, &bytes));
    CLEAN_BYTES(bytes);
}

static void absence_is_found_once_and_kept(void)
{
    redis_cache *cache = open_cache(NULL);
    struct search search = { 50000, 0 };
    struct load job = { 0 };
    redis_cache_bytes bytes = DIRTY_BYTES;

    search_key(cache, &search);
    search_key(cache, &search);
    INT(1, search.calls);
    job.text = "never";
    STATUS(NOT_FOUND, redis_cache_get_or_set(cache, S("key"), 50000, load, &job, &bytes));
    INT(0, job.calls);
    CLEAN_BYTES(bytes);
    redis_cache_free(cache);
}

static void to_reads_it_is_not_there(void)
{
    static const redis_cache_slice keys[] = { SLICE("key"), SLICE("other") };
    redis_cache *cache = open_cache(NULL);
    struct search search = { 50000, 0 };
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_results *results = NULL;
    redis_cache_slice item = DIRTY_SLICE;
    redis_cache_lease *lease = (redis_cache_lease *)1;
    int64_t number = DIRTY_INT;
    char room[8];
    size_t len = DIRTY_INT;

    search_key(cache, &search);
    STATUS(OK, redis_cache_set(cache, S("other"), S("value"), 50000));
    STATUS(NOT_FOUND, redis_cache_get(cache, S("key"), &bytes));
    STATUS(NOT_FOUND, redis_cache_get_into(cache, S("key"), room, sizeof room, &len));
    STATUS(NOT_FOUND, redis_cache_get_stale(cache, S("key"), &bytes));
    STATUS(NOT_FOUND, redis_cache_get_int(cache, S("key"), &number));
    STATUS(NOT_FOUND, redis_cache_has_key(cache, S("key")));
    STATUS(NOT_FOUND, redis_cache_ttl(cache, S("key"), &number));
    STATUS(NOT_FOUND, redis_cache_incr(cache, S("key"), 1, &number));
    STATUS(NOT_FOUND, redis_cache_touch(cache, S("key"), 50000));
    STATUS(NOT_FOUND, redis_cache_persist(cache, S("key")));
    if (STATUS(OK, redis_cache_get_many(cache, keys, 2, &results))) {
        STATUS(NOT_FOUND, redis_cache_results_get(results, 0, &item));
        STATUS(OK, redis_cache_results_get(results, 1, &item));
        DATA("value", 5, item.data, item.len);
    }
    redis_cache_results_free(results);
    STATUS(NOT_FOUND, redis_cache_lease_begin(cache, S("key"), &bytes, &lease));
    CHECK(lease == NULL);
    CLEAN_BYTES(bytes);
    search_key(cache, &search);
    INT(1, search.calls);
    redis_cache_free(cache);
}

static void a_value_takes_its_place(void)
{
    redis_cache *cache = open_cache(NULL);
    struct search search = { 50000, 0 };
    int64_t number = DIRTY_INT;

    search_key(cache, &search);
    STATUS(OK, redis_cache_add(cache, S("key"), S("added"), 50000));
    STATUS(EXISTS, redis_cache_add(cache, S("key"), S("again"), 50000));
    GETS(cache, "key", "added");
    STATUS(OK, redis_cache_delete(cache, S("key")));
    search_key(cache, &search);
    STATUS(OK, redis_cache_set(cache, S("key"), S("set"), 50000));
    GETS(cache, "key", "set");
    STATUS(OK, redis_cache_delete(cache, S("key")));
    search_key(cache, &search);
    STATUS(OK, redis_cache_incr_or_create(cache, S("key"), 1, 40, 50000, &number));
    INT(40, number);
    STATUS(OK, redis_cache_delete(cache, S("key")));
    search_key(cache, &search);
    STATUS(OK, redis_cache_delete(cache, S("key"))); /* of absence too */
    search_key(cache, &search);
    INT(5, search.calls);
    redis_cache_free(cache);
}

static void it_lives_as_long_as_its_finder_says(void)
{
    redis_cache *cache = open_cache("stale=1m");
    struct search search = { 100, 0 };
    struct load job = { 0 };
    redis_cache_bytes bytes = DIRTY_BYTES;
    int64_t deadline = now_ms() + 10000;

    search_key(cache, &search);
    job.text = "found at last";
    while (redis_cache_get_or_set(cache, S("key"), 50000, load, &job, &bytes) == REDIS_CACHE_NOT_FOUND &&
           now_ms() < deadline)
        sleep_ms(10);
    DATA("found at last", 13, bytes.data, bytes.len);
    redis_cache_bytes_free(&bytes);
    INT(1, job.calls);
    STATUS(OK, redis_cache_delete(cache, S("key")));
    search.ttl_ms = 0;
    search_key(cache, &search);
    search_key(cache, &search);
    INT(3, search.calls);
    search.ttl_ms = REDIS_CACHE_TTL_FOREVER;
    search_key(cache, &search);
    search.ttl_ms = 100;
    search_key(cache, &search);
    INT(4, search.calls);
    redis_cache_free(cache);
}

static void search_together(int index, void *shared)
{
    struct load *job = shared;
    redis_cache_bytes bytes = DIRTY_BYTES;

    (void)index;
    STATUS(NOT_FOUND, redis_cache_get_or_set(job->cache, S("key"), 50000, load_nothing, job, &bytes));
    CLEAN_BYTES(bytes);
}

static void ten_threads_search_once(void)
{
    redis_cache *cache = open_cache(NULL);
    struct load job = { 0 };

    job.cache = cache;
    job.takes_ms = 150;
    on_threads(10, search_together, &job);
    INT(1, job.calls);
    redis_cache_free(cache);
}

static void a_plain_layout_has_no_room_for_it(void)
{
    redis_cache *cache = open_cache("layout=plain");
    struct search search = { 50000, 0 };

    search_key(cache, &search);
    search_key(cache, &search);
    INT(2, search.calls);
    STATUS(NOT_FOUND, redis_cache_has_key(cache, S("key")));
    redis_cache_free(cache);
}

void suite_absent(void)
{
    RUN(absence_is_found_once_and_kept);
    RUN(to_reads_it_is_not_there);
    RUN(a_value_takes_its_place);
    RUN(it_lives_as_long_as_its_finder_says);
    RUN(ten_threads_search_once);
    RUN(a_plain_layout_has_no_room_for_it);
}
