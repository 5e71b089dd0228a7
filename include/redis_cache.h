/*
 * redis_cache - a synchronous Redis cache: pools, sharding, herd protection, versioned keys.
 * Made by build.rs from src/ffi; edit it there. Since 0.1: what came later says so.
 *
 *     redis_cache *cache;
 *     redis_cache_bytes user = {0};
 *     if (redis_cache_open("redis://127.0.0.1:6379/1?prefix=app&ttl=5m", &cache) != REDIS_CACHE_OK)
 *         return fail(redis_cache_last_error());
 *     redis_cache_set(cache, REDIS_CACHE_STR("user:7"), REDIS_CACHE_STR("Ada"), REDIS_CACHE_TTL_DEFAULT);
 *     if (redis_cache_get(cache, REDIS_CACHE_STR("user:7"), &user) == REDIS_CACHE_OK)
 *         printf("%s\n", user.data);
 *     redis_cache_bytes_free(&user);
 *     redis_cache_free(cache);
 *
 * The rules, which hold for every function unless its comment says otherwise:
 *
 * 1. Names. redis_cache is the client, every other type is redis_cache_<noun>; functions are
 *    redis_cache_<verb> or redis_cache_<noun>_<verb>; macros and enumerators start with
 *    REDIS_CACHE_. Parameters come in the order self, inputs, outputs; a length stands right
 *    behind its pointer; a name tells its unit (ttl_ms).
 * 2. Arguments. Pointers passed in are borrowed for the call. NULL with length 0 is an empty
 *    string, a NULL array with count 0 an empty list. NULL with a length, a NULL handle and a NULL
 *    output are REDIS_CACHE_ERR_INVALID_ARGUMENT; only counts (out_deleted) and sweeps may be
 *    left out. Keys and values are bytes and may hold any; the empty key is refused. A text
 *    without a length ends in NUL and is UTF-8.
 * 3. Outputs are overwritten, not freed: what is passed as one must hold nothing that is still to
 *    be freed, and may hold anything else. They are set on OK, STALE, PARTIAL and STOPPED,
 *    *out_lease also on NOT_FOUND, and *out_len also on BUFFER_TOO_SMALL. Otherwise they are zeroed
 *    or NULL, so that "goto done; free(x)" is always right.
 * 4. Ownership. What a function hands out is freed by the function that the comment of its type
 *    names, once, on any thread; never by free(). Every _free function and
 *    redis_cache_lease_abandon() take NULL. redis_cache_lease_fulfill(),
 *    redis_cache_lease_fulfill_absent(), redis_cache_lease_abandon() and redis_cache_lock_release()
 *    consume their object whatever they return. A slice belongs to what it came from: one from
 *    redis_cache_results_get() lives as long as the results, one from redis_cache_keys_next() until
 *    the next call on that iterator.
 * 5. Threads. A const redis_cache * may be used by any number of threads at once. A config,
 *    results, lease, lock, writer or keys object belongs to one thread at a time. A client may be
 *    freed while leases, locks, views and iterators from it live, and by a function of yours that
 *    the client itself calls; that function must not free another object that the running call was
 *    given.
 * 6. Manners. The library installs no signal handlers, raises no SIGPIPE and starts no threads, but
 *    one for a host name that neither /etc/hosts nor DNS knows, where nsswitch.conf names other
 *    services. Its only global state is the error text of each thread, the named memory:// stores,
 *    the addresses that host names had last, one TLS configuration and a counter of forks
 *    (pthread_atfork). Callbacks may call the library again, on any handle, but must return: neither
 *    longjmp(), pthread_exit() nor a C++ exception may leave them. A thread that is cancelled in a call that may run a function of yours, waits for a
 *    lease or a lock, or ends an object, ends when the call is over; in other calls it must not be
 *    cancelled. After fork() the child may go on using the same handle; a lease or a lock belongs to
 *    the process that took it. errno is not preserved, and no function is async-signal-safe.
 * 7. Faults. No panic crosses the boundary: it becomes REDIS_CACHE_ERR_PANIC with its text, which
 *    Rust also writes to the standard error. Every call has a deadline, one second unless the option
 *    `timeout` says otherwise; what a function of yours takes, the option `wait` and wait_ms come on
 *    top. When there is no memory for something whose size you or the server decide, a value for
 *    example, it is REDIS_CACHE_ERR_NO_MEMORY; without memory for small things the process ends.
 * 8. Error text. Each thread has one of up to 511 bytes, set by every call that returns a negative
 *    status, by no other, and kept until the next that does. It names the server and the command,
 *    never a value or a password.
 * 9. Versions. The soname is libredis_cache.so.0 while this is 0.x. Nothing that is here changes
 *    its meaning; enumerators, functions and fields at the end of redis_cache_stats may be added.
 *    Python's cffi reads this header as `cpp -P -std=c99` leaves it.
 *
 * "OK" in a comment is REDIS_CACHE_OK, and so on. Round trips are counted without the retries
 * after a lost connection. With the option on_error=miss, a server that is down looks like an
 * empty cache: reads say NOT_FOUND, writes OK, redis_cache_add() EXISTS,
 * redis_cache_lock_acquire() BUSY, counts are 0; redis_cache_ping(), redis_cache_flush_db(),
 * sweeps and the errors AUTH, CONFIG, INVALID_ARGUMENT, WRONG_TYPE and NO_MEMORY are always
 * reported.
 */

#ifndef REDIS_CACHE_H
#define REDIS_CACHE_H

