/* get_or_set_many: one call of the loader for what is missing, and what it may say about each key. */
#include "check.h"
#include "fixture.h"
#include "suites.h"

#include <pthread.h>
#include <stdio.h>

/* A loader of many, and what it was asked for. */
struct job {
    const redis_cache *cache;
    /* What it says of each key, by the key's first letter; then of itself. */
    const char *fault;
    size_t leaves_out; /* so many of the last values */
    bool ends_all;     /* writer_next also after the last */
    bool is_terse;     /* no writer_next after a key without a value */
    bool adds_one;
    int64_t takes_ms;
    /* What it saw. */
    int calls;
    size_t asked;
    char keys[400];
};

static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;

/* "a.." is absent, "s.." skipped, "t.." lives for 20 s, "e.." is empty, the rest is "value of KEY". */
static void make(const redis_cache_slice *key, redis_cache_writer *out)
{
    char value[64];
    int len = snprintf(value, sizeof value, "value of %.*s", (int)key->len, key->data);

    switch (key->data[0]) {
    case 'a':
        STATUS(OK, redis_cache_writer_append(out, S("dropped")));
        STATUS(OK, redis_cache_writer_set_absent(out, 30000));
        break;
    case 's':
        STATUS(OK, redis_cache_writer_append(out, S("dropped")));
        STATUS(OK, redis_cache_writer_skip(out));
        break;
    case 'e':
        STATUS(OK, redis_cache_writer_append(out, NULL, 0));
        break;
    default:
        if (key->data[0] == 't')
            STATUS(OK, redis_cache_writer_set_ttl(out, 20000));
        STATUS(OK, redis_cache_writer_append(out, value, 5));
        STATUS(OK, redis_cache_writer_append(out, value + 5, (size_t)len - 5));
    }
}

static int32_t load_many(void *user_data, const redis_cache_slice *missing, size_t count, redis_cache_writer *out)
{
    struct job *job = user_data;
    size_t i, kept = count - job->leaves_out;

    pthread_mutex_lock(&counting);
    job->calls++;
    job->asked += count;
    for (i = 0; i < count && strlen(job->keys) + missing[i].len + 2 < sizeof job->keys; i++) {
        strncat(job->keys, missing[i].data, missing[i].len);
        strcat(job->keys, " ");
    }
    pthread_mutex_unlock(&counting);
    if (job->takes_ms != 0)
        sleep_ms(job->takes_ms);
    for (i = 0; i < kept; i++) {
        make(&missing[i], out);
        if ((i + 1 < kept || job->ends_all) && !(job->is_terse && strchr("as", missing[i].data[0])))
            STATUS(OK, redis_cache_writer_next(out));
    }
    if (job->adds_one) {
        STATUS(OK, redis_cache_writer_next(out));
        STATUS(ERR_INVALID_ARGUMENT, redis_cache_writer_append(out, S("one more")));
        STATUS(ERR_INVALID_ARGUMENT, redis_cache_writer_next(out));
    }
    if (job->fault != NULL) {
        redis_cache_writer_fail(out, job->fault);
        return -3;
    }
    return 0;
}

static redis_cache_results *results;

static redis_cache_status compute(const redis_cache *cache, const redis_cache_slice *keys, size_t count, struct job *job)
{
    redis_cache_status status;

    results = (redis_cache_results *)1;
    job->keys[0] = '\0';
    job->calls = 0;
    status = redis_cache_get_or_set_many(cache, keys, count, 50000, load_many, job, &results);
    if (status != REDIS_CACHE_OK && status != REDIS_CACHE_PARTIAL)
        CHECK(results == NULL);
    else
        INT(count, redis_cache_results_len(results));
    return status;
}

/* Item `index` is this text; NULL: there is none. */
static void check_item(int line, size_t index, const char *text)
{
    redis_cache_slice item = DIRTY_SLICE;
    int status = (int)redis_cache_results_get(results, index, &item);

    check_status(__FILE__, line, "results_get", status, text == NULL ? REDIS_CACHE_NOT_FOUND : REDIS_CACHE_OK);
    if (text != NULL)
        check_data(__FILE__, line, item.data, item.len, text, strlen(text));
    else
        CLEAN_SLICE(item);
}
#define ITEM(index, text) check_item(__LINE__, index, text)
#define ASKED(job, want) DATA(want, strlen(want), (job).keys, strlen((job).keys))

