// The C++ header: get_or_set_many with lambdas of every shape.
#include "hpp.hpp"

#include <chrono>
#include <list>
#include <map>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using rediscache::Cache;

namespace {

using Keys = std::vector<std::string_view>;
using Values = std::vector<std::optional<std::string>>;

struct OutOfPaper : std::runtime_error {
    OutOfPaper() : std::runtime_error("out of paper") {}
};

std::vector<std::string> values_of(const Keys &keys) {
    std::vector<std::string> values;
    for (std::string_view key : keys) values.push_back("value of " + std::string(key));
    return values;
}

void a_loader_returns_values_for_what_is_missing() {
    const Cache cache = open_target("prefix=many");
    cache.set("b", "there");
    Keys asked;
    const auto load = [&](const Keys &missing) {
        asked = missing;
        return values_of(missing);
    };
    CHECK((cache.get_or_set_many({"a", "b", "c"}, 1min, load) == Values{"value of a", "there", "value of c"}));
    CHECK((asked == Keys{"a", "c"}));
    CHECK(cache.get("c") == "value of c");
    CHECK(cache.ttl("c")->milliseconds() <= 60000);
    const std::list<std::string> keys{"c", "a"};
    CHECK((cache.get_or_set_many(keys, 1min, [](const Keys &) -> Keys { throw OutOfPaper(); }) ==
           Values{"value of c", "value of a"}));
    CHECK(cache.get_or_set_many(Keys{}, 1min, load).empty());
}

void an_empty_optional_is_no_value() {
    const Cache cache = open_target("prefix=optional");
    const std::map<std::string, std::string, std::less<>> table{{"a", "1"}, {"c", ""}};
    const auto load = [&](const Keys &missing) {
        Values values;
        for (std::string_view key : missing) {
            const auto found = table.find(key);
            values.push_back(found == table.end() ? std::nullopt : std::optional<std::string>(found->second));
        }
        return values;
    };
    CHECK((cache.get_or_set_many({"a", "b", "c"}, 1min, load) == Values{"1", std::nullopt, ""}));
    CHECK(cache.get("c") == "" && !cache.has_key("b"));
    CHECK(cache.add("b", "added"));
}

void a_loader_may_write_instead() {
    const Cache cache = open_target("prefix=write");
    const Values values = cache.get_or_set_many({"a", "b", "c"}, 1min, [](const Keys &missing, rediscache::Writer &out) {
        CHECK(missing.size() == 3);
        out.append("one ").append("two").set_ttl(10s).next();
        out.renew();
        out.set_absent(1min).next();
        out.skip().next();
    });
    CHECK((values == Values{"one two", std::nullopt, std::nullopt}));
    CHECK(cache.ttl("a")->milliseconds() <= 10000);
    CHECK(!cache.get_or_set("b", 1min, []() -> std::optional<std::string> { throw OutOfPaper(); }));
    CHECK(cache.get_or_set("c", 1min, [] { return "now"; }) == "now");
    CHECK((cache.get_or_set_many({"d"}, 1min, [](const Keys &missing, rediscache::Writer &out) {
        out.renew();
        return values_of(missing);
    }) == Values{"value of d"}));
}

void what_a_loader_throws_comes_out() {
    const Cache cache = open_target("prefix=throw");
    const auto fail = [](const Keys &) -> std::vector<std::string> { throw OutOfPaper(); };
    THROWS(OutOfPaper, cache.get_or_set_many({"a", "b"}, 1min, fail));
    cache.set("a", "there");
    THROWS(OutOfPaper, cache.get_or_set_many({"a", "b"}, 1min, fail));
    CHECK(!cache.has_key("b"));
    CHECK(cache.expire_soft("a"));
    GOES(cache.handle(), "a");
    CHECK((cache.get_or_set_many({"a"}, 1min, fail) == Values{"there"}));
}

void too_few_values_are_an_error() {
    const Cache cache = open_target("prefix=few");
    THROWS(rediscache::CallbackError, cache.get_or_set_many({"a", "b"}, 1min, [](const Keys &) { return Keys{"one"}; }));
    THROWS(rediscache::InvalidArgument,
           cache.get_or_set_many({"a"}, 1min, [](const Keys &) { return Keys{"one", "two"}; }));
    CHECK(!cache.has_key("a"));
}

void some_keys_may_fail() {
    const Cache cache = open_target("prefix=some&wait=20ms&on_wait_timeout=busy");
    const rediscache::Begun begun = cache.lease_begin("busy");
    CHECK(begun.lease);
    try {
        cache.get_or_set_many({"a", "", "busy"}, 1min, values_of);
        CHECK(!"it throws");
    } catch (const rediscache::PartialError &error) {
        CHECK((error.values() == Values{"value of a", std::nullopt, std::nullopt}));
        CHECK(error.failures().size() == 2);
        CHECK(error.failures().at(0).index == 1);
        CHECK(error.failures().at(0).status == REDIS_CACHE_ERR_INVALID_ARGUMENT);
        CHECK(error.failures().at(1).index == 2 && error.failures().at(1).status == REDIS_CACHE_BUSY);
    }
    THROWS(rediscache::BusyError, cache.get_or_set_many({"busy"}, 1min, values_of));
}

} // namespace

void suite_hpp_compute_many() {
    RUN(a_loader_returns_values_for_what_is_missing);
    RUN(an_empty_optional_is_no_value);
    RUN(a_loader_may_write_instead);
    RUN(what_a_loader_throws_comes_out);
    RUN(too_few_values_are_an_error);
    RUN(some_keys_may_fail);
}
