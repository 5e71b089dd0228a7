// The C++ header: configuration, and the tree of errors.
#include "hpp.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using rediscache::Cache;
using rediscache::Config;

namespace {

void a_configuration_is_written_in_one_expression() {
    Config config;
    config.server(url_with(), "first").set("prefix", "app").set("ttl", "1m");
    const Cache cache(config);
    CHECK(cache.where("k") == "first");
    CHECK(cache.make_key("k") == "app:1:k");
    cache.set("k", "v");
    CHECK(cache.ttl("k")->milliseconds() <= 60000);
    const Cache again(config);
    CHECK(again.get("k") == "v");
    CHECK(Cache::open(url_with("prefix=app")).get("k") == "v");
}

void mistakes_are_thrown_by_type() {
    Config config;
    THROWS(rediscache::ConfigError, config.set("colour", "blue"));
    THROWS(rediscache::ConfigError, config.set("ttl", "soon"));
    THROWS(rediscache::ConfigError, config.server("ftp://host"));
    THROWS(rediscache::ConfigError, Cache("nosuchscheme://host"));
    THROWS(rediscache::ConfigError, Cache{Config()});
    const Cache cache = open_target();
    THROWS(rediscache::InvalidArgument, cache.get(""));
    THROWS(rediscache::InvalidArgument, cache.set("", "x"));
    THROWS(rediscache::InvalidArgument, cache.make_key(""));
    THROWS(rediscache::InvalidArgument, cache.decr("n", INT64_MIN));
}

void a_server_that_is_down_is_an_io_error() {
    const Cache cache("redis://joe:hunter2@127.0.0.1:1/?breaker_failures=1000");
    THROWS(rediscache::IoError, cache.ping());
    THROWS(rediscache::IoError, cache.get("key"));
    THROWS(rediscache::IoError, cache.get_many({"a", "b"}));
    THROWS(rediscache::IoError, cache.clear());
    auto keys = cache.keys();
    THROWS(rediscache::IoError, keys.next());
    try {
        cache.set("key", "a secret");
        CHECK(!"it throws");
    } catch (const std::runtime_error &error) {
        const std::string text = error.what();
        CHECK(text.find("127.0.0.1:1") != std::string::npos);
        CHECK(text.find("hunter2") == std::string::npos && text.find("secret") == std::string::npos);
    }
}

// The server of the suite knows the default user only, whom nobody asks for a password.
void a_function_says_the_credentials() {
    if (!on_single() || on_memory()) return;
    int asked = 0;
    std::string node;
    {
        Config config;
        config.server(url_with()).credentials([&](std::string_view at) {
            node = at;
            return ++asked > 1 ? rediscache::Credentials{} : rediscache::Credentials{"nobody", "hunter2"};
        });
        const Cache cache(config);
        cache.set("k", "v");
        CHECK(cache.get("k") == "v" && asked == 2);
        CHECK(url_with().compare(0, node.size(), node) == 0);
    }
    Config config;
    config.server(url_with()).credentials([](std::string_view) -> rediscache::Credentials {
        throw std::runtime_error("the vault is closed");
    });
    const Cache cache(config);
    try {
        static_cast<void>(cache.get("k"));
        CHECK(!"it throws");
    } catch (const rediscache::AuthError &error) {
        CHECK(std::string_view(error.what()).find("the vault is closed") != std::string_view::npos);
    }
    config.set("password", "hunter2");
    THROWS(rediscache::ConfigError, Cache{config});
}

// What users of redis-plus-plus catch as one: sw::redis::IoError is the parent of its TimeoutError.
void no_answer_is_one_error_to_catch() {
    static_assert(std::is_base_of_v<rediscache::Error, rediscache::UnreachableError>);
    static_assert(std::is_base_of_v<rediscache::UnreachableError, rediscache::IoError>);
    static_assert(std::is_base_of_v<rediscache::UnreachableError, rediscache::TimeoutError>);
    static_assert(std::is_base_of_v<rediscache::UnreachableError, rediscache::UnavailableError>);
    static_assert(!std::is_base_of_v<rediscache::UnreachableError, rediscache::AuthError>);
    static_assert(!std::is_base_of_v<rediscache::UnreachableError, rediscache::ServerError>);
    static_assert(!std::is_base_of_v<rediscache::UnreachableError, rediscache::BusyError>);
    const Cache cache("redis://127.0.0.1:1/?breaker_failures=2");
    for (int i = 0; i < 4; i++) {
        try {
            cache.set("key", "value");
            CHECK(!"it throws");
        } catch (const rediscache::UnreachableError &error) {
            const rediscache::Status expected = i < 2 ? REDIS_CACHE_ERR_IO : REDIS_CACHE_ERR_UNAVAILABLE;
            CHECK(error.status() == expected);
        }
    }
    THROWS(rediscache::UnavailableError, cache.get("key"));
}

// C would see "app" and "secret".
void a_nul_byte_is_refused_and_not_the_end() {
    using namespace std::string_literals;
    THROWS(rediscache::ConfigError, Cache("memory://?prefix=app\0other"s));
    THROWS(rediscache::ConfigError, Cache::open("memory://\0"s));
    Config config;
    THROWS(rediscache::ConfigError, config.server("memory://\0"s));
    THROWS(rediscache::ConfigError, config.server("memory://\0"s, "name"));
    THROWS(rediscache::ConfigError, config.server("memory://", "na\0me"s));
    THROWS(rediscache::ConfigError, config.set("prefix", "app\0other"s));
    THROWS(rediscache::ConfigError, config.set("ttl\0"s, "1m"));
    try {
        config.set("password", "secret\0word"s);
        CHECK(!"it throws");
    } catch (const rediscache::ConfigError &error) {
        const std::string text = error.what();
        CHECK(text.find("password") != std::string::npos && text.find("secret") == std::string::npos);
    }
    const Cache cache = open_target();
    rediscache::Sweep sweep;
    sweep.cursor = "\0"s;
    THROWS(rediscache::InvalidArgument, cache.clear(sweep));
}

void a_null_pointer_is_refused_at_run_time_too() {
    const Cache cache = open_target("prefix=null");
    const char *const unset = nullptr;
    THROWS(rediscache::InvalidArgument, cache.set("key", unset));
    THROWS(rediscache::InvalidArgument, cache.get(unset));
    THROWS(rediscache::InvalidArgument, cache.get_many({"key", unset}));
    THROWS(rediscache::InvalidArgument, cache.get_or_set("key", 1min, [&] { return unset; }));
    CHECK(!cache.has_key("key"));
}

void errors_are_one_tree() {
    static_assert(std::is_base_of_v<std::runtime_error, rediscache::Error>);
    static_assert(std::is_base_of_v<rediscache::Error, rediscache::IoError>);
    static_assert(std::is_base_of_v<rediscache::Error, rediscache::TimeoutError>);
    static_assert(std::is_base_of_v<rediscache::Error, rediscache::PartialError>);
    static_assert(!std::is_same_v<rediscache::IoError, rediscache::TimeoutError>);
    static_assert(std::is_nothrow_copy_constructible_v<rediscache::Error>);
    try {
        open_target().ping();
        (void)open_target().get("");
        CHECK(!"it throws");
    } catch (const rediscache::Error &error) {
        CHECK(error.status() == REDIS_CACHE_ERR_INVALID_ARGUMENT);
        CHECK(*error.what() != '\0');
    }
    CHECK(std::string(rediscache::status_name(REDIS_CACHE_ERR_IO)) == "REDIS_CACHE_ERR_IO");
}

void the_error_function_hears_faults_and_may_throw() {
    std::vector<std::string> heard;
    Config config;
    config.server("redis://127.0.0.1:1/?on_error=miss&breaker_failures=1000")
        .on_error([&](rediscache::Status status, std::string_view text) {
            heard.push_back(std::string(rediscache::status_name(status)) + ": " + std::string(text));
            throw std::runtime_error("this goes nowhere");
        });
    const Cache cache(config);
    CHECK(!cache.get("key"));
    cache.set("key", "value");
    CHECK(!cache.add("key", "value"));
    CHECK(heard.size() == 3);
    CHECK(!heard.empty() && heard[0].find("REDIS_CACHE_ERR_IO: ") == 0);
    THROWS(rediscache::IoError, cache.ping());
}

void the_operation_function_hears_all_and_may_throw() {
    std::vector<std::string> heard;
    Config config;
    on_target(config, "prefix=operations")
        .on_operation([&](std::string_view operation, std::string_view node, rediscache::Status status,
                          std::chrono::nanoseconds duration) {
            CHECK(duration.count() > 0 && node.find('@') == std::string_view::npos);
            heard.push_back(std::string(operation) + " " + rediscache::status_name(status));
            throw std::runtime_error("this goes nowhere");
        });
    const Cache cache(config);
    cache.set("key", "value");
    CHECK(!cache.get("none"));
    CHECK(heard == std::vector<std::string>({"set REDIS_CACHE_OK", "get REDIS_CACHE_NOT_FOUND"}));
    CHECK(cache.stats_prometheus().find("redis_cache_sets_total 1\n") != std::string_view::npos);
}

void a_configuration_may_be_assigned() {
    Config config;
    on_target(config, "prefix=first").key_function(
        [](std::string_view, std::uint64_t, std::string_view key) { return "first " + std::string(key); });
    Config other;
    on_target(other, "prefix=second").key_function(
        [](std::string_view, std::uint64_t, std::string_view key) { return "second " + std::string(key); });
    const Cache first(config);
    config = std::move(other);
    const Cache second(config);
    CHECK(first.make_key("k") == "first k" && second.make_key("k") == "second k");
}

// Its function was deleted under its feet, and the client too.
void a_hook_may_end_its_own_client() {
    std::optional<Cache> cache;
    std::string heard;
    const auto token = std::make_shared<int>();
    {
        Config config;
        config.server("redis://127.0.0.1:1/?on_error=miss&breaker_failures=1000")
            .on_error([&, token, text = std::string(100, 'x')](rediscache::Status, std::string_view) {
                cache.reset();
                heard = text;
            });
        cache.emplace(config);
    }
    CHECK(token.use_count() == 2);
    CHECK(!cache->get("key"));
    CHECK(!cache && heard == std::string(100, 'x'));
    CHECK(token.use_count() == 1);
}

void functions_end_with_the_last_that_may_call_them() {
    const auto token = std::make_shared<int>();
    Config config;
    on_target(config).on_error([token](rediscache::Status, std::string_view) {});
    config.on_error([token](rediscache::Status, std::string_view) {});
    CHECK(token.use_count() == 2); // the first one was replaced
    std::optional<Cache> cache(config), view = cache->with_version(2);
    config = Config();
    cache.reset();
    auto keys = view->keys();
    view.reset();
    CHECK(token.use_count() == 2);
    keys = open_target().keys();
    CHECK(token.use_count() == 1);
}

void no_memory_is_an_error_of_its_own() {
    THROWS(rediscache::NoMemoryError, (rediscache::detail::check(REDIS_CACHE_ERR_NO_MEMORY), 0));
    static_assert(!std::is_base_of_v<rediscache::UnreachableError, rediscache::NoMemoryError>);
}

void functions_of_a_configuration_outlive_it() {
    Cache cache = [] {
        Config config;
        on_target(config, "prefix=kept").key_function(
            [head = std::string(100, 'k')](std::string_view, std::uint64_t, std::string_view key) {
                return head + std::string(key);
            });
        return Cache(config);
    }();
    Cache view = cache.with_version(2);
    auto keys = view.keys();
    cache = open_target();
    CHECK(view.make_key("x") == std::string(100, 'k') + "x");
    view.set("x", "value");
    view = open_target();
    CHECK(keys.next().has_value());
}

} // namespace

void suite_hpp_errors() {
    if (on_single()) RUN(a_configuration_is_written_in_one_expression);
    RUN(mistakes_are_thrown_by_type);
    RUN(a_server_that_is_down_is_an_io_error);
    RUN(the_operation_function_hears_all_and_may_throw);
    RUN(a_function_says_the_credentials);
    RUN(no_answer_is_one_error_to_catch);
    RUN(a_nul_byte_is_refused_and_not_the_end);
    RUN(a_null_pointer_is_refused_at_run_time_too);
    RUN(errors_are_one_tree);
    RUN(the_error_function_hears_faults_and_may_throw);
    RUN(a_configuration_may_be_assigned);
    RUN(a_hook_may_end_its_own_client);
    RUN(functions_end_with_the_last_that_may_call_them);
    RUN(no_memory_is_an_error_of_its_own);
    RUN(functions_of_a_configuration_outlive_it);
}
