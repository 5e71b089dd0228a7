//! What goes over the wire: one command for one thing asked, bounded scans, and never a command that blocks the
//! server (design, sections 6 and 8; herd.md, "one round trip each").

use std::time::Duration;

use redis_cache::{Cache, Expiry};

use crate::common::fixture::{Backend, Fixture};
use crate::common::monitor::Monitor;

behaviour! {
    stores: [],
    servers: [
        nothing_is_sent_before_the_first_call,
        one_question_is_one_command,
        one_change_is_one_command,
        a_script_is_one_command_once_it_is_known,
        many_keys_are_one_round_of_commands,
        a_load_is_three_commands_and_a_hit_is_one,
        what_is_refused_is_not_sent,
        scans_use_the_configured_count,
        sweeps_never_block_the_server,
        the_client_name_is_set,
    ],
}

/// The names of the commands that `call` sends.
fn sent<T>(at: &Fixture, call: impl FnOnce() -> T) -> Vec<String> {
    let mut monitor = Monitor::of(at.server());
    call();
    monitor.names(at.server())
}

/// A cache on a server of its own, connected, with an entry `k`, a counter `n` and all scripts loaded.
fn warm(at: &Fixture) -> Cache {
    let cache = at.cache();
    cache.set("k", "value", Expiry::Default).unwrap();
    cache.set_int("n", 1, Expiry::Default).unwrap();
    cache.incr("n", 1).unwrap();
    cache.incr_or_create("n", 1, 1, Expiry::Default).unwrap();
    cache.touch("k", Expiry::Default).unwrap();
    cache.set("moved", &1, Expiry::Default).unwrap();
    cache.incr_version("moved", 1).unwrap();
    cache
}

fn nothing_is_sent_before_the_first_call(at: &Fixture) {
    let at = at.alone();
    let cache = at.cache();
    assert_eq!(at.server().clients(), Vec::<String>::new());
    cache.get_bytes("k").unwrap();
    assert_eq!(at.server().clients().len(), 1);
}

fn one_question_is_one_command(at: &Fixture) {
    let at = at.alone();
    let cache = warm(&at);
    for key in ["k", "absent"] {
        assert_eq!(sent(&at, || cache.get::<String>(key).unwrap()), ["GET"]);
        assert_eq!(sent(&at, || cache.get_bytes(key).unwrap()), ["GET"]);
        assert_eq!(
            sent(&at, || cache.get_into(key, &mut [0; 64]).unwrap()),
            ["GET"]
        );
    }
    assert_eq!(
        sent(&at, || cache.get_into("k", &mut []).unwrap()),
        ["GET"],
        "also when the buffer is too small"
    );
    assert_eq!(sent(&at, || cache.get_int("n").unwrap()), ["GET"]);
    assert_eq!(
        sent(&at, || cache.has_key("k").unwrap()),
        ["EXISTS", "GETRANGE"]
    );
    assert_eq!(sent(&at, || cache.ttl("k").unwrap()), ["PTTL", "GETRANGE"]);
    assert_eq!(sent(&at, || cache.ping().unwrap()), ["PING"]);
}

fn one_change_is_one_command(at: &Fixture) {
    let at = at.alone();
    let cache = warm(&at);
    let mut monitor = Monitor::of(at.server());
    cache
        .set_bytes("k", b"value", Duration::from_millis(60_007))
        .unwrap();
    let commands = monitor.commands(at.server());
    assert_eq!(commands.len(), 1, "{commands:?}");
    let words: Vec<&str> = commands[0].iter().map(String::as_str).collect();
    let key = at.wire_key("k");
    assert!(
        words[0].eq_ignore_ascii_case("SET") && words[1] == key,
        "{words:?}"
    );
    assert!(
        words[3].eq_ignore_ascii_case("PX") && words[4] == "60007" && words.len() == 5,
        "{words:?}"
    );

    assert_eq!(
        sent(&at, || cache.set_int("n", 5, Expiry::Default).unwrap()),
        ["SET"]
    );
    assert_eq!(
        sent(&at, || cache.set("k", &1, Expiry::Never).unwrap()),
        ["SET"]
    );
    assert_eq!(sent(&at, || cache.delete("k").unwrap()), ["UNLINK"]);
    assert_eq!(
        sent(&at, || cache.set("k", &1, Duration::ZERO).unwrap()),
        ["UNLINK"]
    );
    assert_eq!(
        sent(&at, || cache.add("new", &1, Expiry::Default).unwrap()),
        ["SET", "GETRANGE"]
    );
    assert_eq!(
        sent(&at, || cache.add("new", &1, Expiry::Default).unwrap()),
        ["SET", "GETRANGE"]
    );
    assert_eq!(sent(&at, || cache.flush_db().unwrap()), ["FLUSHDB"]);
}

