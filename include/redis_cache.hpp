// redis_cache for C++17: a header-only layer over redis_cache.h, link with -lredis_cache.
//
//     rediscache::Cache cache("redis://127.0.0.1:6379/1?prefix=app&ttl=5m");
//     cache.set("user:7", "Ada", 30s);
//     std::optional<std::string> user = cache.get("user:7");
//     std::string page = cache.get_or_set("front", 5min, [] { return render(); });
//     for (std::string_view key : cache.keys("user:*")) std::cout << key << '\n';
//
// Keys and values are text or bytes: strings, and vectors, arrays or spans of std::uint8_t or std::byte. Absence is
// never an error: reads give an optional. Faults are thrown as an Error or one of its children; a server that gave no
// answer is an UnreachableError. Functions given to a call may throw: the exception passes through the library as a
// failure and comes out of the call again. A Cache may be used by any number of threads at once;
// a Config, Results, Keys, Lease, Lock or Writer by one at a time. What a call does, and how many round trips
// it takes, is told in redis_cache.h at the C function of the same name.
//
// The namespace is not called redis_cache because that is the client's type in C.

#ifndef REDIS_CACHE_HPP
#define REDIS_CACHE_HPP

#if !defined(__cpp_exceptions)
#error "redis_cache.hpp reports faults by exceptions: compile without -fno-exceptions, or use redis_cache.h"
#elif __cplusplus < 201703L
#error "redis_cache.hpp is C++17: compile with -std=c++17 or later, or use redis_cache.h"
#else

#include "redis_cache/bytes.hpp"
#include "redis_cache/compute.hpp"
#include "redis_cache/config.hpp"
#include "redis_cache/errors.hpp"
#include "redis_cache/leases.hpp"
#include "redis_cache/ranges.hpp"
#include "redis_cache/values.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace rediscache {

inline const char *version() noexcept { return redis_cache_version(); }
inline std::uint32_t version_number() noexcept { return redis_cache_version_number(); }
inline const char *status_name(std::int32_t status) noexcept { return redis_cache_status_name(status); }

/// A client. Moved, not copied; clone() gives another handle of the same one.
class Cache {
public:
    /// From one location or a comma list of them. No network.
    explicit Cache(const std::string &url) : cache_(opened(url)) {}
    explicit Cache(std::nullptr_t) = delete; // a location is text
    /// From a configuration, which may go away afterwards. No network.
    explicit Cache(const Config &config) : cache_(connected(config)) {}
    [[nodiscard]] static Cache open(const std::string &url) { return Cache(url); }

    [[nodiscard]] Cache clone() const { return Cache(redis_cache_clone(cache_.get())); }
    /// A view whose keys carry another version.
    [[nodiscard]] Cache with_version(std::uint64_t version) const {
        return Cache(redis_cache_with_version(cache_.get(), version));
    }
    /// For the functions of redis_cache.h; still owned by this object.
    [[nodiscard]] const redis_cache *handle() const noexcept { return cache_.get(); }

    void ping() const { detail::check(redis_cache_ping(cache_.get())); }
    [[nodiscard]] std::string where(BytesView key) const { return text(redis_cache_where, key); }
    [[nodiscard]] std::string make_key(BytesView key) const { return text(redis_cache_make_key, key); }

    // One key.

    [[nodiscard]] std::optional<std::string> get(BytesView key) const {
        const auto bytes = get_bytes(key);
        return bytes ? std::optional<std::string>(bytes->view()) : std::nullopt;
    }
    /// As another container of char, std::uint8_t or std::byte: get<std::vector<std::uint8_t>>(key).
    template <class Container>
    [[nodiscard]] std::optional<Container> get(BytesView key) const {
        const auto bytes = get_bytes(key);
        return bytes ? std::optional<Container>(bytes->template to<Container>()) : std::nullopt;
    }
    /// Without a copy into a string.
    [[nodiscard]] std::optional<Bytes> get_bytes(BytesView key) const {
        Bytes bytes;
        if (!detail::found(redis_cache_get(cache_.get(), key.data(), key.size(), bytes.out()))) return {};
        return bytes;
    }
    /// Into memory of the caller: the length of the value. When it is more than `cap`, nothing was
    /// written.
    [[nodiscard]] std::optional<std::size_t> get_into(BytesView key, void *buf, std::size_t cap) const {
        std::size_t len = 0;
        const Status status = redis_cache_get_into(cache_.get(), key.data(), key.size(), buf, cap, &len);
        if (status != REDIS_CACHE_BUFFER_TOO_SMALL && !detail::found(status)) return {};
        return len;
    }
    void set(BytesView key, BytesView value, Ttl ttl = default_ttl) const {
        detail::check(redis_cache_set(cache_.get(), key.data(), key.size(), value.data(), value.size(),
                                      ttl.milliseconds()));
    }
    /// False when there is a value already.
    [[nodiscard]] bool add(BytesView key, BytesView value, Ttl ttl = default_ttl) const {
        return detail::is_ok(redis_cache_add(cache_.get(), key.data(), key.size(), value.data(),
                                             value.size(), ttl.milliseconds()),
                             REDIS_CACHE_EXISTS);
    }
    /// `delete` is a word of C++.
    bool remove(BytesView key) const {
        return detail::found(redis_cache_delete(cache_.get(), key.data(), key.size()));
    }
    [[nodiscard]] bool has_key(BytesView key) const {
        return detail::found(redis_cache_has_key(cache_.get(), key.data(), key.size()));
    }

