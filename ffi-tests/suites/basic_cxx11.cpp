// The C header in C++11: a program that uses it and nothing of ours. It is given a URL.
#include "redis_cache.h"

#include <cstdio>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

static_assert(std::is_same<decltype(redis_cache_set(nullptr, nullptr, 0, nullptr, 0, 0)), redis_cache_status>::value,
              "a status is the enum");
static_assert(sizeof(redis_cache_status) == sizeof(std::int32_t), "and as wide as an int32_t");

namespace {

int failures = 0;

void expect(bool fine, const char* what) {
    if (!fine) {
        std::printf("%s: %s\n", what, redis_cache_last_error());
        failures++;
    }
}

extern "C" std::int32_t render(void* user_data, redis_cache_writer* out) {
    const std::string& text = *static_cast<std::string*>(user_data);
    return redis_cache_writer_append(out, text.data(), text.size()) == REDIS_CACHE_OK ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    redis_cache* cache = nullptr;
    expect(redis_cache_open(argc > 1 ? argv[1] : "memory://", &cache) == REDIS_CACHE_OK, "open");
    const std::string key("k\0ey", 4);
    expect(redis_cache_set(cache, key.data(), key.size(), "value", 5, REDIS_CACHE_TTL_DEFAULT) == REDIS_CACHE_OK, "set");

    redis_cache_bytes bytes = {};
    expect(redis_cache_get(cache, key.data(), key.size(), &bytes) == REDIS_CACHE_OK, "get");
    expect(std::string(bytes.data, bytes.len) == "value", "the value");
    redis_cache_bytes_free(&bytes);

    std::int64_t left = 0;
    expect(redis_cache_ttl(cache, key.data(), key.size(), &left) == REDIS_CACHE_OK && left > 200000, "ttl");

    std::vector<redis_cache_slice> keys = {{key.data(), key.size()}, {"none", 4}};
    redis_cache_results* results = nullptr;
    redis_cache_slice item = {};
    expect(redis_cache_get_many(cache, keys.data(), keys.size(), &results) == REDIS_CACHE_OK, "get_many");
    expect(redis_cache_results_get(results, 0, &item) == REDIS_CACHE_OK && item.len == 5, "the first item");
    expect(redis_cache_results_get(results, 1, &item) == REDIS_CACHE_NOT_FOUND, "the second item");
    redis_cache_results_free(results);

    std::string page(100000, 'p');
    expect(redis_cache_get_or_set(cache, "page", 4, 60000, render, &page, &bytes) == REDIS_CACHE_OK, "get_or_set");
    expect(std::string(bytes.data, bytes.len) == page, "the page");
    redis_cache_bytes_free(&bytes);

    redis_cache_sweep sweep = {};
    sweep.size = sizeof sweep;
    std::uint64_t deleted = 0;
    expect(redis_cache_clear(cache, &sweep, &deleted) == REDIS_CACHE_OK && deleted == 2, "clear");
    redis_cache_free(cache);
    std::printf("%d passed, %d failed\n", failures == 0 ? 1 : 0, failures);
    return failures == 0 ? 0 : 1;
}
