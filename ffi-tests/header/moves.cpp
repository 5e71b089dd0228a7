// What the C++ header ends when another is assigned over it: that at once, and nothing twice. Here is no library: the
// functions of C that it needs write down that they were called.
#include "redis_cache.hpp"

#include <cstdio>
#include <string>
#include <utility>

namespace {

std::string said;

void say(const char *what) { said += std::string(said.empty() ? "" : ", ") + what; }

// What is not looked into may point anywhere.
char anything;
template <class T>
T *object() {
    return reinterpret_cast<T *>(&anything);
}

int failures = 0;

void expect(const char *what, const std::string &expected) {
    if (said != expected) {
        std::printf("%s: \"%s\" and not \"%s\"\n", what, said.c_str(), expected.c_str());
        failures++;
    }
    said.clear();
}

} // namespace

extern "C" {
redis_cache_config *redis_cache_config_new(void) { return object<redis_cache_config>(); }
void redis_cache_config_free(redis_cache_config *) { say("config"); }
redis_cache_status redis_cache_connect(const redis_cache_config *, redis_cache **out) {
    *out = object<redis_cache>();
    return REDIS_CACHE_OK;
}
void redis_cache_free(redis_cache *) { say("client"); }
void redis_cache_keys_free(redis_cache_keys *) { say("keys"); }
void redis_cache_lease_abandon(redis_cache_lease *) { say("lease"); }
redis_cache_status redis_cache_lock_release(redis_cache_lock *) {
    say("lock");
    return REDIS_CACHE_OK;
}
void redis_cache_bytes_free(redis_cache_bytes *bytes) {
    if (bytes->data) say("bytes");
    *bytes = redis_cache_bytes{};
}
const char *redis_cache_last_error(void) { return ""; }
const char *redis_cache_status_name(int32_t) { return ""; }
}

int main() {
    {
        const rediscache::Config config;
        rediscache::Cache cache(config), other(config);
        cache = std::move(other);
        expect("a client", "client");
        rediscache::Cache &same = cache;
        cache = std::move(same);
        expect("a client over itself", "");
    }
    expect("the end of a client", "client, config");
    {
        rediscache::Config config, other;
        config = std::move(other);
        expect("a configuration", "config");
    }
    expect("the end of a configuration", "config");
    {
        rediscache::Keys keys(object<redis_cache_keys>());
        keys = rediscache::Keys(object<redis_cache_keys>());
        expect("an iteration", "keys");
    }
    expect("the end of an iteration", "keys");
    {
        rediscache::Lease lease(object<redis_cache_lease>());
        lease = rediscache::Lease(object<redis_cache_lease>());
        expect("a lease", "lease");
    }
    expect("the end of a lease", "lease");
    {
        rediscache::Lock lock(object<redis_cache_lock>());
        lock = rediscache::Lock(object<redis_cache_lock>());
        expect("a lock", "lock");
    }
    expect("the end of a lock", "lock");
    {
        rediscache::Bytes bytes, other;
        bytes.out()->data = &anything;
        other.out()->data = &anything;
        bytes = std::move(other);
        expect("bytes", "bytes");
    }
    expect("the end of bytes", "bytes");
    std::puts(failures ? "moves: something is ended too late, or too early" : "moves: what is assigned over ends first");
    return failures ? 1 : 0;
}
