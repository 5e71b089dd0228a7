/* What others left in the database: other data types, bytes without our header, headers of other codecs, and
 * entries that are no value (placeholders, negative and soft-expired ones). */
#include "check.h"
#include "fixture.h"
#include "raw.h"
#include "suites.h"

static struct raw server;
static redis_cache *cache;

static void begin(const char *options)
{
    cache = open_cache(options);
    raw_open(&server, target_socket(), target_db());
}

static void end(void)
{
    raw_close(&server);
    redis_cache_free(cache);
}

static int32_t load_text(void *user_data, redis_cache_writer *out)
{
    ++*(int *)user_data;
    return redis_cache_writer_append(out, "loaded", 6);
}

static void check_wrong_type(const char *key)
{
    size_t len = strlen(key), out_len = DIRTY_INT;
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_slice slice = { key, len }, item = DIRTY_SLICE;
    redis_cache_results *results = NULL;
    int64_t number = DIRTY_INT;
    char room[64];
    int calls = 0;

    STATUS(ERR_WRONG_TYPE, redis_cache_get(cache, key, len, &bytes));
    SAYS("GET");
    CLEAN_BYTES(bytes);
    STATUS(ERR_WRONG_TYPE, redis_cache_get_into(cache, key, len, room, sizeof room, &out_len));
    INT(0, out_len);
    STATUS(ERR_WRONG_TYPE, redis_cache_get_int(cache, key, len, &number));
    INT(0, number);
    STATUS(ERR_WRONG_TYPE, redis_cache_incr(cache, key, len, 1, &number));
    STATUS(ERR_WRONG_TYPE, redis_cache_decr(cache, key, len, 1, &number));
    STATUS(ERR_WRONG_TYPE, redis_cache_incr_or_create(cache, key, len, 1, 1, 1000, &number));
    /* It has a value to give, and what is there stays. */
    STATUS(OK, redis_cache_get_or_set(cache, key, len, 1000, load_text, &calls, &bytes));
    DATA("loaded", 6, bytes.data, bytes.len);
    redis_cache_bytes_free(&bytes);
    INT(1, calls);
    STATUS(OK, redis_cache_get_many(cache, &slice, 1, &results));
    STATUS(NOT_FOUND, redis_cache_results_get(results, 0, &item));
    redis_cache_results_free(results);
    STATUS(OK, redis_cache_has_key(cache, key, len));
    STATUS(EXISTS, redis_cache_add(cache, key, len, S("x"), 1000));
    /* The connection is as good as before. */
    STATUS(OK, redis_cache_set(cache, S("fine"), S("value"), 5000));
    GETS(cache, "fine", "value");
}

static void other_data_types_are_the_wrong_type(void)
{
    begin("prefix=t");
    raw_call(&server, "RPUSH", "t:1:list", "a", "b", NULL);
    raw_call(&server, "HSET", "t:1:hash", "field", "value", NULL);
    raw_call(&server, "SADD", "t:1:set", "member", NULL);
    check_wrong_type("list");
    check_wrong_type("hash");
    check_wrong_type("set");
    INT(2, server_number("LLEN", "t:1:list"));
    end();
}

static void other_data_types_can_be_replaced_and_deleted(void)
{
    redis_cache_entry entry = { SLICE("set"), SLICE("now a string") };
    int64_t left = DIRTY_INT;

    begin("prefix=t");
    raw_call(&server, "RPUSH", "t:1:list", "a", NULL);
    raw_call(&server, "HSET", "t:1:hash", "field", "value", NULL);
    raw_call(&server, "SADD", "t:1:set", "member", NULL);
    STATUS(OK, redis_cache_ttl(cache, S("list"), &left));
    CHECK(left == REDIS_CACHE_TTL_FOREVER);
    STATUS(OK, redis_cache_set(cache, S("list"), S("a string"), 5000));
    GETS(cache, "list", "a string");
    STATUS(OK, redis_cache_set_many(cache, &entry, 1, 5000, NULL));
    GETS(cache, "set", "now a string");
    STATUS(OK, redis_cache_delete(cache, S("hash")));
    INT(0, server_number("EXISTS", "t:1:hash"));
    end();
}

