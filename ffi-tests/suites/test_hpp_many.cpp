// The C++ header: many keys, from any range, and the error that tells what failed among them.
#include "hpp.hpp"

#include <map>
#include <optional>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using rediscache::Cache;

namespace {

using Values = std::vector<std::optional<std::string>>;

void any_range_will_do() {
    const Cache cache = open_target("prefix=ranges");
    cache.set_many({{"a", "one"}, {"b", "two"}}, 1min);
    cache.set_many(std::map<std::string, std::string>{{"c", "three"}, {"d", ""}});
    cache.set_many(std::vector<std::pair<std::string_view, std::string>>{{"e", std::string("\0x", 2)}});
    CHECK((cache.get_many({"c", "none", "a", "a"}) == Values{"three", std::nullopt, "one", "one"}));
    const std::vector<std::string> strings{"d", "e"};
    CHECK((cache.get_many(strings) == Values{"", std::string("\0x", 2)}));
    const std::vector<std::string_view> views{"b"};
    CHECK((cache.get_many(views) == Values{"two"}));
    CHECK(cache.delete_many({"a", "b", "none"}) == 2);
    CHECK(cache.delete_many(strings) == 2);
    CHECK(!cache.has_key("a"));
    CHECK(cache.ttl("c")->milliseconds() > 200000);
}

void nothing_is_a_range_too() {
    const Cache cache = open_target("prefix=nothing");
    const std::vector<std::string> none;
    CHECK(cache.get_many(none).empty());
    CHECK(cache.delete_many(none) == 0);
    cache.set_many(std::map<std::string, std::string>{});
    CHECK(cache.get_many_results(none).size() == 0);
}

void results_are_read_without_a_copy() {
    const Cache cache = open_target("prefix=results");
    cache.set("a", "one");
    const auto results = cache.get_many_results({"a", "none", ""});
    CHECK(results.size() == 3);
    CHECK(results.at(0) == "one");
    CHECK(!results.at(1));
    THROWS(rediscache::InvalidArgument, results.at(2));
    THROWS(rediscache::InvalidArgument, results.at(3));
    CHECK(results.failures().size() == 1 && results.failures()[0].index == 2);
}

void some_that_fail_are_told_with_the_others() {
    const Cache cache = open_target("prefix=some");
    cache.set("a", "one");
    try {
        (void)cache.get_many({"a", "", "none"});
        CHECK(!"get_many throws");
    } catch (const rediscache::PartialError &error) {
        CHECK((error.values() == Values{"one", std::nullopt, std::nullopt}));
        REQUIRE(error.failures().size() == 1);
        CHECK(error.failures()[0].index == 1);
        CHECK(error.failures()[0].status == REDIS_CACHE_ERR_INVALID_ARGUMENT);
        CHECK(!error.failures()[0].text.empty());
        CHECK(error.status() == REDIS_CACHE_PARTIAL);
        CHECK(*error.what() != '\0');
    }
    try {
        cache.set_many({{"b", "two"}, {"", "none"}});
        CHECK(!"set_many throws");
    } catch (const rediscache::PartialError &error) {
        CHECK(error.failures().size() == 1 && error.failures()[0].index == 1);
    }
    CHECK(cache.get("b") == "two");
    try {
        (void)cache.delete_many({"a", "", "b"});
        CHECK(!"delete_many throws");
    } catch (const rediscache::PartialError &error) {
        CHECK(error.deleted() == 2);
    }
}

void all_that_fail_are_one_error() {
    const Cache cache = open_target("prefix=all");
    THROWS(rediscache::InvalidArgument, cache.get_many({"", ""}));
    THROWS(rediscache::InvalidArgument, cache.set_many({{"", "x"}}));
    THROWS(rediscache::InvalidArgument, cache.delete_many({""}));
}

} // namespace

void suite_hpp_many() {
    RUN(any_range_will_do);
    RUN(nothing_is_a_range_too);
    RUN(results_are_read_without_a_copy);
    RUN(some_that_fail_are_told_with_the_others);
    RUN(all_that_fail_are_one_error);
}
