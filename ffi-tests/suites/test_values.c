/* One key and its value: set, get, get_into, add, delete, has_key, with bytes of every kind and size. */
#include "check.h"
#include "fixture.h"
#include "raw.h"
#include "suites.h"

#include <stdio.h>
#include <stdlib.h>

static void what_was_set_is_what_get_returns(void)
{
    redis_cache *cache = open_cache(NULL);

    STATUS(OK, redis_cache_set(cache, S("user:7"), S("Ada"), 5000));
    GETS(cache, "user:7", "Ada");
    STATUS(OK, redis_cache_set(cache, S("user:7"), S("Grace Hopper"), 5000));
    GETS(cache, "user:7", "Grace Hopper");
    redis_cache_free(cache);
}

static void keys_and_values_may_hold_any_byte(void)
{
    redis_cache *cache = open_cache(NULL);
    char every[256];
    redis_cache_bytes bytes = DIRTY_BYTES;
    int i;

    for (i = 0; i < 256; i++)
        every[i] = (char)i;
    STATUS(OK, redis_cache_set(cache, every, sizeof every, every, sizeof every, 5000));
    STATUS(OK, redis_cache_set(cache, S("a\0b"), S("\0\r\n$-1\r\n\0"), 5000));
    STATUS(OK, redis_cache_set(cache, S("a\0c"), S("other"), 5000));
    STATUS(OK, redis_cache_get(cache, every, sizeof every, &bytes));
    DATA(every, sizeof every, bytes.data, bytes.len);
    redis_cache_bytes_free(&bytes);
    STATUS(OK, redis_cache_get(cache, S("a\0b"), &bytes));
    DATA("\0\r\n$-1\r\n\0", 9, bytes.data, bytes.len);
    INT(0, bytes.data[bytes.len]);
    redis_cache_bytes_free(&bytes);
    STATUS(NOT_FOUND, redis_cache_get(cache, S("a"), &bytes));
    STATUS(NOT_FOUND, redis_cache_get(cache, S("a\0"), &bytes));
    STATUS(OK, redis_cache_delete(cache, S("a\0b")));
    STATUS(OK, redis_cache_has_key(cache, S("a\0c")));
    redis_cache_free(cache);
}

static void an_empty_value_is_a_value(void)
{
    redis_cache *cache = open_cache(NULL);
    redis_cache_bytes bytes = DIRTY_BYTES;
    size_t len = DIRTY_INT;

    STATUS(OK, redis_cache_set(cache, S("empty"), S(""), 5000));
    STATUS(OK, redis_cache_has_key(cache, S("empty")));
    STATUS(OK, redis_cache_get(cache, S("empty"), &bytes));
    INT(0, bytes.len);
    CHECK(bytes.data != NULL && *bytes.data == '\0');
    redis_cache_bytes_free(&bytes);
    STATUS(OK, redis_cache_get_into(cache, S("empty"), NULL, 0, &len));
    INT(0, len);
    STATUS(EXISTS, redis_cache_add(cache, S("empty"), S("x"), 5000));
    redis_cache_free(cache);
}

static void values_that_look_like_something_else_stay_bytes(void)
{
    static const redis_cache_slice values[] = {
        SLICE("12"),
        SLICE("-7"),
        SLICE("0"),
        SLICE("9223372036854775807"),
        SLICE("18446744073709551616"),
        SLICE("\xc1"),
        SLICE("\xc1\x11\x00\x00"),
        SLICE("\xc1\x11\x00\x00payload"),
        SLICE("\xc1\x13\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
        SLICE("$5\r\nhello\r\n"),
        SLICE("-ERR no\r\n"),
    };
    redis_cache *cache = open_cache(NULL);
    redis_cache_bytes bytes;
    size_t i;

    for (i = 0; i < sizeof values / sizeof values[0]; i++) {
        STATUS(OK, redis_cache_set(cache, S("key"), values[i].data, values[i].len, 5000));
        if (STATUS(OK, redis_cache_get(cache, S("key"), &bytes)))
            DATA(values[i].data, values[i].len, bytes.data, bytes.len);
        redis_cache_bytes_free(&bytes);
    }
    redis_cache_free(cache);
}

static void sizes_around_every_buffer_come_back_whole(void)
{
    static const size_t sizes[] = { 1,    2,     31,    32,    33,    191,   192,   193,    1023,   1024,   1025,
                                    4095, 4096,  8191,  8192,  16350, 16384, 16385, 32768,  65535,  65536,  65537,
                                    100000, 262144, 1048576, 1048577 };
    redis_cache *cache = open_cache("timeout=5s");
    char *sent = must_alloc(1048577), *room = must_alloc(1048577);
    size_t i, len;

    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        redis_cache_bytes bytes = DIRTY_BYTES;

        fill(sent, sizes[i], (unsigned)i);
        STATUS(OK, redis_cache_set(cache, S("key"), sent, sizes[i], 5000));
        STATUS(OK, redis_cache_get(cache, S("key"), &bytes));
        INT(sizes[i], bytes.len);
        CHECK(bytes.len == sizes[i] && filled(bytes.data, sizes[i], (unsigned)i) && bytes.data[bytes.len] == '\0');
        redis_cache_bytes_free(&bytes);
        memset(room, 0, sizes[i]);
        STATUS(OK, redis_cache_get_into(cache, S("key"), room, sizes[i], &len));
        INT(sizes[i], len);
        CHECK(filled(room, sizes[i], (unsigned)i));
    }
    free(sent);
    free(room);
    redis_cache_free(cache);
}

