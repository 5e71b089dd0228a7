/* The loader of the tests; see load.h. */
#include "load.h"

#include <pthread.h>

#include "fixture.h"

static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;

static void begin(struct load *job)
{
    pthread_mutex_lock(&counting);
    job->calls++;
    pthread_mutex_unlock(&counting);
    if (job->takes_ms != 0)
        sleep_ms(job->takes_ms);
}

void await_load(struct load *job)
{
    int64_t deadline = now_ms() + 20000;
    int calls;

    do {
        pthread_mutex_lock(&counting);
        calls = job->calls;
        pthread_mutex_unlock(&counting);
        if (calls == 0)
            sleep_ms(2);
    } while (calls == 0 && now_ms() < deadline);
    CHECK(calls != 0);
}

int32_t load_nothing(void *user_data, redis_cache_writer *out)
{
    begin(user_data);
    STATUS(OK, redis_cache_writer_set_absent(out, 50000));
    return 0;
}

int32_t load(void *user_data, redis_cache_writer *out)
{
    struct load *job = user_data;

    begin(job);
    if (job->fault != NULL) {
        redis_cache_writer_append(out, S("half a va"));
        redis_cache_writer_fail(out, job->fault);
        return 5;
    }
    if (job->ttl_ms != 0)
        STATUS(OK, redis_cache_writer_set_ttl(out, job->ttl_ms));
    STATUS(OK, redis_cache_writer_append(out, job->text, strlen(job->text)));
    return 0;
}

void check_or_set(int line, const redis_cache *cache, struct load *job, int64_t ttl_ms, const char *want)
{
    redis_cache_bytes bytes = DIRTY_BYTES;
    int status = (int)redis_cache_get_or_set(cache, S("key"), ttl_ms, load, job, &bytes);

    if (check_status(__FILE__, line, "get_or_set", status, REDIS_CACHE_OK)) {
        check_data(__FILE__, line, bytes.data, bytes.len, want, strlen(want));
        check_int(__FILE__, line, "the NUL behind it", bytes.data[bytes.len], 0);
    }
    redis_cache_bytes_free(&bytes);
}
