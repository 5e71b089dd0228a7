// The C++ header: handles, one key, integers, lifetimes and groups, in the types that C++ has for them.
#include "hpp.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <set>
#include <thread>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using rediscache::Cache;

namespace {

const std::string binary("a\0b\xff", 4);

void handles_are_moved_and_cloned() {
    static_assert(!std::is_copy_constructible_v<Cache> && std::is_nothrow_move_constructible_v<Cache>);
    static_assert(!std::is_copy_assignable_v<Cache> && std::is_move_assignable_v<Cache>);
    Cache first = open_target("prefix=moved");
    first.set("key", "value");
    Cache second = std::move(first);
    CHECK(second.get("key") == "value");
    Cache other = open_target("prefix=other");
    other = std::move(second);
    CHECK(other.get("key") == "value");
    const Cache clone = other.clone();
    const Cache view = other.with_version(2);
    other = open_target("prefix=third");
    CHECK(clone.get("key") == "value");
    CHECK(!view.get("key"));
    CHECK(clone.handle() != nullptr);
    clone.ping();
}

void one_key_is_set_and_read() {
    const Cache cache = open_target("prefix=one");
    CHECK(!cache.get("key"));
    cache.set("key", "value", 5s);
    CHECK(cache.get("key") == std::string("value"));
    cache.set(binary, binary);
    CHECK(cache.get(binary) == binary);
    cache.set("empty", "");
    CHECK(cache.get("empty") == std::string());
    CHECK(cache.add("added", "first"));
    CHECK(!cache.add("added", "second"));
    CHECK(cache.get("added") == "first");
    CHECK(cache.has_key("added"));
    CHECK(cache.remove("added"));
    CHECK(!cache.remove("added"));
    CHECK(!cache.has_key("added"));
}

void bytes_are_read_without_a_copy() {
    const Cache cache = open_target("prefix=bytes");
    cache.set("key", binary);
    auto bytes = cache.get_bytes("key");
    REQUIRE(bytes.has_value());
    CHECK(bytes->view() == binary);
    CHECK(bytes->size() == 4 && !bytes->empty() && bytes->c_str()[4] == '\0');
    rediscache::Bytes moved = std::move(*bytes);
    CHECK(moved.str() == binary);
    CHECK(std::string_view(moved) == binary);
    CHECK(!cache.get_bytes("none"));
}

void keys_and_values_are_any_bytes() {
    const Cache cache = open_target("prefix=raw");
    const std::vector<std::uint8_t> key{'k', 0, 0xff}, value{0, 1, 0xfe};
    cache.set(key, value);
    CHECK(cache.get(std::string("k\0\xff", 3)) == std::string("\0\x01\xfe", 3));
    CHECK(cache.get<std::vector<std::uint8_t>>(key) == value);
    CHECK((cache.get<std::vector<std::byte>>(key) ==
           std::vector<std::byte>{std::byte{0}, std::byte{1}, std::byte{0xfe}}));
    CHECK((cache.get<std::vector<char>>(key) == std::vector<char>{0, 1, static_cast<char>(0xfe)}));
    CHECK(!cache.get<std::vector<std::uint8_t>>("none"));
    CHECK(!cache.add(key, std::array<std::byte, 2>{}));
    CHECK(cache.remove(key));
    CHECK(cache.add(std::vector<char>{'k'}, std::array<std::byte, 2>{}));
    CHECK(cache.get("k") == std::string(2, '\0'));
    const unsigned char raw[] = {'r', 'a', 'w'}; // three bytes, no text
    cache.set("array", raw);
    CHECK(cache.get("array") == "raw");
    const char text[16] = "text";
    cache.set("text", text);
    CHECK(cache.get("text") == "text");
    cache.set("pointer", {raw, 2});
    CHECK(cache.get("pointer") == "ra");
    cache.set("nothing", {});
    CHECK(cache.get("nothing") == "");
    cache.set("copied", *cache.get_bytes("array"));
    CHECK(cache.get("copied") == "raw");
    struct Name { // what converts to text is text
        operator std::string_view() const { return "name"; }
    };
    cache.set(Name(), "value");
    CHECK(cache.get("name") == "value");
    CHECK((cache.get_many(std::vector<std::vector<std::uint8_t>>{{'k'}, {'a'}})[0] == std::string(2, '\0')));
    cache.set_many(std::vector<std::pair<std::string, std::vector<std::uint8_t>>>{{"many", {1, 2}}});
    CHECK(cache.get("many") == "\x01\x02");
    CHECK(cache.get_or_set("load", 1min, [&] { return value; }) == std::string("\0\x01\xfe", 3));
    CHECK(cache.get_or_set("maybe", 1min, [&] { return std::optional(value); }) == std::string("\0\x01\xfe", 3));
    cache.lease_begin("lease").lease.fulfill(value, 1min);
    CHECK(cache.get<std::vector<std::uint8_t>>("lease") == value);
}

void bytes_are_moved() {
    const Cache cache = open_target("prefix=moving");
    cache.set("a", "one");
    cache.set("b", "two");
    rediscache::Bytes a = *cache.get_bytes("a"), b = *cache.get_bytes("b");
    a = std::move(b);
    CHECK(a.view() == "two" && b.empty()); // b does not keep the memory that a had
    rediscache::Bytes &same = a;
    a = std::move(same);
    CHECK(a.view() == "two" && a.to<std::vector<unsigned char>>().size() == 3);
}

void get_into_tells_the_length() {
    const Cache cache = open_target("prefix=into");
    char room[8] = "#######";
    cache.set("key", "value");
    CHECK(cache.get_into("key", room, 3) == std::size_t{5});
    CHECK(std::string(room) == "#######");
    CHECK(cache.get_into("key", room, sizeof room) == std::size_t{5});
    CHECK(std::string(room, 5) == "value");
    CHECK(!cache.get_into("none", room, sizeof room));
    CHECK(cache.get_into("key", nullptr, 0) == std::size_t{5});
}

void integers_count() {
    const Cache cache = open_target("prefix=int");
    CHECK(!cache.get_int("n"));
    CHECK(!cache.incr("n"));
    cache.set_int("n", 40);
    CHECK(cache.incr("n") == 41);
    CHECK(cache.incr("n", 9) == 50);
    CHECK(cache.decr("n", 8) == 42);
    CHECK(cache.decr("n") == 41);
    CHECK(cache.get_int("n") == 41);
    CHECK(cache.incr_or_create("made", 5, 7) == 7);
    CHECK(cache.incr_or_create("made", 5, 7) == 12);
    cache.set_int("most", INT64_MAX, rediscache::forever);
    CHECK(cache.get_int("most") == INT64_MAX);
    THROWS(rediscache::WrongTypeError, cache.incr("most"));
    cache.set("text", "12");
    THROWS(rediscache::WrongTypeError, cache.get_int("text"));
}

void lifetimes_are_durations() {
    const Cache cache = open_target("prefix=ttl&ttl=100s");
    cache.set("key", "value");
    auto left = cache.ttl("key");
    CHECK(left && !left->is_forever() && left->milliseconds() > 90000 && left->milliseconds() <= 100000);
    CHECK(cache.touch("key", 2min));
    CHECK(cache.ttl("key")->milliseconds() > 110000);
    CHECK(cache.expire("key", std::chrono::duration<double>(0.0001))); // rounds up to a millisecond
    std::this_thread::sleep_for(30ms);
    CHECK(!cache.ttl("key"));
    CHECK(!cache.touch("key"));
    CHECK(!cache.persist("key"));
    cache.set("key", "value", rediscache::forever);
    CHECK(cache.ttl("key") == rediscache::forever && cache.ttl("key")->is_forever());
    CHECK(cache.expire_at("key", std::chrono::system_clock::now() + 1h));
    CHECK(!cache.ttl("key")->is_forever() && cache.ttl("key")->milliseconds() > 3500000);
    CHECK(cache.persist("key"));
    CHECK(cache.ttl("key")->is_forever());
    CHECK(cache.touch("key"));
    CHECK(cache.ttl("key")->milliseconds() <= 100000);
    cache.set("key", "value", -1s);
    CHECK(!cache.get("key"));
    cache.set("key", "value", std::chrono::hours::max());
    CHECK(cache.ttl("key")->is_forever());
}

// In 64 bits of milliseconds the end of time is long before now.
void the_end_of_time_is_no_expiry() {
    using std::chrono::system_clock;
    using Hour = std::chrono::time_point<system_clock, std::chrono::hours>;
    using Second = std::chrono::time_point<system_clock, std::chrono::duration<double>>;
    const Cache cache = open_target("prefix=end");
    cache.set("key", "value", 1min);
    CHECK(cache.expire_at("key", Hour::max()));
    CHECK(cache.ttl("key") == rediscache::forever);
    CHECK(cache.expire_at("key", Hour::max())); // as persist() says
    cache.set("key", "value", 1min);
    CHECK(cache.expire_at("key", Second::max()));
    CHECK(cache.ttl("key") == rediscache::forever);
    CHECK(cache.expire_at("key", system_clock::time_point::max())); // of nanoseconds, in the year 2262
    CHECK(cache.ttl("key")->milliseconds() > 365 * 86400000LL);
    CHECK(!cache.expire_at("none", Hour::max()));
    CHECK(cache.expire_at("key", Hour::min()));
    CHECK(!cache.has_key("key"));
    cache.set("key", "value");
    CHECK(cache.expire_at("key", Second::min()));
    CHECK(!cache.has_key("key"));
}

void a_ttl_is_made_of_any_duration() {
    using rediscache::Ttl;
    CHECK(Ttl(1500us).milliseconds() == 2);
    CHECK(Ttl(1ns).milliseconds() == 1);
    CHECK(Ttl(0s).milliseconds() == 0);
    CHECK(Ttl(-5h).milliseconds() <= 0 && Ttl(-5h) != rediscache::default_ttl);
    CHECK(Ttl(std::chrono::nanoseconds::min()) != rediscache::default_ttl);
    CHECK(Ttl(1h).milliseconds() == 3600000);
    CHECK(Ttl(std::chrono::milliseconds(1000000000000000)).milliseconds() == 1000000000000000);
    CHECK(Ttl(std::chrono::milliseconds(1000000000000001)).is_forever());
    CHECK(Ttl(std::chrono::hours::max()).is_forever());
    CHECK(rediscache::default_ttl.milliseconds() == REDIS_CACHE_TTL_DEFAULT);
}

std::multiset<std::string> listed(const Cache &cache, std::string_view pattern = "*") {
    std::multiset<std::string> keys;
    for (const std::string_view key : cache.keys(pattern)) keys.emplace(key);
    return keys;
}

void keys_are_a_range() {
    const Cache cache = open_target("prefix=range");
    CHECK(listed(cache).empty());
    cache.set("user:1", "a");
    cache.set("user:2", "b");
    cache.set(binary, "c");
    CHECK((listed(cache, "user:*") == std::multiset<std::string>{"user:1", "user:2"}));
    CHECK(listed(cache).count(binary) == 1);
    auto keys = open_target("prefix=range").keys("user:*"); // outlives its cache
    CHECK(keys.next().has_value());
    CHECK(keys.next().has_value());
    CHECK(!keys.next());
    CHECK(!keys.next());
    for (const auto key : cache.keys()) {
        CHECK(!key.empty());
        break; // left early
    }
}

void an_iterator_may_be_incremented_after_its_use() {
    const Cache cache = open_target("prefix=post");
    cache.set("a", "1");
    cache.set("b", "2");
    auto keys = cache.keys();
    auto at = keys.begin();
    std::multiset<std::string> seen;
    while (at != keys.end()) seen.insert(*at++); // the key before the step, though its bytes are gone after it
    CHECK((seen == std::multiset<std::string>{"a", "b"}));
    auto moved = cache.keys();
    at = moved.begin();
    const std::string first(*at);
    auto other = std::move(moved); // what is iterated over goes with it
    ++at;
    CHECK(at != other.end() && *at != first);
    ++at;
    CHECK(at == other.end());
}

void groups_are_deleted_and_cleared() {
    const Cache cache = open_target("prefix=group"), second = cache.with_version(2), other = open_target("prefix=others");
    for (const char *key : {"a:1", "a:2", "b:1"}) {
        cache.set(key, "x");
        second.set(key, "x");
    }
    other.set("a:1", "x");
    CHECK(cache.delete_pattern("a:*").deleted == 2);
    CHECK(cache.clear_version(2).deleted == 3);
    const auto cleared = cache.clear();
    CHECK(cleared.deleted == 1 && !cleared.stopped() && cleared.cursor.empty());
    CHECK(other.has_key("a:1"));
    other.flush_db();
    CHECK(!other.has_key("a:1"));
}

void values_are_rewritten() {
    const Cache cache = open_target("prefix=rewrite"), packed = open_target("prefix=rewrite&compressor=zlib&compress_min=10");
    for (const char *key : {"upper", "kept", "removed"}) cache.set(key, "old");
    const auto rewrite = [](std::string_view key, std::string_view value) -> rediscache::Rewrite {
        if (key == "removed") return rediscache::Rewrite::remove();
        if (key == "kept") return rediscache::Rewrite::keep();
        return "not so " + std::string(value);
    };
    rediscache::Sweep dry;
    dry.dry_run = true;
    CHECK(cache.reinsert_keys(rewrite, dry).deleted == 2);
    CHECK(cache.reinsert_keys(rewrite).deleted == 2);
    CHECK(cache.get("upper") == "not so old" && cache.get("kept") == "old" && !cache.has_key("removed"));
    CHECK(cache.reinsert_keys([](std::string_view, std::string_view value) { return std::string(100, value[0]); }).deleted == 2);
    CHECK(packed.reinsert_keys().deleted == 2);
    CHECK(cache.get("kept") == std::string(100, 'o'));
    struct Refused {};
    bool caught = false;
    try {
        cache.reinsert_keys([](std::string_view, std::string_view) -> std::string { throw Refused(); });
    } catch (const Refused &) {
        caught = true;
    }
    CHECK(caught);
    CHECK(packed.reinsert_keys(dry).deleted == 0);
    CHECK(cache.reinsert_keys([](std::string_view, std::string_view) { return "text"; }).deleted == 2);
    CHECK(cache.get("kept") == "text");
    CHECK(cache.reinsert_keys([](std::string_view, std::string_view) { return std::vector<std::uint8_t>{'u', '8'}; }).deleted == 2);
    CHECK(cache.get("kept") == "u8");
}

void sweeps_stop_and_go_on() {
    const Cache cache = open_target("prefix=sweep");
    for (int i = 0; i < 100; i++) cache.set("k" + std::to_string(i), "x");
    rediscache::Sweep sweep;
    std::uint64_t total = 0;
    int rounds = 0, heard = 0;
    sweep.limit = 30;
    sweep.scan_count = 10;
    sweep.progress = [&](const rediscache::Progress &progress) {
        heard++;
        return progress.fraction >= 0 && progress.matched <= progress.scanned;
    };
    rediscache::Swept swept;
    do {
        swept = cache.delete_pattern("k*", sweep);
        CHECK(swept.deleted <= 30);
        total += swept.deleted;
        sweep.cursor = swept.cursor;
    } while (swept.stopped() && ++rounds < 100);
    CHECK(total == 100 && rounds >= 3 && heard > 0);

    for (int i = 0; i < 100; i++) cache.set("k" + std::to_string(i), "x");
    rediscache::Sweep dry;
    dry.dry_run = true;
    CHECK(cache.clear(dry).deleted >= 100);
    CHECK(cache.has_key("k1"));
    rediscache::Sweep halted;
    halted.scan_count = 10;
    halted.batch = 5;
    halted.progress = [](const rediscache::Progress &) { return false; };
    const auto first = cache.delete_pattern("k*", halted);
    CHECK(first.stopped() && first.deleted < 100);
    rediscache::Sweep rest;
    rest.cursor = first.cursor;
    CHECK(cache.delete_pattern("k*", rest).deleted + first.deleted == 100);
}

void versions_move() {
    const Cache cache = open_target("prefix=ver"), second = cache.with_version(2);
    CHECK(!cache.incr_version("key"));
    cache.set("key", "value");
    CHECK(cache.incr_version("key") == std::uint64_t{2});
    CHECK(!cache.has_key("key"));
    CHECK(second.get("key") == "value");
    CHECK(second.incr_version("key", -1) == std::uint64_t{1});
    CHECK(cache.get("key") == "value");
    THROWS(rediscache::InvalidArgument, cache.incr_version("key", -5));
}

void the_key_and_its_node_are_told() {
    const Cache cache = open_target("prefix=app");
    CHECK(cache.make_key("k") == "app:1:k");
    CHECK(cache.make_key(binary) == "app:1:" + binary);
    CHECK(!cache.where("k").empty());
    CHECK(std::string(rediscache::version()) == REDIS_CACHE_VERSION);
    CHECK(rediscache::version_number() == REDIS_CACHE_VERSION_NUMBER);
}

void stats_are_read_and_reset() {
    const Cache cache = open_target("prefix=stats");
    cache.set("key", "value");
    (void)cache.get("key");
    (void)cache.get("none");
    CHECK(cache.stats().hits == 1 && cache.stats().misses == 1 && cache.stats().sets == 1);
    cache.reset_stats();
    CHECK(cache.stats().hits == 0);
}

} // namespace

void suite_hpp_cache() {
    RUN(handles_are_moved_and_cloned);
    RUN(one_key_is_set_and_read);
    RUN(bytes_are_read_without_a_copy);
    RUN(keys_and_values_are_any_bytes);
    RUN(bytes_are_moved);
    RUN(get_into_tells_the_length);
    RUN(integers_count);
    RUN(lifetimes_are_durations);
    RUN(the_end_of_time_is_no_expiry);
    RUN(a_ttl_is_made_of_any_duration);
    RUN(keys_are_a_range);
    RUN(an_iterator_may_be_incremented_after_its_use);
    RUN(groups_are_deleted_and_cleared);
    RUN(sweeps_stop_and_go_on);
    RUN(values_are_rewritten);
    RUN(versions_move);
    RUN(the_key_and_its_node_are_told);
    RUN(stats_are_read_and_reset);
}