static void get_into_fills_no_more_than_the_value(void)
{
    redis_cache *cache = open_cache(NULL);
    char room[16];
    size_t len = DIRTY_INT;

    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 5000));
    memset(room, '#', sizeof room);
    STATUS(OK, redis_cache_get_into(cache, S("key"), room, sizeof room, &len));
    INT(5, len);
    DATA("value###########", 16, room, sizeof room);
    memset(room, '#', sizeof room);
    STATUS(OK, redis_cache_get_into(cache, S("key"), room, 5, &len));
    DATA("value###########", 16, room, sizeof room);
    redis_cache_free(cache);
}

static void a_buffer_that_is_too_small_stays_as_it_was(void)
{
    static const size_t sizes[] = { 5, 20000, 300000 };
    redis_cache *cache = open_cache("timeout=5s");
    char *value = must_alloc(300000), room[8];
    size_t i, cap, len;

    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        fill(value, sizes[i], 3);
        STATUS(OK, redis_cache_set(cache, S("key"), value, sizes[i], 5000));
        for (cap = 0; cap < 5; cap++) {
            memset(room, '#', sizeof room);
            len = DIRTY_INT;
            STATUS(BUFFER_TOO_SMALL, redis_cache_get_into(cache, S("key"), room, cap, &len));
            INT(sizes[i], len);
            DATA("########", 8, room, sizeof room);
        }
        len = DIRTY_INT;
        STATUS(BUFFER_TOO_SMALL, redis_cache_get_into(cache, S("key"), NULL, 0, &len));
        INT(sizes[i], len);
    }
    free(value);
    redis_cache_free(cache);
}

static void add_only_stores_what_is_absent(void)
{
    redis_cache *cache = open_cache(NULL);

    STATUS(OK, redis_cache_add(cache, S("key"), S("first"), 5000));
    STATUS(EXISTS, redis_cache_add(cache, S("key"), S("second"), 5000));
    GETS(cache, "key", "first");
    STATUS(OK, redis_cache_delete(cache, S("key")));
    STATUS(OK, redis_cache_add(cache, S("key"), S("third"), 5000));
    GETS(cache, "key", "third");
    redis_cache_free(cache);
}

static void delete_and_has_key_tell_whether_there_was_one(void)
{
    redis_cache *cache = open_cache(NULL);

    STATUS(NOT_FOUND, redis_cache_has_key(cache, S("key")));
    STATUS(NOT_FOUND, redis_cache_delete(cache, S("key")));
    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 5000));
    STATUS(OK, redis_cache_has_key(cache, S("key")));
    STATUS(OK, redis_cache_delete(cache, S("key")));
    STATUS(NOT_FOUND, redis_cache_has_key(cache, S("key")));
    STATUS(NOT_FOUND, redis_cache_delete(cache, S("key")));
    redis_cache_free(cache);
}

static void sixty_four_megabytes_go_there_and_back(void)
{
    size_t size = small_run() ? (size_t)3 << 20 : (size_t)64 << 20, len = 0;
    redis_cache *cache = open_cache("timeout=30s&memory_limit=256m");
    char *value = must_alloc(size);
    redis_cache_bytes bytes = DIRTY_BYTES;

    fill(value, size, 64);
    REQUIRE(STATUS(OK, redis_cache_set(cache, S("huge"), value, size, 60000)));
    STATUS(BUFFER_TOO_SMALL, redis_cache_get_into(cache, S("huge"), value, 10, &len));
    INT(size, len);
    CHECK(filled(value, 10, 64));
    memset(value, 0, size);
    STATUS(OK, redis_cache_get_into(cache, S("huge"), value, size, &len));
    INT(size, len);
    CHECK(filled(value, size, 64));
    free(value);
    STATUS(OK, redis_cache_get(cache, S("huge"), &bytes));
    INT(size, bytes.len);
    CHECK(bytes.len == size && filled(bytes.data, size, 64));
    redis_cache_bytes_free(&bytes);
    STATUS(OK, redis_cache_delete(cache, S("huge")));
    redis_cache_free(cache);
}

static void a_value_above_max_value_is_refused(void)
{
    redis_cache *cache = open_cache("max_value=1k");
    char value[1200];

    fill(value, sizeof value, 1);
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_set(cache, S("key"), value, sizeof value, 5000));
    CHECK(*redis_cache_last_error() != '\0');
    STATUS(ERR_INVALID_ARGUMENT, redis_cache_add(cache, S("key"), value, sizeof value, 5000));
    MISSES(cache, "key");
    STATUS(OK, redis_cache_set(cache, S("key"), value, 900, 5000));
    redis_cache_free(cache);
}

