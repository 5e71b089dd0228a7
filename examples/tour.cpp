// A tour of the cache in C++17. Without an argument it runs on the embedded store and needs no server:
//
//     cargo build
//     c++ -std=c++17 examples/tour.cpp -Iinclude -Ltarget/debug -lredis_cache -o target/tour
//     ln -sf libredis_cache.so target/debug/libredis_cache.so.0
//     LD_LIBRARY_PATH=target/debug target/tour
//     LD_LIBRARY_PATH=target/debug target/tour redis://127.0.0.1:6379/1?prefix=tour

#include "redis_cache.hpp"

#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;

namespace {

void one_key(const rediscache::Cache &cache) {
    cache.set("user:7", "Ada");
    std::cout << "set, get             " << cache.get("user:7").value_or("(none)") << '\n';
    std::cout << "the key on the wire  " << cache.make_key("user:7") << '\n';
    cache.touch("user:7", 60s);
    const auto left = cache.ttl("user:7");
    std::cout << "touch, ttl           " << (left ? (left->milliseconds() + 999) / 1000 : 0) << " s\n";
    std::cout << "add, it exists       " << std::boolalpha << cache.add("user:7", "Grace", rediscache::forever) << '\n';
    std::cout << "get, no such key     " << cache.get("nobody").value_or("(none)") << '\n';
}

void counters(const rediscache::Cache &cache) {
    cache.set_int("visits", 41, rediscache::forever);
    std::cout << "incr                 " << cache.incr("visits").value_or(0) << '\n';
    std::cout << "incr_or_create       " << cache.incr_or_create("logins", 1, 1) << '\n';
}

void computing(const rediscache::Cache &cache) {
    int calls = 0;
    const auto render = [&] {
        ++calls; // here would be the slow query
        return std::string("<h1>Hello</h1>");
    };
    for (int i = 0; i < 2; ++i) cache.get_or_set("front", 5min, render);
    std::cout << "get_or_set           " << cache.get_or_set("front", 5min, render) << '\n';
    std::cout << "  3 calls rendered   " << calls << " time\n";
    try {
        cache.get_or_set("broken", 5min, []() -> std::string { throw std::runtime_error("no paper"); });
    } catch (const std::runtime_error &error) {
        std::cout << "  an exception       " << error.what() << '\n';
    }
}

void many_keys(const rediscache::Cache &cache) {
    cache.set_many({{"page:1", "one"}, {"page:2", "two"}, {"page:3", "three"}}, 1h);
    std::cout << "get_many            ";
    for (const auto &value : cache.get_many({"page:1", "page:9", "page:3"})) std::cout << ' ' << value.value_or("(none)");
    std::cout << '\n';
}

void groups(const rediscache::Cache &cache) {
    const auto version = cache.incr_version("page:1");
    std::cout << "incr_version         page:1 is now in version " << version.value_or(0) << ": "
              << cache.with_version(2).has_key("page:1") << '\n';
    std::cout << "keys                ";
    for (const auto key : cache.keys("page:*")) std::cout << ' ' << key;
    std::cout << '\n';
    std::cout << "delete_pattern       " << cache.delete_pattern("page:*").deleted << '\n';
    std::cout << "clear, all versions  " << cache.clear().deleted << '\n';
}

} // namespace

int main(int argc, char **argv) {
    try {
        const rediscache::Cache cache(argc > 1 ? argv[1] : "memory://?prefix=tour");
        std::cout << "redis_cache " << rediscache::version() << " on " << cache.where("user:7") << '\n';
        one_key(cache);
        counters(cache);
        computing(cache);
        many_keys(cache);
        groups(cache);
        const auto stats = cache.stats();
        std::cout << "stats                " << stats.hits << " hits, " << stats.misses << " misses, " << stats.sets
                  << " sets\n";
    } catch (const rediscache::Error &error) {
        std::cerr << rediscache::status_name(error.status()) << ": " << error.what() << '\n';
        return 1;
    }
    return 0;
}
