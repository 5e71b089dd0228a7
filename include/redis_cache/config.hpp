// Part of redis_cache.hpp: what a client is made from, and the functions it calls on its own.

#ifndef REDIS_CACHE_CONFIG_HPP
#define REDIS_CACHE_CONFIG_HPP

#include "compute.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rediscache {

/// Servers, options and functions, for a Cache. Methods return the configuration itself.
class Config {
public:
    /// Hears of every fault, on any thread. What it throws is dropped.
    using ErrorFunction = std::function<void(Status, std::string_view text)>;
    /// Makes the key on the wire, on any thread. What it throws becomes a CallbackError.
    using KeyFunction =
        std::function<std::string(std::string_view prefix, std::uint64_t version, std::string_view key)>;

    Config() : config_(redis_cache_config_new()) {
        if (!config_) detail::raise(REDIS_CACHE_ERR_PANIC);
    }

    Config &server(const std::string &url, std::uint32_t weight = 1) {
        detail::check(redis_cache_config_add_server(config_.get(), url.c_str(), nullptr, weight));
        return *this;
    }
    Config &server(const std::string &url, const std::string &name, std::uint32_t weight = 1) {
        detail::check(redis_cache_config_add_server(config_.get(), url.c_str(), name.c_str(), weight));
        return *this;
    }
    Config &set(const std::string &name, const std::string &value) {
        detail::check(redis_cache_config_set(config_.get(), name.c_str(), value.c_str()));
        return *this;
    }
    Config &on_error(ErrorFunction function) {
        auto kept = std::make_shared<ErrorFunction>(std::move(function));
        detail::check(redis_cache_config_set_error_fn(config_.get(), hear, kept.get()));
        functions_.push_back(std::move(kept));
        return *this;
    }
    Config &key_function(KeyFunction function) {
        auto kept = std::make_shared<KeyFunction>(std::move(function));
        detail::check(redis_cache_config_set_key_fn(config_.get(), make_key, kept.get()));
        functions_.push_back(std::move(kept));
        return *this;
    }

private:
    friend class Cache;

    static void hear(void *user_data, std::int32_t status, const char *text) {
        auto &function = *static_cast<ErrorFunction *>(user_data);
        detail::contain(nullptr, nullptr, [&] { function(static_cast<Status>(status), text); });
    }
    static std::int32_t make_key(void *user_data, const char *prefix, std::uint64_t version,
                                 const redis_cache_slice *key, redis_cache_writer *out) {
        auto &function = *static_cast<KeyFunction *>(user_data);
        return detail::contain(out, nullptr, [&] {
            Writer(out).append(function(prefix, version, detail::view(*key)));
        });
    }

    std::unique_ptr<redis_cache_config, detail::Free<redis_cache_config_free>> config_;
    std::vector<std::shared_ptr<const void>> functions_;
};

} // namespace rediscache

#endif // REDIS_CACHE_CONFIG_HPP
