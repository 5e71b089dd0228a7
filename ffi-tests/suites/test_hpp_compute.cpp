// The C++ header: get_or_set with lambdas of every shape, and what becomes of what they throw.
#include "hpp.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using rediscache::Cache;

// A program of its own, whose functions have the names that the header's have, and take everything.
namespace greedy {

struct Text {
    std::string text;
    operator std::string_view() const { return text; }
};
struct Loader {
    Text operator()() const { return {"loaded"}; }
};
struct LoaderOfMany {
    std::vector<Text> operator()(const std::vector<std::string_view> &missing) const {
        return std::vector<Text>(missing.size(), Text{"one of many"});
    }
};
struct Rewriter {
    Text operator()(std::string_view, std::string_view) const { return {"rewritten"}; }
};

// Any call that finds one of these does not compile.
template <class... T> void put(T &&...) = delete;
template <class... T> void put_all(T &&...) = delete;
template <class... T> void compute_one(T &&...) = delete;
template <class... T> void compute_many(T &&...) = delete;
template <class... T> void contain(T &&...) = delete;
template <class... T> void slice(T &&...) = delete;
template <class... T> void view(T &&...) = delete;
template <class... T> void view_of(T &&...) = delete;
template <class... T> void gather_keys(T &&...) = delete;
template <class... T> void gather_entries(T &&...) = delete;
template <class... T> void check(T &&...) = delete;
template <class... T> void raise(T &&...) = delete;
template <class... T> void found(T &&...) = delete;
template <class... T> void is_ok(T &&...) = delete;
template <class... T> void partial(T &&...) = delete;
template <class... T> void run(T &&...) = delete;
template <class... T> void outcome(T &&...) = delete;
template <class... T> void computed(T &&...) = delete;
template <class... T> void fetch_many(T &&...) = delete;
template <class... T> void data(T &&...) = delete;
template <class... T> void size(T &&...) = delete;
template <class... T> void move(T &&...) = delete;
template <class... T> void forward(T &&...) = delete;
template <class... T> void addressof(T &&...) = delete;
template <class... T> void exchange(T &&...) = delete;

} // namespace greedy

