/* Integers: set_int, get_int, incr, decr and incr_or_create, to the last bit and over every edge. */
#include "check.h"
#include "fixture.h"
#include "raw.h"
#include "suites.h"

#define NUMBER(want, call) (number = DIRTY_INT, STATUS(OK, call), INT(want, number))
#define FAILS(want, call) (number = DIRTY_INT, STATUS(want, call), INT(0, number))

static int64_t number;

static void integers_of_every_size_are_kept_exactly(void)
{
    static const int64_t values[] = { 0, 1, -1, 9, 10, -10, 12345, 9007199254740993, -9007199254740993,
                                      INT64_MAX - 1, INT64_MAX, INT64_MIN + 1, INT64_MIN };
    redis_cache *cache = open_cache(NULL);
    size_t i;

    for (i = 0; i < sizeof values / sizeof values[0]; i++) {
        STATUS(OK, redis_cache_set_int(cache, S("n"), values[i], 5000));
        NUMBER(values[i], redis_cache_get_int(cache, S("n"), &number));
        NUMBER(values[i], redis_cache_incr(cache, S("n"), 0, &number));
    }
    redis_cache_free(cache);
}

static void an_integer_is_its_digits_to_everybody_else(void)
{
    redis_cache *cache = open_cache(NULL);

    STATUS(OK, redis_cache_set_int(cache, S("n"), -42, 5000));
    GETS(cache, "n", "-42");
    STATUS(OK, redis_cache_set_int(cache, S("n"), 0, 5000));
    GETS(cache, "n", "0");
    STATUS(OK, redis_cache_set_int(cache, S("n"), INT64_MIN, 5000));
    GETS(cache, "n", "-9223372036854775808");
    redis_cache_free(cache);
}

static void incr_and_decr_count(void)
{
    redis_cache *cache = open_cache(NULL);

    STATUS(OK, redis_cache_set_int(cache, S("n"), 10, 5000));
    NUMBER(11, redis_cache_incr(cache, S("n"), 1, &number));
    NUMBER(5, redis_cache_incr(cache, S("n"), -6, &number));
    NUMBER(2, redis_cache_decr(cache, S("n"), 3, &number));
    NUMBER(9, redis_cache_decr(cache, S("n"), -7, &number));
    NUMBER(9, redis_cache_decr(cache, S("n"), 0, &number));
    NUMBER(-1, redis_cache_decr(cache, S("n"), 10, &number));
    NUMBER(-1, redis_cache_get_int(cache, S("n"), &number));
    redis_cache_free(cache);
}

static void counting_is_exact_beyond_doubles(void)
{
    redis_cache *cache = open_cache(NULL);

    STATUS(OK, redis_cache_set_int(cache, S("n"), 9007199254740992, 5000));
    NUMBER(9007199254740993, redis_cache_incr(cache, S("n"), 1, &number));
    NUMBER(9007199254740992, redis_cache_decr(cache, S("n"), 1, &number));
    STATUS(OK, redis_cache_set_int(cache, S("n"), INT64_MAX - 3, 5000));
    NUMBER(INT64_MAX - 2, redis_cache_incr(cache, S("n"), 1, &number));
    NUMBER(INT64_MAX - 1, redis_cache_incr_or_create(cache, S("n"), 1, 0, 5000, &number));
    STATUS(OK, redis_cache_set_int(cache, S("n"), 0, 5000));
    NUMBER(INT64_MIN, redis_cache_incr(cache, S("n"), INT64_MIN, &number));
    NUMBER(-1, redis_cache_incr(cache, S("n"), INT64_MAX, &number));
    NUMBER(INT64_MIN, redis_cache_decr(cache, S("n"), INT64_MAX, &number));
    redis_cache_free(cache);
}

static void an_absent_counter_is_not_made(void)
{
    redis_cache *cache = open_cache(NULL);

    FAILS(NOT_FOUND, redis_cache_incr(cache, S("n"), 1, &number));
    FAILS(NOT_FOUND, redis_cache_decr(cache, S("n"), 1, &number));
    FAILS(NOT_FOUND, redis_cache_get_int(cache, S("n"), &number));
    MISSES(cache, "n");
    redis_cache_free(cache);
}

