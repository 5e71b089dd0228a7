// The C++ header: leases and locks, which go back when they go out of scope.
#include "hpp.hpp"

#include <chrono>
#include <stdexcept>
#include <type_traits>
#include <utility>

using namespace std::chrono_literals;
using rediscache::Begun;
using rediscache::Cache;
using rediscache::Lease;
using rediscache::Lock;

namespace {

static_assert(!std::is_copy_constructible_v<Lease> && std::is_nothrow_move_constructible_v<Lease>);
static_assert(!std::is_copy_constructible_v<Lock> && std::is_nothrow_move_constructible_v<Lock>);

void a_lease_is_fulfilled_once() {
    const Cache cache = open_target("prefix=lease");
    Begun begun = cache.lease_begin("key");
    CHECK(!begun.value && !begun.stale && begun.lease);
    begun.lease.renew();
    begun.lease.fulfill(std::string_view("val\0ue", 6), 10s);
    CHECK(!begun.lease);
    THROWS(rediscache::InvalidArgument, begun.lease.fulfill("again"));
    THROWS(rediscache::InvalidArgument, begun.lease.renew());
    begun = cache.lease_begin("key");
    CHECK(begun.value == std::string("val\0ue", 6) && !begun.lease);
    CHECK(cache.ttl("key")->milliseconds() <= 10000);
}

void a_lease_goes_back_when_it_goes_out_of_scope() {
    const Cache cache = open_target("prefix=scope&wait=20ms");
    {
        const Begun begun = cache.lease_begin("key");
        CHECK(begun.lease);
        THROWS(rediscache::BusyError, cache.lease_begin("key"));
    }
    Lease first = cache.lease_begin("key").lease;
    CHECK(first);
    Lease moved = std::move(first);
    CHECK(moved && !first);
    THROWS(rediscache::BusyError, cache.lease_begin("key"));
    moved = cache.lease_begin("other").lease;
    Begun again = cache.lease_begin("key");
    CHECK(again.lease);
    again.lease.abandon();
    again.lease.abandon();
    CHECK(cache.lease_begin("key").lease);
    try {
        const Begun begun = cache.lease_begin("key");
        throw std::runtime_error("the computation failed");
    } catch (const std::runtime_error &) {
        CHECK(cache.lease_begin("key").lease);
    }
}

void a_lease_may_be_lost_or_end_with_nothing() {
    const Cache cache = open_target("prefix=lost");
    Begun begun = cache.lease_begin("key");
    cache.set("key", "written meanwhile");
    THROWS(rediscache::LostError, begun.lease.renew());
    THROWS(rediscache::LostError, begun.lease.fulfill("old"));
    CHECK(!begun.lease && cache.get("key") == "written meanwhile");
    cache.remove("key");
    cache.lease_begin("key").lease.fulfill_absent(1min);
    begun = cache.lease_begin("key");
    CHECK(!begun.value && !begun.lease);
}

void a_stale_value_comes_with_its_lease() {
    const Cache cache = open_target("prefix=stale");
    cache.set("key", "old");
    cache.expire_soft("key");
    GOES(cache.handle(), "key");
    Begun begun = cache.lease_begin("key");
    CHECK(begun.value == "old" && begun.stale && begun.lease);
    const Begun other = cache.lease_begin("key");
    CHECK(other.value == "old" && other.stale && !other.lease);
    begun.lease.fulfill("new");
    CHECK(cache.get("key") == "new");
}

void a_lock_goes_back_when_it_goes_out_of_scope() {
    const Cache cache = open_target("prefix=locks");
    std::uint64_t first = 0;
    {
        std::optional<Lock> lock = cache.lock("door", 1min);
        CHECK(lock && *lock);
        first = lock->token();
        CHECK(!cache.lock("door", 1min));
        CHECK(!cache.lock("door", 1min, 20ms));
        CHECK(!cache.lock("door", 1min, -1h));
        lock->extend(2min);
    }
    std::optional<Lock> lock = cache.lock("door", 1min, std::chrono::hours::max()); // for ever, and not at once
    CHECK(lock && lock->token() > first);
    Lock moved = std::move(*lock);
    lock.reset();
    CHECK(!cache.lock("door", 1min));
    moved.release();
    CHECK(!moved && moved.token() == 0);
    THROWS(rediscache::InvalidArgument, moved.release());
    CHECK(cache.lock("door", 1min));
    // Assigned over: the first is given back.
    std::optional<Lock> one = cache.lock("one", 1min), two = cache.lock("two", 1min);
    REQUIRE(one && two);
    *one = std::move(*two);
    CHECK(*one && !*two && cache.lock("one", 1min) && !cache.lock("two", 1min));
    THROWS(rediscache::InvalidArgument, cache.lock("door", rediscache::forever));
    THROWS(rediscache::InvalidArgument, cache.lock("", 1min));
}

void a_lock_may_be_lost() {
    const Cache cache = open_target("prefix=lost");
    std::optional<Lock> lock = cache.lock("door", 1min);
    cache.flush_db();
    THROWS(rediscache::LostError, lock->extend(1min));
    std::optional<Lock> next = cache.lock("door", 1min);
    CHECK(next);
    THROWS(rediscache::LostError, lock->release());
    CHECK(!cache.lock("door", 1min));
}

void leases_and_locks_outlive_their_client() {
    Lease lease;
    std::optional<Lock> lock;
    {
        rediscache::Config config;
        config.server("redis://127.0.0.1:1").set("on_error", "miss").on_error([](rediscache::Status, std::string_view) {});
        const Cache away(config);
        lease = away.lease_begin("key").lease;
        CHECK(lease);
        const Cache cache = open_target("prefix=outlive");
        lock = cache.lock("door", 1min);
    }
    // Given back to a server that is away: the function that hears of it must still be there.
    lease.abandon();
    lock->extend(1min);
    lock->release();
}

} // namespace

void suite_hpp_leases() {
    RUN(a_lease_is_fulfilled_once);
    RUN(a_lease_goes_back_when_it_goes_out_of_scope);
    RUN(a_lease_may_be_lost_or_end_with_nothing);
    RUN(a_stale_value_comes_with_its_lease);
    RUN(a_lock_goes_back_when_it_goes_out_of_scope);
    RUN(a_lock_may_be_lost);
    RUN(leases_and_locks_outlive_their_client);
}
