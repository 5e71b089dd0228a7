/* User-space instructions per operation, through the C API: `make -C ffi-tests count` runs this program under
 * callgrind with N and with 3N operations and divides the difference by 2N. Usage: count LOCATION OPERATION N */
#include "redis_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 100

static void must(redis_cache_status status, redis_cache_status expected) {
    if (status != expected) {
        fprintf(stderr, "status %d: %s\n", (int)status, redis_cache_last_error());
        exit(1);
    }
}

static int32_t load(void *value, redis_cache_writer *out) {
    return redis_cache_writer_append(out, value, 100) == REDIS_CACHE_OK ? 0 : 1;
}

static void run(const redis_cache *cache, const char *operation, long n) {
    static char names[MANY][24];
    redis_cache_slice keys[MANY];
    redis_cache_entry entries[MANY];
    char value[100];
    char *large = malloc(1 << 20);
    char into[256];
    size_t len;
    int64_t number;
    redis_cache_bytes bytes;
    redis_cache_results *results;
    redis_cache_lease *lease = NULL;
    long i;

    if (large == NULL) exit(1);
    memset(value, 'x', sizeof value);
    memset(large, 'y', 1 << 20);
    must(redis_cache_set(cache, "small", 5, value, sizeof value, REDIS_CACHE_TTL_FOREVER), REDIS_CACHE_OK);
    must(redis_cache_set(cache, "large", 5, large, 1 << 20, REDIS_CACHE_TTL_FOREVER), REDIS_CACHE_OK);
    for (i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "k%ld", i);
        keys[i].data = names[i];
        keys[i].len = strlen(names[i]);
        entries[i].key = keys[i];
        entries[i].value.data = value;
        entries[i].value.len = sizeof value;
        must(redis_cache_set(cache, names[i], keys[i].len, value, sizeof value, 300000), REDIS_CACHE_OK);
    }
    must(redis_cache_set_int(cache, "counter", 7, 0, REDIS_CACHE_TTL_FOREVER), REDIS_CACHE_OK);
    must(redis_cache_get_or_set(cache, "computed", 8, 300000, load, value, &bytes), REDIS_CACHE_OK);
    redis_cache_bytes_free(&bytes);
    /* One that somebody is renewing. */
    must(redis_cache_set(cache, "old", 3, value, sizeof value, REDIS_CACHE_TTL_FOREVER), REDIS_CACHE_OK);
    must(redis_cache_expire_soft(cache, "old", 3), REDIS_CACHE_OK);
    /* Under callgrind a client may know the server's time some milliseconds late, and hold it to be fresh so long. */
    for (i = 0; i < 1000 && redis_cache_lease_begin(cache, "old", 3, &bytes, &lease) == REDIS_CACHE_OK; i++)
        redis_cache_bytes_free(&bytes);
    redis_cache_bytes_free(&bytes);
    if (lease == NULL) exit(1);
    for (i = 0; i < n; i++) {
        if (strcmp(operation, "get") == 0) {
            must(redis_cache_get(cache, "small", 5, &bytes), REDIS_CACHE_OK);
            redis_cache_bytes_free(&bytes);
        } else if (strcmp(operation, "get_into") == 0) {
            must(redis_cache_get_into(cache, "small", 5, into, sizeof into, &len), REDIS_CACHE_OK);
        } else if (strcmp(operation, "set") == 0) {
            must(redis_cache_set(cache, "small", 5, value, sizeof value, 300000), REDIS_CACHE_OK);
        } else if (strcmp(operation, "get_many_100") == 0) {
            must(redis_cache_get_many(cache, keys, MANY, &results), REDIS_CACHE_OK);
            redis_cache_results_free(results);
        } else if (strcmp(operation, "set_many_100") == 0) {
            must(redis_cache_set_many(cache, entries, MANY, 300000, NULL), REDIS_CACHE_OK);
        } else if (strcmp(operation, "set_1mb") == 0) {
            must(redis_cache_set(cache, "large", 5, large, 1 << 20, 300000), REDIS_CACHE_OK);
        } else if (strcmp(operation, "incr") == 0) {
            must(redis_cache_incr(cache, "counter", 7, 1, &number), REDIS_CACHE_OK);
        } else if (strcmp(operation, "ttl") == 0) {
            must(redis_cache_ttl(cache, "k1", 2, &number), REDIS_CACHE_OK);
        } else if (strcmp(operation, "has_key") == 0) {
            must(redis_cache_has_key(cache, "small", 5), REDIS_CACHE_OK);
        } else if (strcmp(operation, "add") == 0) {
            must(redis_cache_add(cache, "small", 5, value, sizeof value, 300000), REDIS_CACHE_EXISTS);
        } else if (strcmp(operation, "get_1mb") == 0) {
            must(redis_cache_get(cache, "large", 5, &bytes), REDIS_CACHE_OK);
            redis_cache_bytes_free(&bytes);
        } else if (strcmp(operation, "computed_hit") == 0) {
            must(redis_cache_get_or_set(cache, "computed", 8, 300000, load, value, &bytes), REDIS_CACHE_OK);
            redis_cache_bytes_free(&bytes);
        } else if (strcmp(operation, "computed_stale") == 0) {
            must(redis_cache_get_or_set(cache, "old", 3, 300000, load, value, &bytes), REDIS_CACHE_STALE);
            redis_cache_bytes_free(&bytes);
        } else if (strcmp(operation, "computed_miss") == 0) {
            /* With a lifetime of nothing it is not there the next time either. */
            must(redis_cache_get_or_set(cache, "missing", 7, 0, load, value, &bytes), REDIS_CACHE_OK);
            redis_cache_bytes_free(&bytes);
        } else {
            fprintf(stderr, "there is no operation %s\n", operation);
            exit(2);
        }
    }
    redis_cache_lease_abandon(lease);
    free(large);
}

int main(int argc, char **argv) {
    redis_cache *cache = NULL;
    if (argc != 4) {
        fprintf(stderr, "usage: count LOCATION OPERATION N\n");
        return 2;
    }
    must(redis_cache_open(argv[1], &cache), REDIS_CACHE_OK);
    run(cache, argv[2], atol(argv[3]));
    redis_cache_free(cache);
    return 0;
}