    // Integers.

    void set_int(BytesView key, std::int64_t value, Ttl ttl = default_ttl) const {
        detail::check(redis_cache_set_int(cache_.get(), key.data(), key.size(), value, ttl.milliseconds()));
    }
    [[nodiscard]] std::optional<std::int64_t> get_int(BytesView key) const {
        return number<std::int64_t>(redis_cache_get_int, key);
    }
    std::optional<std::int64_t> incr(BytesView key, std::int64_t delta = 1) const {
        return number<std::int64_t>(redis_cache_incr, key, delta);
    }
    std::optional<std::int64_t> decr(BytesView key, std::int64_t delta = 1) const {
        return number<std::int64_t>(redis_cache_decr, key, delta);
    }
    /// An absent key is created as `initial`, which then is the result.
    std::int64_t incr_or_create(BytesView key, std::int64_t delta, std::int64_t initial,
                                Ttl ttl = default_ttl) const {
        std::int64_t value = 0;
        detail::check(redis_cache_incr_or_create(cache_.get(), key.data(), key.size(), delta, initial,
                                                 ttl.milliseconds(), &value));
        return value;
    }

    // Many keys: any range of text or bytes, or of pairs of them; one that makes its elements on the fly will do.

    /// Values to look at, `results.at(0)` and so on, without a copy or an allocation for each; each item throws its own error.
    template <class Range = std::initializer_list<BytesView>>
    [[nodiscard]] Results get_many_results(Range &&keys) const {
        return fetch_many(keys).second;
    }
    /// Copies of the values. Throws PartialError, with what was found, when some keys could not be asked for.
    template <class Range = std::initializer_list<BytesView>>
    [[nodiscard]] std::vector<std::optional<std::string>> get_many(Range &&keys) const {
        auto [status, results] = fetch_many(keys);
        if (status == REDIS_CACHE_PARTIAL) partial(results.values(), results.failures(), 0);
        return results.values();
    }
    /// Throws PartialError when some entries could not be written.
    template <class Range = std::initializer_list<std::pair<BytesView, BytesView>>>
    void set_many(Range &&entries, Ttl ttl = default_ttl) const {
        const auto list = detail::gather_entries(entries);
        redis_cache_results *out = nullptr;
        const Status status =
            redis_cache_set_many(cache_.get(), list.items.data(), list.items.size(), ttl.milliseconds(), &out);
        const Results results(out);
        if (status == REDIS_CACHE_PARTIAL) partial({}, results.failures(), 0);
        detail::check(status);
    }
    /// How many there were. Throws PartialError when some keys could not be asked for.
    template <class Range = std::initializer_list<BytesView>>
    std::uint64_t delete_many(Range &&keys) const {
        const auto list = detail::gather_keys(keys);
        std::uint64_t deleted = 0;
        const Status status = redis_cache_delete_many(cache_.get(), list.items.data(), list.items.size(), &deleted);
        if (status == REDIS_CACHE_PARTIAL) partial({}, {}, deleted);
        detail::check(status);
        return deleted;
    }

    // Lifetimes; false when there is no such key.