static void bytes_without_a_header_are_returned_as_they_are(void)
{
    static const redis_cache_slice values[] = { SLICE(""), SLICE("hello"), SLICE("{\"a\":1}"), SLICE("\x80\x04K\x01."),
                                                SLICE("x\xc1\x11"), SLICE("0012"), SLICE("\0") };
    redis_cache_bytes bytes = DIRTY_BYTES;
    char room[16];
    size_t i, len;

    begin("prefix=f");
    for (i = 0; i < sizeof values / sizeof values[0]; i++) {
        raw_store(&server, "SET", "f:1:k", values[i].data, values[i].len);
        STATUS(OK, redis_cache_get(cache, S("k"), &bytes));
        DATA(values[i].data, values[i].len, bytes.data, bytes.len);
        redis_cache_bytes_free(&bytes);
        STATUS(OK, redis_cache_get_into(cache, S("k"), room, sizeof room, &len));
        DATA(values[i].data, values[i].len, room, len);
        STATUS(EXISTS, redis_cache_add(cache, S("k"), S("x"), 1000));
    }
    end();
}

static void payloads_of_other_codecs_are_returned_without_header(void)
{
    begin("prefix=c");
    raw_store(&server, "SET", "c:1:k", S("\xc1\x11\x10\x00postcard"));
    GETS(cache, "k", "postcard");
    raw_store(&server, "SET", "c:1:k", S("\xc1\x11\x20\x05{\"json\":1}"));
    GETS(cache, "k", "{\"json\":1}");
    raw_store(&server, "SET", "c:1:k", S("\xc1\x11\x00\x00"));
    GETS(cache, "k", "");
    end();
}

/* A header of a version to come, and of a compressor that nobody has. */
#define NEXT_VERSION "\xc1\x21\x00\x00later"
#define NO_COMPRESSOR "\xc1\x11\x09\x00squeezed"

static void what_cannot_be_decoded_is_a_miss_and_counted(void)
{
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_stats stats;

    begin("prefix=d");
    raw_store(&server, "SET", "d:1:k", S(NEXT_VERSION));
    STATUS(NOT_FOUND, redis_cache_get(cache, S("k"), &bytes));
    CLEAN_BYTES(bytes);
    raw_store(&server, "SET", "d:1:k", S(NO_COMPRESSOR));
    STATUS(NOT_FOUND, redis_cache_get(cache, S("k"), &bytes));
    STATUS(OK, redis_cache_stats_read(cache, &stats, sizeof stats));
    INT(2, stats.decode_errors);
    end();
}

static void what_cannot_be_decoded_may_be_an_error(void)
{
    redis_cache_slice key = SLICE("k"), item;
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_results *results = NULL;
    size_t len = DIRTY_INT;
    char room[64];

    begin("prefix=e&on_decode_error=error");
    raw_store(&server, "SET", "e:1:k", S(NO_COMPRESSOR));
    STATUS(ERR_DECODE, redis_cache_get(cache, S("k"), &bytes));
    CHECK(*redis_cache_last_error() != '\0');
    CHECK(strstr(redis_cache_last_error(), "squeezed") == NULL);
    CLEAN_BYTES(bytes);
    STATUS(ERR_DECODE, redis_cache_get_into(cache, S("k"), room, sizeof room, &len));
    INT(0, len);
    STATUS(ERR_DECODE, redis_cache_get_many(cache, &key, 1, &results));
    CHECK(results == NULL);
    raw_store(&server, "SET", "e:1:other", S("plain"));
    {
        redis_cache_slice both[2] = { SLICE("other"), SLICE("k") };

        STATUS(PARTIAL, redis_cache_get_many(cache, both, 2, &results));
        STATUS(OK, redis_cache_results_get(results, 0, &item));
        STATUS(ERR_DECODE, redis_cache_results_get(results, 1, &item));
        redis_cache_results_free(results);
    }
    STATUS(OK, redis_cache_set(cache, S("k"), S("sound"), 5000));
    GETS(cache, "k", "sound");
    end();
}

