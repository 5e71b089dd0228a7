// redis-plus-plus, with its own pool.
extern "C" {
#include "../peer.h"
extern const struct peer bench_peer;
}

#include <chrono>
#include <iterator>
#include <string_view>
#include <sw/redis++/redis++.h>
#include <sw/redis++/redis_uri.h>
#include <sw/redis++/version.h>
#include <vector>

namespace {

using namespace sw::redis;
using Value = OptionalString;

const std::chrono::milliseconds ttl{300000};

StringView view(text it) {
    return {it.data, it.len};
}

Redis &redis(void *handle) {
    return *static_cast<Redis *>(handle);
}

void *open_at(const char *location, int connections) {
    const std::string_view where{location};
    // One server.
    if (where.find(',') != where.npos || where.find('?') != where.npos) return nullptr;
    try {
        ConnectionPoolOptions pool;
        pool.size = static_cast<std::size_t>(connections);
        return new Redis(Uri{location}.connection_options(), pool);
    } catch (const Error &) {
        return nullptr;
    }
}

long get(void *handle, text key) {
    try {
        const Value value = redis(handle).get(view(key));
        return value ? static_cast<long>(value->size()) : -1;
    } catch (const Error &) {
        return -1;
    }
}

int set(void *handle, text key, text value) {
    try {
        return redis(handle).set(view(key), view(value), ttl) ? 0 : -1;
    } catch (const Error &) {
        return -1;
    }
}

int mget(void *handle, const text *keys, std::size_t count) {
    try {
        std::vector<StringView> names;
        std::vector<Value> values;
        names.reserve(count);
        values.reserve(count);
        for (std::size_t i = 0; i < count; i++) names.push_back(view(keys[i]));
        redis(handle).mget(names.begin(), names.end(), std::back_inserter(values));
        for (const Value &value : values)
            if (!value) return -1;
        return values.size() == count ? 0 : -1;
    } catch (const Error &) {
        return -1;
    }
}

// SETs in a pipeline on a connection of the pool: MSET knows no time to live.
int mset(void *handle, const text *keys, std::size_t count, text value) {
    try {
        auto pipe = redis(handle).pipeline(false);
        for (std::size_t i = 0; i < count; i++) pipe.set(view(keys[i]), view(value), ttl);
        auto replies = pipe.exec();
        for (std::size_t i = 0; i < count; i++)
            if (!replies.get<bool>(i)) return -1;
        return 0;
    } catch (const Error &) {
        return -1;
    }
}

void close_it(void *handle) {
    delete static_cast<Redis *>(handle);
}

const std::string version = std::to_string(VERSION_MAJOR) + "." + std::to_string(VERSION_MINOR) + "." +
    std::to_string(VERSION_PATCH);

} // namespace

const struct peer bench_peer = {"redis-plus-plus", version.c_str(), 1, open_at, get, set, mget, mset, close_it};