    bool touch(BytesView key, Ttl ttl = default_ttl) const {
        return detail::found(redis_cache_touch(cache_.get(), key.data(), key.size(), ttl.milliseconds()));
    }
    bool expire(BytesView key, Ttl ttl) const {
        return detail::found(redis_cache_expire(cache_.get(), key.data(), key.size(), ttl.milliseconds()));
    }
    /// More than 10^15 ms after 1970 is no expiry, as it is in a Ttl.
    template <class Duration>
    bool expire_at(BytesView key,
                   std::chrono::time_point<std::chrono::system_clock, Duration> when) const {
        const Ttl at(when.time_since_epoch());
        if (at.is_forever()) return persist(key);
        return detail::found(redis_cache_expire_at(cache_.get(), key.data(), key.size(), at.milliseconds()));
    }
    bool persist(BytesView key) const {
        return detail::found(redis_cache_persist(cache_.get(), key.data(), key.size()));
    }
    [[nodiscard]] std::optional<Ttl> ttl(BytesView key) const {
        const auto ms = number<std::int64_t>(redis_cache_ttl, key);
        return ms ? std::optional<Ttl>(Ttl::from_milliseconds(*ms)) : std::nullopt;
    }

    // Groups of keys.

    Swept delete_pattern(BytesView pattern, const Sweep &sweep = {}) const {
        return run(sweep, [&](const redis_cache_sweep *bounds, std::uint64_t *deleted) {
            return redis_cache_delete_pattern(cache_.get(), pattern.data(), pattern.size(), bounds, deleted);
        });
    }
    Swept clear(const Sweep &sweep = {}) const {
        return run(sweep, [&](const redis_cache_sweep *bounds, std::uint64_t *deleted) {
            return redis_cache_clear(cache_.get(), bounds, deleted);
        });
    }
    Swept clear_version(std::uint64_t version, const Sweep &sweep = {}) const {
        return run(sweep, [&](const redis_cache_sweep *bounds, std::uint64_t *deleted) {
            return redis_cache_clear_version(cache_.get(), version, bounds, deleted);
        });
    }
    /// Moves entries to where the ring wants them, after a server was added; counts them as deleted.
    Swept rebalance(const Sweep &sweep = {}) const {
        return run(sweep, [&](const redis_cache_sweep *bounds, std::uint64_t *moved) {
            return redis_cache_rebalance(cache_.get(), bounds, moved);
        });
    }
    /// Rewrites what is not in the configured codec, compressor and format; counts it as deleted.
    Swept reinsert_keys(const Sweep &sweep = {}) const {
        return run(sweep, [&](const redis_cache_sweep *bounds, std::uint64_t *rewritten) {
            return redis_cache_reinsert_keys(cache_.get(), nullptr, nullptr, bounds, rewritten);
        });
    }
    /// Shows every value to `rewrite`, with its key, as two string_views: it returns a Rewrite, or
    /// the text that takes the value's place. What it throws comes out of this call.
    template <class Compute, class = std::enable_if_t<!std::is_convertible_v<Compute, const Sweep &>>>
    Swept reinsert_keys(Compute &&rewrite, const Sweep &sweep = {}) const {
        if constexpr (!detail::check_rewriter<std::remove_reference_t<Compute>>()) {
            return {};
        } else {
            detail::Rewriting<std::remove_reference_t<Compute>> call{std::addressof(rewrite)};
            return run(sweep, [&](const redis_cache_sweep *bounds, std::uint64_t *rewritten) {
                const Status status = redis_cache_reinsert_keys(cache_.get(), call.one, &call, bounds, rewritten);
                if (call.thrown) std::rethrow_exception(call.thrown);
                return status;
            });
        }
    }
    void flush_db() const { detail::check(redis_cache_flush_db(cache_.get())); }
    /// The result may outlive this object.
    [[nodiscard]] Keys keys(BytesView pattern = "*") const {
        redis_cache_keys *keys = nullptr;
        detail::check(redis_cache_keys_begin(cache_.get(), pattern.data(), pattern.size(), &keys));
        return Keys(keys);
    }
    std::optional<std::uint64_t> incr_version(BytesView key, std::int64_t delta = 1) const {
        return number<std::uint64_t>(redis_cache_incr_version, key, delta);
    }

    // Computing what is missing.

