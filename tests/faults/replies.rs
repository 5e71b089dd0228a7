//! One reply that breaks off, stalls, drips or comes too late.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis_cache::{ErrorKind, Expiry};

use crate::common::fault::Fate;
use crate::common::{fault, kind, within};
use crate::{Faulty, TIMEOUT};

dialects! {
    a_reply_that_breaks_off_at_any_byte_is_an_io_error,
    a_read_is_asked_again_once_when_its_reply_breaks_off,
    a_delete_is_asked_again_once_when_its_reply_breaks_off,
    a_set_is_never_sent_twice,
    an_add_is_never_sent_twice,
    a_counter_never_counts_twice,
    a_reply_that_stalls_is_a_timeout,
    a_reply_that_drips_longer_than_the_budget_is_a_timeout,
    a_reply_that_drips_within_the_budget_is_a_reply,
    a_reply_that_comes_too_late_reaches_nobody,
    a_large_value_that_breaks_off_is_an_io_error,
    a_retry_spends_from_the_same_budget,
}

/// `$9\r\n` + 4 bytes of header + `hello\r\n`
const REPLY: usize = 15;

fn a_reply_that_breaks_off_at_any_byte_is_an_io_error(at: &Faulty) {
    let cache = at.warm();
    for byte in 0..REPLY {
        for fate in [Fate::Reset(byte), Fate::Close(byte)] {
            at.server.always("GET", fate.clone());
            let error = fault(within(TIMEOUT, || cache.get_bytes("k")));
            assert_eq!(error.kind(), ErrorKind::Io, "{fate:?}: {error}");
            assert_eq!(
                (error.node(), error.command()),
                (Some(&*at.server.name()), Some("GET")),
                "{error}"
            );
            let error = fault(within(TIMEOUT, || cache.get_into("k", &mut [0; 5])));
            assert_eq!(error.kind(), ErrorKind::Io, "{fate:?}: {error}");
            at.server.heal();
            assert_eq!(
                cache.get_bytes("k").unwrap().as_deref(),
                Some(&b"hello"[..]),
                "after {fate:?}"
            );
        }
    }
}

fn a_read_is_asked_again_once_when_its_reply_breaks_off(at: &Faulty) {
    let cache = at.warm();
    for byte in 0..REPLY {
        let retries = cache.stats().retries;
        at.server.once("GET", Fate::Reset(byte));
        assert_eq!(
            cache.get_bytes("k").unwrap().as_deref(),
            Some(&b"hello"[..]),
            "cut at {byte}"
        );
        let mut buffer = [0; 5];
        at.server.once("GET", Fate::Close(byte));
        assert_eq!(
            cache.get_into("k", &mut buffer).unwrap(),
            Some(5),
            "cut at {byte}"
        );
        assert_eq!(&buffer, b"hello");
        assert_eq!(cache.stats().retries, retries + 2);
    }
}

fn a_delete_is_asked_again_once_when_its_reply_breaks_off(at: &Faulty) {
    let cache = at.warm();
    for byte in 0..4 {
        cache.set_bytes("k", b"hello", Expiry::Default).unwrap();
        at.server.once("UNLINK", Fate::Reset(byte));
        cache.delete("k").unwrap();
        assert!(!cache.has_key("k").unwrap());
    }
}

/// How often a command of this name comes by; the fate of the first is given.
fn counting(at: &Faulty, name: &'static str, fate: Fate) -> Arc<AtomicUsize> {
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    at.server.judge(move |command| {
        if command[0] == name.as_bytes() && counter.fetch_add(1, Ordering::SeqCst) == 0 {
            fate.clone()
        } else {
            Fate::Pass
        }
    });
    seen
}

fn a_set_is_never_sent_twice(at: &Faulty) {
    let cache = at.warm();
    for byte in 0..5 {
        for fate in [Fate::Reset(byte), Fate::Close(byte)] {
            let sent = counting(at, "SET", fate.clone());
            let error = fault(within(TIMEOUT, || {
                sent.store(0, Ordering::SeqCst);
                cache.set_bytes("k", b"again", Expiry::Default)
            }));
            assert_eq!(error.kind(), ErrorKind::Io, "{fate:?}: {error}");
            assert_eq!(
                sent.load(Ordering::SeqCst),
                1,
                "it could bring back a deleted key"
            );
        }
    }
    at.server.heal();
    cache.set_bytes("k", b"healed", Expiry::Default).unwrap();
    assert_eq!(
        cache.get_bytes("k").unwrap().as_deref(),
        Some(&b"healed"[..])
    );
}

fn an_add_is_never_sent_twice(at: &Faulty) {
    let cache = at.warm();
    let sent = counting(at, "SET", Fate::Reset(0));
    assert_eq!(
        kind(cache.add_bytes("new", b"x", Expiry::Default)),
        ErrorKind::Io
    );
    assert_eq!(sent.load(Ordering::SeqCst), 1);
    assert!(
        !cache.add_bytes("new", b"y", Expiry::Default).unwrap(),
        "the first did its work"
    );
}