static void what_is_missing_is_computed_in_one_call(void)
{
    static const redis_cache_slice keys[] = { SLICE("k1"), SLICE("there"), SLICE("k2"), SLICE("number"), SLICE("k3") };
    redis_cache *cache = open_cache(NULL);
    struct job job = { 0 };
    int64_t left = DIRTY_INT;
    int i;

    STATUS(OK, redis_cache_set(cache, S("there"), S("before"), 50000));
    STATUS(OK, redis_cache_set_int(cache, S("number"), 42, 50000));
    for (i = 0; i < 2; i++) {
        STATUS(OK, compute(cache, keys, 5, &job));
        ITEM(0, "value of k1");
        ITEM(1, "before");
        ITEM(2, "value of k2");
        ITEM(3, "42");
        ITEM(4, "value of k3");
        redis_cache_results_free(results);
        INT(i == 0, job.calls);
        ASKED(job, i == 0 ? "k1 k2 k3 " : "");
    }
    GETS(cache, "k2", "value of k2");
    STATUS(OK, redis_cache_ttl(cache, S("k2"), &left));
    CHECK(left > 40000 && left <= 50000);
    redis_cache_free(cache);
}

static void each_key_has_its_own_say(void)
{
    static const redis_cache_slice keys[] = { SLICE("empty"), SLICE("absent"), SLICE("timed"), SLICE("skipped") };
    redis_cache *cache = open_cache(NULL);
    struct job job = { 0 };
    int64_t left = DIRTY_INT;

    STATUS(OK, compute(cache, keys, 4, &job));
    ASKED(job, "empty absent timed skipped ");
    ITEM(0, "");
    ITEM(1, NULL);
    ITEM(2, "value of timed");
    ITEM(3, NULL);
    redis_cache_results_free(results);
    GETS(cache, "empty", "");
    MISSES(cache, "absent");
    STATUS(OK, redis_cache_ttl(cache, S("timed"), &left));
    CHECK(left > 10000 && left <= 20000);
    /* Absence is known now; what was skipped is asked for again, and at once. */
    job.ends_all = true;
    STATUS(OK, compute(cache, keys, 4, &job));
    ASKED(job, "skipped ");
    ITEM(1, NULL);
    ITEM(3, NULL);
    redis_cache_results_free(results);
    STATUS(NOT_FOUND, redis_cache_delete(cache, S("skipped")));
    STATUS(OK, redis_cache_delete(cache, S("absent")));
    /* A key without a value needs no writer_next. */
    STATUS(OK, redis_cache_delete(cache, S("timed")));
    job.is_terse = true;
    STATUS(OK, compute(cache, keys, 4, &job));
    ITEM(1, NULL);
    ITEM(2, "value of timed");
    ITEM(3, NULL);
    redis_cache_results_free(results);
    MISSES(cache, "absent");
    STATUS(OK, redis_cache_ttl(cache, S("timed"), &left)); /* it was said before a byte was appended */
    CHECK(left > 10000 && left <= 20000);
    redis_cache_free(cache);
}

static void a_wrong_count_of_values_is_an_error(void)
{
    static const redis_cache_slice keys[] = { SLICE("k1"), SLICE("k2"), SLICE("k3") };
    redis_cache *cache = open_cache("wait=0ms");
    struct job job = { 0 };

    for (job.leaves_out = 1; job.leaves_out <= 3; job.leaves_out++) {
        job.ends_all = job.leaves_out == 1;
        STATUS(ERR_CALLBACK, compute(cache, keys, 3, &job));
        SAYS("3 keys");
        SAYS(job.leaves_out == 1 ? "2 values" : job.leaves_out == 2 ? "1 values" : "0 values");
    }
    job.leaves_out = 0;
    job.ends_all = false;
    job.adds_one = true;
    STATUS(ERR_CALLBACK, compute(cache, keys, 3, &job));
    SAYS("more than 3");
    MISSES(cache, "k1");
    job.adds_one = false;
    STATUS(OK, compute(cache, keys, 3, &job));
    ASKED(job, "k1 k2 k3 ");
    ITEM(2, "value of k3");
    redis_cache_results_free(results);
    redis_cache_free(cache);
}

