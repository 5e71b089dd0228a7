// Part of redis_cache.hpp: what a client is made from, and the functions it calls on its own.

#ifndef REDIS_CACHE_CONFIG_HPP
#define REDIS_CACHE_CONFIG_HPP

#include "compute.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace rediscache {

/// Who logs in: a user, empty for the default one, and a password.
struct Credentials {
    std::string user;
    std::string password;
};

/// Servers, options and functions, for a Cache. Methods return the configuration itself.
class Config {
public:
    /// Hears of every fault, on any thread. What it throws is dropped. Like the other function, it lives as long as
    /// anything that may call it: the configuration, and clients, views, iterators, leases and locks from it.
    using ErrorFunction = std::function<void(Status, std::string_view text)>;
    /// Makes the key on the wire, on any thread. What it throws becomes a CallbackError.
    using KeyFunction =
        std::function<std::string(std::string_view prefix, std::uint64_t version, std::string_view key)>;

    /// Hears of every operation when it is over, on its thread: its name, such as "get", the node of its key or "", and how
    /// long it took. What it throws is dropped.
    using OperationFunction = std::function<void(std::string_view operation, std::string_view node, Status status,
                                                 std::chrono::nanoseconds duration)>;

    /// Says who logs in at the node of that location, on any thread: asked at every connect, and once more when the server
    /// refuses what it said. What it throws becomes an AuthError. What it returns is overwritten after use.
    using CredentialsFunction = std::function<Credentials(std::string_view node)>;

    Config() : config_(redis_cache_config_new()) {
        if (!config_) detail::raise(REDIS_CACHE_ERR_PANIC);
    }

    Config &server(const std::string &url, std::uint32_t weight = 1) {
        detail::check(redis_cache_config_add_server(config_.get(), location(url), nullptr, weight));
        return *this;
    }
    Config &server(const std::string &url, const std::string &name, std::uint32_t weight = 1) {
        const char *const known_as = detail::c_text(name, REDIS_CACHE_ERR_CONFIG, "the name of a server");
        detail::check(redis_cache_config_add_server(config_.get(), location(url), known_as, weight));
        return *this;
    }
    Config &set(const std::string &name, const std::string &value) {
        const char *const option = detail::c_text(name, REDIS_CACHE_ERR_CONFIG, "the name of an option");
        const std::string what = "the value of the option `" + name + "`";
        detail::check(redis_cache_config_set(config_.get(), option,
                                             detail::c_text(value, REDIS_CACHE_ERR_CONFIG, what.c_str())));
        return *this;
    }
    /// Here 0 would be a null pointer.
    template <class T, class = std::enable_if_t<std::is_arithmetic_v<T> || std::is_null_pointer_v<T>>>
    Config &set(const std::string &, T) {
        static_assert(detail::is_bytes<T>, "an option is set by text, as in a location: set(\"max_connections\", \"8\")");
        return *this;
    }
    Config &on_error(ErrorFunction function) {
        auto *const kept = new ErrorFunction(std::move(function));
        detail::check(redis_cache_config_set_error_fn_owned(config_.get(), hear, kept, destroy<ErrorFunction>));
        return *this;
    }
    Config &on_operation(OperationFunction function) {
        auto *const kept = new OperationFunction(std::move(function));
        detail::check(redis_cache_config_set_operation_fn(config_.get(), hear_operation, kept,
                                                          destroy<OperationFunction>));
        return *this;
    }
    Config &key_function(KeyFunction function) {
        auto *const kept = new KeyFunction(std::move(function));
        detail::check(redis_cache_config_set_key_fn_owned(config_.get(), make_key, kept, destroy<KeyFunction>));
        return *this;
    }
    Config &credentials(CredentialsFunction function) {
        auto *const kept = new CredentialsFunction(std::move(function));
        detail::check(redis_cache_config_set_credentials_fn(config_.get(), say_credentials, kept,
                                                            destroy<CredentialsFunction>));
        return *this;
    }

private:
    friend class Cache;

    static void hear(void *user_data, std::int32_t status, const char *text) {
        auto &function = *static_cast<ErrorFunction *>(user_data);
        detail::contain(nullptr, nullptr, [&] { function(static_cast<Status>(status), text); });
    }
    static void hear_operation(void *user_data, const char *operation, const char *node, std::int32_t status,
                               std::uint64_t nanoseconds) {
        auto &function = *static_cast<OperationFunction *>(user_data);
        detail::contain(nullptr, nullptr, [&] {
            function(operation, node, static_cast<Status>(status),
                     std::chrono::nanoseconds(static_cast<std::chrono::nanoseconds::rep>(nanoseconds)));
        });
    }
    static std::int32_t make_key(void *user_data, const char *prefix, std::uint64_t version,
                                 const redis_cache_slice *key, redis_cache_writer *out) {
        auto &function = *static_cast<KeyFunction *>(user_data);
        return detail::contain(out, nullptr, [&] {
            Writer(out).append(function(prefix, version, detail::view(*key)));
        });
    }

    static std::int32_t say_credentials(void *user_data, const char *node, redis_cache_writer *out) {
        auto &function = *static_cast<CredentialsFunction *>(user_data);
        return detail::contain(out, nullptr, [&] {
            struct Wiped {
                Credentials said;
                ~Wiped() {
                    for (std::string *text : {&said.user, &said.password})
                        for (char &each : *text) *static_cast<volatile char *>(&each) = 0;
                }
            } wiped{function(node)};
            Writer(out).append(wiped.said.user);
            detail::check(redis_cache_writer_next(out));
            Writer(out).append(wiped.said.password);
        });
    }

    /// The library knows when nobody can call it any more; also when it was not taken at all.
    template <class Function>
    static void destroy(void *function) noexcept {
        delete static_cast<Function *>(function);
    }
    static const char *location(const std::string &url) {
        return detail::c_text(url, REDIS_CACHE_ERR_CONFIG, "a location");
    }

    std::unique_ptr<redis_cache_config, detail::Free<redis_cache_config_free>> config_;
};

} // namespace rediscache

#endif // REDIS_CACHE_CONFIG_HPP
