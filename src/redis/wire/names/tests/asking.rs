//! Who is asked for a name, in which order, and how long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use super::*;
use crate::base::fork;
use crate::base::fork::testing::in_child;

#[test]
fn what_the_hosts_file_has_is_asked_of_nobody() {
    let server = NameServer::start(|_| Say::Code(RCODE::NameError));
    let machine = server.machine();
    machine.write(
        "hosts",
        "10.0.0.1 redis other # first\n10.0.0.2 REDIS.\nfd00::1\tredis\n",
    );
    assert_eq!(resolve("Redis", secs(9)).unwrap(), ["10.0.0.1", "fd00::1"]);
    assert_eq!(resolve("redis.", secs(9)).unwrap(), ["10.0.0.1", "fd00::1"]);
    let mut both = resolve("localhost", secs(9)).unwrap();
    both.sort();
    assert_eq!(both, ["127.0.0.1", "::1"]);
    assert_eq!(resolve("a.LocalHost", secs(9)).unwrap().len(), 2);
    assert_eq!(server.asked(), []);
}

#[test]
fn both_kinds_are_asked_for_at_once() {
    let server = NameServer::start(|_| Say::Ips(vec!["10.0.0.1", "fd00::1", "10.0.0.2"]));
    let _machine = server.machine();
    let found = resolve_both("redis.test", 3);
    assert_eq!(found, ["10.0.0.1", "10.0.0.2", "fd00::1"]);
    let kinds: Vec<_> = server.asked().iter().map(|asked| asked.kind).collect();
    assert_eq!(kinds[..2], [TYPE::AAAA, TYPE::A]);
}

#[test]
fn a_server_that_never_answers_for_one_kind_holds_nobody() {
    let server = NameServer::start(|asked| match asked.kind {
        TYPE::A => Say::Ips(vec!["10.0.0.1"]),
        _ => Say::Nothing,
    });
    let _machine = server.machine();
    let budget = secs(30);
    assert_eq!(resolve("redis.test", budget).unwrap(), ["10.0.0.1"]);
    assert!(budget.left().unwrap() > Duration::from_secs(15));
}

#[test]
fn domains_are_searched_as_the_file_says_that_stands_there_now() {
    let server = NameServer::start(|asked| match asked.name.as_str() {
        "redis.b.test" => v4(asked, &["10.0.0.1"]),
        // It exists, without an address.
        "redis.a.test" => Say::Ips(Vec::new()),
        _ => Say::Code(RCODE::NameError),
    });
    let machine = server.machine();
    machine.write(
        "resolv.conf",
        "nameserver 127.0.0.1\nsearch a.test b.test c.test\n",
    );
    assert_eq!(resolve("redis", secs(9)).unwrap(), ["10.0.0.1"]);
    assert_eq!(server.names(), ["redis.a.test", "redis.b.test"]);
    machine.write(
        "resolv.conf",
        "nameserver 127.0.0.1\nsearch c.test\noptions no-aaaa what\n",
    );
    let error = resolve("redis", secs(9)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot resolve `redis`: there is no such name"
    );
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(server.names()[2..], ["redis.c.test", "redis"]);
    assert_eq!(resolve("redis.b.test", secs(9)).unwrap(), ["10.0.0.1"]);
    assert_eq!(server.asked().last().unwrap().kind, TYPE::A);
}

#[test]
fn the_next_server_is_asked_when_one_is_silent_or_cannot_say() {
    for say in [
        Say::Nothing,
        Say::Code(RCODE::ServerFailure),
        Say::Code(RCODE::Refused),
    ] {
        let first = NameServer::start(move |_| say.clone());
        let second = first.beside("127.0.0.2", |asked| v4(asked, &["10.0.0.1"]));
        let machine = first.machine();
        machine.write(
            "resolv.conf",
            "nameserver 127.0.0.1\nnameserver 127.0.0.2\n",
        );
        assert_eq!(resolve("redis.test", secs(4)).unwrap(), ["10.0.0.1"]);
        assert_eq!((first.names().len(), second.names().len()), (1, 1));
    }
}

/// The answers for the other kind, or to the question before, do not end the next attempt.
#[test]
fn a_server_that_fails_once_is_asked_once_more() {
    let server = NameServer::start(|asked| match (asked.number, asked.kind) {
        (0, TYPE::A) => Say::After(
            Duration::from_millis(30),
            Box::new(Say::Code(RCODE::ServerFailure)),
        ),
        (0, _) => Say::Code(RCODE::ServerFailure),
        _ => v4(asked, &["10.0.0.1"]),
    });
    let _machine = server.machine();
    let budget = secs(60);
    assert_eq!(resolve("redis.test", budget).unwrap(), ["10.0.0.1"]);
    assert!(
        budget.left().unwrap() > Duration::from_secs(45),
        "it was not waited for"
    );
}

#[test]
fn where_no_server_can_say_that_is_said_at_once() {
    let server = NameServer::start(|_| Say::Code(RCODE::ServerFailure));
    let _machine = server.machine();
    let begun = Instant::now();
    let error = resolve("redis.test", secs(60)).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(error.kind(), ErrorKind::Io);
    let text = "cannot resolve `redis.test`: the name server 127.0.0.1 says ServerFailure";
    assert_eq!(error.to_string(), text);
    assert!(server.asked().len() <= 4);
    // One that answers knows better than one that cannot.
    let second = server.beside("127.0.0.2", |_| Say::Code(RCODE::NameError));
    let both = Pretence::new("nameserver 127.0.0.1\nnameserver 127.0.0.2\n", second.port);
    let error = resolve("redis.test", secs(60)).unwrap_err();
    assert!(error.text().ends_with("there is no such name"), "{error}");
    drop(both);
}

