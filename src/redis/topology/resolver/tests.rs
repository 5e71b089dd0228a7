use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::{Hooks, Options};
use crate::redis::testing::{fake, greeting, location};

use super::*;
use crate::config::Address;

const NONE: &[u8] = b"*-1\r\n";
const REFUSED: &[u8] = b"-NOPERM this user has no permissions to run the command\r\n";

fn address(port: u16) -> Address {
    Address::Tcp {
        host: "10.0.0.1".to_owned(),
        port,
    }
}

fn bulks(words: &[&str]) -> Vec<u8> {
    let bulk = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
    let all: String = words.iter().map(bulk).collect();
    format!("*{}\r\n{all}", words.len()).into_bytes()
}

/// What a sentinel says that knows the primary at a port, in some epoch.
fn saying(epoch: u64, port: u16) -> impl Fn(&[Vec<u8>]) -> Vec<u8> + Send + Sync {
    move |command| match command[1].as_slice() {
        b"GET-MASTER-ADDR-BY-NAME" => bulks(&["10.0.0.1", &port.to_string()]),
        b"MASTER" => bulks(&[
            "name",
            "x",
            "config-epoch",
            &epoch.to_string(),
            "quorum",
            "2",
        ]),
        _ => b"*0\r\n".to_vec(),
    }
}

fn sentinel(answer: impl Fn(&[Vec<u8>]) -> Vec<u8> + Send + Sync + 'static) -> Arc<Node> {
    node(fake(move |_, command| {
        greeting(command).or_else(|| Some(answer(command)))
    }))
}

fn node(address: Address) -> Arc<Node> {
    let node = Node::new(&location(address), &Options::default(), &Hooks::default());
    Arc::new(node.unwrap())
}

/// Nobody listens there.
fn dead() -> Arc<Node> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    node(Address::Tcp {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().unwrap().port(),
    })
}

fn all(good: &[&Arc<Node>]) -> Sentinels {
    Sentinels {
        good: good.iter().copied().cloned().collect(),
        silent: Vec::new(),
    }
}

fn is_order(list: &[Arc<Node>], expected: &[&Arc<Node>]) -> bool {
    list.len() == expected.len() && list.iter().zip(expected).all(|(a, b)| Arc::ptr_eq(a, b))
}

fn look(sentinels: &mut Sentinels, since: u64) -> Result<Directory> {
    let resolver = Resolver {
        name: "it".to_owned(),
        wants_replicas: true,
        connect_timeout: Duration::from_secs(3),
        address_map: AddressMap::default(),
    };
    resolver.look(
        sentinels,
        usize::MAX,
        since,
        Budget::new(Duration::from_secs(30)),
    )
}

fn port_found(sentinels: &mut Sentinels, since: u64) -> Address {
    look(sentinels, since).unwrap().primary
}

#[test]
fn who_answers_is_asked_first_the_next_time_and_who_does_not_is_asked_last() {
    let (dead, first, second) = (dead(), sentinel(saying(1, 1)), sentinel(saying(1, 2)));
    let mut sentinels = all(&[&dead, &first, &second]);
    assert_eq!(port_found(&mut sentinels, 0), address(1));
    assert!(is_order(&sentinels.good, &[&first, &second]));
    assert!(is_order(&sentinels.silent, &[&dead]));

    sentinels.good.clear();
    sentinels.silent.push(Arc::clone(&second));
    assert_eq!(port_found(&mut sentinels, 0), address(2));
    assert!(is_order(&sentinels.good, &[&second]));
    assert!(is_order(&sentinels.silent, &[&dead]));
}

#[test]
fn an_answer_from_before_the_last_failover_counts_only_when_most_say_so() {
    let (old, new, dead) = (sentinel(saying(3, 1)), sentinel(saying(4, 2)), dead());
    let mut sentinels = all(&[&old, &new]);
    assert_eq!(port_found(&mut sentinels, 3), address(1));
    assert_eq!(port_found(&mut sentinels, 4), address(2));
    assert!(is_order(&sentinels.good, &[&new, &old]));

    let error = look(&mut all(&[&old, &dead]), 4).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("it is cut off"), "{error}");

    // Sentinels that were set up anew count from the beginning.
    let newer = sentinel(saying(4, 3));
    assert_eq!(port_found(&mut all(&[&old, &newer, &dead]), 9), address(3));
}

