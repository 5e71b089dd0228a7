//! Keys and values that are none of this cache's, and the ancestor's defect.

use std::time::Duration;

use redis_cache::{Config, Expiry, Rewrite, Ttl};

use crate::common::as_it_is::as_it_is;
use crate::common::fixture::{Backend, unique_name};
use crate::common::fleet::Fleet;
use crate::{on_every_store, plant, short, stored};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn what_is_no_entry_of_this_cache_stays() {
    on_every_store(|store| {
        let msgpack = store.cache_with(&[("codec", "msgpack")]);
        let json = short(2, b"[1]");
        let longer = format!("{}more", store.space());
        let neighbour = |prefix: &str| as_it_is(store.bare_config().prefix(prefix)).codec_json();
        let others = [neighbour(&longer), neighbour(&unique_name())];
        for other in &others {
            other.set_bytes("k", &json, MINUTE).unwrap();
        }
        // The wire key of a lock: no version stands in it.
        let locks = store.bare_config().prefix(store.space());
        let locks = locks.key_fn(|prefix, _, name| Ok([prefix, b":lock:", name].concat()));
        let locks = as_it_is(locks).codec_json();
        locks.set_bytes("k", &json, MINUTE).unwrap();
        for (key, value) in [
            ("number", &b"42"[..]),
            ("foreign", b"{\"json\": \"of another program\"}"),
            ("empty", b""),
            ("absent", b"\xC1\x15\x20\0"),
            (
                "placeholder",
                &[&[0xC1, 0x12, 0x20, 0][..], &[0; 28]].concat(),
            ),
        ] {
            plant(store, key, value, MINUTE);
        }
        if store.backend != Backend::Memory {
            store.plant_list("list");
        }
        assert_eq!(msgpack.reinsert_keys().unwrap(), 0);
        assert_eq!(msgpack.reinsert_keys_as::<Vec<i32>>().unwrap(), 0);
        for other in others.iter().chain([&locks]) {
            assert_eq!(other.get_bytes("k").unwrap().unwrap(), json);
        }
        assert_eq!(stored(store, "absent").unwrap(), b"\xC1\x15\x20\0");
        assert_eq!(
            stored(store, "foreign").unwrap(),
            b"{\"json\": \"of another program\"}"
        );
    });
}

/// A configuration in one word.
trait Json {
    fn codec_json(self) -> redis_cache::Cache;
}

impl Json for Config {
    fn codec_json(self) -> redis_cache::Cache {
        self.set("codec", "json").unwrap().connect().unwrap()
    }
}

#[test]
fn a_copy_on_the_wrong_node_of_a_ring_is_rewritten_where_it_is() {
    let fleet = Fleet::ring(2);
    let config = || fleet.config().set("prefix", "app").unwrap();
    let cache = config().set("codec", "msgpack").unwrap().connect().unwrap();
    for server in &fleet.servers {
        redis::cmd("SET")
            .arg("app:1:k")
            .arg(short(2, b"[1]"))
            .exec(&mut server.raw())
            .unwrap();
    }
    assert_eq!(cache.reinsert_keys().unwrap(), 2);
    for server in &fleet.servers {
        let entry: Vec<u8> = redis::cmd("GET")
            .arg("app:1:k")
            .query(&mut server.raw())
            .unwrap();
        assert_eq!(entry, short(3, b"\x91\x01"));
    }
}

/// The ancestor re-encodes nothing, scans the keys of other applications, loses lifetimes and races with writers.
#[test]
fn defect_4_reinsert_keys_rewrites_its_own_entries_and_keeps_their_lives() {
    on_every_store(|store| {
        let json = store.cache_with(&[("codec", "json")]);
        let msgpack = store.cache_with(&[("codec", "msgpack"), ("compressor", "zlib")]);
        let stranger = unique_name();
        let stranger = store.bare_config().prefix(&*stranger).codec_json();
        stranger.set("k", &vec!["not ours"], MINUTE).unwrap();
        let long: Vec<String> = vec!["a long value".to_owned(); 200];
        json.set("minute", &long, MINUTE).unwrap();
        json.set("forever", &long, Expiry::Never).unwrap();
        json.set("raced", &long, MINUTE).unwrap();
        let raced = msgpack.sweep("raced").reinsert_with(|_, _| {
            json.set("raced", &vec!["newer"], MINUTE).unwrap();
            Ok::<_, String>(Rewrite::Replace(b"older".to_vec()))
        });
        assert_eq!(raced.unwrap().changed, 0);

        assert_eq!(msgpack.reinsert_keys().unwrap(), 3);
        assert_eq!(stored(store, "minute").unwrap()[2], 0x31);
        assert_eq!(msgpack.get::<Vec<String>>("minute").unwrap(), Some(long));
        assert_eq!(
            msgpack.get::<Vec<String>>("raced").unwrap().unwrap(),
            ["newer"]
        );
        assert_eq!(msgpack.ttl("forever").unwrap(), Some(Ttl::Forever));
        let left = msgpack.ttl("minute").unwrap();
        assert!(
            matches!(left, Some(Ttl::Remaining(left)) if left > MINUTE / 2),
            "{left:?}"
        );
        assert_eq!(
            stranger.get::<Vec<String>>("k").unwrap().unwrap(),
            ["not ours"]
        );
    });
}
