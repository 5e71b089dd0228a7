/* hiredis, or with VALKEY defined its child libvalkey: one connection, no pool. */
#include "../peer.h"

#ifdef VALKEY
#include <valkey/valkey.h>
#define CALL(name) valkey##name
#define WORD(name) VALKEY_##name
#define NAME "libvalkey"
#define MAJOR LIBVALKEY_VERSION_MAJOR
#define MINOR LIBVALKEY_VERSION_MINOR
#define PATCH LIBVALKEY_VERSION_PATCH
#else
#include <hiredis/hiredis.h>
#define CALL(name) redis##name
#define WORD(name) REDIS_##name
#define NAME "hiredis"
#define MAJOR HIREDIS_MAJOR
#define MINOR HIREDIS_MINOR
#define PATCH HIREDIS_PATCH
#endif
#include <stdio.h>
#include <string.h>

#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define MOST 1000

static void *open_at(const char *location, int connections) {
    char host[64];
    int port, end = 0;
    if (connections != 1 || sscanf(location, "redis://%63[^:]:%d%n", host, &port, &end) != 2 || location[end]) return NULL;
    CALL(Context) *context = CALL(Connect)(host, port);
    if (context != NULL && context->err == 0) return context;
    if (context != NULL) CALL(Free)(context);
    return NULL;
}

static long get(void *context, struct text key) {
    const char *words[] = {"GET", key.data};
    size_t lens[] = {3, key.len};
    CALL(Reply) *reply = CALL(CommandArgv)(context, 2, words, lens);
    if (reply == NULL) return -1;
    long len = reply->type == WORD(REPLY_STRING) ? (long)reply->len : -1;
    freeReplyObject(reply);
    return len;
}

static int answered(void *context) {
    void *got = NULL;
    if (CALL(GetReply)(context, &got) != WORD(OK)) return -1;
    CALL(Reply) *reply = got;
    int bad = reply->type == WORD(REPLY_ERROR) ? -1 : 0;
    freeReplyObject(reply);
    return bad;
}

static void append_set(void *context, struct text key, struct text value) {
    const char *words[] = {"SET", key.data, value.data, "PX", "300000"};
    size_t lens[] = {3, key.len, value.len, 2, 6};
    CALL(AppendCommandArgv)(context, 5, words, lens);
}

static int set(void *context, struct text key, struct text value) {
    append_set(context, key, value);
    return answered(context);
}

static int mget(void *context, const struct text *keys, size_t count) {
    static _Thread_local const char *words[MOST + 1] = {"MGET"};
    static _Thread_local size_t lens[MOST + 1] = {4};
    for (size_t i = 0; i < count; i++) words[i + 1] = keys[i].data, lens[i + 1] = keys[i].len;
    CALL(Reply) *reply = CALL(CommandArgv)(context, (int)count + 1, words, lens);
    if (reply == NULL) return -1;
    int missing = reply->type != WORD(REPLY_ARRAY) || reply->elements != count;
    for (size_t i = 0; !missing && i < count; i++) missing = reply->element[i]->type != WORD(REPLY_STRING);
    freeReplyObject(reply);
    return missing ? -1 : 0;
}

/* SETs in a pipeline: MSET knows no time to live. */
static int mset(void *context, const struct text *keys, size_t count, struct text value) {
    int bad = 0;
    for (size_t i = 0; i < count; i++) append_set(context, keys[i], value);
    for (size_t i = 0; i < count; i++) bad |= answered(context);
    return bad;
}

static void close_it(void *context) {
    CALL(Free)(context);
}

const struct peer bench_peer = {NAME, STRING(MAJOR) "." STRING(MINOR) "." STRING(PATCH), 0,
                                open_at, get, set, mget, mset, close_it};
