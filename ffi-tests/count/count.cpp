// User-space instructions per operation: `make -C ffi-tests count` runs this program under callgrind, which is told when
// to count. Usage: count LOCATION OPERATION...
#include "redis_cache.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <valgrind/callgrind.h>
#include <vector>

namespace {

constexpr int kMany = 100;
// What happens now and then, as a look at idle connections, falls into some of the rounds only: the least one counts.
constexpr int kRounds = 7;
constexpr int kTimes = 40;

void must(redis_cache_status status, redis_cache_status expected = REDIS_CACHE_OK) {
    if (status != expected) {
        std::fprintf(stderr, "status %d: %s\n", static_cast<int>(status), redis_cache_last_error());
        std::exit(1);
    }
}

std::int32_t load(void *value, redis_cache_writer *out) {
    return redis_cache_writer_append(out, value, 100) == REDIS_CACHE_OK ? 0 : 1;
}

struct Bench {
    rediscache::Cache whole;
    const redis_cache *cache = whole.handle();
    char value[100];
    char into[256];
    std::vector<char> large = std::vector<char>(1 << 20, 'y');
    std::vector<std::string> names;
    std::vector<redis_cache_slice> keys;
    std::vector<redis_cache_entry> entries;
    std::size_t len = 0;
    std::int64_t number = 0;
    redis_cache_bytes bytes{};
    redis_cache_lease *lease = nullptr;

    explicit Bench(const char *location) : whole(std::string(location)) {
        std::memset(value, 'x', sizeof value);
        for (int i = 0; i < kMany; i++) names.push_back("k" + std::to_string(i));
        for (const std::string &name : names) {
            keys.push_back({name.data(), name.size()});
            entries.push_back({keys.back(), {value, sizeof value}});
        }
        must(redis_cache_set(cache, "small", 5, value, sizeof value, REDIS_CACHE_TTL_FOREVER));
        must(redis_cache_set(cache, "large", 5, large.data(), large.size(), REDIS_CACHE_TTL_FOREVER));
        must(redis_cache_set_int(cache, "counter", 7, 0, REDIS_CACHE_TTL_FOREVER));
        must(redis_cache_set_many(cache, entries.data(), entries.size(), 300000, nullptr));
        must(redis_cache_get_or_set(cache, "computed", 8, 300000, load, value, &bytes));
        redis_cache_bytes_free(&bytes);
        // One that somebody is renewing. A client may know the server's time some milliseconds late under callgrind, and
        // hold it to be fresh so long.
        must(redis_cache_set(cache, "old", 3, value, sizeof value, REDIS_CACHE_TTL_FOREVER));
        must(redis_cache_expire_soft(cache, "old", 3));
        for (int i = 0; i < 1000 && lease == nullptr; i++) {
            redis_cache_lease_begin(cache, "old", 3, &bytes, &lease);
            redis_cache_bytes_free(&bytes);
        }
        if (lease == nullptr) std::exit(1);
    }

    ~Bench() {
        redis_cache_lease_abandon(lease);
        redis_cache_bytes_free(&bytes);
    }

    void get_or_set(const char *key, std::int64_t ttl, redis_cache_status expected = REDIS_CACHE_OK) {
        must(redis_cache_get_or_set(cache, key, std::strlen(key), ttl, load, value, &bytes), expected);
        redis_cache_bytes_free(&bytes);
    }
};

struct Operation {
    const char *name;
    void (*once)(Bench &);
};

const Operation kOperations[] = {
    {"get",
     [](Bench &b) {
         must(redis_cache_get(b.cache, "small", 5, &b.bytes));
         redis_cache_bytes_free(&b.bytes);
     }},
    {"get_into", [](Bench &b) { must(redis_cache_get_into(b.cache, "small", 5, b.into, sizeof b.into, &b.len)); }},
    {"set", [](Bench &b) { must(redis_cache_set(b.cache, "small", 5, b.value, sizeof b.value, 300000)); }},
    {"get_1mb",
     [](Bench &b) {
         must(redis_cache_get(b.cache, "large", 5, &b.bytes));
         redis_cache_bytes_free(&b.bytes);
     }},
    {"set_1mb", [](Bench &b) { must(redis_cache_set(b.cache, "large", 5, b.large.data(), b.large.size(), 300000)); }},
    {"get_many_100",
     [](Bench &b) {
         redis_cache_results *results = nullptr;
         must(redis_cache_get_many(b.cache, b.keys.data(), b.keys.size(), &results));
         redis_cache_results_free(results);
     }},
    {"set_many_100",
     [](Bench &b) { must(redis_cache_set_many(b.cache, b.entries.data(), b.entries.size(), 300000, nullptr)); }},
    {"incr", [](Bench &b) { must(redis_cache_incr(b.cache, "counter", 7, 1, &b.number)); }},
    {"ttl", [](Bench &b) { must(redis_cache_ttl(b.cache, "k1", 2, &b.number)); }},
    {"has_key", [](Bench &b) { must(redis_cache_has_key(b.cache, "small", 5)); }},
    // A key that lives for ever: a slow machine may take longer for all this than the others do.
    {"add",
     [](Bench &b) { must(redis_cache_add(b.cache, "counter", 7, b.value, sizeof b.value, 300000), REDIS_CACHE_EXISTS); }},
    {"computed_hit", [](Bench &b) { b.get_or_set("computed", 300000); }},
    {"computed_stale", [](Bench &b) { b.get_or_set("old", 300000, REDIS_CACHE_STALE); }},
    // With a lifetime of nothing it is not there the next time either.
    {"computed_miss", [](Bench &b) { b.get_or_set("missing", 0); }},
    {"cpp_get",
     [](Bench &b) {
         if (!b.whole.get("small")) std::exit(1);
     }},
    {"cpp_get_many_100",
     [](Bench &b) {
         const rediscache::Results results = b.whole.get_many_results(b.names);
         for (std::size_t i = 0; i < results.size(); i++)
             if (!results.at(i)) std::exit(1);
     }},
};

void count(Bench &bench, const Operation &operation) {
    for (int i = 0; i < kTimes; i++) operation.once(bench);
    for (int round = 0; round < kRounds; round++) {
        CALLGRIND_ZERO_STATS;
        for (int i = 0; i < kTimes; i++) operation.once(bench);
        CALLGRIND_DUMP_STATS_AT(operation.name);
    }
}

} // namespace

int main(int argc, char **argv) try {
    if (argc < 3) {
        std::fprintf(stderr, "usage: count LOCATION OPERATION...\n");
        return 2;
    }
    Bench bench(argv[1]);
    for (int i = 2; i < argc; i++) {
        const Operation *found = nullptr;
        for (const Operation &operation : kOperations)
            if (std::strcmp(operation.name, argv[i]) == 0) found = &operation;
        if (found == nullptr) {
            std::fprintf(stderr, "there is no operation %s\n", argv[i]);
            return 2;
        }
        count(bench, *found);
    }
    // The dumps tell the sum of a round.
    std::printf("%d\n", kTimes);
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
