/* What needs no cache: versions, names of statuses, the error text of a thread, and freeing nothing. */
#include "check.h"
#include "fixture.h"
#include "suites.h"

#include <stdio.h>
#include <stdlib.h>

static const int32_t all_statuses[] = {
    REDIS_CACHE_OK,
    REDIS_CACHE_NOT_FOUND,
    REDIS_CACHE_EXISTS,
    REDIS_CACHE_STALE,
    REDIS_CACHE_BUSY,
    REDIS_CACHE_BUFFER_TOO_SMALL,
    REDIS_CACHE_PARTIAL,
    REDIS_CACHE_STOPPED,
    REDIS_CACHE_ERR_INVALID_ARGUMENT,
    REDIS_CACHE_ERR_CONFIG,
    REDIS_CACHE_ERR_IO,
    REDIS_CACHE_ERR_TIMEOUT,
    REDIS_CACHE_ERR_AUTH,
    REDIS_CACHE_ERR_SERVER,
    REDIS_CACHE_ERR_WRONG_TYPE,
    REDIS_CACHE_ERR_DECODE,
    REDIS_CACHE_ERR_UNAVAILABLE,
    REDIS_CACHE_ERR_LOST,
    REDIS_CACHE_ERR_CALLBACK,
    REDIS_CACHE_ERR_PANIC,
    REDIS_CACHE_ERR_UNSUPPORTED,
};
#define STATUSES (sizeof all_statuses / sizeof all_statuses[0])

static void statuses_have_the_values_of_the_contract(void)
{
    size_t i;

    for (i = 0; i <= 7; i++)
        INT(i, all_statuses[i]);
    for (i = 8; i < STATUSES; i++)
        INT(7 - (int64_t)i, all_statuses[i]);
    CHECK(sizeof(redis_cache_status) == sizeof(int32_t));
}

static void every_status_has_a_name_of_its_own(void)
{
    size_t i, j;

    for (i = 0; i < STATUSES; i++) {
        const char *name = redis_cache_status_name(all_statuses[i]);
        CHECK(name != NULL && *name != '\0');
        for (j = 0; j < i; j++)
            CHECK(strcmp(name, redis_cache_status_name(all_statuses[j])) != 0);
    }
    CHECK(strstr(redis_cache_status_name(REDIS_CACHE_NOT_FOUND), "NOT_FOUND") != NULL);
    CHECK(strstr(redis_cache_status_name(REDIS_CACHE_ERR_WRONG_TYPE), "ERR_WRONG_TYPE") != NULL);
}

static void a_number_that_is_no_status_has_a_name_too(void)
{
    static const int32_t strangers[] = { 8, 99, -14, -99, INT32_MAX, INT32_MIN };
    size_t i, j;

    for (i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        const char *name = redis_cache_status_name(strangers[i]);
        CHECK(name != NULL && *name != '\0');
        for (j = 0; j < STATUSES; j++)
            CHECK(strcmp(name, redis_cache_status_name(all_statuses[j])) != 0);
    }
}

static void macros_and_library_agree_on_the_version(void)
{
    char text[64];

    snprintf(text, sizeof text, "%d.%d.%d", REDIS_CACHE_VERSION_MAJOR, REDIS_CACHE_VERSION_MINOR,
             REDIS_CACHE_VERSION_PATCH);
    CHECK(strcmp(text, redis_cache_version()) == 0);
    INT(REDIS_CACHE_VERSION_NUMBER, redis_cache_version_number());
    CHECK(REDIS_CACHE_VERSION_NUMBER > 0);
}

static void ttl_macros_are_the_ends_of_the_range(void)
{
    CHECK(REDIS_CACHE_TTL_DEFAULT == INT64_MIN);
    CHECK(REDIS_CACHE_TTL_FOREVER == INT64_MAX);
}

static void freeing_nothing_is_allowed(void)
{
    redis_cache_bytes empty = { NULL, 0, 0 };

    redis_cache_bytes_free(NULL);
    redis_cache_bytes_free(&empty);
    redis_cache_bytes_free(&empty);
    redis_cache_free(NULL);
    redis_cache_config_free(NULL);
    redis_cache_results_free(NULL);
    redis_cache_keys_free(NULL);
    redis_cache_writer_fail(NULL, "nobody hears this");
    redis_cache_stats_reset(NULL);
}

