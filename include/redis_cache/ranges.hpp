// Part of redis_cache.hpp: many keys, or entries, from any range. C wants them side by side for the length of a call;
// elements that live in the range are only pointed at, those that it makes on the fly are copied.

#ifndef REDIS_CACHE_RANGES_HPP
#define REDIS_CACHE_RANGES_HPP

#include "bytes.hpp"

#include <cstddef>
#include <deque>
#include <iterator>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace rediscache {

namespace detail {

namespace lookup {

using std::begin;
using std::end;

/// What `for` finds: a member, std::begin of an array, or a begin() next to the type.
template <class Range>
auto first(Range &range) -> decltype(begin(range));
template <class Range>
auto last(Range &range) -> decltype(end(range));

} // namespace lookup

template <class Range, class = void>
struct Walk {
    static constexpr bool value = false;
    using Reference = void;
};
template <class Range>
struct Walk<Range, std::void_t<decltype(*lookup::first(std::declval<Range &>())),
                               decltype(lookup::last(std::declval<Range &>()))>> {
    static constexpr bool value = true;
    using Iterator = decltype(lookup::first(std::declval<Range &>()));
    using Reference = decltype(*std::declval<Iterator &>());
};

template <class Iterator, class = void>
struct MultiPass : std::false_type {};
template <class Iterator>
struct MultiPass<Iterator, std::void_t<typename std::iterator_traits<Iterator>::iterator_category>>
    : std::is_base_of<std::forward_iterator_tag, typename std::iterator_traits<Iterator>::iterator_category> {};

/// Whether elements outlive the step to the next one. A reference alone does not say so: iterators for one pass, like
/// std::istream_iterator, refer to what they hold themselves.
template <class Range>
inline constexpr bool elements_stay = std::is_lvalue_reference_v<typename Walk<Range>::Reference> &&
                                      MultiPass<typename Walk<Range>::Iterator>::value;

template <class Range>
constexpr bool is_range_of_bytes() {
    if constexpr (Walk<Range>::value) return is_bytes<typename Walk<Range>::Reference>;
    return false;
}

template <class T, class = void>
struct PairOf : std::is_class<T> {}; // a struct of two, for all that one can ask
template <class T>
struct PairOf<T, std::void_t<decltype(std::tuple_size<T>::value)>> : std::bool_constant<std::tuple_size<T>::value == 2> {};

template <class Range>
constexpr bool is_range_of_pairs() {
    using Element = Plain<typename Walk<Range>::Reference>;
    if constexpr (Walk<Range>::value) return PairOf<Element>::value && !is_bytes<Element>;
    return false;
}

/// A list for C, and what of it had to be copied; a deque leaves what it has where it is.
template <class Item>
struct Gathered {
    std::vector<Item> items{};
    std::deque<std::string> copies{};

    template <bool kStays>
    redis_cache_slice slice(BytesView bytes) {
        if constexpr (kStays) return detail::slice(bytes);
        return detail::slice(copies.emplace_back(bytes.view()));
    }
};

/// A range of text or bytes, side by side.
template <class Range>
Gathered<redis_cache_slice> gather_keys(Range &keys) {
    Gathered<redis_cache_slice> list;
    if constexpr (is_range_of_bytes<Range>()) {
        for (auto &&key : keys) list.items.push_back(list.template slice<elements_stay<Range>>(key));
    } else {
        static_assert(is_range_of_bytes<Range>(), "many keys are a range of text or bytes: of strings, string_views or "
                                                  "const char *, or of vectors, arrays or spans of bytes");
    }
    return list;
}

/// A range of pairs of text or bytes, side by side.
template <class Range>
Gathered<redis_cache_entry> gather_entries(Range &entries) {
    Gathered<redis_cache_entry> list;
    if constexpr (is_range_of_pairs<Range>()) {
        for (auto &&entry : entries) {
            const auto &[key, value] = entry;
            list.items.push_back({list.template slice<elements_stay<Range>>(key),
                                  list.template slice<elements_stay<Range>>(value)});
        }
    } else {
        static_assert(is_range_of_pairs<Range>(), "set_many() takes a range of pairs of a key and a value: a map, or a "
                                                  "vector of pairs, of text or bytes");
    }
    return list;
}

} // namespace detail

} // namespace rediscache

#endif // REDIS_CACHE_RANGES_HPP
