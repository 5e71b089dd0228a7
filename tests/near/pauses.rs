//! A process that stands still while others write: when it goes on, what has come meanwhile is known before the first hit.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis_cache::Cache;

use crate::common::server::Server;

const URL: &str = "REDIS_CACHE_TEST_PAUSED";

/// Microseconds on a clock that all processes share.
fn now_us() -> i64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` may be written.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}

/// Reads one key all the time. At each new value it tells that, and when the last read of an older one began.
#[test]
#[ignore = "what the process does that the test starts"]
#[allow(clippy::print_stdout, reason = "the test that starts it reads that")]
fn a_reader() {
    let Ok(url) = std::env::var(URL) else { return };
    let cache = Cache::open(&url).unwrap();
    let (mut last, mut began) = (0, now_us());
    loop {
        let begins = now_us();
        let seen = cache.get::<i64>("k").unwrap().unwrap_or_default();
        if seen != last {
            println!("\nseen {seen} {began} {}", cache.stats().near_hits);
            last = seen;
        }
        began = begins;
    }
}

struct Reader(Child);

impl Reader {
    fn signal(&self, signal: i32) {
        // SAFETY: it is our child, and has not been waited for.
        unsafe { libc::kill(self.0.id() as libc::pid_t, signal) };
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_first_hits_after_a_pause_are_not_old() {
    paused(15);
}

#[test]
#[ignore = "long: make torture"]
fn long_the_first_hits_after_a_pause_are_not_old() {
    paused(1000);
}

fn paused(rounds: i64) {
    let server = Server::start();
    let url = format!("{}?near=1m&timeout=20s", server.tcp());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "pauses::a_reader", "--ignored", "--nocapture"])
        .env(URL, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reader = Reader(child);
    // What it says of `round`: when the last older read began, and how many hits there were.
    let mut seen = |round: i64| loop {
        let line = lines.next().expect("it lives").unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        if let ["seen", number, began, hits] = words[..] {
            let number: i64 = number.parse().unwrap();
            assert!(number <= round);
            if number == round {
                break (began.parse::<i64>().unwrap(), hits.parse::<u64>().unwrap());
            }
        }
    };
    let write = |round: i64| -> () { server.run(&["SET", ":1:k", &round.to_string()]) };
    write(1);
    let mut hits = seen(1).1;
    for round in 2..2 + rounds {
        // It has many hits by now.
        std::thread::sleep(Duration::from_millis(20));
        reader.signal(libc::SIGSTOP);
        std::thread::sleep(Duration::from_millis(5));
        write(round);
        std::thread::sleep(Duration::from_millis(20));
        // Who answers this has written before what it had to say to others.
        let _: String = server.run(&["PING"]);
        let goes_on = now_us();
        reader.signal(libc::SIGCONT);
        let (last_old, now) = seen(round);
        assert!(
            last_old < goes_on,
            "{} us after it went on",
            last_old - goes_on
        );
        assert!(now > hits, "no hits before the pause");
        hits = now;
    }
}