static void freed_bytes_are_empty(void)
{
    redis_cache *cache = open_cache(NULL);
    redis_cache_bytes bytes = DIRTY_BYTES;

    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 1000));
    STATUS(OK, redis_cache_get(cache, S("key"), &bytes));
    INT(0, bytes.data[bytes.len]);
    redis_cache_bytes_free(&bytes);
    CLEAN_BYTES(bytes);
    redis_cache_free(cache);
}

static void look_at_errors(int index, void *shared)
{
    redis_cache *none = NULL;
    char *mine = shared;

    (void)index;
    CHECK(redis_cache_last_error() != NULL);
    CHECK(strcmp(redis_cache_last_error(), "") == 0);
    STATUS(ERR_CONFIG, redis_cache_open("nosuchscheme://host", &none));
    CHECK(*redis_cache_last_error() != '\0');
    snprintf(mine, 512, "%s", redis_cache_last_error());
}

static void the_error_text_belongs_to_its_thread(void)
{
    char theirs[512] = "", ours[512];

    STATUS(ERR_INVALID_ARGUMENT, redis_cache_ping(NULL));
    snprintf(ours, sizeof ours, "%s", redis_cache_last_error());
    on_threads(1, look_at_errors, theirs);
    CHECK(strcmp(ours, redis_cache_last_error()) == 0);
    CHECK(strcmp(ours, theirs) != 0);
}

static void the_error_text_is_kept_until_the_next_failure(void)
{
    redis_cache *cache = open_cache(NULL), *none = NULL;
    redis_cache_bytes bytes;
    char before[512];

    STATUS(ERR_CONFIG, redis_cache_open("redis://127.0.0.1?nosuchoption=1", &none));
    SAYS("nosuchoption");
    snprintf(before, sizeof before, "%s", redis_cache_last_error());
    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 1000));
    STATUS(NOT_FOUND, redis_cache_get(cache, S("other"), &bytes));
    STATUS(EXISTS, redis_cache_add(cache, S("key"), S("value"), 1000));
    CHECK(strcmp(before, redis_cache_last_error()) == 0);
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_delete(cache, S("")));
    CHECK(strcmp(before, redis_cache_last_error()) != 0);
    redis_cache_free(cache);
}

static void the_error_text_can_be_copied(void)
{
    redis_cache *none = NULL;
    char all[600], some[8];
    size_t len;

    STATUS(ERR_CONFIG, redis_cache_open("redis://127.0.0.1?nosuchoption=1", &none));
    len = strlen(redis_cache_last_error());
    CHECK(len > 0 && len < 512);
    INT(len, redis_cache_last_error_copy(all, sizeof all));
    CHECK(strcmp(all, redis_cache_last_error()) == 0);
    INT(len, redis_cache_last_error_copy(NULL, 0));
    memset(some, 'x', sizeof some);
    INT(len, redis_cache_last_error_copy(some, sizeof some));
    CHECK(memcmp(some, all, sizeof some - 1) == 0 && some[sizeof some - 1] == '\0');
    some[0] = 'x';
    INT(len, redis_cache_last_error_copy(some, 1));
    INT('\0', some[0]);
    INT(len, redis_cache_last_error_copy(some, 0));
}

static void a_long_error_text_is_cut_at_512_bytes(void)
{
    enum { LONG = 4000 };
    char *name = must_alloc(LONG + 1);
    redis_cache_config *config = redis_cache_config_new();

    memset(name, 'n', LONG);
    name[LONG] = '\0';
    STATUS(ERR_CONFIG, redis_cache_config_set(config, name, "1"));
    CHECK(strlen(redis_cache_last_error()) < 512);
    CHECK(*redis_cache_last_error() != '\0');
    redis_cache_config_free(config);
    free(name);
}

void suite_library(void)
{
    RUN(statuses_have_the_values_of_the_contract);
    RUN(every_status_has_a_name_of_its_own);
    RUN(a_number_that_is_no_status_has_a_name_too);
    RUN(macros_and_library_agree_on_the_version);
    RUN(ttl_macros_are_the_ends_of_the_range);
    RUN(freeing_nothing_is_allowed);
    RUN(freed_bytes_are_empty);
    RUN(the_error_text_belongs_to_its_thread);
    RUN(the_error_text_is_kept_until_the_next_failure);
    RUN(the_error_text_can_be_copied);
    RUN(a_long_error_text_is_cut_at_512_bytes);
}