#[test]
fn a_name_that_some_do_not_know_is_asked_of_the_others() {
    let stranger = sentinel(|command| match command[1].as_slice() {
        b"GET-MASTER-ADDR-BY-NAME" => NONE.to_vec(),
        _ => b"-ERR No such master with that name\r\n".to_vec(),
    });
    let knower = sentinel(saying(0, 1));
    assert_eq!(port_found(&mut all(&[&stranger, &knower]), 0), address(1));

    let error = look(&mut all(&[&stranger]), 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    // It may be another one that knows it.
    let error = look(&mut all(&[&stranger, &dead()]), 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().contains("it knows no such name"),
        "{error}"
    );
}

#[test]
fn what_a_user_may_not_ask_is_done_without() {
    let frugal = sentinel(|command| match command[1].as_slice() {
        b"GET-MASTER-ADDR-BY-NAME" => bulks(&["10.0.0.1", "7"]),
        _ => REFUSED.to_vec(),
    });
    let found = look(&mut all(&[&frugal]), 0).unwrap();
    let expected = Directory {
        epoch: 0,
        primary: address(7),
        replicas: Vec::new(),
    };
    assert_eq!(found, expected);

    let closed = sentinel(|_| REFUSED.to_vec());
    let error = look(&mut all(&[&dead(), &closed]), 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
}

#[test]
fn replicas_that_are_down_are_left_out() {
    let replicas = [
        ("1", "slave"),
        ("2", "s_down,slave"),
        ("3", "slave,o_down"),
        ("4", "slave,disconnected"),
        ("0", "slave"),
        ("6", "slave,reconf_sent"),
    ];
    let fields =
        |(port, flags): &(&str, &str)| bulks(&["ip", "10.0.0.1", "port", port, "flags", flags]);
    let list = [
        b"*6\r\n".to_vec(),
        replicas.iter().flat_map(fields).collect(),
    ]
    .concat();
    let node = sentinel(move |command| match command[1].as_slice() {
        b"REPLICAS" => list.clone(),
        _ => saying(0, 9)(command),
    });
    let found = look(&mut all(&[&node]), 0).unwrap();
    assert_eq!(found.replicas, [address(1), address(6)]);
}

#[test]
fn nonsense_is_a_fault_of_that_sentinel_only() {
    let nonsense: [&[u8]; 6] = [
        b"+OK\r\n",
        b"*2\r\n:1\r\n:2\r\n",
        b"*2\r\n$1\r\nh\r\n$5\r\n70000\r\n",
        b"*3\r\n$1\r\nh\r\n$1\r\n1\r\n$1\r\n2\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"",
    ];
    let sound = sentinel(saying(0, 1));
    for said in nonsense {
        let mad = sentinel(|_| said.to_vec());
        let mut sentinels = all(&[&mad, &sound]);
        assert_eq!(port_found(&mut sentinels, 0), address(1));
        assert!(is_order(&sentinels.silent, &[&mad]));
    }
}

#[test]
fn no_more_are_asked_than_there_is_time_for() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let slow = || {
        sentinel(|_| {
            ASKED.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_secs(1));
            Vec::new()
        })
    };
    let nodes: Vec<_> = (0..3).map(|_| slow()).collect();
    let mut sentinels = all(&nodes.iter().collect::<Vec<_>>());
    let resolver = Resolver {
        name: "it".to_owned(),
        wants_replicas: false,
        connect_timeout: Duration::from_secs(1),
        address_map: AddressMap::default(),
    };
    let budget = Budget::new(Duration::from_millis(200));
    let error = resolver
        .look(&mut sentinels, usize::MAX, 0, budget)
        .unwrap_err();
    // A part each, and one is left for the call itself.
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(budget.left().is_some());
    assert!((1..=3).contains(&ASKED.load(Ordering::SeqCst)));

    let spent = Budget::new(Duration::ZERO);
    let error = resolver
        .look(&mut sentinels, usize::MAX, 0, spent)
        .unwrap_err();
    assert!(
        error.is_timeout() && error.to_string().contains("not asked"),
        "{error}"
    );
    assert_eq!(sentinels.good.len() + sentinels.silent.len(), 3);
}
