/* What the header gives to a program that includes nothing else, in every dialect of C and C++. */
#include "redis_cache.h"

#ifdef __need_size_t
#error "the header leaves a macro of <stddef.h> behind"
#endif

/* The structs have names, so that another header can declare them. */
struct redis_cache;
struct redis_cache_bytes;
struct redis_cache_slice;
struct redis_cache_entry;
struct redis_cache_sweep;
struct redis_cache_stats;

redis_cache_status greet(const struct redis_cache *cache, struct redis_cache_bytes *out);

redis_cache_status greet(const struct redis_cache *cache, struct redis_cache_bytes *out)
{
    redis_cache_status status;

    if (cache == NULL || out == NULL)
        return REDIS_CACHE_ERR_INVALID_ARGUMENT;
    status = redis_cache_set(cache, REDIS_CACHE_STR("a\0key"), REDIS_CACHE_STR("hello"), REDIS_CACHE_TTL_DEFAULT);
    if (status == REDIS_CACHE_OK)
        status = redis_cache_get(cache, REDIS_CACHE_STR("a\0key"), out);
    return status;
}
