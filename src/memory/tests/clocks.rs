//! Lifetimes, leases and locks by a clock that nobody can set.

use std::time::Duration;

use crate::base::clocks::step_wall;
use crate::store::{Acquired, Claim, Force, Leases, Stored, Token};

use super::walks::walk;
use super::*;

#[test]
fn entries_expire_by_the_clock_of_the_process() {
    let store = private(ROOMY);
    store
        .set(b"k", plain(b"v"), Life::Millis(20), soon())
        .unwrap();
    let (left, _, clock) = store.ttl(b"k", soon()).unwrap().unwrap();
    assert!(matches!(left, Pttl::Millis(ms) if ms <= 20), "{left:?}");
    assert_eq!(clock, Clock::own());
    std::thread::sleep(Duration::from_millis(25));
    assert!(
        store.ttl(b"k", soon()).unwrap().is_none()
            && store.head(b"k", Access::Write, soon()).unwrap().is_none()
    );
    assert!(walk(&store, "*", 10, || ()).is_empty());
}

/// Ten minutes either way, and back. On the wall clock, entries of a minute were gone or lived for ten, a lease was given
/// to a second caller, and so was a lock.
#[test]
fn no_step_of_the_wall_clock_is_seen() {
    let minute = Life::Millis(60_000);
    for minutes in [10, -10] {
        let store = private(ROOMY);
        let claim = |token| Claim {
            token,
            lease_ms: 60_000,
            force: Force::No,
            seen: None,
        };
        let (first, second) = (Token::new(), Token::new());
        let acquire = |key: &[u8], token| {
            let (answer, _) = store
                .acquire(key, claim(token), &mut Bytes::default(), soon())
                .unwrap();
            answer
        };
        store.set(b"k", plain(b"v"), minute, soon()).unwrap();
        assert_eq!(acquire(b"leased", first), Acquired::Yours(first));
        let fence = store.lock(b"lock", first, 60_000, soon()).unwrap().unwrap();
        let before = Clock::own().now_ms();

        step_wall(minutes, 60_000_000);
        let (left, _, clock) = store.ttl(b"k", soon()).unwrap().unwrap();
        assert!(matches!(left, Pttl::Millis(1..=60_000)), "{left:?}");
        assert!((before..before + 60_000).contains(&clock.now_ms()));
        store
            .set(b"later", plain(b"v"), Life::Millis(20), soon())
            .unwrap();
        assert!(matches!(
            acquire(b"leased", second),
            Acquired::Held(1..=60_000)
        ));
        assert_eq!(store.lock(b"lock", second, 60_000, soon()).unwrap(), None);
        assert!(store.extend_lock(b"lock", first, 60_000, soon()).unwrap());
        assert!(store.unlock(b"lock", first, soon()).unwrap());
        assert!(
            store
                .lock(b"lock", second, 60_000, soon())
                .unwrap()
                .unwrap()
                > fence
        );
        let stored = store
            .fulfill(b"leased", first, plain(b"v"), minute, soon())
            .unwrap();
        assert_eq!(stored, Stored::Yes, "the lease is still there");

        step_wall(-minutes, 60_000_000);
        assert_eq!(get(&store, b"k").unwrap(), b"v");
        std::thread::sleep(Duration::from_millis(25));
        assert_eq!(get(&store, b"later"), None, "it lives for 20 ms");
    }
}

/// A caller's Unix time is what the wall clock says when he says it; afterwards it is as far away as it was then.
#[test]
fn a_callers_unix_time_is_translated_once() {
    let store = private(ROOMY);
    store.set(b"k", plain(b"v"), Life::Forever, soon()).unwrap();
    step_wall(10, 60_000_000);
    let in_a_minute = wall_us().unsigned_abs() / 1000 + 60_000;
    assert!(store.touch(b"k", Touch::At(in_a_minute), soon()).unwrap());
    step_wall(-20, 60_000_000);
    let (left, ..) = store.ttl(b"k", soon()).unwrap().unwrap();
    assert!(matches!(left, Pttl::Millis(1..=60_001)), "{left:?}");
    let past = wall_us().unsigned_abs() / 1000 - 10;
    assert!(store.touch(b"k", Touch::At(past), soon()).unwrap());
    assert!(store.ttl(b"k", soon()).unwrap().is_none());
    step_wall(10, 60_000_000);
}
