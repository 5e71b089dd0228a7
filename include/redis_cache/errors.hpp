// Part of redis_cache.hpp: what is thrown, one type for each status that is an error.

#ifndef REDIS_CACHE_ERRORS_HPP
#define REDIS_CACHE_ERRORS_HPP

#include "../redis_cache.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace rediscache {

using Status = redis_cache_status;

/// A fault of any kind; what() names the server and the command.
class Error : public std::runtime_error {
public:
    Error(Status status, const std::string &text) : std::runtime_error(text), status_(status) {}
    Status status() const noexcept { return status_; }

private:
    Status status_;
};

/// There was no answer: an IoError, a TimeoutError or an UnavailableError. The program is right, the server or the way
/// to it is not, and a later try may find it: what a program that can do without its cache catches.
class UnreachableError : public Error {
public:
    using Error::Error;
};

namespace detail {

constexpr bool is_unreachable(Status status) noexcept {
    return status == REDIS_CACHE_ERR_IO || status == REDIS_CACHE_ERR_TIMEOUT || status == REDIS_CACHE_ERR_UNAVAILABLE;
}

template <Status kStatus>
using ParentOf = std::conditional_t<is_unreachable(kStatus), UnreachableError, Error>;

} // namespace detail

/// The fault with one status, so that it can be caught by its type.
template <Status kStatus>
class ErrorOf : public detail::ParentOf<kStatus> {
public:
    explicit ErrorOf(const std::string &text) : detail::ParentOf<kStatus>(kStatus, text) {}
};

using InvalidArgument = ErrorOf<REDIS_CACHE_ERR_INVALID_ARGUMENT>;
using ConfigError = ErrorOf<REDIS_CACHE_ERR_CONFIG>;
using IoError = ErrorOf<REDIS_CACHE_ERR_IO>;
using TimeoutError = ErrorOf<REDIS_CACHE_ERR_TIMEOUT>;
using AuthError = ErrorOf<REDIS_CACHE_ERR_AUTH>;
using ServerError = ErrorOf<REDIS_CACHE_ERR_SERVER>;
using WrongTypeError = ErrorOf<REDIS_CACHE_ERR_WRONG_TYPE>;
using DecodeError = ErrorOf<REDIS_CACHE_ERR_DECODE>;
using UnavailableError = ErrorOf<REDIS_CACHE_ERR_UNAVAILABLE>;
using LostError = ErrorOf<REDIS_CACHE_ERR_LOST>;
using CallbackError = ErrorOf<REDIS_CACHE_ERR_CALLBACK>;
using PanicError = ErrorOf<REDIS_CACHE_ERR_PANIC>;
using UnsupportedError = ErrorOf<REDIS_CACHE_ERR_UNSUPPORTED>;
using NoMemoryError = ErrorOf<REDIS_CACHE_ERR_NO_MEMORY>;
/// Somebody else computes the value, and the time to wait for them is over.
using BusyError = ErrorOf<REDIS_CACHE_BUSY>;
/// A value is known to be absent, and the caller has no use for that.
using AbsentError = ErrorOf<REDIS_CACHE_NOT_FOUND>;

/// One item of a multi-key call that failed.
struct Failure {
    std::size_t index;
    Status status;
    std::string text;
};

/// Some items of a multi-key call failed, and the others did not.
class PartialError : public ErrorOf<REDIS_CACHE_PARTIAL> {
public:
    using Values = std::vector<std::optional<std::string>>;

    PartialError(const std::string &text, Values values, std::vector<Failure> failures,
                 std::uint64_t deleted)
        : ErrorOf(text), told_(std::make_shared<const Told>(
                             Told{std::move(values), std::move(failures), deleted})) {}

    /// What get_many() or get_or_set_many() has, in the order of the keys; empty after other calls.
    const Values &values() const noexcept { return told_->values; }
    /// What failed, except in delete_many(), after which it is empty.
    const std::vector<Failure> &failures() const noexcept { return told_->failures; }
    /// How many keys delete_many() has deleted.
    std::uint64_t deleted() const noexcept { return told_->deleted; }

private:
    struct Told {
        Values values;
        std::vector<Failure> failures;
        std::uint64_t deleted;
    };
    std::shared_ptr<const Told> told_;
};

namespace detail {

[[noreturn]] inline void raise(Status status, const std::string &text) {
    switch (status) {
    case REDIS_CACHE_ERR_INVALID_ARGUMENT: throw InvalidArgument(text);
    case REDIS_CACHE_ERR_CONFIG: throw ConfigError(text);
    case REDIS_CACHE_ERR_IO: throw IoError(text);
    case REDIS_CACHE_ERR_TIMEOUT: throw TimeoutError(text);
    case REDIS_CACHE_ERR_AUTH: throw AuthError(text);
    case REDIS_CACHE_ERR_SERVER: throw ServerError(text);
    case REDIS_CACHE_ERR_WRONG_TYPE: throw WrongTypeError(text);
    case REDIS_CACHE_ERR_DECODE: throw DecodeError(text);
    case REDIS_CACHE_ERR_UNAVAILABLE: throw UnavailableError(text);
    case REDIS_CACHE_ERR_LOST: throw LostError(text);
    case REDIS_CACHE_ERR_CALLBACK: throw CallbackError(text);
    case REDIS_CACHE_ERR_PANIC: throw PanicError(text);
    case REDIS_CACHE_ERR_UNSUPPORTED: throw UnsupportedError(text);
    case REDIS_CACHE_ERR_NO_MEMORY: throw NoMemoryError(text);
    case REDIS_CACHE_BUSY: throw BusyError("another caller is still computing this value");
    case REDIS_CACHE_NOT_FOUND: throw AbsentError("the value is known to be absent: an optional could say so");
    default: throw Error(status, status < 0 ? text : redis_cache_status_name(status));
    }
}

[[noreturn]] inline void raise(Status status) { detail::raise(status, redis_cache_last_error()); }

inline void check(Status status) {
    if (status != REDIS_CACHE_OK) detail::raise(status);
}

/// For calls with two ordinary outcomes: true for OK, false for `other`.
inline bool is_ok(Status status, Status other) {
    if (status != other) detail::check(status);
    return status == REDIS_CACHE_OK;
}

inline bool found(Status status) { return detail::is_ok(status, REDIS_CACHE_NOT_FOUND); }

/// For C, which would end the text at a NUL: nobody's password or prefix is to be shorter than it was meant.
inline const char *c_text(const std::string &text, Status status, const char *what) {
    if (text.find('\0') != std::string::npos)
        detail::raise(status, std::string(what) + " has a NUL byte in it, and would end there");
    return text.c_str();
}

} // namespace detail

} // namespace rediscache

#endif // REDIS_CACHE_ERRORS_HPP