    /// `compute` returns the value; or an optional, whose absence is remembered like a value: then
    /// the result is an optional too. It may take a Writer &, to set a lifetime, to renew its lease,
    /// or to write the value instead of returning it. What it throws comes out of this call, unless
    /// an old value can be served; others who waited for it get a CallbackError.
    template <class Compute>
    detail::Got<Compute> get_or_set(BytesView key, Ttl ttl, Compute &&compute) const {
        Bytes value;
        const Status status = computed(key, ttl, compute, value);
        if constexpr (std::is_same_v<detail::Got<Compute>, std::string>) {
            if (status == REDIS_CACHE_NOT_FOUND) detail::raise(status);
            return value.str();
        } else {
            if (status == REDIS_CACHE_NOT_FOUND) return {};
            return value.str();
        }
    }
    template <class Compute>
    detail::Got<Compute> get_or_set(BytesView key, Compute &&compute) const {
        return get_or_set(key, default_ttl, std::forward<Compute>(compute));
    }
    /// The same, and tells whether the value is past its expiry.
    template <class Compute>
    Outcome get_or_set_with(BytesView key, Ttl ttl, Compute &&compute) const {
        Bytes value;
        return outcome(computed(key, ttl, compute, value), value);
    }
    /// `compute` is given the keys that are missing, a const std::vector<std::string_view> &, and
    /// returns a range of as many values, or of optionals: an empty one is no value, and nothing is
    /// stored. Or it takes a Writer & too and writes them, ending each with next(). Throws what
    /// `compute` throws, or else PartialError when some keys could not be asked for.
    template <class Range = std::initializer_list<std::string_view>, class Compute>
    std::vector<std::optional<std::string>> get_or_set_many(Range &&keys, Ttl ttl,
                                                            Compute &&compute) const {
        if constexpr (!detail::check_loader_of_many<std::remove_reference_t<Compute>>()) {
            return {};
        } else {
            const auto list = detail::gather_keys(keys);
            detail::Call<std::remove_reference_t<Compute>> call{std::addressof(compute), ttl};
            redis_cache_results *out = nullptr;
            const Status status = redis_cache_get_or_set_many(cache_.get(), list.items.data(), list.items.size(),
                                                              ttl.milliseconds(), call.many, &call, &out);
            const Results results(out);
            if (status != REDIS_CACHE_OK && call.thrown) std::rethrow_exception(call.thrown);
            if (status == REDIS_CACHE_PARTIAL) partial(results.values(), results.failures(), 0);
            detail::check(status);
            return results.values();
        }
    }
    /// What get_or_set() could serve without computing: also a value past its expiry.
    [[nodiscard]] Outcome get_stale(BytesView key) const {
        Bytes value;
        const Status status = redis_cache_get_stale(cache_.get(), key.data(), key.size(), value.out());
        return outcome(status, value);
    }
    /// Makes a value stale at once. False when there is no fresh one.
    bool expire_soft(BytesView key) const {
        return detail::found(redis_cache_expire_soft(cache_.get(), key.data(), key.size()));
    }
    /// get_or_set() in two halves: a value, or the lease to compute it. Throws BusyError.
    [[nodiscard]] Begun lease_begin(BytesView key) const {
        Bytes value;
        redis_cache_lease *lease = nullptr;
        const Status status = redis_cache_lease_begin(cache_.get(), key.data(), key.size(), value.out(), &lease);
        Lease mine(lease);
        Outcome found = outcome(status, value);
        return {std::move(found.value), found.stale, std::move(mine)};
    }
    /// Takes a lock, waiting for it at most so long; nothing when somebody else has it.
    [[nodiscard]] std::optional<Lock> lock(BytesView name, Ttl ttl, Ttl wait = std::chrono::milliseconds(0)) const {
        redis_cache_lock *lock = nullptr;
        const Status status = redis_cache_lock_acquire(cache_.get(), name.data(), name.size(),
                                                       ttl.milliseconds(), wait.milliseconds(), &lock);
        if (!detail::is_ok(status, REDIS_CACHE_BUSY)) return {};
        return Lock(lock);
    }
    /// Forgets what this process keeps near.
    void near_clear() const noexcept { redis_cache_near_clear(cache_.get()); }

    // Counters.

    [[nodiscard]] Stats stats() const {
        Stats stats;
        detail::check(redis_cache_stats_read(cache_.get(), &stats, sizeof stats));
        return stats;
    }
    /// The counters as text for Prometheus.
    [[nodiscard]] std::string stats_prometheus() const {
        Bytes text;
        detail::check(redis_cache_stats_prometheus(cache_.get(), text.out()));
        return std::string(text.view());
    }
    void reset_stats() const noexcept { redis_cache_stats_reset(cache_.get()); }

private:
    explicit Cache(redis_cache *cache) : cache_(cache) {
        if (!cache_) detail::raise(REDIS_CACHE_ERR_INVALID_ARGUMENT);
    }

