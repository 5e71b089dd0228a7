// Part of redis_cache.hpp: functions that compute what is missing, and the writer they may use.

#ifndef REDIS_CACHE_COMPUTE_HPP
#define REDIS_CACHE_COMPUTE_HPP

#include "ranges.hpp"
#include "values.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace rediscache {

namespace detail {

/// Runs the caller's function where C is above it: no exception may leave.
template <class Work>
std::int32_t contain(redis_cache_writer *out, std::exception_ptr *thrown, Work &&work) noexcept {
    try {
        try {
            std::forward<Work>(work)();
            return 0;
        } catch (...) {
            if (thrown) *thrown = std::current_exception();
            throw;
        }
    } catch (const std::exception &fault) {
        if (out) redis_cache_writer_fail(out, fault.what());
    } catch (...) {
        if (out) redis_cache_writer_fail(out, "the function threw what is no std::exception");
    }
    return -1;
}

} // namespace detail

/// What a function that computes values says and writes. It lives until that function returns.
class Writer {
public:
    explicit Writer(redis_cache_writer *out) noexcept : out_(out) {}
    Writer(const Writer &) = delete;
    Writer &operator=(const Writer &) = delete;

    Writer &append(BytesView data) {
        detail::check(redis_cache_writer_append(out_, data.data(), data.size()));
        return *this;
    }
    /// The value is to live this long, whatever the call that computes it said.
    Writer &set_ttl(Ttl ttl) {
        detail::check(redis_cache_writer_set_ttl(out_, ttl.milliseconds()));
        ttl_ = ttl;
        return *this;
    }
    /// There is no value, and that is remembered: "known to be absent".
    Writer &set_absent(Ttl ttl = default_ttl) {
        detail::check(redis_cache_writer_set_absent(out_, ttl.milliseconds()));
        return *this;
    }
    /// The computation goes on: nobody else is to begin the same one for another `lease`. Throws
    /// LostError when the value will not be stored any more.
    Writer &renew() {
        detail::check(redis_cache_writer_renew(out_));
        return *this;
    }
    /// Ends one value of many.
    Writer &next() {
        detail::check(redis_cache_writer_next(out_));
        return *this;
    }
    /// There is no value for this key of many, and nothing is stored.
    Writer &skip() {
        detail::check(redis_cache_writer_skip(out_));
        return *this;
    }

    /// The lifetime that was set, or else this one.
    Ttl ttl_or(Ttl otherwise) const noexcept { return ttl_.value_or(otherwise); }

private:
    redis_cache_writer *out_;
    std::optional<Ttl> ttl_;
};

/// A value, if there is one, and how fresh it is.
struct Outcome {
    std::optional<std::string> value{};
    /// It is past its expiry, and served while somebody renews it or because that failed.
    bool stale = false;
};

