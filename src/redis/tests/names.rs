//! Calls to servers whose names are looked for: a name server that is silent holds nobody beyond the time of a call,
//! neither other threads nor forks, and what it says when it answers is where the call goes.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use simple_dns::TYPE;

use super::super::RedisStore;
use super::super::testing::launcher::free_port;
use super::super::testing::{
    Server, backend, fake_at, get, get_within, greeting, location, set, set_within,
};
use crate::base::budget::Budget;
use crate::base::fork::testing::in_child;
use crate::base::moment::Moment;
use crate::config::{Address, Hooks, Options};
use crate::error::ErrorKind;
use crate::redis::wire::names::tests::{Asked, NameServer, Say, secs};
use crate::store::Store;

fn named(host: &str, port: u16) -> Address {
    Address::Tcp {
        host: host.to_owned(),
        port,
    }
}

fn port_of(address: &Address) -> u16 {
    match address {
        Address::Tcp { port, .. } => *port,
        other => panic!("{other}"),
    }
}

fn silence() -> NameServer {
    NameServer::start(|_| Say::Nothing)
}

fn local(asked: &Asked) -> Say {
    match asked.kind {
        TYPE::A => Say::Ips(vec!["127.0.0.1"]),
        _ => Say::Ips(Vec::new()),
    }
}

/// Fails by the name server's silence, when the time of the call is over and not much later.
fn fails_in_time(backend: &RedisStore, millis: u64) {
    let budget = Budget::new(Duration::from_millis(millis));
    let error = get_within(backend, "k", budget).unwrap_err();
    let late = Moment::now().since(budget.ends());
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(
        error
            .to_string()
            .contains("no answer from the name server 127.0.0.1"),
        "{error}"
    );
    assert!(late < Duration::from_secs(5), "{late:?}");
}

/// It took 10 s, and all others who needed a connection waited with it.
#[test]
fn a_silent_name_server_takes_no_more_than_the_time_of_a_call() {
    let server = silence();
    let _machine = server.machine();
    let backend = backend(named("silent.names.test", 6379), &Options::default());
    fails_in_time(&backend, 200);
}

#[test]
fn threads_do_not_wait_for_each_other_s_names() {
    let server = Arc::new(silence());
    let real = Server::start();
    let numeric = real.tcp();
    thread::scope(|scope| {
        for number in 0..8 {
            let (server, numeric) = (Arc::clone(&server), numeric.clone());
            scope.spawn(move || {
                let _machine = server.machine();
                let host = format!("t{}.names.test", number / 2);
                fails_in_time(&backend(named(&host, 6379), &Options::default()), 300);
                set(&backend(numeric, &Options::default()), "k", b"v").unwrap();
            });
        }
    });
}

/// One after the other they would have had a share of the time each, and the last one none.
#[test]
fn the_names_of_many_nodes_are_looked_for_at_the_same_time() {
    let real = Server::start();
    let late = Duration::from_millis(400);
    let server = NameServer::start(move |asked| Say::After(late, Box::new(local(asked))));
    let _machine = server.machine();
    let host = |number| named(&format!("n{number}.many.test"), port_of(&real.tcp()));
    let locations: Vec<_> = (0..10).map(|number| location(host(number))).collect();
    let store = RedisStore::new(&Options::default(), &locations, &Hooks::default()).unwrap();
    store.ping(Budget::new(late * 6)).unwrap();
    assert_eq!(store.traffic().connections_open, 10);
}