/* A header of 32 bytes: flags, then stale_ms, soft_expire_ms, lease_deadline_ms and token; "body" behind it. */
static void store_leased(const char *key, unsigned flags, uint64_t soft_expire_ms, const char *body)
{
    unsigned char entry[64] = { 0xc1, 0x10, 0, 0 };
    int i;

    entry[1] = (unsigned char)(0x10 | flags);
    for (i = 0; i < 8; i++)
        entry[8 + i] = (unsigned char)(soft_expire_ms >> (8 * i));
    memcpy(entry + 32, body, strlen(body));
    raw_store(&server, "SET", key, entry, 32 + strlen(body));
}

static void a_fresh_entry_of_get_or_set_is_a_value(void)
{
    begin("prefix=l");
    store_leased("l:1:k", 3, (uint64_t)unix_now_ms() + 60000, "body");
    GETS(cache, "k", "body");
    STATUS(OK, redis_cache_has_key(cache, S("k")));
    STATUS(EXISTS, redis_cache_add(cache, S("k"), S("x"), 1000));
    store_leased("l:1:k", 3, 0, "no soft expiry");
    GETS(cache, "k", "no soft expiry");
    end();
}

/* For get and its kin there is nothing; delete says what Redis says; add stores. */
static void check_no_value(const char *key)
{
    size_t len = strlen(key);
    redis_cache_slice slice = { key, len }, item;
    redis_cache_bytes bytes = DIRTY_BYTES;
    redis_cache_results *results = NULL;
    uint64_t version = DIRTY_INT;
    int64_t number = DIRTY_INT;

    STATUS(NOT_FOUND, redis_cache_get(cache, key, len, &bytes));
    CLEAN_BYTES(bytes);
    STATUS(NOT_FOUND, redis_cache_has_key(cache, key, len));
    STATUS(NOT_FOUND, redis_cache_ttl(cache, key, len, &number));
    STATUS(NOT_FOUND, redis_cache_touch(cache, key, len, 50000));
    STATUS(NOT_FOUND, redis_cache_persist(cache, key, len));
    STATUS(NOT_FOUND, redis_cache_incr_version(cache, key, len, 1, &version));
    STATUS(OK, redis_cache_get_many(cache, &slice, 1, &results));
    STATUS(NOT_FOUND, redis_cache_results_get(results, 0, &item));
    redis_cache_results_free(results);
    STATUS(OK, redis_cache_add(cache, key, len, S("added"), 50000));
    GETS(cache, key, "added");
}

static void placeholders_negative_and_soft_expired_entries_are_no_values(void)
{
    begin("prefix=n");
    store_leased("n:1:placeholder", 2, 0, "");
    check_no_value("placeholder");
    store_leased("n:1:negative", 1 | 2 | 4, (uint64_t)unix_now_ms() + 60000, "");
    check_no_value("negative");
    store_leased("n:1:soft", 3, (uint64_t)unix_now_ms() - 1000, "old");
    check_no_value("soft");
    store_leased("n:1:k", 3, (uint64_t)unix_now_ms() - 1000, "old");
    STATUS(OK, redis_cache_delete(cache, S("k")));
    end();
}

void suite_foreign(void)
{
    RUN(other_data_types_are_the_wrong_type);
    RUN(other_data_types_can_be_replaced_and_deleted);
    RUN(bytes_without_a_header_are_returned_as_they_are);
    RUN(payloads_of_other_codecs_are_returned_without_header);
    RUN(what_cannot_be_decoded_is_a_miss_and_counted);
    RUN(what_cannot_be_decoded_may_be_an_error);
    RUN(a_fresh_entry_of_get_or_set_is_a_value);
    RUN(placeholders_negative_and_soft_expired_entries_are_no_values);
}