static void free_bytes(int index, void *shared)
{
    (void)index;
    redis_cache_bytes_free(shared);
}

static void bytes_outlive_the_cache_and_are_freed_on_any_thread(void)
{
    redis_cache *cache = open_cache(NULL);
    redis_cache_bytes bytes = DIRTY_BYTES;

    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 5000));
    STATUS(OK, redis_cache_get(cache, S("key"), &bytes));
    redis_cache_free(cache);
    DATA("value", 5, bytes.data, bytes.len);
    on_threads(1, free_bytes, &bytes);
}

static void raw_bytes_stand_behind_the_short_header(void)
{
    redis_cache *cache = open_cache("prefix=wire");
    struct raw raw;

    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 5000));
    STATUS(OK, redis_cache_set_int(cache, S("int"), -42, 5000));
    raw_open(&raw, target_socket(), target_db());
    raw_call(&raw, "GET", "wire:1:key", NULL);
    DATA("\xc1\x11\x00\x00value", 9, raw.reply, raw.len);
    raw_call(&raw, "GET", "wire:1:int", NULL);
    DATA("-42", 3, raw.reply, raw.len);
    raw_close(&raw);
    redis_cache_free(cache);
}

/* Each is written compressed and read by a cache that would not compress, alone and beside another one. */
static void compressed_values_come_back_by_every_way(void)
{
    static const char *const compressors[] = { "zlib", "zstd", "lz4" };
    enum { LEN = 50000 };
    redis_cache *reader = open_cache("prefix=packed&on_decode_error=error");
    redis_cache *narrow = open_cache("prefix=packed&max_value=49999&on_decode_error=error");
    char *payload = must_alloc(LEN), *into = must_alloc(LEN);
    size_t i, len;

    memset(payload, 'x', LEN);
    for (i = 0; i < 3; i++) {
        const redis_cache_slice keys[] = { SLICE("large"), SLICE("small") };
        redis_cache_entry entries[] = { { SLICE("large"), { NULL, LEN } }, { SLICE("small"), SLICE("tiny") } };
        char options[64];
        redis_cache *writer;
        redis_cache_bytes bytes = DIRTY_BYTES;
        redis_cache_results *results = NULL;
        redis_cache_slice slice;

        entries[0].value.data = payload;
        snprintf(options, sizeof options, "prefix=packed&compressor=%s", compressors[i]);
        writer = open_cache(options);
        STATUS(OK, redis_cache_set_many(writer, entries, 2, 5000, NULL));
        STATUS(OK, redis_cache_get(reader, S("large"), &bytes));
        DATA(payload, LEN, bytes.data, bytes.len);
        INT(0, bytes.data[bytes.len]);
        redis_cache_bytes_free(&bytes);
        STATUS(OK, redis_cache_set(writer, S("large"), payload, LEN, 5000));
        memset(into, 'y', LEN);
        STATUS(OK, redis_cache_get_into(reader, S("large"), into, LEN, &len));
        DATA(payload, LEN, into, len);
        STATUS(BUFFER_TOO_SMALL, redis_cache_get_into(reader, S("large"), into, LEN - 1, &len));
        INT(LEN, len);
        REQUIRE(STATUS(OK, redis_cache_get_many(reader, keys, 2, &results)));
        STATUS(OK, redis_cache_results_get(results, 0, &slice));
        DATA(payload, LEN, slice.data, slice.len);
        STATUS(OK, redis_cache_results_get(results, 1, &slice));
        DATA("tiny", 4, slice.data, slice.len);
        redis_cache_results_free(results);
        STATUS(ERR_DECODE, redis_cache_get(narrow, S("large"), &bytes));
        SAYS("max_value");
        redis_cache_free(writer);
    }
    free(into);
    free(payload);
    redis_cache_free(narrow);
    redis_cache_free(reader);
}

void suite_values(void)
{
    RUN(what_was_set_is_what_get_returns);
    RUN(keys_and_values_may_hold_any_byte);
    RUN(an_empty_value_is_a_value);
    RUN(values_that_look_like_something_else_stay_bytes);
    RUN(sizes_around_every_buffer_come_back_whole);
    RUN(get_into_fills_no_more_than_the_value);
    RUN(a_buffer_that_is_too_small_stays_as_it_was);
    RUN(add_only_stores_what_is_absent);
    RUN(delete_and_has_key_tell_whether_there_was_one);
    RUN(sixty_four_megabytes_go_there_and_back);
    RUN(a_value_above_max_value_is_refused);
    RUN(compressed_values_come_back_by_every_way);
    RUN(bytes_outlive_the_cache_and_are_freed_on_any_thread);
    if (on_server())
        RUN(raw_bytes_stand_behind_the_short_header);
}