/*
 * The options by name, for redis_cache_config_set() and the queries of locations, each with its
 * default in brackets. Durations need a unit (250ms, 5s, 2m, 1h30m), sizes take k, m or g.
 *
 * prefix [empty] first part of every key; neither lock nor one that ends in :lock, where locks
 *     live.
 * version [1] second part of every key.
 * ttl [300s] expiry of entries that name none, or never.
 * key_check [reject] which keys are refused: off, none; reject, over 64 KiB; memcached, over
 *     250 bytes, spaces and control characters; hash, none, but where the wire key would be
 *     over 250 bytes, or the key is itself sha256: and 64 lower-case hex digits, the key
 *     becomes sha256: and its SHA-256 in lower-case hex, so that no two keys share an entry
 *     (patterns and keys then see digests). The empty key is always refused.
 * codec [postcard] how typed values are written: postcard, json, msgpack, or custom (Rust).
 * compressor [none] how values are compressed: none, zlib, zstd, lz4, or custom (Rust).
 * compress_min [1k] smaller values are not compressed.
 * compress_level [the compressor's own] 0 to 9 for zlib, up to 22 for zstd, none for lz4.
 * layout [tagged] tagged: values have a header; plain: they have none, for sharing them with
 *     other programs.
 * max_value [512m] largest value written, read or inflated; one that get_or_set has loaded and
 *     that is larger goes to its caller and who waited for it, and is not stored.
 * on_decode_error [miss] what a stored value is that cannot be read: miss or error.
 * on_error [raise] what an unreachable server is: raise, an error; miss, a miss.
 * topology [by the locations] how several servers work together: single, primary, ring,
 *     cluster, sentinel.
 * primary [none] the location that takes the writes; the others are its replicas.
 * read_from [primary] where plain reads may go with a primary, a cluster or sentinels: primary,
 *     replica, any.
 * ring [redis_cache] how a ring places keys: redis_cache, or as the Python packages do,
 *     django-redis-cache or django-redis.
 * sentinel_name [none] the name of the primary at the sentinels, which are the locations then.
 * db [0] the database of locations that name none.
 * username [none] the user for locations that name none.
 * password [none] the password for locations that name none.
 * password_file [none] instead of password: a file that is read at every connect, without its
 *     last line break.
 * sentinel_username [none] the user for sentinels.
 * sentinel_password [none] the password for sentinels.
 * tls_ca [the system's] PEM file of the authorities to trust; PEM files are read again when
 *     they have changed.
 * tls_cert [none] PEM file of the client's certificate; goes with tls_key.
 * tls_key [none] PEM file of the client's key; goes with tls_cert.
 * tls_server_name [the host] the name that the server's certificate must have.
 * tls_insecure [no] true: any certificate is taken, which the error hook is told; or false.
 * address_map [none] 10.0.0.5:6379>203.0.113.7:7001;...: where the announced addresses of a
 *     cluster, of replicas or of what sentinels name really are, behind NAT.
 * max_connections [16] connections to a node at most.
 * pool_timeout [1s] wait for a connection at most.
 * connect_timeout [1s] time to connect at most.
 * timeout [1s] time of a whole call at most, both of these included; of each exchange of
 *     sweeps, locks, leases and get_or_set.
 * idle_check [1ms] a connection that rested at least this long is peeked before use (no round
 *     trip).
 * idle_timeout [5m] idle connections unused for so long are closed by whoever passes by; or
 *     never.
 * max_lifetime [never] connections older than this are closed.
 * breaker_failures [5] after so many faults, refused logins or LOADINGs in a row a node is
 *     refused for a while.
 * breaker_backoff [100ms] how long at first; it doubles with every attempt that fails.
 * breaker_backoff_max [5s] how long at most.
 * protocol [auto] RESP 2, 3, or auto: the newer one that the server has.
 * parser [native] who decodes replies: native, or redis, the crate of this name.
 * pipelining [auto] auto: when all connections of a node are lent, commands of up to 64 KB go
 *     out together on the next one that comes back, each with its own deadline; off: every call
 *     waits for a connection of its own.
 * scan_count [1000] COUNT of every SCAN.
 * memory_limit [256m] bound of a memory:// store, keys and bookkeeping (some 94 bytes an entry)
 *     included; what was not used for long goes first (S3-FIFO: an entry that was never read
 *     again goes before one that was), but no lock and no lease that is held: a store full of
 *     these refuses with OOM.
 * client_name [none] name of the connections in CLIENT LIST.
 * stale [0s] how long a value may be served after its expiry while one caller renews it, or
 *     when that fails; 49 days at most.
 * lease [10s] how long one caller may take to compute a value.
 * wait [5s] how long the others wait when there is no old value.
 * on_wait_timeout [compute] what they do then: compute for themselves, or be told busy.
 * early [1.0] early renewal: the beta of XFetch; 0 turns it off.
 * ttl_jitter [0] spread expiries by up to this fraction.
 * near [0] size of the near cache in bytes; 0 is none.
 * near_untracked [ttl] where the server refuses CLIENT TRACKING: ttl (entries live a second at
 *     most) or off.
 * near_ttl [60s] longest life of a near entry, or never.
 * near_max_lag [1ms] how old an unread invalidation may be.
 * latencies [false] true: how long each operation takes at each node is measured, for
 *     Cache::latencies and the text for Prometheus, at some 120 instructions a call and 15 KB
 *     for each operation that a node has seen; false: nothing is, and nothing paid.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

/** The version of this header; redis_cache_version() tells that of the library. */
#define REDIS_CACHE_VERSION "0.1.0"
/** The first of its three numbers. */
#define REDIS_CACHE_VERSION_MAJOR 0
/** The second. */
#define REDIS_CACHE_VERSION_MINOR 1
/** The third. */
#define REDIS_CACHE_VERSION_PATCH 0
/** All of them as one that grows: major * 1000000 + minor * 1000 + patch. */
#define REDIS_CACHE_VERSION_NUMBER 1000

/** A string literal as two arguments of a call, its bytes and its length, NULs inside included:
 * redis_cache_set(cache, REDIS_CACHE_STR("user:7"), REDIS_CACHE_STR("Ada"), 60000). */
#define REDIS_CACHE_STR(text) ("" text), (sizeof(text) - 1)

