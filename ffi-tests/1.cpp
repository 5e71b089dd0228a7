#include <redis_cache.hpp>
#include <iostream>

int main() {
    using namespace std::chrono_literals;
    auto cache = rediscache::Cache::open("memory://?stale=10m");
    // An optional may be empty, and that is remembered. The writer is there for those who need it.
    auto user = cache.get_or_set("user:7", 5min, [](rediscache::Writer &out) -> std::optional<std::string> {
        out.set_ttl(1min);
        return "Ada";
    });
    auto names = cache.get_or_set_many({"user:7", "user:8"}, 5min, [](const std::vector<std::string_view> &missing) {
        return std::vector<std::string>(missing.size(), "somebody");
    });
    std::cout << user.value_or("nobody") << ", " << names[1].value_or("nobody") << "\n";

    cache.expire_soft("user:7");
    auto [old, stale, lease] = cache.lease_begin("user:7");
    std::cout << old.value_or("nobody") << (stale ? " was" : " is") << " there\n";
    if (lease) lease.fulfill("Ada Lovelace", 5min);

    if (auto lock = cache.lock("nightly-job", 1min)) std::cout << "the lock is ours until here\n";
}
