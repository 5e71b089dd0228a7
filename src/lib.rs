//! A synchronous cache over Redis, for programs that want no async runtime: connection pools, versioned keys,
//! counters, pattern delete, `get_or_set` without herds, and an embedded store for everything that needs no server.
//! The same library is a C API (`libredis_cache`, `include/redis_cache.h`) and a C++ header.
//!
//! ```
//! use redis_cache::{Cache, Expiry};
//! use std::time::Duration;
//!
//! # fn main() -> redis_cache::Result<()> {
//! let cache = Cache::open("memory://?prefix=app&ttl=5m")?; // or redis://127.0.0.1:6379/1?prefix=app&ttl=5m
//! cache.set("greeting", "hello", Expiry::Default)?;
//! assert_eq!(cache.get::<String>("greeting")?.as_deref(), Some("hello"));
//!
//! let page = cache.get_or_set("front", Duration::from_secs(300), || Ok::<_, String>("<h1>".to_owned()))?;
//! assert_eq!(page, "<h1>");
//! assert_eq!(cache.version(1).delete_pattern("*")?, 2);
//! # Ok(())
//! # }
//! ```
//!
//! The [`guide`] is the book to this page: why, how it thinks, and how it is run, in eleven chapters.
//!
//! # Usage
//!
//! [`Cache::open`] takes a location with options in its query; [`Config`] says the same in Rust. A [`Cache`] is
//! cheap to clone and shared by any number of threads. A typed value goes through serde ([`Cache::get`],
//! [`Cache::set`]); bytes go as they are ([`Cache::get_bytes`], [`Cache::set_bytes`]), and these are what C sees.
//! Reads answer with an `Option`: absence is never an error. Every write names its [`Expiry`].
//!
//! * One key: [`get`](Cache::get), [`set`](Cache::set), [`add`](Cache::add), [`delete`](Cache::delete),
//!   [`has_key`](Cache::has_key), [`get_or_set`](Cache::get_or_set).
//! * Computing what is missing: [`get_or_set_with`](Cache::get_or_set_with),
//!   [`get_or_set_many`](Cache::get_or_set_many), [`lease`](Cache::lease), [`expire_soft`](Cache::expire_soft).
//! * Locks: [`lock`](Cache::lock).
//! * Counters: [`incr`](Cache::incr), [`decr`](Cache::decr), [`incr_or_create`](Cache::incr_or_create). An integer is
//!   stored as decimal digits, so other Redis clients can read it and count with it.
//! * Lifetimes: [`ttl`](Cache::ttl), [`touch`](Cache::touch), [`expire_at`](Cache::expire_at),
//!   [`persist`](Cache::persist).
//! * Many keys: [`get_many`](Cache::get_many), [`set_many`](Cache::set_many), [`delete_many`](Cache::delete_many).
//! * Versions: [`version`](Cache::version) gives a view, [`incr_version`](Cache::incr_version) moves an entry.
//! * Servers: [`with_nodes`](Cache::with_nodes) is the cache over another list of them, and
//!   [`rebalance`](Cache::rebalance) moves the entries there.
//! * Groups: [`delete_pattern`](Cache::delete_pattern), [`clear`](Cache::clear), [`keys`](Cache::keys), and
//!   [`sweep`](Cache::sweep) for bounded, resumable walks.
//! * Looking after it: [`inspect`](Cache::inspect) says all about one entry, [`nodes`](Cache::nodes) which servers there are,
//!   [`ask_node`](Cache::ask_node) takes commands to one of them, [`config::known_options`] lists the options.
//! * Another codec or compressor: [`reinsert_keys`](Cache::reinsert_keys) rewrites what is stored, while it is in use.
//!
//! # Herds
//!
//! When many callers miss a value together, in one process or in many, one of them computes it
//! ([`get_or_set`](Cache::get_or_set)). The lease to do so stands in the value's own key, next to its freshness: so a
//! deletion, an expiry or a plain `set` ends the lease too, and what was loaded before a deletion never comes back after
//! it. With the option `stale`, an old value is served while one caller renews it, and when renewing fails; shortly
//! before its expiry a value is renewed early, by chance (XFetch). Nobody but that one caller waits then. A loader that
//! fails, panics, or dies with its process strands nobody: every wait has a deadline. Within a process only one thread a
//! key talks to the server. A hit is always one command.
//!
//! # Codecs and compression
//!
//! A value is written by the configured [`Codec`](config::Codec) and [`Compressor`](config::Compressor), and its header
//! says by which, so every cache reads what any other one wrote. Not every serde type fits every codec: see
//! [`Codec`](config::Codec). Integers are digits under all of them. Each but the
//! default is a cargo feature, and on: `json`, `msgpack`, `zlib`, `zstd`, `lz4`. [`CustomCodec`] and [`CustomCompressor`]
//! are the doors for one's own. [`Layout::Plain`](config::Layout::Plain) leaves the header out, to share values with
//! other programs, such as those on Python's django-redis-cache or django-redis.
//!
//! # Time budgets and faults
//!
//! Nothing waits for ever. `timeout` (1 s unless configured) covers a whole call: waiting for a connection, finding
//! the address of a name, connecting, one retry, and the exchange itself. A connection that saw a timeout, half a reply
//! or garbage is closed and never used again, so a reply cannot reach another caller. A dead idle connection costs one silent
//! retry. After an unknown outcome only commands that may run twice are sent again. A server that failed five times
//! in a row, refused the login or was loading, is not asked for a while: calls fail at once, with the reason
//! ([`ErrorKind::Unavailable`], or a refused login as it was heard). An [`Error`] names the server, the command
//! and what was expected; with `on_error=miss` an unreachable server is a miss, and the error hook hears of it.
//!
//! # Threads and `fork`
//!
//! The library starts no threads, but one for a name that neither the hosts file nor DNS knows where the machine has other
//! services for names: only the C library can ask those, and nothing can end its waiting. No name server, however silent,
//! holds a call beyond its time, another thread, or a fork. After `fork()` parent and child may go on using the same
//! cache: the child opens connections of its own and never touches the parent's.
//!
//! # Performance
//!
//! A hit is one command and two system calls. Keys are encoded on the stack, replies are parsed in place in a
//! reused buffer, and a large value is read straight into the memory that is handed out. `make bench` compares
//! with other clients in one run.
//!
//! # Untrusted input
//!
//! Keys may hold any byte. Stored bytes may come from anyone: what is no value of the asked type is a miss (or an
//! error, `on_decode_error`), never a panic. Lengths that a server or a payload claims are not trusted with memory
//! before the bytes are there, nothing larger than `max_value` is read, and nothing inflates beyond it. No value is more
//! than 128 levels deep, written or read, by any codec, and a claimed length ends with the bytes that are there.
//!
//! # The house
//!
//! For those who change this crate: where everything stands. A folder imports only from its left, and `tests/house.rs`
//! reads the `use` lines against this map.
//!
//! ```text
//! error base -> codec -> expiry -> store -> config -> key entry -> memory | redis -> near -> cache -> herd | groups -> ffi
//! in redis: wire -> connection -> command -> node -> topology -> fleet -> store -> migrate -> values -> leases | walks
//! ```
//!
//! * `base` is what the machine gives (time, budgets, waiting, forks, chance) and knows nothing of caches. `codec` turns
//!   values into payloads, `entry` puts a header in front of them and judges freshness, `key` makes wire keys.
//! * `store` is the seam: what a cache asks of any store. `memory` and `redis` are the two that there are.
//! * `cache` has the operations, one short method each; `herd` is `get_or_set`, `groups` what concerns many keys that
//!   nobody has named; `ffi` is all of it for C. `guide` is the book: texts, and no code.
//! * In `redis`, `wire` finds addresses and moves bytes, `connection` packs commands and reads replies, `command` is what goes out and how its
//!   answer is read, under its name; `node` is one server, `topology` which of them, `fleet` how commands reach them;
//!   `values`, `leases` and `walks` are the store, each operation a command that the fleet is asked.
//! * The way of a GET: `ffi` or the caller, `cache`, `redis/values`, `fleet`, `node`, `connection`, `wire`, and back.
//! * Files that import each other are the parts of one thing, three at most: a wire, what connects it and what is written
//!   ahead on it; a node, an exchange with it and a connection to it on its way; by twos, a pool and its loans, a fan-out
//!   and its windows, a connection and what is written ahead, a loader of many and its call, the options and their table,
//!   an error and its meaning.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::print_stdout
    )
)]

mod base;
mod cache;
mod codec;
pub mod config;
mod entry;
mod error;
mod expiry;
#[cfg(feature = "capi")]
mod ffi;
mod groups;
#[cfg(any(doc, doctest))]
pub mod guide;
mod herd;
mod key;
mod memory;
mod near;
mod redis;
mod store;

/// Its examples are compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use crate::cache::inspect::{Form, Freshness, Inspected, Label, LeaseHeld, Stored};
pub use crate::cache::lock::Lock;
pub use crate::cache::partial::{Many, Partial};
pub use crate::cache::stats::Stats;
pub use crate::groups::keys::Keys;
pub use crate::groups::reinsert::Rewrite;
pub use crate::groups::sweep::Sweep;
pub use crate::groups::swept::{Progress, Swept};
pub use crate::herd::lease::{Begun, Lease};
pub use crate::store::{Answer, Latency, NodeState};
pub use cache::Cache;
pub use codec::{CustomCodec, CustomCompressor};
pub use config::Config;
/// The serializers without types that a [`CustomCodec`] is made with.
pub use erased_serde;
pub use error::{Error, ErrorKind, Result};
pub use expiry::{Expiry, Ttl};
pub use herd::{Loading, Made, Outcome, Source};