#[test]
fn a_fork_while_names_are_looked_for_waits_for_nobody_and_harms_no_child() {
    let real = Server::start();
    let server = silence();
    let machine = server.machine();
    let (silent, port) = (named("forked.names.test", 6379), port_of(&real.tcp()));
    let numeric = backend(real.tcp(), &Options::default());
    let hosted = backend(named("hosted.names.test", port), &Options::default());
    machine.write("hosts", "127.0.0.1 hosted.names.test\n");
    let hanging = backend(silent, &Options::default());
    let has_ended = AtomicBool::new(false);
    set(&numeric, "k", b"v").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _machine = server.machine();
            assert!(
                get_within(&hanging, "k", secs(10))
                    .unwrap_err()
                    .is_timeout()
            );
            has_ended.store(true, Ordering::SeqCst);
        });
        while server.asked().is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        let all_worked = (0..5).all(|round| {
            in_child(|| {
                // The child sees how things stood at the fork.
                let was_undisturbed = !has_ended.load(Ordering::SeqCst);
                assert!(round > 0 || was_undisturbed, "the fork waited");
                assert_eq!(get(&numeric, "k").unwrap().unwrap(), b"v");
                assert_eq!(get(&hosted, "k").unwrap().unwrap(), b"v");
                fails_in_time(&hanging, 50);
            })
        });
        assert!(all_worked);
    });
}

#[test]
fn the_last_address_serves_while_the_name_server_is_silent() {
    let real = Server::start();
    let is_silent = Arc::new(AtomicBool::new(false));
    let mute = Arc::clone(&is_silent);
    let server = NameServer::start(move |asked| match mute.load(Ordering::SeqCst) {
        true => Say::Nothing,
        false => local(asked),
    });
    let _machine = server.machine();
    let backend = backend(
        named("last.names.test", port_of(&real.tcp())),
        &Options::default(),
    );
    set(&backend, "k", b"v").unwrap();
    is_silent.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        backend.close();
        assert_eq!(get_within(&backend, "k", secs(10)).unwrap().unwrap(), b"v");
    }
    // The child of a fork knows it too.
    assert!(in_child(|| assert_eq!(
        get_within(&backend, "k", secs(10)).unwrap().unwrap(),
        b"v"
    )));
    // And when the server itself is gone, both are named.
    drop(real);
    backend.close();
    let error = get_within(&backend, "k", Budget::new(Duration::from_millis(500))).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("no answer from the name server 127.0.0.1"),
        "{text}"
    );
    assert!(
        text.contains("; where it was last: cannot connect: "),
        "{text}"
    );
}

/// A primary that becomes a replica when the name moves: everything it is told to write is refused from then on.
#[test]
fn when_dns_leads_elsewhere_the_next_write_does_too_and_a_slow_answer_is_waited_for() {
    for slow in [Duration::ZERO, Duration::from_millis(400)] {
        let port = free_port();
        let has_moved = Arc::new(AtomicBool::new(false));
        let writes = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        for (place, ip) in ["127.0.0.1", "127.0.0.2"].into_iter().enumerate() {
            let (moved, writes) = (Arc::clone(&has_moved), Arc::clone(&writes));
            fake_at(
                TcpListener::bind((ip, port)).unwrap(),
                move |_, command| match command[0].as_slice() {
                    b"SET" if place == 0 && moved.load(Ordering::SeqCst) => {
                        Some(b"-READONLY You can't write against a read only replica.\r\n".to_vec())
                    }
                    b"SET" => {
                        writes[place].fetch_add(1, Ordering::SeqCst);
                        Some(b"+OK\r\n".to_vec())
                    }
                    _ => greeting(command),
                },
            );
        }
        let moved = Arc::clone(&has_moved);
        let server =
            NameServer::start(
                move |asked| match (asked.kind, moved.load(Ordering::SeqCst)) {
                    (TYPE::A, false) => Say::Ips(vec!["127.0.0.1"]),
                    (TYPE::A, true) => Say::After(slow, Box::new(Say::Ips(vec!["127.0.0.2"]))),
                    _ => Say::Ips(Vec::new()),
                },
            );
        let _machine = server.machine();
        let options = Options {
            connect_timeout: Duration::from_secs(20),
            ..Options::default()
        };
        let host = format!("moves{}.names.test", slow.as_millis());
        let backend = backend(named(&host, port), &options);
        set(&backend, "k", b"v").unwrap();
        has_moved.store(true, Ordering::SeqCst);
        set_within(&backend, "k", b"w", secs(20)).unwrap();
        assert_eq!(writes[1].load(Ordering::SeqCst), 1, "{slow:?}");
    }
}
