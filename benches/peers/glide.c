/* valkey-glide's C library, as the wheel valkey-glide-sync of PyPI carries it. It has no header; these are the parts of
 * glide_shared/_glide_ffi.py that are needed. It has one connection, whatever is asked for, and threads of its own. */
#include "../peer.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MOST 1000
enum { STRING = 4, ARRAY = 5, OK = 8 }; /* ResponseType */
enum { GET = 1504, MGET = 1513, SET = 1517 }; /* RequestType */

struct response {
    int type;
    long integer;
    double real;
    bool boolean;
    char *string;
    long string_len;
    struct response *array;
    long array_len;
    struct response *map_key, *map_value, *set;
    long set_len;
    void *user_data;
};
struct result {
    struct response *response;
    struct { const char *message; int type; } *error;
    void *arena;
};
struct client_type { int type; void (*success)(void), (*failure)(void); bool allow_stack_response; };
struct connected { const void *client; const char *message; int type; };
struct command_info { int type; const uint8_t **args; size_t count; const size_t *lens; };
struct batch_info { size_t count; const struct command_info **commands; bool atomic; };

typedef void (*push_callback)(uintptr_t, int, const uint8_t *, int64_t, const uint8_t *, int64_t, const uint8_t *, int64_t);
const struct connected *create_client(const uint8_t *, size_t, const struct client_type *, push_callback, void *, uintptr_t);
void free_connection_response(const struct connected *);
void close_client(const void *);
struct result *command(const void *, uintptr_t, int, unsigned long, const size_t *, const unsigned long *, const uint8_t *,
                       size_t, uint64_t);
struct result *batch(const void *, uintptr_t, const struct batch_info *, bool, const void *, uint64_t);
void free_command_result(struct result *);

static void ignore(uintptr_t a, int b, const uint8_t *c, int64_t d, const uint8_t *e, int64_t f, const uint8_t *g, int64_t h) {
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
}

static size_t varint(uint8_t *to, unsigned value) {
    size_t len = 0;
    for (; value > 127; value >>= 7) to[len++] = (uint8_t)(value | 128);
    to[len++] = (uint8_t)value;
    return len;
}

/* Protocol buffers: ConnectionRequest{addresses = 1 {host = 1, port = 2}, request_timeout = 4}. */
static size_t request(uint8_t *to, const char *host, unsigned port) {
    uint8_t address[96];
    size_t inner = 0, len = 0, host_len = strlen(host);
    address[inner++] = 1 << 3 | 2;
    address[inner++] = (uint8_t)host_len;
    memcpy(address + inner, host, host_len);
    inner += host_len;
    address[inner++] = 2 << 3;
    inner += varint(address + inner, port);
    to[len++] = 1 << 3 | 2;
    to[len++] = (uint8_t)inner;
    memcpy(to + len, address, inner);
    len += inner;
    to[len++] = 4 << 3;
    return len + varint(to + len, 10000);
}

static void *open_at(const char *location, int connections) {
    static const struct client_type sync = {.type = 1};
    char host[64];
    uint8_t bytes[128];
    unsigned port;
    int end = 0;
    (void)connections;
    if (sscanf(location, "redis://%63[^:]:%u%n", host, &port, &end) != 2 || location[end]) return NULL;
    const struct connected *got = create_client(bytes, request(bytes, host, port), &sync, ignore, NULL, 0);
    const void *client = got != NULL ? got->client : NULL;
    if (client == NULL && got != NULL) fprintf(stderr, "valkey-glide: %s\n", got->message);
    if (got != NULL) free_connection_response(got);
    return (void *)client;
}

static long get(void *client, struct text key) {
    size_t args[] = {(size_t)key.data};
    unsigned long lens[] = {key.len};
    struct result *result = command(client, 0, GET, 1, args, lens, NULL, 0, 0);
    long len = result->error == NULL && result->response->type == STRING ? result->response->string_len : -1;
    free_command_result(result);
    return len;
}

static int set(void *client, struct text key, struct text value) {
    size_t args[] = {(size_t)key.data, (size_t)value.data, (size_t) "PX", (size_t) "300000"};
    unsigned long lens[] = {key.len, value.len, 2, 6};
    struct result *result = command(client, 0, SET, 4, args, lens, NULL, 0, 0);
    int bad = result->error != NULL ? -1 : 0;
    free_command_result(result);
    return bad;
}

static int mget(void *client, const struct text *keys, size_t count) {
    size_t args[MOST];
    unsigned long lens[MOST];
    for (size_t i = 0; i < count; i++) args[i] = (size_t)keys[i].data, lens[i] = keys[i].len;
    struct result *result = command(client, 0, MGET, count, args, lens, NULL, 0, 0);
    const struct response *all = result->error == NULL ? result->response : NULL;
    int bad = all == NULL || all->type != ARRAY || (size_t)all->array_len != count;
    for (size_t i = 0; !bad && i < count; i++) bad = all->array[i].type != STRING;
    free_command_result(result);
    return bad ? -1 : 0;
}

/* SETs in a batch: MSET knows no time to live. */
static int mset(void *client, const struct text *keys, size_t count, struct text value) {
    struct { const uint8_t *args[4]; size_t lens[4]; } words[MOST];
    struct command_info infos[MOST];
    const struct command_info *commands[MOST];
    for (size_t i = 0; i < count; i++) {
        words[i].args[0] = (const uint8_t *)keys[i].data, words[i].lens[0] = keys[i].len;
        words[i].args[1] = (const uint8_t *)value.data, words[i].lens[1] = value.len;
        words[i].args[2] = (const uint8_t *)"PX", words[i].lens[2] = 2;
        words[i].args[3] = (const uint8_t *)"300000", words[i].lens[3] = 6;
        infos[i] = (struct command_info){SET, words[i].args, 4, words[i].lens};
        commands[i] = &infos[i];
    }
    struct batch_info all = {count, commands, false};
    struct result *result = batch(client, 0, &all, true, NULL, 0);
    int bad = result->error != NULL ? -1 : 0;
    free_command_result(result);
    return bad;
}

static void close_it(void *client) {
    close_client(client);
}

#ifndef VERSION
#define VERSION "unknown"
#endif
const struct peer bench_peer = {"valkey-glide", VERSION, 1, open_at, get, set, mget, mset, close_it};
