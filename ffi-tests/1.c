#include <redis_cache.h>
#include <stdio.h>

/* Anything but 0 says that it failed. To say that there is no value: redis_cache_writer_set_absent(). */
static int32_t render(void *user_data, redis_cache_writer *out) {
    const char *title = user_data;
    redis_cache_writer_set_ttl(out, 60 * 1000);
    redis_cache_writer_append(out, "<h1>", 4);
    redis_cache_writer_append(out, title, 2);
    return redis_cache_writer_append(out, "</h1>", 5) == REDIS_CACHE_OK ? 0 : 1;
}

int main(void) {
    redis_cache *cache = NULL;
    redis_cache_bytes page = {0};
    redis_cache_lease *lease = NULL;
    redis_cache_lock *lock = NULL;
    redis_cache_status status;
    if (redis_cache_open("memory://?stale=10m", &cache) != REDIS_CACHE_OK) return 1;

    status = redis_cache_get_or_set(cache, "front", 5, REDIS_CACHE_TTL_DEFAULT, render, "Hi", &page);
    if (status == REDIS_CACHE_OK || status == REDIS_CACHE_STALE) printf("%s\n", page.data);
    redis_cache_bytes_free(&page);

    status = redis_cache_lease_begin(cache, "side", 4, &page, &lease); /* OK, STALE, NOT_FOUND or BUSY */
    if (lease != NULL && redis_cache_lease_fulfill(lease, "<ul>", 4, 60 * 1000) == REDIS_CACHE_OK)
        printf("%s, and computed\n", redis_cache_status_name(status));
    redis_cache_bytes_free(&page);

    if (redis_cache_lock_acquire(cache, "nightly-job", 11, 60 * 1000, 0, &lock) == REDIS_CACHE_OK) {
        printf("the lock is ours%s\n", redis_cache_lock_token(lock) > 0 ? "" : "?");
        redis_cache_lock_release(lock);
    }
    redis_cache_free(cache);
    return 0;
}
