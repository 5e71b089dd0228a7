//! What is believed of an answer.

use proptest::prelude::*;

use super::super::message::{self, Heard, Kind};
use super::*;

#[test]
fn answers_to_other_questions_and_garbage_are_passed_over() {
    let garbage = vec![
        0x80, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc0, 0x0c,
    ];
    let server = NameServer::start(move |asked| {
        let right = Box::new(v4(asked, &["10.0.0.1"]));
        let later = Say::After(Duration::from_millis(20), right);
        let nothing = Say::Bytes(Vec::new(), Box::new(later));
        Say::Bytes(garbage.clone(), Box::new(Say::Astray(Box::new(nothing))))
    });
    let _machine = server.machine();
    assert_eq!(resolve("redis.test", secs(9)).unwrap(), ["10.0.0.1"]);
    assert_eq!(server.asked().len(), 2, "it was asked once");
}

#[test]
fn an_answer_that_was_cut_is_asked_for_again_by_tcp() {
    let many: Vec<&str> = (0..200)
        .map(|host| &*format!("10.0.0.{host}").leak())
        .collect();
    let server = NameServer::start(move |asked| match (asked.kind, asked.by_tcp) {
        (TYPE::A, false) => Say::Cut,
        (TYPE::A, true) => Say::Ips(many.clone()),
        _ => Say::Ips(Vec::new()),
    });
    let _machine = server.machine();
    let found = resolve("redis.test", secs(9)).unwrap();
    assert_eq!((found.len(), found[31].as_str()), (32, "10.0.0.31"));
}

#[test]
fn everything_goes_by_tcp_where_the_file_says_so() {
    let server = NameServer::start(|_| Say::Ips(vec!["10.0.0.1", "fd00::1"]));
    let machine = server.machine();
    machine.write("resolv.conf", "nameserver 127.0.0.1\noptions use-vc\n");
    assert_eq!(resolve_both("redis.test", 2), ["10.0.0.1", "fd00::1"]);
    assert!(server.asked().iter().all(|asked| asked.by_tcp));
}

#[test]
fn aliases_are_followed_to_their_end() {
    let server = NameServer::start(|asked| match asked.name.as_str() {
        "redis.test" => Say::Alias(vec!["One.test", "two.test"], vec!["10.0.0.1"]),
        // Nobody ever comes to the end of these.
        _ => Say::Alias(vec!["a.test", "loop.test", "a.test"], vec!["10.0.0.1"]),
    });
    let _machine = server.machine();
    assert_eq!(resolve("REDIS.test", secs(9)).unwrap(), ["10.0.0.1"]);
    let found = resolve("loop.test", secs(9));
    assert!(found.is_err() || found.is_ok_and(|found| found == ["10.0.0.1"]));
}

proptest! {
    /// Whatever comes, nothing panics, and what was not asked is not heard.
    #[test]
    fn any_bytes_may_come(bytes in proptest::collection::vec(any::<u8>(), 0..300), claims_ours: bool) {
        let mut bytes = bytes;
        if claims_ours && bytes.len() > 3 {
            bytes[..3].copy_from_slice(&[0x12, 0x34, 0x81]);
        }
        drop(message::answer(&bytes, 0x1234, "redis.test", Kind::V4));
    }

    /// A right answer with some bytes changed.
    #[test]
    fn any_byte_may_be_wrong(at in 0_usize..60, byte: u8, len in 0_usize..80) {
        let question = message::question(7, "redis.test", Kind::V4).unwrap();
        let query = Packet::parse(&question).unwrap();
        let right = answer_to(&query, &Say::Alias(vec!["other.test"], vec!["10.0.0.1"]));
        let mut bytes = right.build_bytes_vec_compressed().unwrap();
        let heard = message::answer(&bytes, 7, "redis.test", Kind::V4);
        prop_assert_eq!(heard, Some(Heard::Addresses(vec![[10, 0, 0, 1].into()])));
        bytes[at] = byte;
        bytes.truncate(len.max(12));
        drop(message::answer(&bytes, 7, "redis.test", Kind::V4));
    }
}
