// The C++ header: many keys, from any range, and the error that tells what failed among them.
#include "hpp.hpp"

#include <array>
#include <forward_list>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>
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

// Longer than what a string holds within itself: a temporary's memory is freed, and soon another one's.
std::string long_key(int n) { return "a key that lies in memory of its own, number " + std::to_string(n); }

// Numbers 0 to 2, each element made when it is asked for.
template <class Element>
struct OnTheFly {
    struct Iterator {
        using iterator_category = std::input_iterator_tag;
        using value_type = Element;
        using difference_type = std::ptrdiff_t;
        using pointer = const Element *;
        using reference = Element;

        int at;
        Element operator*() const {
            if constexpr (std::is_same_v<Element, std::string>)
                return long_key(at);
            else
                return {long_key(at), "value of " + long_key(at)};
        }
        Iterator &operator++() {
            ++at;
            return *this;
        }
        Iterator operator++(int) { return {at++}; }
        bool operator==(const Iterator &other) const { return at == other.at; }
        bool operator!=(const Iterator &other) const { return at != other.at; }
    };
    Iterator begin() const { return {0}; }
    Iterator end() const { return {3}; }
};

// Each element is a reference, to a string that the iterator writes anew: for one pass, as std::istream_iterator is.
struct Lines {
    std::istringstream text;
    std::istream_iterator<std::string> begin() { return std::istream_iterator<std::string>(text); }
    std::istream_iterator<std::string> end() { return {}; }
};

void elements_may_be_made_on_the_fly() {
    const Cache cache = open_target("prefix=fly");
    cache.set_many(OnTheFly<std::pair<std::string, std::string>>());
    for (int i = 0; i < 3; i++) CHECK(cache.get(long_key(i)) == "value of " + long_key(i));
    const OnTheFly<std::string> keys;
    const Values values = cache.get_many(keys);
    CHECK((values == Values{"value of " + long_key(0), "value of " + long_key(1), "value of " + long_key(2)}));
    CHECK(cache.get_many_results(keys).failures().empty());
    CHECK(cache.get_or_set_many(keys, 1min, [](const auto &) -> std::vector<std::string> { throw 1; }) == values);
    CHECK(cache.delete_many(keys) == 3);
    CHECK(cache.get_or_set_many(keys, 1min, [](const auto &missing) {
        CHECK(missing.size() == 3 && missing[0] == long_key(0) && missing[2] == long_key(2));
        return OnTheFly<std::string>();
    }) == (Values{long_key(0), long_key(1), long_key(2)}));
}

void elements_may_live_in_the_iterator() {
    const Cache cache = open_target("prefix=stash");
    for (const char *key : {"a-line-longer-than-a-short-string", "another-line-longer-than-that", "z"}) cache.set(key, key);
    Lines lines{std::istringstream("a-line-longer-than-a-short-string none another-line-longer-than-that z")};
    CHECK((cache.get_many(lines) ==
           Values{"a-line-longer-than-a-short-string", std::nullopt, "another-line-longer-than-that", "z"}));
    // The keys of the library itself are such elements.
    CHECK(cache.delete_many(cache.keys()) == 3);
    CHECK(!cache.has_key("z"));
}

void elements_that_stay_are_not_copied() {
    using rediscache::detail::elements_stay;
    static_assert(elements_stay<const std::vector<std::string>> && elements_stay<std::map<std::string, std::string>>);
    static_assert(elements_stay<const char *const[2]> && elements_stay<std::initializer_list<rediscache::BytesView>>);
    static_assert(elements_stay<std::forward_list<std::string>>);
    static_assert(!elements_stay<const OnTheFly<std::string>> && !elements_stay<Lines>);
    static_assert(!elements_stay<rediscache::Keys>);
    const Cache cache = open_target("prefix=stay");
    const char *const names[] = {"a", "b"};
    struct Entry {
        std::string key, value;
    };
    cache.set_many(std::array<Entry, 2>{Entry{"a", "1"}, Entry{"b", "2"}});
    CHECK((cache.get_many(names) == Values{"1", "2"}));
    CHECK((cache.get_many(std::forward_list<std::string>{"b", "a"}) == Values{"2", "1"}));
    cache.set_many(std::vector<std::tuple<const char *, std::string>>{{"c", "3"}});
    CHECK(cache.get("c") == "3");
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
    RUN(elements_may_be_made_on_the_fly);
    RUN(elements_may_live_in_the_iterator);
    RUN(elements_that_stay_are_not_copied);
    RUN(nothing_is_a_range_too);
    RUN(results_are_read_without_a_copy);
    RUN(some_that_fail_are_told_with_the_others);
    RUN(all_that_fail_are_one_error);
}
