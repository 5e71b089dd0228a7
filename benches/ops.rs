//! Side by side with the `redis` crate, in one run: short alternating slices of each, medians of the time per
//! operation, and the ratio. Starts a private redis-server (from `REDIS_SERVER`, else the PATH) on a Unix socket.
//!
//! ```text
//! cargo bench --bench ops
//! ```
//!
//! Wall times on a shared machine vary; quote the ratio. Instructions are counted by `make -C ffi-tests count`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing
)]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use redis_cache::{Cache, Expiry};

use launcher::{Folder, Process};

#[path = "../tests/common/launcher.rs"]
mod launcher;

const SLICES: usize = 40;
const SLICE: Duration = Duration::from_millis(25);

/// A server on a Unix socket alone.
fn server(folder: &Path) -> Process {
    let socket = launcher::socket_in(folder);
    let serves = || std::os::unix::net::UnixStream::connect(&socket).is_ok();
    Process::start(folder, ["--port", "0"], serves)
        .unwrap_or_else(|| panic!("no server: {}", launcher::log_of(folder)))
}

/// Nanoseconds per call over one slice.
fn slice(work: &mut dyn FnMut()) -> f64 {
    let begin = Instant::now();
    let mut calls = 0u32;
    while begin.elapsed() < SLICE {
        for _ in 0..10 {
            work();
        }
        calls += 10;
    }
    begin.elapsed().as_nanos() as f64 / f64::from(calls)
}

fn compare(name: &str, ours: &mut dyn FnMut(), theirs: &mut dyn FnMut()) {
    let (mut a, mut b): (Vec<f64>, Vec<f64>) =
        (0..SLICES).map(|_| (slice(ours), slice(theirs))).unzip();
    a.sort_by(f64::total_cmp);
    b.sort_by(f64::total_cmp);
    let (ours, theirs) = (a[SLICES / 2], b[SLICES / 2]);
    println!(
        "{name:<16} {ours:>12.0} {theirs:>12.0} {:>8.2}",
        theirs / ours
    );
}

fn main() {
    let folder = Folder::new("bench");
    let _server = server(folder.path());
    let socket = launcher::socket_in(folder.path());
    let cache = Cache::open(&format!("unix://{}", socket.display())).unwrap();
    let client = redis::Client::open(format!("unix://{}", socket.display())).unwrap();
    let mut peer = client.get_connection().unwrap();

    let small = vec![b'x'; 100];
    let large = vec![b'x'; 1 << 20];
    let names: Vec<String> = (0..100).map(|n| format!("many:{n}")).collect();
    cache.set_bytes("small", &small, Expiry::Never).unwrap();
    cache.set_bytes("large", &large, Expiry::Never).unwrap();
    cache
        .set_many_bytes(names.iter().map(|name| (name, &small)), Expiry::Never)
        .unwrap();
    let wire: Vec<String> = names.iter().map(|name| format!(":1:{name}")).collect();

    println!(
        "{:<16} {:>12} {:>12} {:>8}",
        "operation", "redis_cache", "redis crate", "ratio"
    );
    println!("{:<16} {:>12} {:>12}", "", "ns (median)", "ns (median)");
    compare(
        "GET 100 B",
        &mut || {
            black_box(cache.get_bytes("small").unwrap());
        },
        &mut || {
            black_box(
                redis::cmd("GET")
                    .arg(":1:small")
                    .query::<Option<Vec<u8>>>(&mut peer)
                    .unwrap(),
            );
        },
    );
    compare(
        "SET 100 B",
        &mut || {
            cache
                .set_bytes("set", &small, Duration::from_secs(300))
                .unwrap()
        },
        &mut || {
            let command = redis::cmd("SET")
                .arg(":1:set")
                .arg(&small)
                .arg("PX")
                .arg(300_000)
                .to_owned();
            command.query::<()>(&mut peer).unwrap();
        },
    );
    compare(
        "MGET 100 x 100 B",
        &mut || {
            black_box(cache.get_many_bytes(&names).unwrap());
        },
        &mut || {
            black_box(
                redis::cmd("MGET")
                    .arg(&wire)
                    .query::<Vec<Option<Vec<u8>>>>(&mut peer)
                    .unwrap(),
            );
        },
    );
    compare(
        "GET 1 MB",
        &mut || {
            black_box(cache.get_bytes("large").unwrap());
        },
        &mut || {
            black_box(
                redis::cmd("GET")
                    .arg(":1:large")
                    .query::<Option<Vec<u8>>>(&mut peer)
                    .unwrap(),
            );
        },
    );
}