    template <class Function>
    std::string text(Function function, BytesView key) const {
        Bytes bytes;
        detail::check(function(cache_.get(), key.data(), key.size(), bytes.out()));
        return bytes.str();
    }

    template <class Number, class Function, class... Input>
    std::optional<Number> number(Function function, BytesView key, Input... input) const {
        Number value = 0;
        if (!detail::found(function(cache_.get(), key.data(), key.size(), input..., &value))) return {};
        return value;
    }

    template <class Compute>
    Status computed(BytesView key, Ttl ttl, Compute &compute, Bytes &value) const {
        if constexpr (!detail::check_loader<Compute>()) {
            return REDIS_CACHE_ERR_INVALID_ARGUMENT;
        } else {
            detail::Call<Compute> call{std::addressof(compute), ttl};
            const Status status = redis_cache_get_or_set(cache_.get(), key.data(), key.size(), ttl.milliseconds(),
                                                         call.one, &call, value.out());
            if (status < 0 && call.thrown) std::rethrow_exception(call.thrown);
            if (status != REDIS_CACHE_STALE && status != REDIS_CACHE_NOT_FOUND) detail::check(status);
            return status;
        }
    }

    static Outcome outcome(Status status, const Bytes &value) {
        if (status == REDIS_CACHE_STALE) return {value.str(), true};
        if (!detail::found(status)) return {};
        return {value.str(), false};
    }

    template <class Range>
    std::pair<Status, Results> fetch_many(Range &keys) const {
        const auto list = detail::gather_keys(keys);
        redis_cache_results *out = nullptr;
        const Status status = redis_cache_get_many(cache_.get(), list.items.data(), list.items.size(), &out);
        Results results(out);
        if (status != REDIS_CACHE_PARTIAL) detail::check(status);
        return {status, std::move(results)};
    }

    [[noreturn]] static void partial(PartialError::Values values, std::vector<Failure> failures,
                                     std::uint64_t deleted) {
        std::string text = "some items of the call failed";
        if (!failures.empty()) text += ", the first with: " + failures.front().text;
        throw PartialError(text, std::move(values), std::move(failures), deleted);
    }

    template <class Function>
    static Swept run(const Sweep &sweep, Function function) {
        struct Call {
            const std::function<bool(const Progress &)> *progress;
            std::exception_ptr thrown;
        } call{&sweep.progress, nullptr};
        Bytes cursor;
        constexpr auto most = std::numeric_limits<std::uint32_t>::max();
        const auto time = sweep.time.count();

        redis_cache_sweep bounds{};
        bounds.size = sizeof bounds;
        bounds.limit = sweep.limit;
        bounds.time_ms = time > std::int64_t{most} ? most : static_cast<std::uint32_t>(time < 0 ? 1 : time);
        bounds.scan_count = sweep.scan_count;
        bounds.batch = sweep.batch;
        bounds.dry_run = sweep.dry_run;
        bounds.cursor = detail::c_text(sweep.cursor, REDIS_CACHE_ERR_INVALID_ARGUMENT, "the cursor of a sweep");
        bounds.out_cursor = cursor.out();
        if (sweep.progress) {
            bounds.user_data = &call;
            bounds.progress = [](void *user_data, std::uint64_t scanned, std::uint64_t matched,
                                 std::uint64_t changed, double fraction) -> std::int32_t {
                auto &under_way = *static_cast<Call *>(user_data);
                bool goes_on = false;
                detail::contain(nullptr, &under_way.thrown, [&] {
                    goes_on = (*under_way.progress)(Progress{scanned, matched, changed, fraction});
                });
                return goes_on ? 0 : 1;
            };
        }
        Swept swept;
        const Status status = function(&bounds, &swept.deleted);
        if (call.thrown) std::rethrow_exception(call.thrown);
        if (status != REDIS_CACHE_STOPPED) detail::check(status);
        swept.cursor = cursor.str();
        return swept;
    }

    static redis_cache *opened(const std::string &url) {
        redis_cache *cache = nullptr;
        detail::check(redis_cache_open(detail::c_text(url, REDIS_CACHE_ERR_CONFIG, "a location"), &cache));
        return cache;
    }
    static redis_cache *connected(const Config &config) {
        redis_cache *cache = nullptr;
        detail::check(redis_cache_connect(config.config_.get(), &cache));
        return cache;
    }

    std::unique_ptr<redis_cache, detail::Free<redis_cache_free>> cache_;
};

} // namespace rediscache

#endif // exceptions, and C++17

#endif // REDIS_CACHE_HPP
