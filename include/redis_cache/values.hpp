// Part of redis_cache.hpp: what goes into calls and comes out of them beside bytes: lifetimes, results, sweeps and
// keys.

#ifndef REDIS_CACHE_VALUES_HPP
#define REDIS_CACHE_VALUES_HPP

#include "bytes.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace rediscache {

using Stats = redis_cache_stats;

/// How long an entry lives: any std::chrono duration, default_ttl or forever. Fractions of a
/// millisecond round up; zero and less have passed already.
class Ttl {
public:
    template <class Rep, class Period>
    constexpr Ttl(std::chrono::duration<Rep, Period> time) : ms_(rounded_up(time)) {}

    static constexpr Ttl from_milliseconds(std::int64_t ms) { return Ttl(ms); }
    constexpr std::int64_t milliseconds() const noexcept { return ms_; }
    constexpr bool is_forever() const noexcept { return ms_ == REDIS_CACHE_TTL_FOREVER; }
    friend constexpr bool operator==(Ttl a, Ttl b) noexcept { return a.ms_ == b.ms_; }
    friend constexpr bool operator!=(Ttl a, Ttl b) noexcept { return a.ms_ != b.ms_; }

private:
    constexpr explicit Ttl(std::int64_t ms) : ms_(ms) {}

    template <class Rep, class Period>
    static constexpr std::int64_t rounded_up(std::chrono::duration<Rep, Period> time) {
        const long double ms = std::chrono::duration<long double, std::milli>(time).count();
        if (!(ms > 0)) return 0;
        if (ms > 1e15L) return REDIS_CACHE_TTL_FOREVER;
        const auto whole = static_cast<std::int64_t>(ms);
        return static_cast<long double>(whole) < ms ? whole + 1 : whole;
    }

    std::int64_t ms_;
};

/// The lifetime that is configured as the option `ttl`.
inline constexpr Ttl default_ttl = Ttl::from_milliseconds(REDIS_CACHE_TTL_DEFAULT);
/// No expiry.
inline constexpr Ttl forever = Ttl::from_milliseconds(REDIS_CACHE_TTL_FOREVER);

namespace detail {

template <auto kFree>
struct Free {
    template <class T>
    void operator()(T *object) const noexcept {
        kFree(object);
    }
};

} // namespace detail

/// What a multi-key call says about each key, without copying a value.
class Results {
public:
    explicit Results(redis_cache_results *results) noexcept : results_(results) {}

    std::size_t size() const noexcept { return redis_cache_results_len(results_.get()); }

    /// The value of item `index`, which lives as long as the results; throws the item's error.
    [[nodiscard]] std::optional<std::string_view> at(std::size_t index) const & {
        redis_cache_slice value;
        if (!detail::found(redis_cache_results_get(results_.get(), index, &value))) return {};
        return detail::view(value);
    }
    std::optional<std::string_view> at(std::size_t index) const && = delete; // it would dangle: give the Results a name

    /// What failed, in the order of the keys.
    [[nodiscard]] std::vector<Failure> failures() const {
        std::vector<Failure> failures;
        for (std::size_t index = 0; index < size(); ++index) {
            redis_cache_slice value;
            const Status status = redis_cache_results_get(results_.get(), index, &value);
            if (status == REDIS_CACHE_OK || status == REDIS_CACHE_NOT_FOUND) continue;
            failures.push_back({index, status, status < 0 ? redis_cache_last_error() : redis_cache_status_name(status)});
        }
        return failures;
    }

    /// Copies of the values; nothing for what was not found or failed.
    [[nodiscard]] PartialError::Values values() const {
        PartialError::Values values(size());
        for (std::size_t index = 0; index < values.size(); ++index) {
            redis_cache_slice value;
            if (redis_cache_results_get(results_.get(), index, &value) == REDIS_CACHE_OK)
                values[index].emplace(detail::view(value));
        }
        return values;
    }

private:
    std::unique_ptr<redis_cache_results, detail::Free<redis_cache_results_free>> results_;
};

