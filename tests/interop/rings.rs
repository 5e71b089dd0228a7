//! Rings: three servers, and both sides look for a key on the same one.

use redis_cache::Expiry;
use serde_json::json;

use crate::common::fleet::Fleet;
use crate::python::{MISSING, Python};
use crate::{PACKAGES, location, plain};

const KEYS: usize = 200;

#[test]
fn a_key_is_on_the_same_server_for_both() {
    let Some(mut python) = Python::start() else {
        return;
    };
    for package in &PACKAGES {
        let fleet = Fleet::ring(3);
        let servers: Vec<_> = fleet.servers.iter().collect();
        let ours = plain(&servers, &[("codec", "json"), ("ring", package.ring)]);
        let locations: Vec<_> = fleet.servers.iter().map(location).collect();
        let mut options = package.options("json", "none");
        let more = (package.ring_options)();
        options
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let mut theirs = python.open(package.sharded, json!(locations), options);
        for number in 0..KEYS {
            theirs.set(&format!("theirs {number}"), &json!({"n": number}));
            let key = format!("ours {number}");
            ours.set(&key, &[number], Expiry::Default).unwrap();
        }
        for number in 0..KEYS {
            let found = ours
                .get::<serde_json::Value>(format!("theirs {number}"))
                .unwrap();
            assert_eq!(found, Some(json!({"n": number})), "{}", package.ring);
            let found = theirs.get(&format!("ours {number}"));
            assert_eq!(found, json!([number]), "{}", package.ring);
        }
        for server in &fleet.servers {
            let held: usize = server.run(&["DBSIZE"]);
            assert!(held > 10, "{}: {held} keys on a server", package.ring);
        }
        assert_eq!(ours.clear_version(1).unwrap(), 2 * KEYS as u64);
        assert_eq!(theirs.get("ours 7"), json!(MISSING), "{}", package.ring);
    }
}
