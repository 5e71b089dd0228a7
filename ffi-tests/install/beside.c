/* One program with three archives: the library, another one made by Rust, and another zstd. Each has its own of what
 * the others have too, and the stack can be walked through all of them. */
#include <redis_cache.h>
#include <stdio.h>
#include <string.h>
#include <unwind.h>

bool second_catches(void);
unsigned ZSTD_versionNumber(void);
size_t ZSTD_compress(void *to, size_t room, const void *from, size_t len, int level);
size_t ZSTD_decompress(void *to, size_t room, const void *from, size_t len);
int main(void);

static _Unwind_Reason_Code look_for_main(struct _Unwind_Context *frame, void *found) {
    if (_Unwind_FindEnclosingFunction((void *)(_Unwind_GetIP(frame) - 1)) == (void *)(size_t)main) *(bool *)found = true;
    return _URC_NO_REASON;
}

/* Called by the library, so the way to main leads through it. */
static int32_t load(void *user_data, redis_cache_writer *out) {
    static const char page[200] = "<h1>";
    _Unwind_Backtrace(look_for_main, user_data);
    return redis_cache_writer_append(out, page, sizeof page) == REDIS_CACHE_OK ? 0 : 1;
}

static bool caches(void) {
    redis_cache *cache = NULL;
    redis_cache_bytes page = {0};
    bool walked = false, good;
    if (redis_cache_open("memory://?compressor=zstd&compress_min=1", &cache) != REDIS_CACHE_OK) return false;
    good = redis_cache_get_or_set(cache, REDIS_CACHE_STR("front"), 1000, load, &walked, &page) == REDIS_CACHE_OK;
    redis_cache_bytes_free(&page);
    good = good && redis_cache_get(cache, REDIS_CACHE_STR("front"), &page) == REDIS_CACHE_OK && page.len == 200;
    redis_cache_bytes_free(&page);
    redis_cache_free(cache);
    return good && walked;
}

static bool compresses(void) {
    static const char text[200] = "<h1>";
    char small[400], back[200];
    size_t len = ZSTD_compress(small, sizeof small, text, sizeof text, 1);
    return ZSTD_versionNumber() >= 10000 && ZSTD_decompress(back, sizeof back, small, len) == sizeof text &&
           memcmp(back, text, sizeof text) == 0;
}

int main(void) {
    const char *wrong = !caches() ? "the library" : !second_catches() ? "the other Rust archive" : !compresses() ? "zstd" : NULL;
    puts(wrong == NULL ? "good" : wrong);
    return wrong != NULL;
}
