// The C++ header in C++20: views as keys, entries and what loaders return, and spans of bytes. Clang before 16 cannot
// compile the views of libstdc++, so there it is the spans only.
#include "hpp.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <span>
#include <sstream>
#include <vector>
#if !defined(__clang__) || __clang_major__ >= 16
#define WITH_VIEWS 1
#include <ranges>
#endif

using namespace std::chrono_literals;
using rediscache::Cache;

namespace {

#ifdef WITH_VIEWS

namespace views = std::views;
using Values = std::vector<std::optional<std::string>>;

// Longer than what a string holds within itself: a temporary's memory is freed, and soon another one's.
std::string long_key(int n) { return "a key that lies in memory of its own, number " + std::to_string(n); }

std::string value_of(int n) { return "the value of number " + std::to_string(n) + ", which is as long as that"; }

// Before, get_many() found none of these, and set_many() stored what happened to be in freed memory.
void transformed_elements_are_kept() {
    const Cache cache = open_target("prefix=transform");
    cache.set_many(views::iota(0, 3) | views::transform([](int n) { return std::pair(long_key(n), value_of(n)); }), 1min);
    for (int n = 0; n < 3; n++) CHECK(cache.get(long_key(n)) == value_of(n));
    const auto keys = views::iota(0, 3) | views::transform(long_key);
    CHECK((cache.get_many(keys) == Values{value_of(0), value_of(1), value_of(2)}));
    CHECK(cache.get_many_results(keys).values().size() == 3);
    CHECK((cache.get_or_set_many(keys, 1min, [](const auto &) -> std::vector<std::string> { throw 1; }) ==
           Values{value_of(0), value_of(1), value_of(2)}));
    CHECK(cache.delete_many(keys) == 3);
}

void filtered_ranges_are_ranges() {
    const Cache cache = open_target("prefix=filter");
    const std::vector<std::string> names{"ada", "bob", "eve"};
    const auto vowel = [](const std::string &name) { return name[0] != 'b'; };
    auto chosen = names | views::filter(vowel); // no const one has a begin()
    static_assert(rediscache::detail::elements_stay<decltype(chosen)>);
    std::map<std::string, std::string> table{{"ada", "1"}, {"bob", "2"}, {"eve", "3"}};
    cache.set_many(table | views::filter([&](const auto &entry) { return vowel(entry.first); }));
    CHECK((cache.get_many(names) == Values{"1", std::nullopt, "3"}));
    CHECK((cache.get_many(chosen) == Values{"1", "3"}));
    CHECK((cache.get_many(table | views::keys) == Values{"1", std::nullopt, "3"}));
    CHECK((cache.get_many(views::iota(0, 4) | views::transform(long_key) |
                          views::filter([](const std::string &key) { return key.back() != '1'; })).size() == 3));
    CHECK(cache.delete_many(names | views::filter(vowel)) == 2);
}

void words_of_a_stream_are_kept() {
    const Cache cache = open_target("prefix=stream");
    cache.set("a-word-longer-than-a-short-string", "1");
    cache.set("another-word-longer-than-that-one", "2");
    std::istringstream text("a-word-longer-than-a-short-string another-word-longer-than-that-one");
    CHECK((cache.get_many(views::istream<std::string>(text)) == Values{"1", "2"}));
}

void loaders_may_return_views() {
    const Cache cache = open_target("prefix=load");
    const auto load = [](const std::vector<std::string_view> &missing) {
        return missing | views::transform([](std::string_view key) { return "value of " + std::string(key); });
    };
    CHECK((cache.get_or_set_many({"a", "b"}, 1min, load) == Values{"value of a", "value of b"}));
    const auto filtered = [](const std::vector<std::string_view> &missing) {
        return missing | views::filter([](std::string_view) { return true; });
    };
    CHECK((cache.get_or_set_many({"c"}, 1min, filtered) == Values{"c"}));
    const auto perhaps = [](const std::vector<std::string_view> &missing) {
        return missing | views::transform([](std::string_view key) {
                   return key == "d" ? std::nullopt : std::optional<std::string>("value of " + std::string(key));
               });
    };
    CHECK((cache.get_or_set_many({"d", "e"}, 1min, perhaps) == Values{std::nullopt, "value of e"}));
}

void keys_are_an_input_range() {
    static_assert(std::ranges::input_range<rediscache::Keys &>);
    static_assert(std::input_iterator<rediscache::Keys::Iterator>);
    const Cache cache = open_target("prefix=input");
    for (int n = 0; n < 5; n++) cache.set("k" + std::to_string(n), "x");
    auto keys = cache.keys("k*");
    CHECK(std::ranges::count_if(keys, [](std::string_view key) { return key < "k3"; }) == 3);
    auto even = cache.keys() | views::filter([](std::string_view key) { return (key.back() - '0') % 2 == 0; });
    CHECK(cache.delete_many(even) == 3);
    CHECK(cache.clear().deleted == 2);
}

#endif

void spans_are_keys_and_values() {
    const Cache cache = open_target("prefix=span");
    const std::vector<std::byte> stored{std::byte{0}, std::byte{0xff}};
    const std::span<const std::byte> value(stored);
    cache.set(value, value, 1min);
    CHECK(cache.get(std::string_view("\0\xff", 2)) == std::string("\0\xff", 2));
    const auto bytes = cache.get_bytes(value);
    REQUIRE(bytes.has_value());
    CHECK(std::ranges::equal(bytes->span(), value));
    CHECK(cache.get<std::vector<std::byte>>(value) == stored);
    cache.set("fixed", std::span<const std::byte, 2>(stored));
    CHECK(cache.get("fixed")->size() == 2);
    const std::u8string text = u8"na\u00efve";
    cache.set(text, text);
    CHECK(cache.get(text) == "na\xc3\xafve");
    CHECK((cache.get_many(std::vector<std::span<const std::byte>>{value, value}).size() == 2));
    CHECK(cache.get_or_set("load", 1min, [&] { return value; }).size() == 2);
}

} // namespace

void suite_hpp_ranges() {
#ifdef WITH_VIEWS
    RUN(transformed_elements_are_kept);
    RUN(filtered_ranges_are_ranges);
    RUN(words_of_a_stream_are_kept);
    RUN(loaders_may_return_views);
    RUN(keys_are_an_input_range);
#endif
    RUN(spans_are_keys_and_values);
}
