//! Whole groups of keys, over a ring and over a cluster.

use std::io::Write;
use std::process::{Command, Stdio};

use redis_cache::{Cache, Expiry};

use crate::common::cluster::Cluster;
use crate::common::eventually;
use crate::common::fixture::unique_name;
use crate::common::fleet::Fleet;
use crate::common::server::Server;
use crate::{Shell, command};

const COUNT: usize = 300;

fn fill(cache: &Cache) {
    let entries = (0..COUNT).map(|number| (format!("k{number}"), b"v".to_vec()));
    cache.set_many_bytes(entries, Expiry::Never).unwrap();
}

/// Where a ring is, with a prefix of its own.
fn ring(fleet: &Fleet, count: usize) -> (String, String) {
    let urls: Vec<String> = fleet.servers[..count]
        .iter()
        .map(|server| server.tcp())
        .collect();
    (urls.join(","), unique_name())
}

#[test]
fn keys_are_listed_counted_and_removed_on_every_node() {
    let fleet = Fleet::shared_ring();
    let cluster = Cluster::shared();
    let (servers, prefix) = ring(&fleet, 3);
    for url in [
        format!("{servers}?prefix={prefix}"),
        format!(
            "{}?topology=cluster&prefix={}",
            cluster.urls().split(',').next().unwrap(),
            unique_name()
        ),
    ] {
        let (shell, cache) = (Shell::at(&url), Cache::open(&url).unwrap());
        fill(&cache);
        cache
            .version(2)
            .set_bytes("other", b"v", Expiry::Never)
            .unwrap();
        let mut listed: Vec<String> = shell
            .ok(&["keys", "k1*"])
            .lines()
            .map(str::to_owned)
            .collect();
        listed.sort();
        listed.dedup();
        assert_eq!(listed.len(), 111, "{url}");
        assert_eq!(shell.ok(&["keys", "--limit", "5"]).lines().count(), 5);

        let dry = shell.only(&["delete-pattern", "k1*", "--dry-run"]);
        assert_eq!(
            (dry["matched"].as_u64(), dry["changed"].as_u64()),
            (Some(111), Some(0))
        );
        assert_eq!(shell.only(&["delete-pattern", "k1*"])["changed"], 111);

        // In bounded steps, each from where the last one stopped.
        let (mut removed, mut cursor) = (0, String::new());
        for _ in 0..COUNT {
            let mut args = vec!["delete-pattern", "k*", "--limit", "50"];
            if !cursor.is_empty() {
                args.extend(["--resume", &cursor]);
            }
            let swept = shell.only(&args);
            let changed = swept["changed"].as_u64().unwrap();
            assert!(changed <= 50);
            removed += changed;
            match swept["cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(removed, COUNT as u64 - 111);
        assert_eq!(shell.only(&["clear", "--only", "1"])["changed"], 0);
        assert_eq!(
            shell.ok(&["clear"]),
            "1 removed of 1 that matched; 1 scanned\n"
        );
    }
}

#[test]
fn entries_are_rewritten_and_moved() {
    let fleet = Fleet::shared_ring();
    let (two, prefix) = ring(&fleet, 2);
    let (three, _) = ring(&fleet, 3);
    let shell = Shell::at(format!("{two}?prefix={prefix}"));
    let old = Cache::open(&shell.url).unwrap();
    fill(&old);
    let grown = Shell::at(format!("{three}?prefix={prefix}"));
    let wanted = grown.only(&["rebalance", "--dry-run"])["matched"]
        .as_u64()
        .unwrap();
    assert!((50..150).contains(&wanted), "a third or so: {wanted}");
    assert_eq!(
        shell.only(&["rebalance", "--to", &three])["changed"],
        wanted
    );
    let new = Cache::open(&grown.url).unwrap();
    assert!((0..COUNT).all(|number| new.has_key(format!("k{number}")).unwrap()));

    new.set("value", &[1_u8; 4000].to_vec(), Expiry::Default)
        .unwrap();
    let packed = Shell::at(format!("{}&compressor=zstd", grown.url));
    assert_eq!(packed.only(&["reinsert"])["changed"], 1);
    assert_eq!(
        packed.only(&["why", "value"])["stored"]["compressor"],
        "zstd"
    );
    assert_eq!(grown.only(&["clear"])["changed"], COUNT + 1);
}

#[test]
fn a_sweep_that_a_node_fails_does_the_others_and_says_which() {
    let mut fleet = Fleet::ring(2);
    let (servers, prefix) = ring(&fleet, 2);
    let shell = Shell::at(format!("{servers}?prefix={prefix}"));
    fill(&Cache::open(&shell.url).unwrap());
    fleet.servers[1].stop();
    let said = shell.run(&["clear", "--json"]);
    assert_eq!(said.code, 5, "{}", said.err);
    let swept: serde_json::Value = serde_json::from_str(said.out.trim()).unwrap();
    assert!(
        swept["changed"].as_u64().unwrap() > 50 && swept["cursor"].is_string(),
        "{swept}"
    );
    assert!(
        said.err.contains(&fleet.servers[1].address()),
        "{}",
        said.err
    );
    assert_eq!(shell.run(&["ping"]).code, 3);
    assert_eq!(shell.run(&["doctor"]).code, 1);
}

#[test]
fn on_a_terminal_somebody_is_asked_first() {
    let server = Server::shared();
    let url = format!("{}?prefix={}", server.tcp(), unique_name());
    let cache = Cache::open(&url).unwrap();
    let answer = |said: &str, more: &str| {
        fill(&cache);
        // script(1) makes a terminal.
        let program = env!("CARGO_BIN_EXE_redis-cache");
        let mut script = Command::new("script");
        script.args(["-qec", &format!("{program} clear {more}"), "/dev/null"]);
        script
            .env("REDIS_CACHE_URL", &url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = script.spawn().ok()?;
        let mut input = child.stdin.take().unwrap();
        input.write_all(said.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        drop(input);
        Some((
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        ))
    };
    let Some((code, said)) = answer("n\n", "") else {
        println!("left out: there is no script(1)");
        return;
    };
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("Remove all keys, in every version") && said.contains(&server.address()),
        "{said}"
    );
    assert!(cache.has_key("k0").unwrap());
    assert_eq!(answer("y\n", "").unwrap().0, Some(0));
    assert!(!cache.has_key("k0").unwrap());
    let (code, said) = answer("", "--yes").unwrap();
    assert!(code == Some(0) && !said.contains("Remove"), "{said}");
    assert!(!cache.has_key("k0").unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_sweep_stops_between_two_batches_and_tells_where_to_go_on() {
    let server = Server::start();
    let cache = Cache::open(&server.tcp()).unwrap();
    let entries = (0..5000).map(|number| (format!("k{number}"), b"v".to_vec()));
    cache.set_many_bytes(entries, Expiry::Never).unwrap();
    let url = format!("{}?timeout=60s&connect_timeout=60s", server.tcp());
    server.freeze();
    let mut sweep = command(&["clear", "--json"]);
    sweep.env("REDIS_CACHE_URL", &url).stdout(Stdio::piped());
    let child = sweep.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    eventually("the command catches SIGINT", || {
        let text = std::fs::read_to_string(&status).unwrap();
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        caught.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & 2 != 0)
    });
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupted.unwrap().success());
    server.thaw();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let swept: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let changed = swept["changed"].as_u64().unwrap();
    assert!(changed < 5000, "{swept}");
    let shell = Shell::at(server.tcp());
    let rest = shell.only(&["clear", "--resume", swept["cursor"].as_str().unwrap()]);
    assert_eq!(rest["changed"], 5000 - changed);
}
