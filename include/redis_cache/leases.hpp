// Part of redis_cache.hpp: what is held for a while: the duty to compute a value, and locks.

#ifndef REDIS_CACHE_LEASES_HPP
#define REDIS_CACHE_LEASES_HPP

#include "values.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace rediscache {

/// The duty to compute a value: fulfill it, or let it go out of scope, and it is given back. False
/// when there is none.
class [[nodiscard]] Lease {
public:
    Lease() noexcept = default;
    explicit Lease(redis_cache_lease *lease) noexcept : lease_(lease) {}

    explicit operator bool() const noexcept { return lease_ != nullptr; }

    /// Stores the value, and ends the lease whatever happens. Throws LostError when the key was
    /// deleted or written meanwhile, or the lease ran out: then nothing was stored.
    void fulfill(BytesView value, Ttl ttl = default_ttl) {
        detail::check(redis_cache_lease_fulfill(lease_.release(), value.data(), value.size(), ttl.milliseconds()));
    }
    /// Stores that there is no value: "known to be absent".
    void fulfill_absent(Ttl ttl = default_ttl) {
        detail::check(redis_cache_lease_fulfill_absent(lease_.release(), ttl.milliseconds()));
    }
    /// The computation goes on. Throws LostError.
    void renew() { detail::check(redis_cache_lease_renew(lease_.get())); }
    void abandon() noexcept { lease_.reset(); }

private:
    std::unique_ptr<redis_cache_lease, detail::Free<redis_cache_lease_abandon>> lease_;
};

/// What lease_begin() says. With neither a value nor a lease, the value is known to be absent.
struct [[nodiscard]] Begun {
    std::optional<std::string> value{};
    /// The value is past its expiry.
    bool stale = false;
    /// True when the value is yours to compute.
    Lease lease{};
};

/// A lock that is held. Going out of scope gives it back. False when it was released or moved.
class [[nodiscard]] Lock {
public:
    explicit Lock(redis_cache_lock *lock) noexcept : lock_(lock) {}

    explicit operator bool() const noexcept { return lock_ != nullptr; }

    /// The fencing token: grows with every acquisition of this lock.
    [[nodiscard]] std::uint64_t token() const noexcept { return redis_cache_lock_token(lock_.get()); }
    /// Lets it last this long from now. Throws LostError.
    void extend(Ttl ttl) { detail::check(redis_cache_lock_extend(lock_.get(), ttl.milliseconds())); }
    /// Gives it back now. Throws LostError when it had run out before.
    void release() { detail::check(redis_cache_lock_release(lock_.release())); }

private:
    std::unique_ptr<redis_cache_lock, detail::Free<redis_cache_lock_release>> lock_;
};

} // namespace rediscache

#endif // REDIS_CACHE_LEASES_HPP