#ifdef __cplusplus
extern "C" {
#endif

/** As ttl_ms: the lifetime that is configured as the option `ttl`, 300 seconds unless set. */
#define REDIS_CACHE_TTL_DEFAULT INT64_MIN

/** As ttl_ms: no expiry. The same as an answer: the entry has none. */
#define REDIS_CACHE_TTL_FOREVER INT64_MAX

/**
 * What a call says. 0 and above are ordinary outcomes, below are errors, whose text
 * redis_cache_last_error() gives. New ones may be added; a value never changes its meaning.
 */
typedef enum redis_cache_status {
    /** Done. */
    REDIS_CACHE_OK = 0,
    /** There is no such key, or nothing more to iterate. */
    REDIS_CACHE_NOT_FOUND = 1,
    /** There is an entry already; it was left alone. */
    REDIS_CACHE_EXISTS = 2,
    /** A value past its expiry, served while it is renewed. */
    REDIS_CACHE_STALE = 3,
    /** Somebody else is at it, and the time to wait for them is over. */
    REDIS_CACHE_BUSY = 4,
    /** The caller's buffer is too small; nothing but the needed length was written. */
    REDIS_CACHE_BUFFER_TOO_SMALL = 5,
    /** Some items of a multi-key call failed; the results tell which and why. */
    REDIS_CACHE_PARTIAL = 6,
    /** A sweep was ended by its limit, its time or its progress function before it was through. */
    REDIS_CACHE_STOPPED = 7,
    /** An argument that can never be right: NULL, an empty key, a key that `key_check` refuses. */
    REDIS_CACHE_ERR_INVALID_ARGUMENT = -1,
    /** An option or a location that is unknown, malformed or does not fit another one. */
    REDIS_CACHE_ERR_CONFIG = -2,
    /** The connection was refused, reset or closed, TLS failed, or the other side is no Redis. */
    REDIS_CACHE_ERR_IO = -3,
    /** No answer within the time budget of the call. */
    REDIS_CACHE_ERR_TIMEOUT = -4,
    /** The server wants a password, refuses the one it got, or denies the command. */
    REDIS_CACHE_ERR_AUTH = -5,
    /** Any other error reply of the server. */
    REDIS_CACHE_ERR_SERVER = -6,
    /** The stored value is not of the type the operation needs, or a counter would overflow. */
    REDIS_CACHE_ERR_WRONG_TYPE = -7,
    /** The stored bytes cannot be turned into a value. */
    REDIS_CACHE_ERR_DECODE = -8,
    /**
     * The server failed several times in a row and is left alone for a while, or no node serves
     * the key.
     */
    REDIS_CACHE_ERR_UNAVAILABLE = -9,
    /** The lock or the lease is no longer held. */
    REDIS_CACHE_ERR_LOST = -10,
    /** The caller's own function said that it failed. */
    REDIS_CACHE_ERR_CALLBACK = -11,
    /** A defect of this library, caught before it could cross into C. */
    REDIS_CACHE_ERR_PANIC = -12,
    /** This layout, store or build does not have the operation. */
    REDIS_CACHE_ERR_UNSUPPORTED = -13,
    /**
     * Memory of a size that the caller or the server decides could not be had; nothing else was
     * touched.
     */
    REDIS_CACHE_ERR_NO_MEMORY = -14,
} redis_cache_status;

/**
 * A client. Any number of threads may use one at once, and after fork() the child may go on
 * using it. Freed with redis_cache_free().
 */
typedef struct redis_cache redis_cache;

/**
 * A configuration under way: servers, options, functions. Freed with redis_cache_config_free(),
 * at any time after redis_cache_connect(), which only reads it. One thread at a time.
 */
typedef struct redis_cache_config redis_cache_config;

/**
 * An iteration over keys. Freed with redis_cache_keys_free(). One thread at a time; the client
 * it came from may be freed before.
 */
typedef struct redis_cache_keys redis_cache_keys;

/**
 * The duty to compute a value, for as long as the option `lease`. It ends, whatever they return,
 * with redis_cache_lease_fulfill(), redis_cache_lease_fulfill_absent() or
 * redis_cache_lease_abandon(), which free it. One thread at a time; the client it came from may be
 * freed before.
 */
typedef struct redis_cache_lease redis_cache_lease;

/**
 * A lock that is held. It ends with redis_cache_lock_release(), which frees it, and on its own
 * after its lifetime, when it is still to be released. One thread at a time; the client it came
 * from may be freed before.
 */
typedef struct redis_cache_lock redis_cache_lock;

/**
 * What a multi-key call says about each key, in the order of the keys. Freed with
 * redis_cache_results_free(). One thread at a time.
 */
typedef struct redis_cache_results redis_cache_results;

/**
 * Takes what a function of the caller makes. It lives until that function returns, and belongs
 * to its thread.
 */
typedef struct redis_cache_writer redis_cache_writer;

/**
 * Bytes that belong to the caller. A NUL stands behind the last one, so that text can be used as
 * it is; `data` is not NULL when the call succeeded, also for an empty value. Free with
 * redis_cache_bytes_free(); leave `reserved` alone.
 */
typedef struct redis_cache_bytes {
    /** The first of them. */
    char *data;
    /** How many there are, without the NUL. */
    size_t len;
    /** The library's own. */
    size_t reserved;
} redis_cache_bytes;

/**
 * Hears of every fault, also of those that `on_error=miss` turns into a miss. `text` lives
 * until it returns. It is called on whichever thread met the fault, on several at once if need be,
 * for as long as anything lives that comes from this configuration: a client, view, iterator, lease
 * or lock. It may use the cache, and hears nothing of the faults that it causes itself; it may free
 * the client. It must return, as redis_cache_compute_fn.
 */
typedef void (*redis_cache_error_fn)(void *user_data, int32_t status, const char *text);

/** Bytes that belong to somebody else; no NUL follows them. */
typedef struct redis_cache_slice {
    /** The first of them; may be NULL when there are none. */
    const char *data;
    /** How many there are. */
    size_t len;
} redis_cache_slice;

/**
 * Makes the key on the wire from the prefix, the version and the caller's key: appends it to
 * `out` and returns 0; anything else fails the call with REDIS_CACHE_ERR_CALLBACK. It must give
 * the same answer every time. Operations on groups of keys pass a pattern as the key, and a
 * prefix in which what is special in a pattern is escaped. Called from any thread, on several at
 * once if need be, for as long as anything lives that comes from this configuration: a client,
 * view, iterator, lease or lock. It may use other caches, but not the one whose keys it makes, which
 * would ask it again. It must return, as redis_cache_compute_fn.
 */
typedef int32_t (*redis_cache_key_fn)(void *user_data,
                                      const char *prefix,
                                      uint64_t version,
                                      const redis_cache_slice *key,
                                      redis_cache_writer *out);

/**
 * Says who logs in at a node: appends the user (it may be empty), redis_cache_writer_next(), and the
 * password to `out`, and returns 0; without redis_cache_writer_next() what was appended is the
 * password. Anything else fails the connect with REDIS_CACHE_ERR_AUTH; redis_cache_writer_fail() may
 * tell why. `node` is the location of the node, as it was configured or announced but without
 * options (a node of a cluster has `redis://` or `rediss://` before it, one that was configured as
 * `host:port` has not), and lives until the function returns. It is asked at every connect, and once
 * more when the server refuses what it said; for sentinels too, unless the option sentinel_password
 * is set. What it wrote is overwritten after use. It runs inside the time budget of a call, which
 * cannot interrupt it. Called from any thread, on several at once if need be, for as long as
 * anything lives that comes from this configuration: a client, view, iterator, lease or lock. It may
 * use other caches; a call on the same client that would ask a server is
 * REDIS_CACHE_ERR_UNSUPPORTED. It may free the client, and it must return, as
 * redis_cache_compute_fn.
 */
typedef int32_t (*redis_cache_credentials_fn)(void *user_data,
                                              const char *node,
                                              redis_cache_writer *out);

/**
 * Hears of every call of an operation that got as far as its client, when it is over. `operation` is the
 * name of the function without "redis_cache_", such as "get" or "delete_pattern"; `node` is that of
 * redis_cache_where() for an operation on one key whose node is known, and "" for others; `status` is
 * what the call returns; `nanoseconds` are those it took. Both texts live until the function returns.
 * Not told of: what concerns the client itself (open, clone, stats), the functions of an iterator, a
 * lease or a lock that there is already, and what this function does with the cache, which leaves the
 * error text of the call alone. Otherwise as redis_cache_error_fn.
 */
typedef void (*redis_cache_operation_fn)(void *user_data,
                                         const char *operation,
                                         const char *node,
                                         int32_t status,
                                         uint64_t nanoseconds);

/** A key and its value, for redis_cache_set_many(). */
typedef struct redis_cache_entry {
    /** The key; not empty. */
    redis_cache_slice key;
    /** The value; any bytes, none at all included. */
    redis_cache_slice value;
} redis_cache_entry;

/**
 * Hears how far a sweep is: keys looked at, keys that matched, keys changed, and the part of the
 * way that is done, from 0 to 1. Returns 0 to go on; anything else ends the sweep, which then
 * says REDIS_CACHE_STOPPED. Called on the thread of the sweep.
 */
typedef int32_t (*redis_cache_progress_fn)(void *user_data,
                                           uint64_t scanned,
                                           uint64_t matched,
                                           uint64_t changed,
                                           double fraction);

/**
 * Bounds of a sweep over keys, and who hears of its progress. Set `size` to
 * sizeof(redis_cache_sweep); zero in any other field means the default.
 *
 * A sweep that its limit, its time or its progress function ends says STOPPED and stores in
 * `*out_cursor` where to go on: pass its text as `cursor` of the next one, then free it. To the end
 * in steps:
 *
 *     redis_cache_bytes at = {0}, next;
 *     redis_cache_sweep sweep = {0};
 *     redis_cache_status status;
 *     sweep.size = sizeof sweep;
 *     sweep.limit = 1000;
 *     sweep.out_cursor = &next;
 *     do {
 *         sweep.cursor = at.data;
 *         status = redis_cache_clear(cache, &sweep, NULL);
 *         redis_cache_bytes_free(&at);
 *         at = next;
 *     } while (status == REDIS_CACHE_STOPPED);
 *
 * In the end there is nothing left to free, for `next` is zeroed unless it is STOPPED.
 *
 * A node that fails does not end it: what is to do on all others is done, and then it is the error of
 * the first of them, whose text names every node that failed, with its reason. A cursor takes what was
 * missed so far along, and the next sweep goes over that in the end.
 */
typedef struct redis_cache_sweep {
    /** sizeof(redis_cache_sweep). */
    size_t size;
    /** How many keys to change at most; 0: all. */
    uint64_t limit;
    /** How long to work, in milliseconds; 0: until done. */
    uint32_t time_ms;
    /** COUNT of every SCAN; 0: the option `scan_count`. */
    uint32_t scan_count;
    /** How many keys go into one batch of changes; 0: the library chooses. */
    uint32_t batch;
    /** Only count; change nothing. */
    bool dry_run;
    /** Hears how far it is and may end it; NULL: nobody. */
    redis_cache_progress_fn progress;
    /** What `progress` gets. */
    void *user_data;
    /** Where to go on, as another sweep of the same keys has said; NULL: at the start. */
    const char *cursor;
    /**
     * Where to store where to go on, zeroed unless STOPPED; NULL: nowhere. It is overwritten,
     * not freed. Free with redis_cache_bytes_free().
     */
    redis_cache_bytes *out_cursor;
} redis_cache_sweep;

/**
 * Says what becomes of a value: 0, and it is replaced by what was appended to `out`, with its
 * lifetime; 1, it is kept; 2, it is deleted. Anything else says that it failed, which ends the
 * sweep with REDIS_CACHE_ERR_CALLBACK. `key` is as redis_cache_keys_next() tells it, or, of another
 * version, as on the wire; while a server rehashes its keys one may be shown twice. `value` is as
 * redis_cache_get() gives it. Both live until the function returns. It may use the cache, and it
 * must return, as redis_cache_compute_fn.
 */
typedef int32_t (*redis_cache_rewrite_fn)(void *user_data,
                                          const redis_cache_slice *key,
                                          const redis_cache_slice *value,
                                          redis_cache_writer *out);

/**
 * Computes a value that is missing: appends it to `out` with redis_cache_writer_append() and
 * returns 0, or says redis_cache_writer_set_absent(). Anything but 0 says that it failed;
 * redis_cache_writer_fail() may tell why. Called on the thread of the call that was given it,
 * which is still under way. It may use the cache, but must not ask for what it computes, and it
 * must return: leaving by longjmp(), pthread_exit() or an exception is not allowed. When its thread
 * is cancelled, the computation goes on, and the thread ends after the call.
 */
typedef int32_t (*redis_cache_compute_fn)(void *user_data, redis_cache_writer *out);

/**
 * Computes the values of many keys, in the order of `missing`: appends each and ends it with
 * redis_cache_writer_next(). A key may also be skipped (redis_cache_writer_skip()) or be said to be
 * absent, and have a lifetime of its own (redis_cache_writer_set_ttl()): these concern the value
 * that was begun last. Returns 0; anything else says that it failed for all. `missing` lives until
 * it returns. Otherwise as redis_cache_compute_fn.
 */
typedef int32_t (*redis_cache_compute_many_fn)(void *user_data,
                                               const redis_cache_slice *missing,
                                               size_t count,
                                               redis_cache_writer *out);

/**
 * What a client and its views have done since it was made, or since redis_cache_stats_reset().
 * Later versions add fields at the end.
 */
typedef struct redis_cache_stats {
    /** Keys that were asked for and found fresh. */
    uint64_t hits;
    /** Keys that were asked for and not found. */
    uint64_t misses;
    /** Hits that were served by this process, without the server. */
    uint64_t near_hits;
    /** Values served past their expiry. */
    uint64_t stale_served;
    /** Values written. */
    uint64_t sets;
    /** Keys deleted. */
    uint64_t deletes;
    /** Calls of a function that computes a value. */
    uint64_t computes;
    /** Faults, those included that `on_error=miss` turned into a miss. */
    uint64_t errors;
    /** Stored values that could not be decoded. */
    uint64_t decode_errors;
    /** Calls refused at once because the server had failed several times in a row. */
    uint64_t refused;
    /** Commands sent again after a lost connection. */
    uint64_t retries;
    /** Connections that are open now; a reset leaves it alone. */
    uint64_t connections_open;
    /** Those of them that nobody uses now; a reset leaves it alone. */
    uint64_t connections_idle;
    /** Bytes received. */
    uint64_t bytes_read;
    /** Bytes sent. */
    uint64_t bytes_written;
    /**
     * Servers that refuse to announce changes now: what is kept near of them lives by the clock,
     * or is not kept (the option `near_untracked`). A reset leaves it alone.
     */
    uint64_t near_untracked;
} redis_cache_stats;

/**
 * The version of the library that is running, such as "0.1.0"; lives for ever. The macro
 * REDIS_CACHE_VERSION is the one that was compiled against.
 */
const char *redis_cache_version(void);

/**
 * The same as a number that grows: major * 1000000 + minor * 1000 + patch, as in the macro
 * REDIS_CACHE_VERSION_NUMBER.
 */
uint32_t redis_cache_version_number(void);

/**
 * The enumerator's name, such as "REDIS_CACHE_NOT_FOUND", and "unknown status" for any other
 * number; lives for ever, never NULL.
 */
const char *redis_cache_status_name(int32_t status);

/**
 * What the last failing call on this thread said; "" when none failed yet, never NULL. It lives
 * until the next failing call on this thread, or until the thread ends.
 */
const char *redis_cache_last_error(void);

/**
 * Copies this thread's error text into `buf`, cut to `cap` bytes with its NUL, and returns the
 * length of the whole text without the NUL: as strlcpy() does, so a result of `cap` or more says
 * that it was cut. With cap 0 nothing is written and buf may be NULL. 512 bytes are always enough.
 */
size_t redis_cache_last_error_copy(char *buf,
                                   size_t cap);

/**
 * Frees what a call stored in `bytes` and zeroes it, so that a second time does no harm. NULL
 * is fine, and so is a struct that a failed call left zeroed.
 */
void redis_cache_bytes_free(redis_cache_bytes *bytes);

/**
 * A configuration without servers and with the default options. Free with
 * redis_cache_config_free().
 */
redis_cache_config *redis_cache_config_new(void);

/** Frees the configuration; NULL is fine. Clients made from it go on working. */
void redis_cache_config_free(redis_cache_config *config);

/**
 * Adds a server, or several in a comma list: host, host:port, [v6]:port, /path/to.sock, or a
 * redis://, rediss://, valkey://, valkeys://, unix:// or memory:// URL, whose query may set any
 * option. A user without a password (redis://user@host) is sent with the password of the whole
 * cache, or with the empty one; a password alone is written redis://:password@host. `name` is the
 * stable name of the node on a ring, its address when NULL; `weight` is its share there, 1 for
 * an ordinary one. Servers beyond the first make a ring unless the options name another topology.
 * OK or ERR_CONFIG. No network.
 */
redis_cache_status redis_cache_config_add_server(redis_cache_config *config,
                                                 const char *url,
                                                 const char *name,
                                                 uint32_t weight);

/**
 * Sets an option by its name, such as "prefix", "ttl" or "timeout"; the value is written as in a
 * URL's query, but not percent-encoded: "app", "5m", "250ms". All options stand at the beginning of
 * this header. OK, or ERR_CONFIG for an unknown name or a value that does not fit, with a text that
 * names both and says what would. No network.
 */
redis_cache_status redis_cache_config_set(redis_cache_config *config,
                                          const char *name,
                                          const char *value);

/**
 * Sets the function that hears of every fault. `user_data` is handed to it and must, like the
 * function, live as long as any client, view, iterator, lease or lock that comes from this
 * configuration; both are used from any thread. redis_cache_config_set_error_fn_owned() tells when
 * that is over.
 */
redis_cache_status redis_cache_config_set_error_fn(redis_cache_config *config,
                                                   redis_cache_error_fn fn,
                                                   void *user_data);

/**
 * The same, and `destroy`, unless it is NULL, is called with `user_data` once when nobody will call
 * the function any more: when the configuration and every client, view, iterator, lease and lock
 * that comes from it are gone, or at once when this call fails. It is called on whatever thread
 * ends the last of them, never while the function runs, and after fork() in each process.
 * Replacing the function counts for clients that are made from then on.
 */
redis_cache_status redis_cache_config_set_error_fn_owned(redis_cache_config *config,
                                                         redis_cache_error_fn fn,
                                                         void *user_data,
                                                         void (*destroy)(void *user_data));

/**
 * Sets the function that makes keys on the wire, in place of "prefix:version:key". `user_data`
 * is handed to it and must, like the function, live as long as any client, view, iterator, lease or
 * lock that comes from this configuration; both are used from any thread.
 * redis_cache_config_set_key_fn_owned() tells when that is over.
 *
 * It runs for every key of every call, also of the calls that it makes itself: one that asks its
 * own client, or a view of it, for a key is called for that key in turn, and unless it ends that
 * the stack does and the process dies. Other clients, and functions without keys, are free to it.
 */
redis_cache_status redis_cache_config_set_key_fn(redis_cache_config *config,
                                                 redis_cache_key_fn fn,
                                                 void *user_data);

/**
 * The same, and `destroy`, unless it is NULL, is called with `user_data` once when nobody will call
 * the function any more, as redis_cache_config_set_error_fn_owned() says.
 */
redis_cache_status redis_cache_config_set_key_fn_owned(redis_cache_config *config,
                                                       redis_cache_key_fn fn,
                                                       void *user_data,
                                                       void (*destroy)(void *user_data));

/**
 * Sets the function that says who logs in, as redis_cache_credentials_fn tells. `destroy`, unless it
 * is NULL, is called with `user_data` once when nobody will call the function any more, as
 * redis_cache_config_set_error_fn_owned() says. With the options username, password or password_file,
 * of the cache or a location, redis_cache_connect() says ERR_CONFIG.
 */
redis_cache_status redis_cache_config_set_credentials_fn(redis_cache_config *config,
                                                         redis_cache_credentials_fn fn,
                                                         void *user_data,
                                                         void (*destroy)(void *user_data));

/**
 * Sets the function that hears of every operation, for latencies and traces; see
 * redis_cache_operation_fn. `destroy`, unless it is NULL, is called with `user_data` once when nobody
 * will call the function any more, as redis_cache_config_set_error_fn_owned() says. A client without
 * such a function pays nothing for it.
 */
redis_cache_status redis_cache_config_set_operation_fn(redis_cache_config *config,
                                                       redis_cache_operation_fn fn,
                                                       void *user_data,
                                                       void (*destroy)(void *user_data));

/**
 * A client from one location, such as "redis://127.0.0.1:6379/1?prefix=app&ttl=5m", or from
 * several: "a,b,c" is a ring of three. OK and `*out`, freed with redis_cache_free(), or
 * ERR_CONFIG. No network: connections are made when they are needed.
 */
redis_cache_status redis_cache_open(const char *url, redis_cache **out);

/**
 * A client from a configuration, which is checked as a whole here. OK and `*out`, freed with
 * redis_cache_free(), or ERR_CONFIG. No network: connections are made when they are needed.
 */
redis_cache_status redis_cache_connect(const redis_cache_config *config, redis_cache **out);

/**
 * Another handle of the same client, with the same connections and counters. Free with
 * redis_cache_free(), each on its own. NULL only when `cache` is.
 */
redis_cache *redis_cache_clone(const redis_cache *cache);

/**
 * A view of the same client whose keys carry another version; everything else is shared. Free
 * with redis_cache_free(). NULL only when `cache` is.
 */
redis_cache *redis_cache_with_version(const redis_cache *cache, uint64_t version);

/**
 * Frees this handle; NULL is fine. The connections close with the last handle, view or iterator
 * of the client. No other thread may still be in a call on this handle.
 */
void redis_cache_free(redis_cache *cache);

/**
 * Asks every node whether it is there: OK, or the error of one that is not. One round trip a
 * node.
 */
redis_cache_status redis_cache_ping(const redis_cache *cache);

/**
 * The node that serves the key: OK, and in `*out` its name, or its location as configured but
 * without credentials. Free with redis_cache_bytes_free(). No network, except to learn the slots
 * of a cluster.
 */
redis_cache_status redis_cache_where(const redis_cache *cache,
                                     const char *key,
                                     size_t key_len,
                                     redis_cache_bytes *out);

/**
 * Reads a value: OK and `*out`, freed with redis_cache_bytes_free(), or NOT_FOUND. One round
 * trip.
 */
redis_cache_status redis_cache_get(const redis_cache *cache,
                                   const char *key,
                                   size_t key_len,
                                   redis_cache_bytes *out);

/**
 * Reads a value into memory of the caller; no NUL is added, and nothing is
 * allocated unless the value is compressed or has an expiry of its own (`stale`, get_or_set). OK
 * and `*out_len` bytes in `buf`; NOT_FOUND; BUFFER_TOO_SMALL when the value is longer than `cap`:
 * then `*out_len` is its length and `buf` is left alone. With cap 0, buf may be NULL, to ask for
 * the length only. One round trip.
 */
redis_cache_status redis_cache_get_into(const redis_cache *cache,
                                        const char *key,
                                        size_t key_len,
                                        void *buf,
                                        size_t cap,
                                        size_t *out_len);

/**
 * Writes a value, in place of what was there. A lifetime that has passed removes the key
 * instead. OK. One round trip; where the server is full (ERR_SERVER, a text with "OOM") a second
 * one, which removes the key: what was to be written over is not found then, and never an old
 * value.
 */
redis_cache_status redis_cache_set(const redis_cache *cache,
                                   const char *key,
                                   size_t key_len,
                                   const void *value,
                                   size_t value_len,
                                   int64_t ttl_ms);

/**
 * Writes a value unless redis_cache_has_key() finds one: OK or EXISTS. With a lifetime that has passed it says the
 * same and stores nothing. One round trip.
 */
redis_cache_status redis_cache_add(const redis_cache *cache,
                                   const char *key,
                                   size_t key_len,
                                   const void *value,
                                   size_t value_len,
                                   int64_t ttl_ms);

/** Deletes an entry: OK or NOT_FOUND. One round trip. */
redis_cache_status redis_cache_delete(const redis_cache *cache,
                                      const char *key,
                                      size_t key_len);

/**
 * Whether there is a value: OK or NOT_FOUND. Its header alone is looked at: one that cannot be
 * read, or of another data type, is there too; one that is known to be absent, only leased or
 * soft-expired is not. One round trip.
 */
redis_cache_status redis_cache_has_key(const redis_cache *cache,
                                       const char *key,
                                       size_t key_len);

/**
 * Writes an integer, as its decimal digits, so that redis_cache_incr() works on it. OK. One
 * round trip; where the server is full, as redis_cache_set().
 */
redis_cache_status redis_cache_set_int(const redis_cache *cache,
                                       const char *key,
                                       size_t key_len,
                                       int64_t value,
                                       int64_t ttl_ms);

/**
 * Reads an integer: OK and `*out`, NOT_FOUND, or ERR_WRONG_TYPE for anything else. One round
 * trip.
 */
redis_cache_status redis_cache_get_int(const redis_cache *cache,
                                       const char *key,
                                       size_t key_len,
                                       int64_t *out);

/**
 * Adds `delta` to an integer and keeps its lifetime: OK and the new value in `*out`; NOT_FOUND
 * when there is none; ERR_WRONG_TYPE when it is no integer, or would overflow. One round trip.
 */
redis_cache_status redis_cache_incr(const redis_cache *cache,
                                    const char *key,
                                    size_t key_len,
                                    int64_t delta,
                                    int64_t *out);

/**
 * Subtracts `delta`, otherwise as redis_cache_incr(). INT64_MIN, which cannot be negated, is
 * ERR_INVALID_ARGUMENT.
 */
redis_cache_status redis_cache_decr(const redis_cache *cache,
                                    const char *key,
                                    size_t key_len,
                                    int64_t delta,
                                    int64_t *out);

/**
 * Adds `delta` to an integer, or creates it as `initial`, which then is the answer and lives for
 * ttl_ms; one that exists keeps its lifetime. OK and `*out`, or ERR_WRONG_TYPE. One round trip.
 */
redis_cache_status redis_cache_incr_or_create(const redis_cache *cache,
                                              const char *key,
                                              size_t key_len,
                                              int64_t delta,
                                              int64_t initial,
                                              int64_t ttl_ms,
                                              int64_t *out);

/**
 * Reads many values: every node is asked only for its own keys, all of them at once. OK when
 * each key was found or not found, PARTIAL when some could not be asked for; `*out` then tells
 * about each and is freed with redis_cache_results_free(). When all failed for one reason it is
 * that error and `*out` is NULL. One round trip.
 */
redis_cache_status redis_cache_get_many(const redis_cache *cache,
                                        const redis_cache_slice *keys,
                                        size_t count,
                                        redis_cache_results **out);

/**
 * Writes many values, each in place of what was there. OK, or PARTIAL when some failed; `*out`,
 * unless `out` is NULL, then has an item for each entry, OK or its error, and is freed with
 * redis_cache_results_free(). When all failed for one reason it is that error. One round trip; a
 * second one removes the keys that a full server has refused, as redis_cache_set() does.
 */
redis_cache_status redis_cache_set_many(const redis_cache *cache,
                                        const redis_cache_entry *entries,
                                        size_t count,
                                        int64_t ttl_ms,
                                        redis_cache_results **out);

/**
 * Deletes many entries. OK, or PARTIAL when some keys could not be asked for; `*out_deleted`,
 * unless it is NULL, is how many there were. When all failed for one reason it is that error.
 * One round trip.
 */
redis_cache_status redis_cache_delete_many(const redis_cache *cache,
                                           const redis_cache_slice *keys,
                                           size_t count,
                                           uint64_t *out_deleted);

/** How many items there are: as many as keys were given. 0 for NULL. */
size_t redis_cache_results_len(const redis_cache_results *results);

/**
 * Item `index`: OK and its value in `*out`, which lives as long as the results; NOT_FOUND; or
 * the error that befell this key, and BUSY when somebody else computes it. An entry that was
 * written is OK with an empty value.
 */
redis_cache_status redis_cache_results_get(const redis_cache_results *results,
                                           size_t index,
                                           redis_cache_slice *out);

/** Frees the results and the values in them; NULL is fine. */
void redis_cache_results_free(redis_cache_results *results);

/**
 * Gives the entry a new lifetime from now on; one that has already passed removes it. OK or
 * NOT_FOUND, which always means that there is no such key. One round trip.
 */
redis_cache_status redis_cache_touch(const redis_cache *cache,
                                     const char *key,
                                     size_t key_len,
                                     int64_t ttl_ms);

/** The same as redis_cache_touch(), by the name that Redis has for it. */
redis_cache_status redis_cache_expire(const redis_cache *cache,
                                      const char *key,
                                      size_t key_len,
                                      int64_t ttl_ms);

/**
 * Lets the entry expire at a time of the server's clock, in Unix milliseconds; one that has
 * passed removes it, and no value is special. OK or NOT_FOUND. One round trip.
 */
redis_cache_status redis_cache_expire_at(const redis_cache *cache,
                                         const char *key,
                                         size_t key_len,
                                         int64_t unix_ms);

/** Takes the expiry away. OK, also when the entry had none, or NOT_FOUND. One round trip. */
redis_cache_status redis_cache_persist(const redis_cache *cache,
                                       const char *key,
                                       size_t key_len);

/**
 * How many milliseconds the entry has left: OK and `*out_ms`, REDIS_CACHE_TTL_FOREVER for one
 * without an expiry; NOT_FOUND. One round trip.
 */
redis_cache_status redis_cache_ttl(const redis_cache *cache,
                                   const char *key,
                                   size_t key_len,
                                   int64_t *out_ms);

/**
 * Deletes the keys of this version that match a glob: `*`, `?`, `[a-z]`, `\` before what is not
 * special. OK, or STOPPED when `sweep` ended it; `*out_deleted`, unless it is NULL, is how many
 * were deleted (or would be, in a dry run). With NULL as `sweep` it runs to the end. It walks
 * over the keys of every node in small steps and never blocks a server; keys written meanwhile
 * may be missed. Round trips: one for every `scan_count` keys of the database, and one a batch.
 */
redis_cache_status redis_cache_delete_pattern(const redis_cache *cache,
                                              const char *pattern,
                                              size_t pattern_len,
                                              const redis_cache_sweep *sweep,
                                              uint64_t *out_deleted);

/**
 * Deletes the keys of this cache in all versions, and of nobody else: those with its prefix.
 * (A prefix that itself looks like "other:1:" lies inside "other".) Under a key function it is
 * the keys of this version. Otherwise as redis_cache_delete_pattern().
 */
redis_cache_status redis_cache_clear(const redis_cache *cache,
                                     const redis_cache_sweep *sweep,
                                     uint64_t *out_deleted);

/** Deletes the keys of this cache in one version. Otherwise as redis_cache_delete_pattern(). */
redis_cache_status redis_cache_clear_version(const redis_cache *cache,
                                             uint64_t version,
                                             const redis_cache_sweep *sweep,
                                             uint64_t *out_deleted);

/**
 * Empties the whole database of every node, the keys of other programs included. OK. One round
 * trip a node.
 */
redis_cache_status redis_cache_flush_db(const redis_cache *cache);

/**
 * Begins to iterate over the keys of this version that match a glob (see
 * redis_cache_delete_pattern). OK and `*out`, freed with redis_cache_keys_free(). No network
 * before the first key is asked for.
 */
redis_cache_status redis_cache_keys_begin(const redis_cache *cache,
                                          const char *pattern,
                                          size_t pattern_len,
                                          redis_cache_keys **out);

/**
 * The next key: OK and `*out`, which lives until the next call on this iterator; NOT_FOUND at
 * the end. Nodes that fail are passed over: when the keys of all others have come, it is an error
 * that names them, with their reasons, and is said again until the iterator is freed. Keys come
 * without prefix and version, but as on the wire under a key function; those for which
 * redis_cache_has_key() says OK, and no locks. One may come twice while the server rehashes its
 * keys, as with SCAN. Two round trips for every `scan_count` keys of the database, one with
 * `layout=plain`.
 */
redis_cache_status redis_cache_keys_next(redis_cache_keys *keys,
                                         redis_cache_slice *out);

/** Ends the iteration, at any point; NULL is fine. */
void redis_cache_keys_free(redis_cache_keys *keys);

/**
 * Moves an entry, with its lifetime, to this view's version plus `delta`, which may be negative;
 * an entry already there is replaced. OK and the new version in `*out_version`; NOT_FOUND;
 * ERR_INVALID_ARGUMENT for a version below 0. One round trip when both keys are on one node, up
 * to four otherwise.
 */
redis_cache_status redis_cache_incr_version(const redis_cache *cache,
                                            const char *key,
                                            size_t key_len,
                                            int64_t delta,
                                            uint64_t *out_version);

/**
 * Moves the entries of this cache that lie on another node than the ring places them, in all
 * versions: what is left to do after a server was added. OK, or STOPPED when `sweep` ended it;
 * `*out_moved`, unless it is NULL, is how many left their node (or would, in a dry run). Each is
 * copied with its lifetime and removed where it was only then, if nobody wrote it meanwhile;
 * what is at the destination already wins. Run it when every program uses the new servers. It
 * walks over the servers of this cache; to empty one that is to leave, give all the others a
 * weight of 1000000000 and run this, then leave it out: without it they share the keys alike.
 * Round trips: one for every `scan_count` keys, and four for every 256 that move.
 */
redis_cache_status redis_cache_rebalance(const redis_cache *cache,
                                         const redis_cache_sweep *sweep,
                                         uint64_t *out_moved);

/**
 * The key as it stands on the wire: OK and `*out`, freed with redis_cache_bytes_free(). No
 * network.
 */
redis_cache_status redis_cache_make_key(const redis_cache *cache,
                                        const char *key,
                                        size_t key_len,
                                        redis_cache_bytes *out);

/**
 * Rewrites the entries of this cache, in all versions, whose codec, compressor or header is not the
 * configured one: what is left to do after one of these options was changed. JSON and MessagePack
 * become each other; other payloads stay what they are and are only compressed anew. With `fn` it
 * shows every live value to that function instead, which says what becomes of it. OK, or STOPPED
 * when `sweep` ended it; `*out_rewritten`, unless it is NULL, is how many were changed (or would
 * be, in a dry run).
 *
 * Lifetimes are kept, and whoever writes at the same time wins. Passed over are values that cannot
 * be read, other data types, keys that are only leased and what is known to be absent; without
 * `fn` also integers and values of other programs. An error of `fn` ends the sweep; nodes
 * that fail are passed over, and named in the end. What was changed stays so: it can be run again.
 * Round trips: one for every `scan_count` keys, and two a batch.
 */
redis_cache_status redis_cache_reinsert_keys(const redis_cache *cache,
                                             redis_cache_rewrite_fn fn,
                                             void *user_data,
                                             const redis_cache_sweep *sweep,
                                             uint64_t *out_rewritten);

/**
 * Appends `len` bytes to what is being made. OK, or ERR_INVALID_ARGUMENT when there is nothing
 * more to be made, or the only value was said to be absent, or ERR_NO_MEMORY.
 */
redis_cache_status redis_cache_writer_append(redis_cache_writer *out,
                                             const void *data,
                                             size_t len);

/**
 * Ends one value of many; what follows belongs to the next key. Of credentials it ends the user. The last value needs none, but
 * takes one; so does a key that was skipped or said to be absent, which ends with whatever is said
 * of the next. A value to which nothing was appended is empty. OK, ERR_INVALID_ARGUMENT when every
 * key has its value, or ERR_UNSUPPORTED in a function that makes one thing.
 */
redis_cache_status redis_cache_writer_next(redis_cache_writer *out);

/**
 * There is no value for this key of many: its item is NOT_FOUND and nothing is stored. What was
 * appended to it is dropped. OK, ERR_INVALID_ARGUMENT when every key has its value, or
 * ERR_UNSUPPORTED in a function that makes one thing (redis_cache_writer_set_absent() may be
 * what is meant).
 */
redis_cache_status redis_cache_writer_skip(redis_cache_writer *out);

/**
 * There is no value, and that is worth remembering: stores "known to be absent" for ttl_ms. Until
 * then reads and redis_cache_get_or_set() say NOT_FOUND without computing, and redis_cache_add()
 * succeeds. What was appended is dropped. OK, ERR_INVALID_ARGUMENT when every key has its value,
 * or ERR_UNSUPPORTED in a function that makes a key or rewrites a value.
 */
redis_cache_status redis_cache_writer_set_absent(redis_cache_writer *out,
                                                 int64_t ttl_ms);

/**
 * The computation goes on: nobody else is to begin the same one for another `lease` (an option).
 * OK; ERR_LOST when the key was deleted or written, or somebody else has the lease: what is made
 * will go to this call only; ERR_UNSUPPORTED in a function that makes a key or rewrites a value.
 * One round trip for each key that is being computed.
 */
redis_cache_status redis_cache_writer_renew(redis_cache_writer *out);

/**
 * Says why the function is about to fail: the text of the ERR_CALLBACK that follows. It is
 * copied. A NULL text is no reason; a NULL writer does nothing.
 */
void redis_cache_writer_fail(redis_cache_writer *out, const char *text);

/**
 * The value is to live for ttl_ms, whatever the call that computes it said. OK,
 * ERR_INVALID_ARGUMENT when every key has its value, or ERR_UNSUPPORTED in a function that makes
 * a key or rewrites a value.
 */
redis_cache_status redis_cache_writer_set_ttl(redis_cache_writer *out,
                                              int64_t ttl_ms);

/**
 * The value of `key`, and when there is none (or it is due to be renewed) what `fn` computes,
 * which is then stored for ttl_ms. However many threads and processes ask at once, one computes
 * and the others get its result: they wait for it, at most as long as the option `wait`, or are
 * served the old value while there is one.
 *
 * OK: `*out` is the value. STALE: it is one past its expiry, as the option `stale` allows.
 * NOT_FOUND: `fn`, or another one before it, has said that it is known to be absent. BUSY:
 * somebody else computes and the wait is over. ERR_CALLBACK: `fn` failed, with the text of
 * redis_cache_writer_fail(), and there is no old value to serve. ERR_INVALID_ARGUMENT: `fn` asks
 * for the very key it computes; any other key is fine. A server that cannot be reached does not
 * keep `fn` from running. Free with redis_cache_bytes_free(). One round trip on a hit, three and
 * `fn` otherwise.
 */
redis_cache_status redis_cache_get_or_set(const redis_cache *cache,
                                          const char *key,
                                          size_t key_len,
                                          int64_t ttl_ms,
                                          redis_cache_compute_fn fn,
                                          void *user_data,
                                          redis_cache_bytes *out);

/**
 * The values of many keys; for those that are missing, or past their expiry, `fn` computes them in
 * one call, and they are stored for ttl_ms. What others compute already is waited for, as
 * in redis_cache_get_or_set(); `fn` is called again for what they then leave undone.
 *
 * OK when each key has a value or has none: one that is known to be absent, or that `fn` has
 * skipped. PARTIAL when some keys could not be asked for or computed. `*out` then tells about each
 * and is freed with redis_cache_results_free(); old values that are served are OK there. When all
 * failed for one reason it is that error and `*out` is NULL: ERR_CALLBACK when `fn` failed, or
 * when it returned 0 and had not made as many values as it was given keys; BUSY when others compute
 * them all and the wait is over. One round trip when all are there, three and `fn`
 * otherwise.
 */
redis_cache_status redis_cache_get_or_set_many(const redis_cache *cache,
                                               const redis_cache_slice *keys,
                                               size_t count,
                                               int64_t ttl_ms,
                                               redis_cache_compute_many_fn fn,
                                               void *user_data,
                                               redis_cache_results **out);

/**
 * Makes a value stale at once: reads miss it, and redis_cache_get_or_set() serves it, for as long
 * as it had to live, while one caller computes a new one. An invalidation without a herd. Integers
 * and values of other programs, which cannot be stale, are deleted. OK, or NOT_FOUND when there is
 * no fresh value; ERR_UNSUPPORTED with layout=plain. One round trip; where the server is full
 * (ERR_SERVER, a text with "OOM") a second one, which removes the key.
 */
redis_cache_status redis_cache_expire_soft(const redis_cache *cache,
                                           const char *key,
                                           size_t key_len);

/**
 * Reads what redis_cache_get_or_set() could serve without computing: OK and a fresh value in
 * `*out`, STALE and one past its expiry, or NOT_FOUND. ERR_UNSUPPORTED with layout=plain. Free
 * with redis_cache_bytes_free(). One round trip, to the node that takes writes.
 */
redis_cache_status redis_cache_get_stale(const redis_cache *cache,
                                         const char *key,
                                         size_t key_len,
                                         redis_cache_bytes *out);

/**
 * The value of `key`, or the lease to compute it: redis_cache_get_or_set() in two halves, for
 * languages in which a callback does not fit. Both kinds of callers wait for each other.
 *
 * OK: `*out` is a fresh value, and there is no lease. STALE: it is one past its expiry, and
 * `*out_lease` is not NULL when its renewal is yours. NOT_FOUND with a lease: compute the value and
 * fulfill it. NOT_FOUND without one: the value is known to be absent. BUSY: somebody else computes
 * it, and the option `wait` is over. ERR_UNSUPPORTED with layout=plain. With on_error=miss a server
 * that cannot be reached, or refuses, gives a lease whose value is not stored. Free `*out` with
 * redis_cache_bytes_free(). One round trip on a hit, two for a lease; a fresh value is not renewed
 * early.
 */
redis_cache_status redis_cache_lease_begin(const redis_cache *cache,
                                           const char *key,
                                           size_t key_len,
                                           redis_cache_bytes *out,
                                           redis_cache_lease **out_lease);

/**
 * Stores the value that was computed, for ttl_ms, and ends the lease. OK, or ERR_LOST when the key
 * was deleted or written meanwhile, or the lease ran out and somebody else has it: then nothing
 * was stored. NULL is ERR_INVALID_ARGUMENT. One round trip.
 */
redis_cache_status redis_cache_lease_fulfill(redis_cache_lease *lease,
                                             const void *value,
                                             size_t value_len,
                                             int64_t ttl_ms);

/**
 * Stores that there is no value, for ttl_ms, and ends the lease: see
 * redis_cache_writer_set_absent(). Otherwise as redis_cache_lease_fulfill().
 */
redis_cache_status redis_cache_lease_fulfill_absent(redis_cache_lease *lease, int64_t ttl_ms);

/**
 * The computation goes on: the lease lasts for another `lease` (an option). OK, or ERR_LOST, after
 * which the lease is still to be ended. One round trip.
 */
redis_cache_status redis_cache_lease_renew(redis_cache_lease *lease);

/**
 * Ends the lease without a value: somebody else may compute it, at once, or in a second when there
 * is an old value to serve meanwhile. NULL is fine. One round trip.
 */
void redis_cache_lease_abandon(redis_cache_lease *lease);

/**
 * Forgets what the near cache of this client holds, so that the next reads ask the server. A
 * client whose option `near` is 0 has none, and there is nothing to forget. NULL does nothing. No
 * network.
 */
void redis_cache_near_clear(const redis_cache *cache);

/**
 * Takes the lock `name` for ttl_ms, waiting for it at most for wait_ms; 0 and less is one try. OK
 * and `*out`, ended by redis_cache_lock_release(), or BUSY when somebody else had it all that time.
 * The lifetime must end and be above 0: ERR_INVALID_ARGUMENT otherwise, also for
 * REDIS_CACHE_TTL_DEFAULT and REDIS_CACHE_TTL_FOREVER, and for an empty name. The lock is a key of
 * its own, "prefix:lock:name": neither versions nor redis_cache_clear() touch it. After an error
 * the lock may be held by nobody for ttl_ms: the server may have given it, and the answer got
 * lost; with on_error=miss that is BUSY too. One round trip a try; tries come 4 to 50 ms apart.
 *
 * A holder may be slower than its lock: guard what must not be done twice with
 * redis_cache_lock_token().
 */
redis_cache_status redis_cache_lock_acquire(const redis_cache *cache,
                                            const char *name,
                                            size_t name_len,
                                            int64_t ttl_ms,
                                            int64_t wait_ms,
                                            redis_cache_lock **out);

/**
 * Lets the lock last for ttl_ms from now; the lifetime is as in redis_cache_lock_acquire(). OK, or
 * ERR_LOST when it ran out and may be somebody else's, after which it is still to be released. One
 * round trip.
 */
redis_cache_status redis_cache_lock_extend(redis_cache_lock *lock,
                                           int64_t ttl_ms);

/**
 * Gives the lock back and frees it, whatever it returns: OK, or ERR_LOST when it had run out
 * before, which leaves the next holder alone. NULL is ERR_INVALID_ARGUMENT. One round trip.
 */
redis_cache_status redis_cache_lock_release(redis_cache_lock *lock);

/**
 * The fencing token: a number that grows with every acquisition of this lock, as long as the
 * server's clock does not go back. A store that remembers the largest one it saw can refuse a
 * holder that was too slow. 0 for NULL. No network.
 */
uint64_t redis_cache_lock_token(const redis_cache_lock *lock);

/**
 * Reads the counters. `out_size` is sizeof(redis_cache_stats): a program that was compiled
 * against fewer fields gets those, one compiled against more finds 0 in what this library does
 * not know. OK. No network.
 */
redis_cache_status redis_cache_stats_read(const redis_cache *cache,
                                          redis_cache_stats *out,
                                          size_t out_size);

/**
 * The counters as text for Prometheus (format 0.0.4), each with its help and type: OK and `*out`,
 * freed with redis_cache_bytes_free(). Names are "redis_cache_", the field, and "_total" but for
 * connections and near_untracked, which are gauges. With the option `latencies` there is a
 * histogram too, "redis_cache_operation_duration_seconds", and beside it
 * "redis_cache_operation_errors_total", each with the labels "operation" and "node". A program
 * with several clients adds labels of its own. No network.
 */
redis_cache_status redis_cache_stats_prometheus(const redis_cache *cache,
                                                redis_cache_bytes *out);

/** Sets the counters to zero, for all views of the client. NULL does nothing. No network. */
void redis_cache_stats_reset(const redis_cache *cache);

#ifdef __cplusplus
}
#endif

#endif  /* REDIS_CACHE_H */