fn a_counter_never_counts_twice(at: &Faulty) {
    let cache = at.warm();
    for byte in 0..3 {
        let sent = counting(at, "EVALSHA", Fate::Reset(byte));
        assert_eq!(kind(cache.incr("n", 1)), ErrorKind::Io, "cut at {byte}");
        assert_eq!(sent.load(Ordering::SeqCst), 1, "cut at {byte}");
    }
    at.server.heal();
    assert_eq!(cache.get_int("n").unwrap(), Some(3));
}

fn a_reply_that_stalls_is_a_timeout(at: &Faulty) {
    let cache = at.warm();
    for byte in [0, 1, 3, 4, 8, REPLY - 2, REPLY - 1] {
        at.server.always("GET", Fate::Stall(byte));
        let error = fault(within(TIMEOUT, || cache.get_bytes("k")));
        assert_eq!(
            error.kind(),
            ErrorKind::Timeout,
            "stalled at {byte}: {error}"
        );
        assert_eq!(
            (error.node(), error.command()),
            (Some(&*at.server.name()), Some("GET")),
            "{error}"
        );
        at.server.heal();
        assert_eq!(
            cache.get_bytes("k").unwrap().as_deref(),
            Some(&b"hello"[..]),
            "after a stall at {byte}"
        );
    }
}

fn a_reply_that_drips_longer_than_the_budget_is_a_timeout(at: &Faulty) {
    let cache = at.warm();
    at.server.always("GET", Fate::Drip(TIMEOUT / 6));
    assert_eq!(
        kind(within(TIMEOUT, || cache.get_bytes("k"))),
        ErrorKind::Timeout,
        "the whole call counts"
    );
    at.server.always("EVALSHA", Fate::Drip(TIMEOUT / 2));
    assert_eq!(
        kind(within(TIMEOUT, || cache.incr("n", 1))),
        ErrorKind::Timeout
    );
    at.server.heal();
    assert_eq!(
        cache.get_bytes("k").unwrap().as_deref(),
        Some(&b"hello"[..])
    );
}

fn a_reply_that_drips_within_the_budget_is_a_reply(at: &Faulty) {
    at.warm();
    let cache = at.cache_with(&[("timeout", "20s"), ("connect_timeout", "20s")]);
    at.server.judge(|_| Fate::Drip(Duration::from_millis(2)));
    assert_eq!(
        cache.get_bytes("k").unwrap().as_deref(),
        Some(&b"hello"[..])
    );
    assert_eq!(
        cache.get_many_bytes(["other", "k"]).unwrap(),
        [Some(b"world".to_vec()), Some(b"hello".to_vec())]
    );
    assert_eq!(cache.incr("n", 1).unwrap(), Some(1));
    assert_eq!(cache.stats().retries, 0);
}

fn a_reply_that_comes_too_late_reaches_nobody(at: &Faulty) {
    let cache = at.warm();
    at.server.judge(|command| {
        let asks_k = command[0] == b"GET" && command[1].ends_with(b":k");
        if asks_k {
            Fate::Late(TIMEOUT + Duration::from_millis(60))
        } else {
            Fate::Pass
        }
    });
    assert_eq!(kind(cache.get_bytes("k")), ErrorKind::Timeout);
    // Before, while and after the late reply comes.
    for _ in 0..15 {
        assert_eq!(
            cache.get_bytes("other").unwrap().as_deref(),
            Some(&b"world"[..])
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn a_large_value_that_breaks_off_is_an_io_error(at: &Faulty) {
    let cache = at.cache_with(&[("timeout", "5s")]);
    let large: Vec<u8> = (0..700_000_u32).map(|index| (index % 251) as u8).collect();
    cache.set_bytes("k", &large, Expiry::Default).unwrap();
    for byte in [20, 5_000, 16_384, 100_000, 699_999, 700_012] {
        at.server.always("GET", Fate::Close(byte));
        assert_eq!(
            kind(cache.get_bytes("k")),
            ErrorKind::Io,
            "closed at {byte}"
        );
        assert_eq!(
            kind(cache.get_into("k", &mut vec![0; large.len()])),
            ErrorKind::Io,
            "closed at {byte}"
        );
        at.server.once("GET", Fate::Close(byte));
        assert!(
            cache.get_bytes("k").unwrap().unwrap() == large,
            "asked again after {byte}"
        );
        let mut buffer = vec![0; large.len()];
        at.server.once("GET", Fate::Close(byte));
        assert_eq!(cache.get_into("k", &mut buffer).unwrap(), Some(large.len()));
        assert!(buffer == large, "asked again after {byte}");
    }
}

fn a_retry_spends_from_the_same_budget(at: &Faulty) {
    let cache = at.warm();
    let lose_one_late_and_the_next_for_ever = || {
        let mut is_first = true;
        at.server.judge(move |command| match &*command[0] {
            b"GET" if std::mem::take(&mut is_first) => Fate::LateReset(TIMEOUT / 2),
            b"GET" => Fate::Stall(0),
            _ => Fate::Pass,
        });
    };
    // On a busy machine the first loss may come too late for a retry.
    for _ in 0..5 {
        let outcome = within(TIMEOUT, || {
            lose_one_late_and_the_next_for_ever();
            cache.get_bytes("k")
        });
        assert_eq!(kind(outcome), ErrorKind::Timeout);
        if cache.stats().retries > 0 {
            return;
        }
    }
    panic!("it was never asked again: {:?}", cache.stats());
}
