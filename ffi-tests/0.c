#include <redis_cache.h>
#include <stdio.h>

int main(void) {
    redis_cache *cache = NULL;
    redis_cache_bytes value = {0};
    if (redis_cache_open("memory://?prefix=app&ttl=5m", &cache) != REDIS_CACHE_OK) goto fail;
    if (redis_cache_set(cache, "greeting", 8, "hello", 5, REDIS_CACHE_TTL_DEFAULT) != REDIS_CACHE_OK) goto fail;
    if (redis_cache_get(cache, "greeting", 8, &value) != REDIS_CACHE_OK) goto fail;
    printf("%s\n", value.data);
    redis_cache_bytes_free(&value);
    redis_cache_free(cache);
    return 0;
fail:
    fprintf(stderr, "%s\n", redis_cache_last_error());
    redis_cache_free(cache);
    return 1;
}
