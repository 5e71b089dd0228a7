#include <redis_cache.hpp>
#include <iostream>

int main() {
    using namespace std::chrono_literals;
    auto cache = rediscache::Cache::open("memory://?prefix=app&ttl=5m");
    cache.set("greeting", "hello", 60s);
    std::cout << cache.get("greeting").value_or("nothing") << "\n";
    std::cout << cache.get_or_set("front", 5min, [] { return std::string("<h1>Hi</h1>"); }) << "\n";
}
