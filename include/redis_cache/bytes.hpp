// Part of redis_cache.hpp: what a key or a value may be when it goes in, and what a value is when it comes out without
// a copy. Text and bytes are one thing here, as they are in Redis.

#ifndef REDIS_CACHE_BYTES_HPP
#define REDIS_CACHE_BYTES_HPP

#include "errors.hpp"

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#if __cplusplus >= 202002L
#include <span>
#endif

namespace rediscache {

namespace detail {

template <class T>
inline constexpr bool is_char8 = false;
#if defined(__cpp_char8_t)
template <>
inline constexpr bool is_char8<char8_t> = true;
#endif

template <class T>
inline constexpr bool is_byte = std::is_same_v<T, char> || std::is_same_v<T, unsigned char> ||
                                std::is_same_v<T, std::byte> || std::is_same_v<T, signed char> || is_char8<T>;

/// Whether bytes stand there one behind the other: a vector or span of std::uint8_t, an array of std::byte. A literal
/// u8"text" is none, for it has a NUL behind its text.
template <class T, class = void>
struct ByteRange : std::false_type {};
template <class T>
struct ByteRange<
    T, std::void_t<decltype(std::data(std::declval<const T &>())), decltype(std::size(std::declval<const T &>()))>> {
    using Element = std::remove_cv_t<std::remove_pointer_t<decltype(std::data(std::declval<const T &>()))>>;
    static constexpr bool value = is_byte<Element> && !(std::is_array_v<T> && is_char8<Element>);
};

template <class T>
using Plain = std::remove_cv_t<std::remove_reference_t<T>>;

/// nullptr would be a `const char *`.
template <class T>
inline constexpr bool is_text =
    std::is_convertible_v<std::add_lvalue_reference_t<const Plain<T>>, std::string_view> &&
    !std::is_null_pointer_v<Plain<T>>;

template <class T>
inline constexpr bool is_bytes = is_text<T> || ByteRange<Plain<T>>::value;

template <class T>
std::string_view view_of(const T &bytes) {
    if constexpr (is_text<T>) {
        if constexpr (std::is_pointer_v<T>) {
            if (!bytes) detail::raise(REDIS_CACHE_ERR_INVALID_ARGUMENT, "a null pointer is neither text nor bytes");
        }
        return bytes;
    } else if constexpr (is_bytes<T>) {
        return {reinterpret_cast<const char *>(std::data(bytes)), std::size(bytes)};
    } else {
        static_assert(is_bytes<T>,
                      "a key or a value is text or bytes: a string, a string_view, a const char *, or a vector, array "
                      "or span of char, std::uint8_t or std::byte; an integer is stored by set_int()");
        return {};
    }
}

} // namespace detail

/// Borrowed bytes: what a key or a value may be. It is made from text, or from a vector, an array or a span of bytes,
/// for the call that it is given to. Other types, and the null pointer 0 above all, end in a sentence of the compiler.
class BytesView {
public:
    constexpr BytesView() noexcept = default;
    BytesView(const void *data, std::size_t size) noexcept : view_(static_cast<const char *>(data), size) {}
    template <class T>
    BytesView(const T &bytes) : view_(detail::view_of(bytes)) {}

    constexpr const char *data() const noexcept { return view_.data(); }
    constexpr std::size_t size() const noexcept { return view_.size(); }
    constexpr std::string_view view() const noexcept { return view_; }
    constexpr operator std::string_view() const noexcept { return view_; }

private:
    std::string_view view_{};
};

namespace detail {

inline redis_cache_slice slice(BytesView bytes) noexcept { return {bytes.data(), bytes.size()}; }

inline std::string_view view(redis_cache_slice slice) noexcept {
    return slice.data ? std::string_view(slice.data, slice.len) : std::string_view();
}

} // namespace detail

/// Bytes that the library has allocated; a NUL stands behind them. They are looked into while they have a name: what is
/// a temporary gives copies only.
class Bytes {
public:
    Bytes() noexcept = default;
    Bytes(Bytes &&other) noexcept : bytes_(std::exchange(other.bytes_, redis_cache_bytes{})) {}
    Bytes &operator=(Bytes &&other) noexcept {
        Bytes taken(std::move(other));
        std::swap(bytes_, taken.bytes_);
        return *this;
    }
    ~Bytes() { redis_cache_bytes_free(&bytes_); }

    std::size_t size() const noexcept { return bytes_.len; }
    bool empty() const noexcept { return bytes_.len == 0; }

    const char *data() const & noexcept { return bytes_.data ? bytes_.data : ""; }
    const char *c_str() const & noexcept { return data(); }
    std::string_view view() const & noexcept { return {data(), size()}; }
    operator std::string_view() const & noexcept { return view(); }
#if defined(__cpp_lib_span)
    std::span<const std::byte> span() const & noexcept {
        return {reinterpret_cast<const std::byte *>(data()), size()};
    }
    std::span<const std::byte> span() const && = delete; // it would dangle: give the Bytes a name, or copy by to()
#endif
    const char *data() const && = delete;          // it would dangle: give the Bytes a name, or copy by str()
    const char *c_str() const && = delete;         // it would dangle: give the Bytes a name, or copy by str()
    std::string_view view() const && = delete;     // it would dangle: give the Bytes a name, or copy by str()
    operator std::string_view() const && = delete; // it would dangle: give the Bytes a name, or copy by str()

    std::string str() const { return to<std::string>(); }
    /// A copy as another container of char, std::uint8_t or std::byte: to<std::vector<std::uint8_t>>().
    template <class Container>
    Container to() const {
        using Byte = typename Container::value_type;
        static_assert(std::is_same_v<Byte, char> || std::is_same_v<Byte, unsigned char> ||
                          std::is_same_v<Byte, std::byte>,
                      "a value is copied into a container of char, std::uint8_t or std::byte");
        const Byte *const first = reinterpret_cast<const Byte *>(data());
        return Container(first, first + size());
    }

    /// Where a C function may store its result; what was there is freed.
    redis_cache_bytes *out() noexcept {
        redis_cache_bytes_free(&bytes_);
        return &bytes_;
    }

private:
    redis_cache_bytes bytes_{};
};

} // namespace rediscache

#endif // REDIS_CACHE_BYTES_HPP