static void a_loader_that_fails_fails_what_is_missing(void)
{
    static const redis_cache_slice keys[] = { SLICE("k1"), SLICE("there"), SLICE("k2") };
    redis_cache *cache = open_cache("wait=0ms");
    redis_cache_slice item = DIRTY_SLICE;
    struct job job = { 0 };

    job.fault = "the database is on fire";
    STATUS(ERR_CALLBACK, compute(cache, keys, 3, &job));
    SAYS("the database is on fire");
    STATUS(OK, redis_cache_set(cache, S("there"), S("before"), 50000));
    STATUS(PARTIAL, compute(cache, keys, 3, &job));
    STATUS(ERR_CALLBACK, redis_cache_results_get(results, 0, &item));
    SAYS("the database is on fire");
    CLEAN_SLICE(item);
    ITEM(1, "before");
    STATUS(ERR_CALLBACK, redis_cache_results_get(results, 2, &item));
    redis_cache_results_free(results);
    MISSES(cache, "k1");
    job.fault = NULL;
    STATUS(OK, compute(cache, keys, 3, &job));
    ITEM(0, "value of k1");
    redis_cache_results_free(results);
    redis_cache_free(cache);
}

static void old_values_are_served_when_the_loader_fails(void)
{
    static const redis_cache_slice keys[] = { SLICE("k1"), SLICE("k2") };
    redis_cache *cache = open_cache("wait=0ms");
    redis_cache_slice item;
    struct job job = { 0 };

    STATUS(OK, redis_cache_set(cache, S("k1"), S("old"), 50000));
    STATUS(OK, redis_cache_expire_soft(cache, S("k1")));
    GOES(cache, "k1");
    job.fault = "no";
    STATUS(PARTIAL, compute(cache, keys, 2, &job));
    ASKED(job, "k1 k2 ");
    ITEM(0, "old");
    STATUS(ERR_CALLBACK, redis_cache_results_get(results, 1, &item));
    redis_cache_results_free(results);
    STATUS(OK, redis_cache_set(cache, S("k1"), S("old"), 50000));
    STATUS(OK, redis_cache_expire_soft(cache, S("k1")));
    GOES(cache, "k1");
    job.fault = NULL;
    STATUS(OK, compute(cache, keys, 2, &job));
    ITEM(0, "value of k1");
    ITEM(1, "value of k2");
    redis_cache_results_free(results);
    GETS(cache, "k1", "value of k1");
    redis_cache_free(cache);
}

static void a_bad_key_fails_alone_and_a_key_given_twice_is_computed_once(void)
{
    static const redis_cache_slice keys[] = { SLICE("k1"), SLICE(""), SLICE("nul\0k2"), SLICE("k1") };
    redis_cache *cache = open_cache(NULL);
    redis_cache_slice item = DIRTY_SLICE;
    redis_cache_bytes bytes = DIRTY_BYTES;
    struct job job = { 0 };

    STATUS(PARTIAL, compute(cache, keys, 4, &job));
    ITEM(0, "value of k1");
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_results_get(results, 1, &item));
    CLEAN_SLICE(item);
    ITEM(3, "value of k1");
    redis_cache_results_free(results);
    INT(1, job.calls);
    INT(2, job.asked);
    STATUS(OK, redis_cache_get(cache, S("nul\0k2"), &bytes));
    redis_cache_bytes_free(&bytes);
    redis_cache_free(cache);
}

static void keys_that_others_compute_are_waited_for_or_said_to_be_busy(void)
{
    static const redis_cache_slice keys[] = { SLICE("k1"), SLICE("k2") };
    redis_cache *busy = open_cache("wait=50ms&on_wait_timeout=busy"), *cache = open_cache("wait=50ms");
    redis_cache_lease *lease = NULL;
    redis_cache_bytes bytes;
    redis_cache_slice item = DIRTY_SLICE;
    struct job job = { 0 };

    STATUS(NOT_FOUND, redis_cache_lease_begin(cache, S("k1"), &bytes, &lease));
    REQUIRE(lease != NULL);
    STATUS(BUSY, compute(busy, keys, 1, &job));
    INT(0, job.calls);
    STATUS(PARTIAL, compute(busy, keys, 2, &job));
    ASKED(job, "k2 ");
    STATUS(BUSY, redis_cache_results_get(results, 0, &item));
    CLEAN_SLICE(item);
    ITEM(1, "value of k2");
    redis_cache_results_free(results);
    /* The default is to compute after all, and not to store. */
    STATUS(OK, compute(cache, keys, 2, &job));
    ASKED(job, "k1 ");
    ITEM(0, "value of k1");
    redis_cache_results_free(results);
    MISSES(cache, "k1");
    STATUS(OK, redis_cache_lease_fulfill(lease, S("fulfilled"), 50000));
    STATUS(OK, compute(busy, keys, 2, &job));
    INT(0, job.calls);
    ITEM(0, "fulfilled");
    redis_cache_results_free(results);
    redis_cache_free(cache);
    redis_cache_free(busy);
}

