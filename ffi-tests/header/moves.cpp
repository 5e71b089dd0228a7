// The order in which the C++ header ends things when another is assigned over them. Here is no library: the functions
// of C that it needs write down that they were called, and so do the functions of the caller when they are destroyed.
#include "redis_cache.hpp"

#include <cstdio>
#include <memory>
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

// A function of the caller that tells of its end, held as the header holds them.
std::shared_ptr<const void> function() {
    return std::shared_ptr<const void>(&anything, [](const void *) { say("its functions"); });
}

struct Hook {
    std::shared_ptr<const void> held = function();
    void operator()(rediscache::Status, std::string_view) const {}
};

rediscache::Cache client() {
    rediscache::Config config;
    config.on_error(Hook());
    return rediscache::Cache(config);
}

} // namespace

extern "C" {
redis_cache_config *redis_cache_config_new(void) { return object<redis_cache_config>(); }
void redis_cache_config_free(redis_cache_config *) { say("config"); }
redis_cache_status redis_cache_config_set_error_fn(redis_cache_config *, redis_cache_error_fn, void *) {
    return REDIS_CACHE_OK;
}
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
void redis_cache_writer_fail(redis_cache_writer *, const char *) {}
const char *redis_cache_last_error(void) { return ""; }
const char *redis_cache_status_name(int32_t) { return ""; }
}

int main() {
    {
        rediscache::Cache cache = client(), other = client();
        said.clear(); // of their configurations
        cache = std::move(other);
        expect("a client", "client, its functions");
        rediscache::Cache &same = cache;
        cache = std::move(same);
        expect("a client over itself", "");
    }
    expect("the end of a client", "client, its functions");
    {
        rediscache::Config config, other;
        config.on_error(Hook());
        config = std::move(other);
        expect("a configuration", "config, its functions");
    }
    expect("the end of a configuration", "config");
    {
        rediscache::Keys keys(object<redis_cache_keys>(), function());
        keys = rediscache::Keys(object<redis_cache_keys>(), function());
        expect("an iteration", "keys, its functions");
    }
    expect("the end of an iteration", "keys, its functions");
    {
        rediscache::Lease lease(object<redis_cache_lease>(), function());
        lease = rediscache::Lease(object<redis_cache_lease>(), function());
        expect("a lease", "lease, its functions");
    }
    expect("the end of a lease", "lease, its functions");
    {
        rediscache::Lock lock(object<redis_cache_lock>(), function());
        lock = rediscache::Lock(object<redis_cache_lock>(), function());
        expect("a lock", "lock, its functions");
    }
    expect("the end of a lock", "lock, its functions");
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