/// How far a sweep is.
struct Progress {
    std::uint64_t scanned;
    std::uint64_t matched;
    std::uint64_t changed;
    double fraction;
};

/// Bounds of a sweep; what is left alone means the default.
struct Sweep {
    std::uint64_t limit = 0;
    std::chrono::milliseconds time{0};
    std::uint32_t scan_count = 0;
    std::uint32_t batch = 0;
    bool dry_run = false;
    /// Hears how far it is; false ends the sweep, and so does an exception.
    std::function<bool(const Progress &)> progress{};
    /// Where to go on: the cursor of another sweep of the same keys.
    std::string cursor{};
};

/// The end of a sweep.
struct Swept {
    /// Keys that were deleted, moved or rewritten; in a dry run, that would be.
    std::uint64_t deleted = 0;
    /// Where to go on when it was ended before it was through; empty otherwise.
    std::string cursor{};
    bool stopped() const noexcept { return !cursor.empty(); }
};

/// What becomes of a value in reinsert_keys(): other text or bytes take its place, or keep(), or remove().
class Rewrite {
public:
    Rewrite(std::string value) : value_(std::move(value)), code_(0) {}
    template <class T, class = std::enable_if_t<detail::is_bytes<T>>>
    Rewrite(const T &value) : value_(BytesView(value).view()), code_(0) {}
    static Rewrite keep() { return Rewrite(1); }
    static Rewrite remove() { return Rewrite(2); }

    const std::string &value() const noexcept { return value_; }
    /// As in C: 0, 1 or 2.
    std::int32_t code() const noexcept { return code_; }

private:
    explicit Rewrite(std::int32_t code) : code_(code) {}

    std::string value_{};
    std::int32_t code_;
};

/// An iteration over keys: a range for one pass.
class Keys {
public:
    struct End {};

    class Iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = std::string_view;
        using difference_type = std::ptrdiff_t;
        using pointer = const std::string_view *;
        using reference = const std::string_view &;

        /// What `it++` was at: a copy, for the key itself is gone with the step.
        class Before {
        public:
            explicit Before(std::string_view key) : key_(key) {}
            std::string operator*() const { return key_; }

        private:
            std::string key_;
        };

        Iterator() noexcept = default;
        explicit Iterator(redis_cache_keys *keys) : keys_(keys), key_(Keys::after(keys)) {}
        reference operator*() const { return *key_; }
        pointer operator->() const { return &*key_; }
        Iterator &operator++() {
            key_ = Keys::after(keys_);
            return *this;
        }
        Before operator++(int) {
            Before before(*key_);
            ++*this;
            return before;
        }
        friend bool operator==(const Iterator &at, End) noexcept { return !at.key_; }
        friend bool operator!=(const Iterator &at, End) noexcept { return at.key_.has_value(); }

    private:
        redis_cache_keys *keys_ = nullptr;
        std::optional<std::string_view> key_{};
    };

    explicit Keys(redis_cache_keys *keys) noexcept : keys_(keys) {}

    /// The next key, which lives until the one after it is asked for.
    [[nodiscard]] std::optional<std::string_view> next() & { return after(keys_.get()); }
    std::optional<std::string_view> next() && = delete; // it would dangle: give the Keys a name
    [[nodiscard]] Iterator begin() & { return Iterator(keys_.get()); }
    Iterator begin() && = delete; // it would dangle: give the Keys a name
    End end() const noexcept { return {}; }

private:
    static std::optional<std::string_view> after(redis_cache_keys *keys) {
        redis_cache_slice key;
        if (!detail::found(redis_cache_keys_next(keys, &key))) return {};
        return detail::view(key);
    }

    std::unique_ptr<redis_cache_keys, detail::Free<redis_cache_keys_free>> keys_;
};

} // namespace rediscache

#endif // REDIS_CACHE_VALUES_HPP
