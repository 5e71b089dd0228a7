/* Counting and telling of checks; see check.h. */
#include "check.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "fixture.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *running = "(no test)";
static unsigned failures, tests_passed, tests_failed;

void check_run(const char *name, void (*test)(void))
{
    running = name;
    failures = 0;
    fixture_empty();
    test();
    if (failures == 0)
        tests_passed++;
    else
        tests_failed++;
}

void check_failed(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    pthread_mutex_lock(&lock);
    failures++;
    fprintf(stderr, "%s:%d: %s: ", file, line, running);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    pthread_mutex_unlock(&lock);
}

unsigned check_failures(void)
{
    return failures;
}

int check_report(void)
{
    printf("%u passed, %u failed\n", tests_passed, tests_failed);
    return tests_failed == 0 && tests_passed != 0 ? 0 : 1;
}

bool check_status(const char *file, int line, const char *call, int got, int want)
{
    if (got == want)
        return true;
    check_failed(file, line, "%s: got %s, want %s%s%s", call, redis_cache_status_name(got),
                 redis_cache_status_name(want), got < 0 ? "; " : "", got < 0 ? redis_cache_last_error() : "");
    return false;
}

bool check_int(const char *file, int line, const char *what, int64_t got, int64_t want)
{
    if (got == want)
        return true;
    check_failed(file, line, "%s: got %lld, want %lld", what, (long long)got, (long long)want);
    return false;
}

bool check_data(const char *file, int line, const void *got, size_t got_len, const void *want, size_t want_len)
{
    if (got_len == want_len && (got_len == 0 || memcmp(got, want, got_len) == 0))
        return true;
    check_failed(file, line, "got %lu bytes \"%.*s\", want %lu bytes \"%.*s\"", (unsigned long)got_len,
                 got_len > 60 ? 60 : (int)got_len, got_len == 0 ? "" : (const char *)got, (unsigned long)want_len,
                 want_len > 60 ? 60 : (int)want_len, want_len == 0 ? "" : (const char *)want);
    return false;
}

bool check_text(const char *file, int line, const char *text, const char *part)
{
    if (text != NULL && strstr(text, part) != NULL)
        return true;
    check_failed(file, line, "\"%s\" does not say \"%s\"", text == NULL ? "(null)" : text, part);
    return false;
}

void check_goes(const char *file, int line, const redis_cache *cache, const char *key)
{
    int64_t deadline = now_ms() + 10000;
    int status;

    do {
        status = (int)redis_cache_has_key(cache, key, strlen(key));
        if (status == (int)REDIS_CACHE_OK)
            sleep_ms(2);
    } while (status == (int)REDIS_CACHE_OK && now_ms() < deadline);
    check_status(file, line, key, status, REDIS_CACHE_NOT_FOUND);
}

bool check_get(const char *file, int line, const redis_cache *cache, const char *key, const void *want, size_t len)
{
    redis_cache_bytes got = DIRTY_BYTES;
    bool fine = check_status(file, line, key, (int)redis_cache_get(cache, key, strlen(key), &got), REDIS_CACHE_OK);

    if (fine)
        fine = check_data(file, line, got.data, got.len, want, len);
    redis_cache_bytes_free(&got);
    return fine;
}