static void incr_or_create_creates_with_initial_only(void)
{
    redis_cache *cache = open_cache(NULL);
    int64_t left = DIRTY_INT;

    NUMBER(100, redis_cache_incr_or_create(cache, S("n"), 5, 100, 50000, &number));
    NUMBER(100, redis_cache_get_int(cache, S("n"), &number));
    STATUS(OK, redis_cache_ttl(cache, S("n"), &left));
    CHECK(left > 40000 && left <= 50000);
    NUMBER(105, redis_cache_incr_or_create(cache, S("n"), 5, 100, REDIS_CACHE_TTL_FOREVER, &number));
    STATUS(OK, redis_cache_ttl(cache, S("n"), &left));
    CHECK(left > 40000 && left <= 50000);
    NUMBER(INT64_MIN, redis_cache_incr_or_create(cache, S("low"), 1, INT64_MIN, REDIS_CACHE_TTL_FOREVER, &number));
    NUMBER(INT64_MIN + 1, redis_cache_incr_or_create(cache, S("low"), 1, 0, 5000, &number));
    STATUS(OK, redis_cache_ttl(cache, S("low"), &left));
    CHECK(left == REDIS_CACHE_TTL_FOREVER);
    redis_cache_free(cache);
}

static void counting_keeps_the_expiry(void)
{
    redis_cache *cache = open_cache(NULL);
    int64_t left = DIRTY_INT;

    STATUS(OK, redis_cache_set_int(cache, S("n"), 1, 50000));
    NUMBER(2, redis_cache_incr(cache, S("n"), 1, &number));
    NUMBER(1, redis_cache_decr(cache, S("n"), 1, &number));
    STATUS(OK, redis_cache_ttl(cache, S("n"), &left));
    CHECK(left > 40000 && left <= 50000);
    STATUS(OK, redis_cache_set_int(cache, S("n"), 1, REDIS_CACHE_TTL_FOREVER));
    NUMBER(2, redis_cache_incr(cache, S("n"), 1, &number));
    STATUS(OK, redis_cache_ttl(cache, S("n"), &left));
    CHECK(left == REDIS_CACHE_TTL_FOREVER);
    redis_cache_free(cache);
}

static void an_overflow_is_an_error_and_changes_nothing(void)
{
    redis_cache *cache = open_cache(NULL);

    STATUS(OK, redis_cache_set_int(cache, S("n"), INT64_MAX, 5000));
    FAILS(ERR_WRONG_TYPE, redis_cache_incr(cache, S("n"), 1, &number));
    CHECK(*redis_cache_last_error() != '\0');
    FAILS(ERR_WRONG_TYPE, redis_cache_decr(cache, S("n"), -1, &number));
    FAILS(ERR_WRONG_TYPE, redis_cache_incr_or_create(cache, S("n"), INT64_MAX, 0, 5000, &number));
    NUMBER(INT64_MAX, redis_cache_get_int(cache, S("n"), &number));
    STATUS(OK, redis_cache_set_int(cache, S("n"), INT64_MIN, 5000));
    FAILS(ERR_WRONG_TYPE, redis_cache_decr(cache, S("n"), 1, &number));
    FAILS(ERR_WRONG_TYPE, redis_cache_incr(cache, S("n"), -1, &number));
    FAILS(ERR_WRONG_TYPE, redis_cache_incr(cache, S("n"), INT64_MIN, &number));
    NUMBER(INT64_MIN, redis_cache_get_int(cache, S("n"), &number));
    redis_cache_free(cache);
}