namespace detail {

template <class T>
struct OptionalOf : std::false_type {};
template <class T>
struct OptionalOf<std::optional<T>> : std::true_type {};
template <class T>
inline constexpr bool is_optional = OptionalOf<std::decay_t<T>>::value;

/// What a function that computes one value returns.
struct NoLoader {};
template <class Compute, class = void>
struct Returned {
    using type = NoLoader;
};
template <class Compute>
struct Returned<Compute, std::enable_if_t<std::is_invocable_v<Compute &, Writer &>>> {
    using type = std::invoke_result_t<Compute &, Writer &>;
};
template <class Compute>
struct Returned<Compute,
                std::enable_if_t<!std::is_invocable_v<Compute &, Writer &> && std::is_invocable_v<Compute &>>> {
    using type = std::invoke_result_t<Compute &>;
};

/// Text or bytes, or an optional of them.
template <class T>
constexpr bool is_value() {
    if constexpr (is_optional<T>) return is_bytes<typename std::decay_t<T>::value_type>;
    return is_bytes<T>;
}

template <class T>
constexpr bool is_range_of_values() {
    if constexpr (Walk<T>::value) return is_value<typename Walk<T>::Reference>();
    return false;
}

template <class Compute>
inline constexpr bool loads_one =
    is_value<typename Returned<Compute>::type>() ||
    (std::is_void_v<typename Returned<Compute>::type> && std::is_invocable_v<Compute &, Writer &>);

using MissingKeys = const std::vector<std::string_view> &;

template <class Compute>
constexpr bool loads_many() {
    if constexpr (std::is_invocable_v<Compute &, MissingKeys, Writer &>) {
        using Values = std::invoke_result_t<Compute &, MissingKeys, Writer &>;
        return std::is_void_v<Values> || is_range_of_values<Values>();
    } else if constexpr (std::is_invocable_v<Compute &, MissingKeys>) {
        return is_range_of_values<std::invoke_result_t<Compute &, MissingKeys>>();
    } else {
        return false;
    }
}

template <class Compute>
constexpr bool rewrites() {
    if constexpr (std::is_invocable_v<Compute &, std::string_view, std::string_view>)
        return std::is_convertible_v<std::invoke_result_t<Compute &, std::string_view, std::string_view>, Rewrite>;
    return false;
}

/// A wrong function is told so by one sentence, and by nothing else.
template <class Compute>
constexpr bool check_loader() {
    static_assert(loads_one<Compute>,
                  "the loader of get_or_set() is called without arguments or with a rediscache::Writer &, and returns "
                  "text, bytes or a std::optional of them; with a Writer it may return nothing instead, and write");
    return loads_one<Compute>;
}
template <class Compute>
constexpr bool check_loader_of_many() {
    static_assert(loads_many<Compute>(),
                  "the loader of get_or_set_many() is called with a const std::vector<std::string_view> & of missing "
                  "keys, and with a rediscache::Writer & if it takes one, and returns a range of text, bytes or "
                  "std::optional of them; with a Writer it may return nothing instead, and write");
    return loads_many<Compute>();
}
template <class Compute>
constexpr bool check_rewriter() {
    static_assert(rewrites<Compute>(),
                  "the function of reinsert_keys() is called with a key and a value, two std::string_view, and returns a "
                  "rediscache::Rewrite, or the text or bytes for the value's place");
    return rewrites<Compute>();
}

/// What get_or_set() returns with such a function.
template <class Compute>
using Got = std::conditional_t<is_optional<typename Returned<Compute>::type>, std::optional<std::string>,
                               std::string>;

/// Writes what was returned; absence is kept as long as the value would have been.
template <class Value>
void put(Writer &out, const Value &value, Ttl ttl) {
    if constexpr (is_optional<Value>) {
        if (value)
            out.append(*value);
        else
            out.set_absent(out.ttl_or(ttl));
    } else {
        out.append(value);
    }
}

template <class Compute>
void compute_one(Compute &compute, Writer &out, Ttl ttl) {
    if constexpr (!std::is_invocable_v<Compute &, Writer &>)
        detail::put(out, compute(), ttl);
    else if constexpr (std::is_void_v<typename Returned<Compute>::type>)
        compute(out);
    else
        detail::put(out, compute(out), ttl);
}

/// Writes the values of many: an empty optional is no value.
template <class Values>
void put_all(Writer &out, Values &&values) {
    for (auto &&value : values) {
        if constexpr (is_optional<decltype(value)>) {
            if (value)
                out.append(*value);
            else
                out.skip();
        } else {
            out.append(value);
        }
        out.next();
    }
}

template <class Compute>
void compute_many(Compute &compute, MissingKeys missing, Writer &out) {
    if constexpr (!std::is_invocable_v<Compute &, MissingKeys, Writer &>)
        detail::put_all(out, compute(missing));
    else if constexpr (std::is_void_v<std::invoke_result_t<Compute &, MissingKeys, Writer &>>)
        compute(missing, out);
    else
        detail::put_all(out, compute(missing, out));
}

/// A function of the caller on its way through C, and what it threw.
template <class Compute>
struct Call {
    Compute *compute;
    Ttl ttl;
    std::exception_ptr thrown{};

    static std::int32_t one(void *user_data, redis_cache_writer *out) {
        auto &call = *static_cast<Call *>(user_data);
        return detail::contain(out, &call.thrown, [&] {
            Writer writer(out);
            detail::compute_one(*call.compute, writer, call.ttl);
        });
    }

    static std::int32_t many(void *user_data, const redis_cache_slice *missing, std::size_t count,
                             redis_cache_writer *out) {
        auto &call = *static_cast<Call *>(user_data);
        return detail::contain(out, &call.thrown, [&] {
            std::vector<std::string_view> keys;
            for (std::size_t i = 0; i < count; ++i) keys.push_back(detail::view(missing[i]));
            Writer writer(out);
            detail::compute_many(*call.compute, keys, writer);
        });
    }
};

/// The same for a function that rewrites values.
template <class Compute>
struct Rewriting {
    Compute *compute;
    std::exception_ptr thrown{};

    static std::int32_t one(void *user_data, const redis_cache_slice *key, const redis_cache_slice *value,
                            redis_cache_writer *out) {
        auto &call = *static_cast<Rewriting *>(user_data);
        std::int32_t code = -1;
        detail::contain(out, &call.thrown, [&] {
            const Rewrite rewrite = (*call.compute)(detail::view(*key), detail::view(*value));
            if (rewrite.code() == 0) Writer(out).append(rewrite.value());
            code = rewrite.code();
        });
        return code;
    }
};

} // namespace detail

} // namespace rediscache

#endif // REDIS_CACHE_COMPUTE_HPP
