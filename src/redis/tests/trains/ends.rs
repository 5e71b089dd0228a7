//! Connections that end, or are refused what is a connection's own, while others ride on them; and forks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::fork::testing::in_child;
use crate::config::Options;
use crate::store::Store;

use super::super::super::testing::{Server, backend, fake, greeting};
use super::super::lane::{Gate, few};
use super::{Call, count, in_one_train, read, write};

/// All connections end at the same time, again and again, and nobody's call is hit twice.
#[test]
fn connections_that_end_together_cost_no_read() {
    const THREADS: usize = 24;
    let server = Server::start();
    let store = backend(server.unix(), &few(3));
    let done: Vec<AtomicUsize> = (0..THREADS).map(|_| AtomicUsize::new(0)).collect();
    let is_over = AtomicBool::new(false);
    for thread in 0..THREADS {
        write(&store, &format!("k{thread}"), &[thread as u8; 9]).unwrap();
    }
    std::thread::scope(|scope| {
        for (thread, done) in done.iter().enumerate() {
            let (store, is_over) = (&store, &is_over);
            scope.spawn(move || {
                let _over = OnDrop(is_over);
                while !is_over.load(Ordering::SeqCst) {
                    let value = read(store, &format!("k{thread}")).unwrap();
                    assert_eq!(value, [thread as u8; 9]);
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let all = || -> Vec<usize> { done.iter().map(|it| it.load(Ordering::SeqCst)).collect() };
        for _ in 0..60 {
            server.command::<i64>(&["CLIENT", "KILL", "TYPE", "normal"]);
            // Every connection that was lent has come back; and everybody has ended the call that met one which was dead by then.
            for _ in 0..2 {
                let before = all();
                let is_on = |(now, before): (&usize, &usize)| *now >= before + 2;
                while !all().iter().zip(&before).all(is_on) && !is_over.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            }
        }
        is_over.store(true, Ordering::SeqCst);
    });
    assert!(store.traffic().retries > 0);
}

/// Ends the others when one of them panics.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The lead has forgotten scripts, and so has the one behind it: they say it in other words, on a connection of their own.
#[test]
fn scripts_that_the_server_does_not_know_are_told_amid_others() {
    let server = Server::start();
    let store = backend(server.unix(), &few(1));
    for key in ["held", "one", "two"] {
        write(&store, key, b"1").unwrap();
    }
    for _ in 0..20 {
        write(&store, "a", b"1").unwrap();
        write(&store, "b", b"1").unwrap();
        let calls: [Call<'_>; 5] = [
            &|| count(&store, "a"),
            &|| read(&store, "one"),
            &|| count(&store, "b"),
            &|| write(&store, "c", b"3"),
            &|| read(&store, "two"),
        ];
        let flush = || server.command::<()>(&["SCRIPT", "FLUSH"]);
        let answers = in_one_train(&store, &calls, flush);
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, [&b"2"[..], b"1", b"2", b"OK", b"1"]);
    }
    let traffic = store.traffic();
    assert_eq!((traffic.connections_open, traffic.retries), (1, 0));
}

/// What a connection is told that has lost its login, or leads to a replica by now: that was not done, and another
/// connection is told something else. Twice within the second in which all connections are given up but once.
#[test]
fn refusals_that_are_a_connections_own_cost_nobody_in_a_train() {
    for refusal in [
        "NOAUTH Authentication required.",
        "READONLY it is a replica",
    ] {
        for refused in [&["lead"][..], &["rider"], &["lead", "rider"]] {
            let current = Arc::new(AtomicUsize::new(0));
            let bad = Arc::clone(&current);
            let address = fake(move |number, command| {
                let key = match command[0].as_slice() {
                    b"GET" | b"SET" => String::from_utf8_lossy(&command[1]).into_owned(),
                    _ => return greeting(command),
                };
                if number < bad.load(Ordering::SeqCst) && refused.contains(&key.as_str()) {
                    return Some(format!("-{refusal}\r\n").into_bytes());
                }
                Some(match command[0].as_slice() {
                    b"SET" => b"+OK\r\n".to_vec(),
                    _ => format!("${}\r\n{key}\r\n", key.len()).into_bytes(),
                })
            });
            let store = backend(address, &few(1));
            let calls: [Call<'_>; 4] = [
                &|| write(&store, "lead", b"v"),
                &|| read(&store, "one"),
                &|| write(&store, "rider", b"v"),
                &|| read(&store, "two"),
            ];
            for bad in 1..3 {
                // Those that were opened until now.
                let refuse = || current.store(bad, Ordering::SeqCst);
                let answers = in_one_train(&store, &calls, refuse);
                let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
                assert_eq!(
                    answers,
                    [&b"OK"[..], b"one", b"OK", b"two"],
                    "{refusal} {refused:?}"
                );
            }
        }
    }
}

/// Trains all the time, and connections that are never idle: they are looked at when they depart.
#[test]
fn old_and_closed_connections_go_amid_trains_and_no_call_fails() {
    let server = Server::start();
    let options = Options {
        max_lifetime: Some(Duration::from_millis(3)),
        ..few(2)
    };
    for options in [options, few(2)] {
        let store = backend(server.unix(), &options);
        let closes = options.max_lifetime.is_none();
        write(&store, "n", b"0").unwrap();
        let before = connections(&server);
        let (rounds, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for thread in 0..16 {
                let (store, rounds, is_over) = (&store, &rounds, &is_over);
                scope.spawn(move || {
                    let _over = OnDrop(is_over);
                    let key = format!("k{thread}");
                    for round in 0..60 {
                        let value = vec![b'a'; thread * 100 + round];
                        write(store, &key, &value).unwrap();
                        assert_eq!(read(store, &key).unwrap(), value);
                        count(store, "n").unwrap();
                        rounds.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            let mut seen = 0;
            while closes && !is_over.load(Ordering::SeqCst) {
                let now = rounds.load(Ordering::SeqCst);
                if now > seen + 20 {
                    seen = now;
                    store.fleet.topology.only().unwrap().pool().close();
                }
                std::thread::yield_now();
            }
        });
        assert_eq!(read(&store, "n").unwrap(), (16 * 60).to_string().as_bytes());
        let traffic = store.traffic();
        assert_eq!(traffic.retries, 0);
        assert!(traffic.connections_open <= 2);
        assert!(connections(&server) > before + 4, "closed: {closes}");
    }
}

/// That were ever made to the server.
fn connections(server: &Server) -> usize {
    let stats: String = server.command(&["INFO", "stats"]);
    let line = stats
        .lines()
        .find_map(|line| line.strip_prefix("total_connections_received:"));
    line.unwrap().trim().parse().unwrap()
}

/// A child has none of those threads, and their connection is none of its affair: whether they are in line or on the way.
#[test]
fn a_fork_leaves_those_in_a_train_alone() {
    let server = Server::start();
    let store = backend(server.unix(), &few(1));
    for key in ["held", "one", "two"] {
        write(&store, key, key.as_bytes()).unwrap();
    }
    let calls: [Call<'_>; 3] = [
        &|| read(&store, "one"),
        &|| write(&store, "new", b"v"),
        &|| read(&store, "two"),
    ];
    for _ in 0..5 {
        let fork = || {
            assert!(in_child(|| {
                assert_eq!(read(&store, "one").unwrap(), b"one");
                write(&store, "child", b"c").unwrap();
            }));
        };
        let answers = in_one_train(&store, &calls, fork);
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, [&b"one"[..], b"OK", b"two"]);
    }
    assert_eq!(read(&store, "child").unwrap(), b"c");
    let traffic = store.traffic();
    assert_eq!((traffic.connections_open, traffic.retries), (1, 0));
}

#[test]
fn a_fork_leaves_a_train_on_the_way_alone() {
    let (gate, heard) = (Arc::new(Gate::default()), Arc::new(AtomicBool::new(false)));
    let (at, tells) = (Arc::clone(&gate), Arc::clone(&heard));
    let address = fake(move |_, command| {
        if command[0] != b"GET" {
            return greeting(command);
        }
        let key = String::from_utf8_lossy(&command[1]);
        if key == "late" {
            tells.store(true, Ordering::SeqCst);
            at.pass();
        }
        Some(format!("${}\r\n{key}\r\n", key.len()).into_bytes())
    });
    let store = backend(address, &few(1));
    let calls: [Call<'_>; 4] = [
        &|| read(&store, "late"),
        &|| read(&store, "one"),
        &|| read(&store, "late"),
        &|| read(&store, "two"),
    ];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !heard.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            let is_well = in_child(|| assert_eq!(read(&store, "child").unwrap(), b"child"));
            gate.open();
            assert!(is_well);
        });
        let answers = in_one_train(&store, &calls, || ());
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, [&b"late"[..], b"one", b"late", b"two"]);
    });
    let traffic = store.traffic();
    assert_eq!((traffic.connections_open, traffic.retries), (1, 0));
}
