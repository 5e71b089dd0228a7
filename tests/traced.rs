//! The events of the feature `tracing`, heard by a subscriber of our own: one for every exchange with a server and one for
//! every fault, and never a key, a value or a password in them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use redis_cache::{Cache, Expiry};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use common::fleet::Fleet;
use common::server::Server;

type Fields = BTreeMap<String, String>;

/// Keeps the fields of each event, and its target.
#[derive(Debug, Clone, Default)]
struct Listener(Arc<Mutex<Vec<Fields>>>);

impl Subscriber for Listener {
    fn enabled(&self, about: &Metadata<'_>) -> bool {
        about.target().starts_with("redis_cache::")
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Heard(Fields::new());
        event.record(&mut fields);
        let target = event.metadata().target().to_owned();
        fields.0.insert("target".to_owned(), target);
        self.0.lock().unwrap().push(fields.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Heard(Fields);

impl Visit for Heard {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

/// What is heard while this is done.
fn heard(work: impl FnOnce()) -> Vec<Fields> {
    let listener = Listener::default();
    tracing::subscriber::with_default(listener.clone(), work);
    let events = listener.0.lock().unwrap();
    events.clone()
}

#[test]
fn every_exchange_is_told_with_its_command_its_server_and_its_end() {
    let server = Server::start();
    let cache = Cache::open(&format!("{}/3?prefix=hidden-prefix", server.tcp())).unwrap();
    let events = heard(|| {
        cache
            .set("hidden-key", "hidden-value", Expiry::Default)
            .unwrap();
        cache.get::<String>("hidden-key").unwrap();
        cache.incr("hidden-key", 1).unwrap_err();
    });
    let exchanges: Vec<&Fields> = events
        .iter()
        .filter(|event| event["target"] == "redis_cache::exchange")
        .collect();
    let operations: Vec<&str> = exchanges
        .iter()
        .map(|event| event["db.operation.name"].as_str())
        .collect();
    assert_eq!(operations, ["SET", "GET", "EVALSHA"], "{events:?}");
    for event in &exchanges {
        assert_eq!(event["db.system.name"], "redis");
        assert_eq!(
            (
                event["server.address"].as_str(),
                event["server.port"].as_str()
            ),
            ("127.0.0.1", server.port().to_string().as_str())
        );
        assert_eq!(event["db.namespace"], "3");
        assert!(event["duration_us"].parse::<u64>().is_ok());
    }
    assert!(!exchanges[1].contains_key("error.type"));
    assert_eq!(exchanges[2]["error.type"], "WrongType");
    let faults: Vec<&Fields> = events
        .iter()
        .filter(|event| event["target"] == "redis_cache::fault")
        .collect();
    assert_eq!(faults.len(), 1);
    assert_eq!(
        (
            faults[0]["error.type"].as_str(),
            faults[0]["db.operation.name"].as_str()
        ),
        ("WrongType", "EVALSHA")
    );
    assert!(!format!("{events:?}").contains("hidden"), "{events:?}");
}

#[test]
fn each_node_of_a_call_on_many_keys_is_told_of() {
    let mut fleet = Fleet::ring(2);
    let cache = fleet.config().connect().unwrap();
    let keys: Vec<String> = (0..50).map(|number| format!("k{number}")).collect();
    let ports = |events: &[Fields], failed: bool| {
        let told = events
            .iter()
            .filter(|event| event["target"] == "redis_cache::exchange");
        let mut ports: Vec<String> = told
            .filter(|event| event.contains_key("error.type") == failed)
            .map(|event| event["server.port"].clone())
            .collect();
        ports.sort();
        ports.dedup();
        ports.len()
    };
    let events = heard(|| {
        cache.get_many_bytes(&keys).unwrap();
    });
    assert_eq!(
        (ports(&events, false), ports(&events, true)),
        (2, 0),
        "{events:?}"
    );
    fleet.servers[1].stop();
    let events = heard(|| {
        cache.get_many_bytes(&keys).unwrap_err();
    });
    assert_eq!(
        (ports(&events, false), ports(&events, true)),
        (1, 1),
        "{events:?}"
    );
}

#[test]
fn a_password_is_in_no_event() {
    let server = Server::with(&["--requirepass", "s3cret"]);
    let cache = Cache::open(&format!("redis://:wr0ng@127.0.0.1:{}", server.port())).unwrap();
    let events = heard(|| {
        cache.get_bytes("k").unwrap_err();
    });
    assert!(
        events.iter().any(|event| event["error.type"] == "Auth"),
        "{events:?}"
    );
    let all = format!("{events:?}");
    assert!(!all.contains("wr0ng") && !all.contains("s3cret"), "{all}");
}