static void compute_together(int index, void *shared)
{
    static const redis_cache_slice keys[] = { SLICE("k0"), SLICE("k1"), SLICE("k2"), SLICE("k3"), SLICE("k4") };
    struct job *job = shared;
    redis_cache_slice mine[3], item;
    redis_cache_results *own = NULL;
    char text[32];
    int i;

    for (i = 0; i < 3; i++)
        mine[i] = keys[(index + i) % 5];
    if (!STATUS(OK, redis_cache_get_or_set_many(job->cache, mine, 3, 50000, load_many, job, &own)))
        return;
    for (i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "value of k%d", (index + i) % 5);
        STATUS(OK, redis_cache_results_get(own, (size_t)i, &item));
        DATA(text, strlen(text), item.data, item.len);
    }
    redis_cache_results_free(own);
}

static void ten_threads_compute_each_key_once(void)
{
    redis_cache *cache = open_cache("wait=30s&lease=30s");
    struct job job = { 0 };

    job.cache = cache;
    job.takes_ms = 100;
    on_threads(10, compute_together, &job);
    INT(5, job.asked);
    redis_cache_free(cache);
}

static int32_t renew_and_lose(void *user_data, const redis_cache_slice *missing, size_t count, redis_cache_writer *out)
{
    struct job *job = user_data;

    INT(2, count);
    STATUS(OK, redis_cache_writer_renew(out));
    STATUS(OK, redis_cache_delete(job->cache, missing[0].data, missing[0].len));
    STATUS(ERR_LOST, redis_cache_writer_renew(out));
    STATUS(OK, redis_cache_writer_append(out, S("lost")));
    STATUS(OK, redis_cache_writer_next(out));
    STATUS(OK, redis_cache_writer_append(out, S("kept")));
    return 0;
}

static void leases_are_renewed_together_and_lost_alone(void)
{
    static const redis_cache_slice keys[] = { SLICE("k1"), SLICE("k2") };
    redis_cache *cache = open_cache(NULL);
    struct job job = { 0 };

    job.cache = cache;
    STATUS(OK, redis_cache_get_or_set_many(cache, keys, 2, 50000, renew_and_lose, &job, &results));
    ITEM(0, "lost");
    ITEM(1, "kept");
    redis_cache_results_free(results);
    MISSES(cache, "k1");
    GETS(cache, "k2", "kept");
    redis_cache_free(cache);
}

static void nothing_to_compute_is_fine(void)
{
    redis_cache *cache = open_cache(NULL);
    struct job job = { 0 };

    STATUS(OK, compute(cache, NULL, 0, &job));
    redis_cache_results_free(results);
    INT(0, job.calls);
    redis_cache_free(cache);
}

static void a_plain_layout_computes_many_too(void)
{
    static const redis_cache_slice keys[] = { SLICE("k1"), SLICE("absent"), SLICE("skipped") };
    redis_cache *cache = open_cache("layout=plain");
    struct job job = { 0 };

    STATUS(OK, compute(cache, keys, 3, &job));
    ITEM(0, "value of k1");
    ITEM(1, NULL);
    ITEM(2, NULL);
    redis_cache_results_free(results);
    GETS(cache, "k1", "value of k1");
    MISSES(cache, "absent");
    redis_cache_free(cache);
}

void suite_compute_many(void)
{
    RUN(what_is_missing_is_computed_in_one_call);
    RUN(each_key_has_its_own_say);
    RUN(a_wrong_count_of_values_is_an_error);
    RUN(a_loader_that_fails_fails_what_is_missing);
    RUN(old_values_are_served_when_the_loader_fails);
    RUN(a_bad_key_fails_alone_and_a_key_given_twice_is_computed_once);
    RUN(keys_that_others_compute_are_waited_for_or_said_to_be_busy);
    RUN(ten_threads_compute_each_key_once);
    RUN(leases_are_renewed_together_and_lost_alone);
    RUN(nothing_to_compute_is_fine);
    RUN(a_plain_layout_computes_many_too);
}
