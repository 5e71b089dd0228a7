//! What is told about one entry, and about the nodes one by one.

use std::time::Duration;

use redis_cache::{Answer, Begun, ErrorKind, Expiry, Form, Freshness, Label, Ttl};

use crate::common::fixture::Fixture;
use crate::common::kind;

behaviour! {
    stores: [
        an_entry_is_told_from_its_header,
        a_lease_is_told_with_its_holder,
        every_node_is_named,
    ],
    keys: [
        other_data_types_are_told,
    ],
    servers: [
        a_node_answers_commands_of_the_callers_own,
        commands_that_change_the_connection_are_not_sent,
    ],
}

fn label(at: &Fixture, key: &str) -> Label {
    match at.cache().inspect(key).unwrap().stored.unwrap().form {
        Form::Labelled(label) => label,
        other => panic!("{other:?}"),
    }
}

fn an_entry_is_told_from_its_header(at: &Fixture) {
    let cache = at.cache_with(&[("stale", "1h")]);
    let before = cache.stats();
    let seen = cache.inspect("k").unwrap();
    assert_eq!(seen.wire_key, cache.make_key("k").unwrap());
    assert_eq!(seen.node, cache.where_is("k").unwrap());
    assert_eq!(seen.stored, None);

    cache.set("k", "text", Duration::from_secs(60)).unwrap();
    let stored = cache.inspect("k").unwrap().stored.unwrap();
    assert_eq!(stored.len, 32 + 5);
    assert!(matches!(stored.kept, Ttl::Remaining(left) if left > Duration::from_secs(3000)));
    let told = label(at, "k");
    assert_eq!((told.codec, told.compressor), ("postcard", "none"));
    assert!(matches!(told.freshness, Freshness::For(left) if left <= Duration::from_secs(61)));
    assert_eq!((told.lease, told.is_absent), (None, false));
    cache.expire_soft("k").unwrap();
    assert!(matches!(
        label(at, "k").freshness,
        Freshness::Stale(Some(_))
    ));

    cache.set_int("n", -7, Expiry::Never).unwrap();
    let stored = cache.inspect("n").unwrap().stored.unwrap();
    assert_eq!((stored.form, stored.kept), (Form::Integer, Ttl::Forever));
    let after = cache.stats();
    assert_eq!((after.hits, after.misses), (before.hits, before.misses));
}

fn a_lease_is_told_with_its_holder(at: &Fixture) {
    let cache = at.cache();
    let Begun::Yours(lease) = cache.lease_bytes("k").unwrap() else {
        panic!("there is nothing");
    };
    let told = label(at, "k");
    let held = told.lease.unwrap();
    assert!(!told.has_value && held.token.is_some() && !held.lapses_in.is_zero());
    lease.fulfill_absent(Expiry::Default).unwrap();
    let told = label(at, "k");
    assert_eq!((told.is_absent, told.lease), (true, None));
}

fn every_node_is_named(at: &Fixture) {
    let cache = at.cache();
    let nodes = cache.nodes().unwrap();
    let owners = nodes.iter().filter(|node| node.owns_keys).count();
    assert!((1..=3).contains(&owners), "{nodes:?}");
    let place = cache.where_is("k").unwrap();
    assert!(
        nodes
            .iter()
            .any(|node| node.owns_keys && node.location == place),
        "{nodes:?}"
    );
}

fn other_data_types_are_told(at: &Fixture) {
    at.plant_list("list");
    at.plant("foreign", b"{\"a\":1}");
    let form = |key: &str| at.cache().inspect(key).unwrap().stored.unwrap().form;
    assert_eq!(
        (form("list"), form("foreign")),
        (Form::OtherType, Form::Foreign)
    );
}

fn a_node_answers_commands_of_the_callers_own(at: &Fixture) {
    let cache = at.cache();
    cache.set_int("n", 7, Expiry::Default).unwrap();
    let node = &cache.nodes().unwrap()[0];
    let key = cache.make_key("n").unwrap();
    let commands = [
        vec![b"GET".to_vec(), key.clone()],
        vec![b"NO-SUCH-COMMAND".to_vec()],
        vec![b"MGET".to_vec(), key, b"no such key".to_vec()],
        vec![b"STRLEN".to_vec(), b"no such key".to_vec()],
    ];
    let answers = cache.ask_node(&node.name, commands).unwrap();
    assert_eq!((answers.len(), answers[0].int()), (4, Some(7)));
    assert!(matches!(&answers[1], Answer::Refused(error) if error.kind() == ErrorKind::Server));
    assert!(matches!(answers[2].list(), [Answer::Bytes(_), Answer::Nil]));
    assert!(matches!(answers[3], Answer::Int(0)));
    assert_eq!(
        kind(cache.ask_node("nobody", [["PING"]])),
        ErrorKind::Unavailable
    );
    assert_eq!(cache.get_int("n").unwrap(), Some(7));
}

fn commands_that_change_the_connection_are_not_sent(at: &Fixture) {
    let cache = at.cache();
    let node = &cache.nodes().unwrap()[0].name;
    for command in [
        &["SELECT", "1"][..],
        &["multi"],
        &["CLIENT", "REPLY", "OFF"],
        &[],
    ] {
        assert_eq!(
            kind(cache.ask_node(node, [command])),
            ErrorKind::InvalidArgument
        );
    }
}