namespace {

void functions_next_to_the_callers_types_are_not_called() {
    const Cache cache = open_target("prefix=adl");
    cache.set(greedy::Text{"key"}, greedy::Text{"value"});
    CHECK(cache.get(greedy::Text{"key"}) == "value");
    CHECK(cache.get_or_set(greedy::Text{"one"}, 1min, greedy::Loader()) == "loaded");
    CHECK(cache.get_or_set("maybe", 1min, [] { return std::optional(greedy::Text{"perhaps"}); }) == "perhaps");
    CHECK(cache.get_or_set("written", 1min, [](rediscache::Writer &out) { out.append(greedy::Text{"out"}); }) == "out");
    const std::vector<greedy::Text> keys{{"key"}, {"many"}};
    CHECK(cache.get_or_set_many(keys, 1min, greedy::LoaderOfMany())[1] == "one of many");
    cache.set_many(std::vector<std::pair<greedy::Text, greedy::Text>>{{{"key"}, {"other"}}});
    CHECK(cache.get_many(keys)[0] == "other");
    CHECK(cache.reinsert_keys(greedy::Rewriter()).deleted > 0);
    CHECK(cache.delete_many(keys) == 2);
}

struct OutOfPaper : std::runtime_error {
    OutOfPaper() : std::runtime_error("out of paper") {}
    int sheets = 3;
};

void a_loader_returns_a_value() {
    const Cache cache = open_target("prefix=load");
    int calls = 0;
    const auto load = [&] {
        calls++;
        return std::string("lo\0aded", 7);
    };
    CHECK(cache.get_or_set("key", 1min, load) == std::string("lo\0aded", 7));
    CHECK(cache.get_or_set("key", 1min, load) == std::string("lo\0aded", 7));
    CHECK(calls == 1);
    CHECK(cache.ttl("key")->milliseconds() <= 60000);
    CHECK(cache.get_or_set("literal", [] { return "text"; }) == "text");
    CHECK(cache.ttl("literal")->milliseconds() > 200000);
    CHECK(cache.get_or_set("forever", rediscache::forever, [] { return std::string_view("view"); }) == "view");
    CHECK(cache.ttl("forever")->is_forever());
}

void a_loader_may_write_instead() {
    const Cache cache = open_target("prefix=write");
    const std::string value = cache.get_or_set("key", 1h, [](rediscache::Writer &out) {
        out.append("one ").append("two").set_ttl(10s);
    });
    CHECK(value == "one two");
    CHECK(cache.get("key") == "one two");
    CHECK(cache.ttl("key")->milliseconds() <= 10000);
}

void a_loader_is_any_callable() {
    const Cache cache = open_target("prefix=callable");
    struct Counter {
        int calls = 0;
        std::string operator()() { return std::to_string(++calls); }
    } counter;
    CHECK(cache.get_or_set("key", 1min, counter) == "1");
    CHECK(counter.calls == 1);
    const auto pointed_at = +[] { return std::string("by a pointer"); };
    CHECK(cache.get_or_set("pointer", 1min, pointed_at) == "by a pointer");
    CHECK(cache.get_or_set("function", 1min, *pointed_at) == "by a pointer");
    CHECK(cache.get_or_set("std", 1min, std::function<std::string(rediscache::Writer &)>([](rediscache::Writer &) {
        return "by std::function";
    })) == "by std::function");
    auto owned = std::make_unique<std::string>("moved in");
    CHECK(cache.get_or_set("unique", 1min, [owned = std::move(owned)] { return *owned; }) == "moved in");
}

void an_exception_passes_through_whole() {
    const Cache cache = open_target("prefix=throw");
    try {
        cache.get_or_set("key", 1min, []() -> std::string { throw OutOfPaper(); });
        CHECK(!"it throws");
    } catch (const OutOfPaper &error) {
        CHECK(error.sheets == 3);
        CHECK(std::string(error.what()) == "out of paper");
    }
    CHECK(!cache.has_key("key"));
    bool caught = false;
    try {
        cache.get_or_set("key", 1min, []() -> std::string { throw 42; });
    } catch (int number) {
        caught = number == 42;
    }
    CHECK(caught);
    CHECK(cache.get_or_set("key", 1min, [] { return "fine"; }) == "fine");
}

void an_error_of_the_library_passes_through_too() {
    const Cache cache = open_target("prefix=nested");
    THROWS(rediscache::InvalidArgument,
           cache.get_or_set("key", 1min, [&] { return cache.get("").value_or("none"); }));
    CHECK(cache.get_or_set("outer", 1min, [&] { return cache.get_or_set("inner", 1min, [] { return "deep"; }); }) ==
          "deep");
}

void values_with_destructors_are_destroyed_when_it_throws() {
    const Cache cache = open_target("prefix=unwind");
    static int alive = 0;
    struct Guard {
        Guard() { alive++; }
        ~Guard() { alive--; }
        Guard(const Guard &) = delete;
        Guard &operator=(const Guard &) = delete;
    };
    THROWS(OutOfPaper, cache.get_or_set("key", 1min, []() -> std::string {
        const Guard guard;
        throw OutOfPaper();
    }));
    CHECK(alive == 0);
}

void ten_threads_load_once() {
    const Cache cache = open_target("prefix=once");
    std::atomic<int> calls{0}, right{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 10; i++) {
        threads.emplace_back([&] {
            right += cache.get_or_set("key", 1min, [&] {
                calls++;
                std::this_thread::sleep_for(150ms);
                return "once";
            }) == "once";
        });
    }
    for (auto &thread : threads) thread.join();
    CHECK(calls == 1 && right == 10);
}

void waiters_hear_of_the_exception_as_a_callback_error() {
    const Cache cache = open_target("prefix=waiters");
    std::atomic<int> own{0}, others{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 6; i++) {
        threads.emplace_back([&] {
            try {
                cache.get_or_set("key", 1min, []() -> std::string {
                    std::this_thread::sleep_for(200ms);
                    throw OutOfPaper();
                });
            } catch (const OutOfPaper &) {
                own++;
            } catch (const rediscache::CallbackError &error) {
                others += std::string(error.what()).find("out of paper") != std::string::npos;
            }
        });
    }
    for (auto &thread : threads) thread.join();
    CHECK(own >= 1 && own + others == 6);
}

void progress_and_key_functions_may_throw() {
    rediscache::Config config;
    on_target(config, "prefix=fn").key_function([](std::string_view prefix, std::uint64_t version, std::string_view key) {
        if (key == "bad") throw std::runtime_error("no such taste");
        return std::string(prefix) + "/" + std::to_string(version) + "/" + std::string(key);
    });
    const Cache cache(config);
    CHECK(cache.make_key("k") == "fn/1/k");
    cache.set("k", "value");
    CHECK(cache.with_version(7).make_key("k") == "fn/7/k");
    try {
        cache.set("bad", "value");
        CHECK(!"it throws");
    } catch (const rediscache::CallbackError &error) {
        CHECK(std::string(error.what()).find("no such taste") != std::string::npos);
    }
    rediscache::Sweep sweep;
    sweep.progress = [](const rediscache::Progress &) -> bool { throw OutOfPaper(); };
    THROWS(OutOfPaper, cache.clear(sweep));
}

void a_loader_may_find_that_there_is_nothing() {
    const Cache cache = open_target("prefix=absent");
    int calls = 0;
    const auto search = [&]() -> std::optional<std::string> {
        calls++;
        return {};
    };
    const std::optional<std::string> none = cache.get_or_set("key", 1min, search);
    CHECK(!none && !cache.get_or_set("key", 1min, search));
    CHECK(calls == 1);
    CHECK(!cache.get("key"));
    THROWS(rediscache::AbsentError, cache.get_or_set("key", 1min, [] { return "a text"; }));
    CHECK(cache.add("key", "added"));
    CHECK(cache.get_or_set("key", 1min, search) == "added");
    CHECK(cache.get_or_set("some", 1min, [] { return std::optional<std::string_view>("found"); }) == "found");
    // With a lifetime of its own, or written.
    CHECK(!cache.get_or_set("timed", 1min, [](rediscache::Writer &out) -> std::optional<std::string> {
        out.set_ttl(0s);
        return std::nullopt;
    }));
    CHECK(cache.get_or_set("timed", 1min, [] { return "nothing was kept"; }) == "nothing was kept");
    THROWS(rediscache::AbsentError,
           cache.get_or_set("written", 1min, [](rediscache::Writer &out) { out.append("x").set_absent(1min); }));
    CHECK(!cache.get_or_set_with("written", 1min, [] { return "never"; }).value);
}

void a_loader_may_use_the_writer_and_return() {
    const Cache cache = open_target("prefix=both");
    const std::string value = cache.get_or_set("key", 1h, [](rediscache::Writer &out) {
        out.renew().set_ttl(10s);
        return std::string("returned");
    });
    CHECK(value == "returned");
    CHECK(cache.ttl("key")->milliseconds() <= 10000);
    THROWS(rediscache::LostError, cache.get_or_set("lost", 1h, [&](rediscache::Writer &out) {
        cache.remove("lost");
        out.renew();
        return "never";
    }));
}

void old_values_are_told_from_fresh_ones() {
    const Cache cache = open_target("prefix=stale&stale=1m");
    CHECK(!cache.expire_soft("key"));
    CHECK(!cache.get_stale("key").value);
    cache.set("key", "old", 1min);
    rediscache::Outcome outcome = cache.get_stale("key");
    CHECK(outcome.value == "old" && !outcome.stale);
    CHECK(cache.expire_soft("key"));
    GOES(cache.handle(), "key");
    CHECK(!cache.get("key"));
    outcome = cache.get_stale("key");
    CHECK(outcome.value == "old" && outcome.stale);
    // What is thrown stays inside while there is an old value to serve.
    outcome = cache.get_or_set_with("key", 1min, []() -> std::string { throw OutOfPaper(); });
    CHECK(outcome.value == "old" && outcome.stale);
    CHECK(cache.get_or_set("key", 1min, [] { return "not tried for a second"; }) == "old");
    cache.set("key", "old", 1min);
    CHECK(cache.expire_soft("key"));
    GOES(cache.handle(), "key");
    outcome = cache.get_or_set_with("key", 1min, [&] {
        const rediscache::Outcome others = cache.get_or_set_with("key", 1min, [] { return "never"; });
        CHECK(others.value == "old" && others.stale);
        return "new";
    });
    CHECK(outcome.value == "new" && !outcome.stale);
}

void a_loader_that_asks_for_its_own_key_is_told() {
    const Cache cache = open_target("prefix=own");
    THROWS(rediscache::InvalidArgument,
           cache.get_or_set("key", 1min, [&] { return cache.get_or_set("key", 1min, [] { return "never"; }); }));
    CHECK(cache.get_or_set("key", 1min, [] { return "fine"; }) == "fine");
}

} // namespace

void suite_hpp_compute() {
    RUN(a_loader_returns_a_value);
    RUN(a_loader_may_write_instead);
    RUN(a_loader_is_any_callable);
    RUN(an_exception_passes_through_whole);
    RUN(an_error_of_the_library_passes_through_too);
    RUN(values_with_destructors_are_destroyed_when_it_throws);
    RUN(ten_threads_load_once);
    RUN(waiters_hear_of_the_exception_as_a_callback_error);
    RUN(progress_and_key_functions_may_throw);
    RUN(a_loader_may_find_that_there_is_nothing);
    RUN(a_loader_may_use_the_writer_and_return);
    RUN(old_values_are_told_from_fresh_ones);
    RUN(functions_next_to_the_callers_types_are_not_called);
    RUN(a_loader_that_asks_for_its_own_key_is_told);
}
