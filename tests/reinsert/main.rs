//! Entries in an old form, rewritten in the configured one (design, sections 6 and 11): over the embedded store, one
//! server, a ring and a cluster.

#![cfg(all(
    feature = "json",
    feature = "msgpack",
    feature = "zlib",
    feature = "zstd"
))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod forms;
mod functions;
mod others;

use redis_cache::{Cache, Expiry};

use common::as_it_is::as_it_is;
use common::fixture::{Backend, Fixture};

const STORES: [Backend; 6] = [
    Backend::Memory,
    Backend::Unix,
    Backend::RedisParser,
    Backend::Connector,
    Backend::Ring,
    Backend::Cluster,
];

/// Runs a case over every kind of store.
fn on_every_store(case: impl Fn(&Fixture)) {
    for backend in STORES {
        println!("{backend:?}");
        let store = Fixture::new(backend);
        // The embedded store lives as long as a cache on it.
        let _held = store.cache();
        case(&store);
    }
}

/// A cache that takes and shows stored bytes as they are.
fn bare(store: &Fixture) -> Cache {
    let config = as_it_is(store.config());
    config.set("codec", "json").unwrap().connect().unwrap()
}

/// Puts an entry there as it is.
fn plant(store: &Fixture, key: &str, entry: &[u8], expiry: impl Into<Expiry>) {
    bare(store).set_bytes(key, entry, expiry).unwrap();
}

/// The whole entry under a key.
fn stored(store: &Fixture, key: &str) -> Option<Vec<u8>> {
    bare(store).get_bytes(key).unwrap()
}

/// An entry with a short header.
fn short(codec: u8, payload: &[u8]) -> Vec<u8> {
    [&[0xC1, 0x11, codec << 4, 0], payload].concat()
}

/// Text that compresses well.
fn text(len: usize) -> String {
    "a text that repeats itself, ".repeat(len / 28 + 1)
}
