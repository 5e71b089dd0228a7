//! The health of servers.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::Shell;
use crate::common::cluster::Cluster;
use crate::common::fault::{Fate, FaultServer};
use crate::common::fixture::unique_name;
use crate::common::launcher::lacks_tls;
use crate::common::papers::Papers;
use crate::common::server::Server;

/// What the doctor says of a topic.
fn about<'a>(findings: &'a [Value], topic: &str) -> &'a Value {
    let found = findings.iter().find(|finding| finding["topic"] == topic);
    found.unwrap_or_else(|| panic!("{topic}: {findings:?}"))
}

#[test]
fn the_doctor_warns_of_a_server_without_bounds_and_praises_one_with() {
    let server = Server::start();
    let shell = Shell::at(format!("{}?prefix=app", server.tcp()));
    let found = shell.json(&["doctor"]);
    for topic in [
        "version",
        "clients",
        "role",
        "rights",
        "clock",
        "descriptors",
        "tracking",
    ] {
        assert_eq!(about(&found, topic)["grade"], "ok", "{topic}: {found:?}");
    }
    for topic in ["memory", "eviction"] {
        assert_eq!(about(&found, topic)["grade"], "warning", "{topic}");
        assert!(
            about(&found, topic)["advice"]
                .as_str()
                .unwrap()
                .contains("CONFIG SET")
        );
    }
    assert_eq!(shell.run(&["doctor", "--strict"]).code, 1);
    let _: String = server.run(&["CONFIG", "SET", "maxmemory", "100mb"]);
    let _: String = server.run(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let found = shell.json(&["doctor"]);
    // How quick this machine is, is not the point.
    let is_bad = |finding: &&Value| !["ok", "note"].contains(&finding["grade"].as_str().unwrap());
    let bad = found.iter().filter(|finding| finding["topic"] != "latency");
    assert_eq!(bad.filter(is_bad).count(), 0, "{found:?}");
    let left: i64 = server.run(&["DBSIZE"]);
    assert_eq!(left, 0, "the doctor leaves nothing behind");
}

#[test]
fn the_doctor_names_the_rights_that_are_missing() {
    let server = Server::start();
    let _: String = server.run(&[
        "ACL", "SETUSER", "reader", "on", ">pw", "~app:*", "-@all", "+get", "+mget", "+ping",
        "+info",
    ]);
    let shell = Shell::at(format!(
        "redis://reader:pw@127.0.0.1:{}?prefix=app",
        server.port()
    ));
    let found = shell.json(&["doctor"]);
    let rights: Vec<&Value> = found
        .iter()
        .filter(|finding| finding["topic"] == "rights")
        .collect();
    let texts: Vec<&str> = rights
        .iter()
        .map(|finding| finding["text"].as_str().unwrap())
        .collect();
    assert!(
        texts.contains(&"set, set_many: denied") && texts.contains(&"lock: denied"),
        "{texts:?}"
    );
    assert!(
        !texts
            .iter()
            .any(|text| text.starts_with("get, ") || text.starts_with("ping")),
        "{texts:?}"
    );
    assert!(
        rights[0]["advice"]
            .as_str()
            .unwrap()
            .contains("+exists +getrange +pttl"),
        "{rights:?}"
    );
    // Another prefix is another right.
    let shell = Shell::at(format!(
        "redis://reader:pw@127.0.0.1:{}?prefix=other",
        server.port()
    ));
    let found = shell.json(&["doctor"]);
    assert_eq!(about(&found, "rights")["text"], "get, get_many: denied");
}

#[test]
fn the_doctor_reads_until_when_a_certificate_holds() {
    if lacks_tls() {
        return;
    }
    let server = Server::secured(&Papers::issue(), &[]);
    let found = Shell::at(server.tcp()).json(&["doctor"]);
    let tls = about(&found, "tls");
    assert!(
        tls["text"]
            .as_str()
            .unwrap()
            .contains("certificate holds for"),
        "{tls}"
    );
    assert_ne!(tls["grade"], "broken");
}

#[test]
fn every_node_of_a_cluster_is_looked_at() {
    let cluster = Cluster::shared();
    let shell = Shell::at(format!(
        "{}?topology=cluster&prefix={}",
        Cluster::url(cluster.alive()[0]),
        unique_name()
    ));
    assert_eq!(shell.json(&["ping"]).len(), 6);
    let stats = shell.json(&["stats"]);
    assert_eq!(
        stats
            .iter()
            .filter(|node| node["owns_keys"] == true)
            .count(),
        3
    );
    let found = shell.json(&["doctor"]);
    assert_eq!(
        found
            .iter()
            .filter(|finding| finding["topic"] == "latency")
            .count(),
        6
    );
    assert_eq!(
        found
            .iter()
            .filter(|finding| finding["topic"] == "tracking" && finding["grade"] == "ok")
            .count(),
        3,
        "{found:?}"
    );
    assert!(
        about(&found, "balance")["text"]
            .as_str()
            .unwrap()
            .contains("its share")
    );
    shell.ok(&["set", "k", "v"]);
    assert_eq!(
        shell.only(&["why", "k"])["slot"],
        cluster.slot(shell.only(&["where", "k"])["wire_key"].as_str().unwrap())
    );
    assert_eq!(shell.json(&["big"]).len(), 1);
}

#[test]
fn the_largest_and_the_most_used_keys_are_found() {
    let server = Server::with(&["--maxmemory-policy", "allkeys-lfu"]);
    let shell = Shell::at(format!("{}?prefix=a*", server.tcp()));
    for number in 0..10 {
        let value = "x".repeat(16 << number);
        shell.ok(&["set", &format!("k{number}"), &value]);
    }
    // Of another cache, whose prefix the glob of this one would match.
    let other = Shell::at(format!("{}?prefix=ab", server.tcp()));
    other.ok(&["set", "other", &"x".repeat(9000)]);
    let big = shell.json(&["big", "-n", "3"]);
    let keys: Vec<&str> = big
        .iter()
        .map(|found| found["key"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["a*:1:k9", "a*:1:k8", "a*:1:k7"]);
    let mut raw = server.raw();
    for _ in 0..2000 {
        let _: Vec<u8> = redis::cmd("GET").arg("a*:1:k7").query(&mut raw).unwrap();
    }
    let hot = shell.json(&["hot", "-n", "1", "--time", "1s"]);
    if hot[0]["by"] == "frequency" {
        assert_eq!(hot[0]["key"], "a*:1:k7");
    }
}

/// As the documentation of HOTKEYS GET has it; a server of that age is seldom at hand.
#[test]
fn a_server_that_watches_its_keys_is_asked_and_stops_then() {
    let server = FaultServer::start();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&seen);
    server.judge(move |words| {
        if words[0] != b"HOTKEYS" {
            return Fate::Pass;
        }
        heard.lock().unwrap().push(String::from_utf8_lossy(&words[1]).into_owned());
        let report = b"*1\r\n*6\r\n$15\r\ntracking-active\r\n:0\r\n$14\r\nby-cpu-time-us\r\n*4\r\n$1\r\nx\r\n:104\r\n$1\r\ny\r\n:98\r\n\
            $12\r\nby-net-bytes\r\n*2\r\n$1\r\ny\r\n:7\r\n";
        Fate::Answer(match words[1].as_slice() {
            b"GET" => report.to_vec(),
            _ => b"+OK\r\n".to_vec(),
        })
    });
    let said = Shell::at(server.url()).run(&["hot", "--time", "1s", "--json"]);
    let lines: Vec<Value> = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told = |line: &Value| format!("{} {} {}", line["by"], line["key"], line["figure"]);
    let told: Vec<String> = lines.iter().map(told).collect();
    assert_eq!(
        told,
        [
            "\"cpu_us\" \"x\" 104",
            "\"cpu_us\" \"y\" 98",
            "\"net_bytes\" \"y\" 7"
        ],
        "{}",
        said.err
    );
    assert_eq!(*seen.lock().unwrap(), ["START", "GET", "STOP", "RESET"]);
}

#[test]
fn a_bench_tells_three_figures_and_leaves_nothing_behind() {
    let server = Server::start();
    let shell = Shell::at(server.unix());
    let parts = shell.json(&["bench", "--time", "100ms", "--threads", "2"]);
    assert_eq!(parts.len(), 3);
    assert!(
        parts.iter().all(|part| part["calls"].as_u64().unwrap() > 0),
        "{parts:?}"
    );
    let left: i64 = server.run(&["DBSIZE"]);
    assert_eq!(left, 0);
}