fn a_script_is_one_command_once_it_is_known(at: &Fixture) {
    let at = at.alone();
    let cache = warm(&at);
    assert_eq!(sent(&at, || cache.incr("n", 1).unwrap()), ["EVALSHA"]);
    assert_eq!(sent(&at, || cache.decr("n", 1).unwrap()), ["EVALSHA"]);
    assert_eq!(sent(&at, || cache.incr("absent", 1).unwrap()), ["EVALSHA"]);
    assert_eq!(
        sent(&at, || cache
            .incr_or_create("n", 1, 1, Expiry::Default)
            .unwrap()),
        ["EVALSHA"]
    );
    assert_eq!(
        sent(&at, || cache.touch("k", Expiry::Default).unwrap()),
        ["EVALSHA"]
    );
    assert_eq!(
        sent(&at, || cache.expire("k", Duration::from_secs(5)).unwrap()),
        ["EVALSHA"]
    );
    assert_eq!(
        sent(&at, || cache.expire_at("k", 1 << 42).unwrap()),
        ["EVALSHA"]
    );
    assert_eq!(sent(&at, || cache.persist("k").unwrap()), ["EVALSHA"]);
    assert_eq!(
        sent(&at, || cache.incr_version("k", 1).unwrap()),
        ["EVALSHA"],
        "on one node"
    );
    assert_eq!(
        sent(&at, || cache.incr_version("absent", 1).unwrap()),
        ["EVALSHA"]
    );
    let _: () = at.server().run(&["SCRIPT", "FLUSH"]);
    assert_eq!(
        cache.incr("n", 1).unwrap(),
        Some(5),
        "a server that forgot the script is told it again"
    );
    assert_eq!(sent(&at, || cache.incr("n", 1).unwrap()), ["EVALSHA"]);
}

fn many_keys_are_one_round_of_commands(at: &Fixture) {
    let at = at.alone();
    let cache = warm(&at);
    let keys: Vec<String> = (0..100).map(|index| format!("k{index}")).collect();
    assert_eq!(sent(&at, || cache.get_many_bytes(&keys).unwrap()), ["MGET"]);
    assert_eq!(
        sent(&at, || cache
            .set_many_bytes(keys.iter().map(|key| (key, "v")), Expiry::Default)
            .unwrap()),
        vec!["SET"; 100]
    );
    assert_eq!(
        sent(&at, || cache.get_many::<String>(&keys).unwrap()),
        ["MGET"]
    );
    let deleting = sent(&at, || cache.delete_many(&keys).unwrap());
    assert!(
        deleting.iter().all(|name| name == "UNLINK") && !deleting.is_empty(),
        "{deleting:?}"
    );
    assert_eq!(
        sent(&at, || cache.get_many_bytes([] as [&str; 0]).unwrap()),
        [] as [&str; 0]
    );
}

fn a_load_is_three_commands_and_a_hit_is_one(at: &Fixture) {
    let at = at.alone();
    let cache = warm(&at);
    let load = |key| {
        let loaded = cache.get_or_set(key, Expiry::Default, || Ok::<_, String>("x".to_owned()));
        loaded.unwrap()
    };
    load("the first one brings the scripts");
    assert_eq!(sent(&at, || load("k2")), ["GET", "EVALSHA", "EVALSHA"]);
    assert_eq!(sent(&at, || load("k2")), ["GET"]);
}

