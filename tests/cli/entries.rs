//! One entry at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use redis_cache::{Cache, Expiry};

use crate::Shell;
use crate::common::fixture::unique_name;
use crate::common::server::Server;

fn shared() -> (Shell, Cache, std::sync::Arc<Server>) {
    let server = Server::shared();
    let url = format!("{}?prefix={}", server.tcp(), unique_name());
    let cache = Cache::open(&url).unwrap();
    (Shell::at(url), cache, server)
}

#[test]
fn what_is_set_is_there_for_programs_and_gone_when_it_is_deleted() {
    let (shell, cache, _server) = shared();
    assert_eq!(shell.run(&["get", "k"]).code, 1);
    shell.ok(&["set", "k", "hello", "--ttl", "1h"]);
    assert_eq!(cache.get_bytes("k").unwrap().unwrap(), b"hello");
    assert_eq!(shell.ok(&["get", "k"]), "hello\n");
    let ttl = shell.only(&["ttl", "k"])["ttl_ms"].as_u64().unwrap();
    assert!((1..=3_600_000).contains(&ttl), "{ttl}");
    shell.ok(&["touch", "k", "--ttl", "never"]);
    assert_eq!(shell.ok(&["ttl", "k"]), "for ever\n");
    assert_eq!(shell.run(&["set", "k", "other", "--add"]).code, 1);
    assert_eq!(
        shell.ok(&["delete", "k", "no-such-key"]),
        "removed 1 of 2\n"
    );
    assert_eq!(shell.run(&["ttl", "k"]).code, 1);
    assert_eq!(shell.run(&["touch", "k"]).code, 1);
    assert_eq!(shell.run(&["delete", "k"]).code, 1);
}

#[test]
fn integers_can_be_counted_with_and_json_is_read_by_type() {
    let (shell, cache, _server) = shared();
    shell.ok(&["set", "n", "41", "--as", "int"]);
    assert_eq!(cache.incr("n", 1).unwrap(), Some(42));
    assert_eq!(shell.ok(&["get", "n"]), "42\n");
    shell.ok(&[
        "set",
        "j",
        r#"{"a":[1,2]}"#,
        "--as",
        "json",
        "-o",
        "codec=msgpack",
    ]);
    let read: BTreeMap<String, Vec<u8>> = cache.get("j").unwrap().unwrap();
    assert_eq!(read["a"], [1, 2]);
    let said = shell.only(&["get", "j"]);
    assert_eq!(
        (said["as"].as_str(), &said["value"]["a"][1]),
        (Some("msgpack"), &2.into())
    );
    assert_eq!(shell.run(&["set", "n", "many", "--as", "int"]).code, 2);
    assert_eq!(shell.run(&["set", "n", "{", "--as", "json"]).code, 2);
}

#[test]
fn values_are_shown_by_what_they_are() {
    let (shell, cache, _server) = shared();
    cache.set("postcard", "Grüße", Expiry::Default).unwrap();
    assert_eq!(shell.ok(&["get", "postcard"]), "Grüße\n");
    cache
        .set_bytes("bytes", b"\x00\x01\xff", Expiry::Default)
        .unwrap();
    assert_eq!(shell.only(&["get", "bytes"])["value"]["hex"], "0001ff");
    assert!(
        shell
            .ok(&["get", "bytes"])
            .starts_with("00000000  00 01 ff")
    );
    // What would change a terminal is not written to it.
    cache
        .set_bytes("escape", b"\x1b[31mred", Expiry::Default)
        .unwrap();
    let shown = shell.ok(&["get", "escape"]);
    assert!(
        !shown.contains('\x1b') && shown.contains("1b 5b"),
        "{shown}"
    );
    let compressed = Cache::open(&format!("{}&compressor=zstd&compress_min=1", shell.url)).unwrap();
    compressed
        .set_bytes("packed", &[b'x'; 4000], Expiry::Default)
        .unwrap();
    assert_eq!(
        shell.ok(&["get", "packed", "--as", "raw"]),
        "x".repeat(4000)
    );
}

#[test]
fn a_value_may_come_from_the_standard_input() {
    let (shell, cache, _server) = shared();
    assert_eq!(shell.with_input(&["set", "k", "-"], b"a\0b\n").code, 0);
    assert_eq!(cache.get_bytes("k").unwrap().unwrap(), b"a\0b\n");
    assert_eq!(shell.ok(&["get", "k", "--as", "raw"]), "a\0b\n");
}

#[test]
fn why_tells_what_a_read_finds_and_the_reason() {
    let (shell, cache, server) = shared();
    let why = |key: &str| shell.only(&["why", key]);
    let prefix = String::from_utf8(cache.make_key("k").unwrap()).unwrap();
    assert_eq!(why("k")["wire_key"], prefix.as_str());
    assert!(why("k")["stored"].is_null() && shell.run(&["why", "k"]).code == 1);

    let stale = Cache::open(&format!("{}&stale=1h&codec=json", shell.url)).unwrap();
    stale.set("k", &[1, 2], Expiry::Default).unwrap();
    let said = why("k");
    assert_eq!(said["found"], true);
    let stored = &said["stored"];
    assert_eq!(
        (stored["codec"].as_str(), stored["freshness"].as_str()),
        (Some("json"), Some("fresh"))
    );
    assert!(stored["kept_ms"].as_u64().unwrap() > 3_000_000, "{stored}");
    assert!(
        stored["header"].as_str().unwrap().starts_with("c113"),
        "{stored}"
    );
    stale.expire_soft("k").unwrap();
    let said = why("k");
    assert_eq!(
        (
            said["found"].as_bool(),
            said["stored"]["freshness"].as_str()
        ),
        (Some(false), Some("stale"))
    );
    assert_eq!(shell.run(&["get", "k"]).code, 1);
    assert_eq!(
        shell.only(&["get", "k", "--stale"])["value"].to_string(),
        "[1,2]"
    );

    let lease = match stale.lease::<Vec<i32>>("led").unwrap() {
        redis_cache::Begun::Yours(lease) => lease,
        other => panic!("{other:?}"),
    };
    let said = why("led");
    let holder = said["stored"]["lease"]["holder"].as_str().unwrap();
    assert_eq!((holder.len(), said["found"].as_bool()), (16, Some(false)));
    assert!(said["stored"]["lease"]["lapses_in_ms"].as_u64().unwrap() > 0);
    lease.fulfill_absent(Duration::from_secs(60)).unwrap();
    assert_eq!(why("led")["stored"]["form"], "known to be absent");

    cache.set_int("n", 7, Expiry::Never).unwrap();
    assert_eq!(why("n")["stored"]["form"], "integer");
    let wire = String::from_utf8(cache.make_key("list").unwrap()).unwrap();
    let _: i64 = server.run(&["RPUSH", &wire, "x"]);
    assert_eq!(why("list")["stored"]["form"], "another data type");
}

#[test]
fn a_store_inside_the_process_takes_the_same_commands() {
    let shell = Shell::at("memory://?prefix=app");
    shell.ok(&["set", "k", "v"]);
    // That process is gone, and its store with it.
    assert_eq!(shell.run(&["get", "k"]).code, 1);
    assert!(shell.ok(&["where", "k"]).contains("app:1:k"));
    shell.ok(&["ping"]);
    assert_eq!(shell.only(&["clear"])["changed"], 0);
    assert!(shell.ok(&["doctor"]).contains("0 broken"));
    assert_eq!(shell.run(&["big"]).code, 5);
}