#[test]
fn a_server_that_is_not_there_is_not_waited_for() {
    let _machine = Pretence::new("nameserver 127.0.0.1\n", 1);
    let begun = Instant::now();
    let error = resolve("redis.test", secs(60)).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert!(
        error.text().contains("the name server 127.0.0.1: "),
        "{error}"
    );
}

#[test]
fn silence_ends_with_the_budget_and_names_the_servers() {
    let first = NameServer::start(|_| Say::Nothing);
    let _second = first.beside("127.0.0.2", |_| Say::Nothing);
    let machine = first.machine();
    machine.write(
        "resolv.conf",
        "nameserver 127.0.0.1\nnameserver 127.0.0.2\n",
    );
    let budget = secs(1);
    let error = resolve("redis.test", budget).unwrap_err();
    assert!(error.is_timeout() && budget.left().is_none());
    let text = "no answer from the name server 127.0.0.1, 127.0.0.2 within 1s";
    assert_eq!(
        error.to_string(),
        format!("cannot resolve `redis.test`: {text}")
    );
    // Each twice.
    assert_eq!(first.asked().len(), 4);
}

#[test]
fn an_answer_is_heard_after_others_were_asked() {
    let first = NameServer::start(|asked| match asked.number {
        0 => Say::After(
            Duration::from_millis(900),
            Box::new(v4(asked, &["10.0.0.1"])),
        ),
        _ => Say::Nothing,
    });
    let second = first.beside("127.0.0.2", |_| Say::Nothing);
    let machine = first.machine();
    machine.write(
        "resolv.conf",
        "nameserver 127.0.0.1\nnameserver 127.0.0.2\n",
    );
    assert_eq!(resolve("redis.test", secs(2)).unwrap(), ["10.0.0.1"]);
    assert!(!second.asked().is_empty());
}

#[test]
fn what_was_put_aside_goes_on_and_what_lay_there_for_long_begins_anew() {
    let late = Duration::from_millis(300);
    let has_moved = Arc::new(AtomicBool::new(false));
    let moved = Arc::clone(&has_moved);
    let server = NameServer::start(move |asked| match moved.load(Ordering::SeqCst) {
        false => Say::After(late, Box::new(v4(asked, &["10.0.0.1"]))),
        true => v4(asked, &["10.0.0.2"]),
    });
    let _machine = server.machine();
    for (pause, right) in [(late * 2, "10.0.0.1"), (late + KEPT, "10.0.0.2")] {
        known::forget("aside.test");
        has_moved.store(false, Ordering::SeqCst);
        let mut resolving = Resolving::begin("aside.test", Budget::new(late / 4));
        assert!(next(&mut resolving).unwrap_err().is_timeout());
        has_moved.store(true, Ordering::SeqCst);
        thread::sleep(pause);
        resolving.go_on(secs(9));
        let told = next(&mut resolving).unwrap();
        assert_eq!(
            told,
            Told::Found(vec![SocketAddr::new(right.parse().unwrap(), 0)])
        );
    }
}

/// A number is what the C library knows without asking; it is no name to Resolving, which is for names.
#[test]
fn other_services_are_asked_last_and_only_where_there_are_any() {
    let server = NameServer::start(|_| Say::Code(RCODE::NameError));
    let machine = server.machine();
    assert!(resolve("127.0.0.9", secs(9)).is_err());
    machine.write("nsswitch.conf", "hosts: files dns ldap\n");
    assert_eq!(resolve("127.0.0.9", secs(9)).unwrap(), ["127.0.0.9"]);
    assert_eq!(server.names(), ["127.0.0.9"]);
    // They know what was, when the name servers are silent too.
    let mute = NameServer::start(|_| Say::Nothing);
    let machine = mute.machine();
    machine.write("nsswitch.conf", "hosts: files dns ldap\n");
    assert_eq!(resolve("127.0.0.8", secs(1)).unwrap(), ["127.0.0.8"]);
}

#[test]
fn a_child_does_not_ask_the_c_library_that_was_at_work_when_it_was_forked() {
    let server = NameServer::start(|_| Say::Code(RCODE::NameError));
    let machine = server.machine();
    machine.write("nsswitch.conf", "hosts: files dns ldap\n");
    let (begun, is_begun) = mpsc::channel();
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            fork::delicate(|| {
                begun.send(()).unwrap();
                let _ = is_done.recv();
            });
        });
        is_begun.recv().unwrap();
        assert!(in_child(|| {
            let error = resolve("127.0.0.7", secs(9)).unwrap_err();
            let text = "there is no such name; the C library cannot be asked: it was at work when";
            assert!(error.text().contains(text), "{error}");
        }));
        assert_eq!(resolve("127.0.0.7", secs(9)).unwrap(), ["127.0.0.7"]);
        drop(done);
    });
}

#[test]
fn what_cannot_be_a_name_is_asked_of_nobody() {
    let server = NameServer::start(|_| Say::Nothing);
    let _machine = server.machine();
    for host in [
        "no such host",
        "a..b",
        "",
        ".",
        "a\\b",
        "b\u{e4}r",
        &"x".repeat(64),
        &"a.".repeat(128),
    ] {
        let error = resolve(host, secs(9)).unwrap_err();
        assert!(error.text().ends_with("it is no host name"), "{error}");
    }
    assert_eq!(server.asked(), []);
}