fn what_is_refused_is_not_sent(at: &Fixture) {
    let at = at.alone();
    let cache = warm(&at);
    let names = sent(&at, || {
        cache.get_bytes("").unwrap_err();
        cache.set("", &1, Expiry::Default).unwrap_err();
        cache.delete("").unwrap_err();
        cache.incr("", 1).unwrap_err();
        cache.get_many_bytes([""]).unwrap_err();
        cache.decr("n", i64::MIN).unwrap_err();
        cache.incr_version("k", -5).unwrap_err();
        cache
            .get_or_set("", Expiry::Default, || Ok::<_, String>(1))
            .unwrap_err();
    });
    assert_eq!(names, [] as [&str; 0]);
}

fn scans_use_the_configured_count(at: &Fixture) {
    let at = at.alone();
    warm(&at);
    for (options, count) in [(&[][..], "1000"), (&[("scan_count", "77")], "77")] {
        let cache = at.cache_with(options);
        let mut monitor = Monitor::of(at.server());
        assert!(cache.keys("*").unwrap().count() > 0);
        cache.delete_pattern("nothing*").unwrap();
        cache.sweep("nothing*").scan_count(5).delete().unwrap();
        let mut scans = monitor.commands(at.server());
        scans.retain(|words| words[0].eq_ignore_ascii_case("SCAN"));
        assert!(scans.len() >= 3, "{scans:?}");
        for (index, scan) in scans.iter().enumerate() {
            let asked = scan
                .iter()
                .skip_while(|word| !word.eq_ignore_ascii_case("COUNT"))
                .nth(1)
                .unwrap();
            assert!(asked == count || index >= 2 && asked == "5", "{scan:?}");
        }
    }
}

/// Guards against defect 11 of the ancestor: 9 632 round trips for 100 000 keys, and one DEL that blocks.
fn sweeps_never_block_the_server(at: &Fixture) {
    let at = at.alone();
    let cache = at.cache();
    let entries = (0..6000).map(|index| (format!("k{index}"), "value"));
    cache.set_many_bytes(entries, Expiry::Default).unwrap();
    let mut monitor = Monitor::of(at.server());
    assert_eq!(cache.keys("k1*").unwrap().count(), 1111);
    assert_eq!(cache.delete_pattern("k*").unwrap(), 6000);
    cache.set("k", &1, Expiry::Default).unwrap();
    assert_eq!(cache.clear().unwrap(), 1);
    assert_eq!(cache.clear_version(1).unwrap(), 0);
    let commands = monitor.commands(at.server());
    let count = |name: &str| {
        commands
            .iter()
            .filter(|words| words[0].eq_ignore_ascii_case(name))
            .count()
    };
    assert_eq!(
        count("KEYS") + count("DEL") + count("FLUSHDB") + count("FLUSHALL"),
        0
    );
    // Two walks over 6 000 keys and two over next to none, a thousand at a time.
    assert!(
        (14..=40).contains(&count("SCAN")),
        "{} SCANs",
        count("SCAN")
    );
    let largest = commands
        .iter()
        .filter(|words| words[0].eq_ignore_ascii_case("UNLINK"))
        .map(Vec::len)
        .max();
    assert!(
        largest.is_some_and(|words| words <= 1 + 2000),
        "one UNLINK of {largest:?} words"
    );
    // How the values begin that a read may find, which a server that knows how does not take for a use of them.
    assert_eq!(count("GETRANGE"), 1111);
    assert_eq!(
        count("SCAN") + count("UNLINK") + count("SET") + count("GETRANGE") + count("CLIENT"),
        commands.len(),
        "something else was sent"
    );
}

fn the_client_name_is_set(at: &Fixture) {
    let at = at.alone();
    if at.backend == Backend::Connector {
        // A connection of one's own is named by its owner.
        return;
    }
    let cache = at.cache_with(&[("client_name", "the-suite")]);
    cache.ping().unwrap();
    let clients = at.server().clients();
    assert!(
        clients.len() == 1 && clients[0].contains("name=the-suite"),
        "{clients:?}"
    );
}
