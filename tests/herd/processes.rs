//! Other processes: this test program, started again to do one job, which it finds in its environment.

use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use redis_cache::{Cache, Expiry};

use crate::common::server::Server;
use crate::kills;

const JOB: &str = "REDIS_CACHE_TEST_JOB";
const SERVER: &str = "REDIS_CACHE_TEST_JOB_SERVER";

/// Starts a process that does `job` on a server.
pub(crate) fn start(job: &str, server: &Server) -> Child {
    let program = std::env::current_exe().unwrap();
    Command::new(program)
        .args(["--exact", "processes::a_job", "--ignored", "--nocapture"])
        .env(JOB, job)
        .env(SERVER, server.socket())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "what the processes do that other tests start"]
fn a_job() {
    let (Ok(job), Ok(socket)) = (std::env::var(JOB), std::env::var(SERVER)) else {
        return;
    };
    match job.as_str() {
        "load" => kills::load_for_ever(&socket),
        "cold" => ask_cold(&socket),
        other => panic!("there is no job {other}"),
    }
}

/// A cache of this process on a server's socket.
pub(crate) fn cache_on(socket: &str, options: &str) -> Cache {
    let url = format!("unix://{socket}?prefix=herd&timeout=20s&{options}");
    Cache::open(&url).unwrap()
}

/// 20 threads that want the same value; what they got is kept in a list, and every load is counted.
fn ask_cold(socket: &str) {
    let cache = cache_on(socket, "wait=30s&max_connections=32");
    let raw = || {
        let client = redis::Client::open(format!("unix://{socket}")).unwrap();
        client.get_connection().unwrap()
    };
    let all_here = Barrier::new(20);
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let mut raw = raw();
                all_here.wait();
                let value = cache.get_or_set("cold", Expiry::Default, || {
                    let number: u64 = redis::cmd("INCR").arg("loads").query(&mut raw)?;
                    thread::sleep(Duration::from_millis(300));
                    Ok::<_, redis::RedisError>(format!("load {number}"))
                });
                let value = value.unwrap_or_else(|error| error.to_string());
                let mut kept = redis::cmd("RPUSH");
                kept.arg("values").arg(value).exec(&mut raw).unwrap();
            });
        }
    });
}

/// Invariant 8, over processes.
#[test]
fn invariant_8_twenty_cold_threads_in_each_of_four_processes_load_once() {
    let server = Server::start();
    let children: Vec<_> = (0..4).map(|_| start("cold", &server)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let values: Vec<String> = server.run(&["LRANGE", "values", "0", "-1"]);
    let loads: u64 = server.run(&["GET", "loads"]);
    println!("{} values, {loads} load", values.len());
    assert_eq!(values, vec!["load 1"; 80]);
    assert_eq!(loads, 1);
}
