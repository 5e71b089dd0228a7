//! A program under a lock.

use std::process::Command;
use std::time::Duration;

use redis_cache::Cache;

use crate::Shell;
use crate::common::fixture::unique_name;
use crate::common::server::Server;

#[test]
fn a_program_has_the_lock_while_it_runs_and_nobody_has_it_then() {
    let server = Server::shared();
    let url = format!("{}?prefix={}", server.tcp(), unique_name());
    let (shell, cache) = (Shell::at(&url), Cache::open(&url).unwrap());
    let said = shell.run(&[
        "lock",
        "job",
        "--",
        "sh",
        "-c",
        "echo $REDIS_CACHE_LOCK_TOKEN; exit 7",
    ]);
    assert_eq!(said.code, 7);
    assert!(said.out.trim().parse::<u64>().unwrap() > 0, "{}", said.out);

    let short = Duration::from_secs(60);
    let lock = cache.lock("job", short, Duration::ZERO).unwrap().unwrap();
    let said = shell.run(&["lock", "job", "--", "echo", "never"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    lock.release().unwrap();

    // Within: a second one is told that it is taken.
    let inner = env!("CARGO_BIN_EXE_redis-cache");
    let said = shell.run(&[
        "lock", "job", "--", inner, "lock", "job", "--", "echo", "never",
    ]);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert_eq!(
        shell.run(&["lock", "job", "--", "/no/such/program"]).code,
        2
    );
    assert!(cache.lock("job", short, Duration::ZERO).unwrap().is_some());
}

#[test]
fn a_lock_lasts_as_long_as_its_program() {
    let server = Server::shared();
    let prefix = unique_name();
    let shell = Shell::at(format!("{}?prefix={prefix}", server.tcp()));
    // Longer than its lifetime.
    shell.ok(&["lock", "job", "--ttl", "4s", "--", "sleep", "5"]);
    // Whoever loses it is told.
    let socket = server.socket();
    let socket = socket.to_str().unwrap();
    let key = format!("{prefix}:lock:job");
    let cut = ["redis-cli", "-s", socket, "del", &key];
    if Command::new("redis-cli").arg("--version").output().is_ok() {
        let said = shell.run(&[&["lock", "job", "--"][..], &cut].concat());
        assert_eq!((said.code, said.out.trim()), (5, "1"), "{}", said.err);
    }
}
