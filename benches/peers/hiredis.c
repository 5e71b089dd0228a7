/* hiredis: one connection, no pool. */
#include "../peer.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define MOST 1000

static void *open_at(const char *location, int connections) {
    if (connections != 1 || strncmp(location, "unix://", 7) != 0) return NULL;
    redisContext *context = redisConnectUnix(location + 7);
    if (context != NULL && context->err == 0) return context;
    if (context != NULL) redisFree(context);
    return NULL;
}

static long get(void *context, struct text key) {
    const char *words[] = {"GET", key.data};
    size_t lens[] = {3, key.len};
    redisReply *reply = redisCommandArgv(context, 2, words, lens);
    if (reply == NULL) return -1;
    long len = reply->type == REDIS_REPLY_STRING ? (long)reply->len : -1;
    freeReplyObject(reply);
    return len;
}

static int answered(void *context) {
    redisReply *reply = NULL;
    if (redisGetReply(context, (void **)&reply) != REDIS_OK) return -1;
    int bad = reply->type == REDIS_REPLY_ERROR ? -1 : 0;
    freeReplyObject(reply);
    return bad;
}

static void append_set(void *context, struct text key, struct text value) {
    const char *words[] = {"SET", key.data, value.data, "PX", "300000"};
    size_t lens[] = {3, key.len, value.len, 2, 6};
    redisAppendCommandArgv(context, 5, words, lens);
}

static int set(void *context, struct text key, struct text value) {
    append_set(context, key, value);
    return answered(context);
}

static int mget(void *context, const struct text *keys, size_t count) {
    const char *words[MOST + 1] = {"MGET"};
    size_t lens[MOST + 1] = {4};
    for (size_t i = 0; i < count; i++) words[i + 1] = keys[i].data, lens[i + 1] = keys[i].len;
    redisReply *reply = redisCommandArgv(context, (int)count + 1, words, lens);
    if (reply == NULL) return -1;
    int missing = reply->type != REDIS_REPLY_ARRAY || reply->elements != count;
    for (size_t i = 0; !missing && i < count; i++) missing = reply->element[i]->type != REDIS_REPLY_STRING;
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
    redisFree(context);
}

const struct peer bench_peer = {"hiredis", STRING(HIREDIS_MAJOR) "." STRING(HIREDIS_MINOR) "." STRING(HIREDIS_PATCH),
                                0, open_at, get, set, mget, mset, close_it};