static void decr_by_the_least_integer_is_refused(void)
{
    redis_cache *cache = open_cache(NULL);

    FAILS(ERR_INVALID_ARGUMENT, redis_cache_decr(cache, S("none"), INT64_MIN, &number));
    STATUS(OK, redis_cache_set_int(cache, S("n"), -1, 5000));
    FAILS(ERR_INVALID_ARGUMENT, redis_cache_decr(cache, S("n"), INT64_MIN, &number));
    NUMBER(-1, redis_cache_get_int(cache, S("n"), &number));
    redis_cache_free(cache);
}

static void bytes_are_not_integers_whatever_they_look_like(void)
{
    static const redis_cache_slice texts[] = { SLICE("12"), SLICE("-1"), SLICE("0"), SLICE(""), SLICE("twelve") };
    redis_cache *cache = open_cache(NULL);
    redis_cache_bytes bytes;
    size_t i;

    for (i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        STATUS(OK, redis_cache_set(cache, S("t"), texts[i].data, texts[i].len, 5000));
        FAILS(ERR_WRONG_TYPE, redis_cache_get_int(cache, S("t"), &number));
        CHECK(*redis_cache_last_error() != '\0');
        FAILS(ERR_WRONG_TYPE, redis_cache_incr(cache, S("t"), 1, &number));
        FAILS(ERR_WRONG_TYPE, redis_cache_decr(cache, S("t"), 1, &number));
        FAILS(ERR_WRONG_TYPE, redis_cache_incr_or_create(cache, S("t"), 1, 1, 5000, &number));
        STATUS(OK, redis_cache_get(cache, S("t"), &bytes));
        DATA(texts[i].data, texts[i].len, bytes.data, bytes.len);
        redis_cache_bytes_free(&bytes);
    }
    redis_cache_free(cache);
}

static void foreign_digits_are_integers_only_in_their_one_form(void)
{
    static const char *const good[] = { "0", "7", "-7", "1234567890", "9223372036854775807", "-9223372036854775808" };
    static const char *const bad[] = { "",    "-",   "-0",     "00",  "012", "+5", " 5", "5 ", "5\n", "12_3\n", "0x10",
                                       "1e3", "1.0", "--5",    "9223372036854775808", "-9223372036854775809",
                                       "18446744073709551615", "99999999999999999999999" };
    redis_cache *cache = open_cache("prefix=f");
    struct raw raw;
    size_t i;

    raw_open(&raw, target_socket(), target_db());
    for (i = 0; i < sizeof good / sizeof good[0]; i++) {
        raw_call(&raw, "SET", "f:1:n", good[i], NULL);
        number = DIRTY_INT;
        STATUS(OK, redis_cache_get_int(cache, S("n"), &number));
        STATUS(OK, redis_cache_incr(cache, S("n"), 0, &number));
        GETS(cache, "n", good[i]);
    }
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        raw_call(&raw, "SET", "f:1:n", bad[i], NULL);
        FAILS(ERR_WRONG_TYPE, redis_cache_get_int(cache, S("n"), &number));
        FAILS(ERR_WRONG_TYPE, redis_cache_incr(cache, S("n"), 1, &number));
        FAILS(ERR_WRONG_TYPE, redis_cache_decr(cache, S("n"), 1, &number));
        FAILS(ERR_WRONG_TYPE, redis_cache_incr_or_create(cache, S("n"), 1, 1, 5000, &number));
        GETS(cache, "n", bad[i]);
    }
    raw_close(&raw);
    redis_cache_free(cache);
}

void suite_counters(void)
{
    RUN(integers_of_every_size_are_kept_exactly);
    RUN(an_integer_is_its_digits_to_everybody_else);
    RUN(incr_and_decr_count);
    RUN(counting_is_exact_beyond_doubles);
    RUN(an_absent_counter_is_not_made);
    RUN(incr_or_create_creates_with_initial_only);
    RUN(counting_keeps_the_expiry);
    RUN(an_overflow_is_an_error_and_changes_nothing);
    RUN(decr_by_the_least_integer_is_refused);
    RUN(bytes_are_not_integers_whatever_they_look_like);
    if (on_server())
        RUN(foreign_digits_are_integers_only_in_their_one_form);
}
