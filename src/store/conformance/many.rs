//! The forms for many keys say of every key what the form for one says.

use crate::base::budget::soon;
use crate::error::{Error, ErrorKind};
use crate::expiry::Life;
use crate::store::{Acquired, Claim, Force, KeyList, Pttl, Stored, Token, Value};

use super::bench::on_every_store;
use super::entry::{Entry, MINE, THEIRS};

const NEW: Value<'_> = Value {
    head: b"\xC1\x11\x00\x00",
    body: b"new",
};

/// `a`, a key that failed its check, `b`, `c`.
fn list() -> KeyList {
    let mut list = KeyList::default();
    list.push_bytes(b"a");
    list.push_fault(Error::new(ErrorKind::InvalidArgument, "no key"));
    list.push_bytes(b"b");
    list.push_bytes(b"c");
    list
}

#[test]
fn every_key_of_many_is_told_of_once_and_faults_are_left_out() {
    on_every_store(|bench| {
        let store = &bench.store;
        bench.put("c", b"a value", None);
        let claim = |token| Claim {
            token: Token::of(token),
            lease_ms: 20_000,
            force: Force::No,
            seen: None,
        };
        let claims = [MINE, MINE, MINE, MINE].map(claim);
        let mut said = vec![None; 4];
        store.acquire_many(&list(), &claims, soon(), &mut |place, answer, _| {
            let is_mine = answer.unwrap() == Acquired::Yours(Token::of(MINE));
            assert!(said[place].replace(is_mine).is_none());
        });
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(said, [yes, None, yes, no], "{}", bench.name);

        let claims = [THEIRS; 4].map(claim);
        store.acquire_many(
            &list(),
            &claims,
            soon(),
            &mut |place, answer, _| match answer.unwrap() {
                Acquired::Held(ms) => assert!(place < 3 && ms <= 20_000),
                other => assert_eq!((place, other), (3, Acquired::Found(&b"a value"[..]))),
            },
        );

        let tokens = [MINE, MINE, THEIRS, MINE].map(Token::of);
        let values = [(NEW, Life::Millis(5000)); 4];
        let mut done = vec![None; 4];
        store.fulfill_many(&list(), &tokens, &values, soon(), &mut |place, outcome| {
            let is_stored = outcome.unwrap() == Stored::Yes;
            assert!(done[place].replace(is_stored).is_none());
        });
        assert_eq!(done, [yes, None, no, no], "{}", bench.name);

        let tokens = [MINE; 4].map(Token::of);
        let mut done = vec![None; 4];
        store.release_many(&list(), &tokens, 0, soon(), &mut |place, outcome| {
            assert!(done[place].replace(outcome.unwrap()).is_none());
        });
        assert_eq!(done, [no, None, yes, no], "{}", bench.name);
        let left = ["a", "b", "c"].map(|key| bench.bytes(key));
        let expected = [
            Some(b"\xC1\x11\x00\x00new".to_vec()),
            None,
            Some(b"a value".to_vec()),
        ];
        assert_eq!(left, expected, "{}", bench.name);
    });
}

#[test]
fn many_are_renewed_swapped_and_added_each_for_itself() {
    on_every_store(|bench| {
        let store = &bench.store;
        let (yes, no) = (Some(true), Some(false));
        let leased = |token| Entry::placeholder().leased(token, 30_000).bytes(0);
        let put = |values: [&[u8]; 3]| {
            for (key, value) in ["a", "b", "c"].into_iter().zip(values) {
                bench.put(key, value, Some(60_000));
            }
        };
        put([&leased(MINE), &leased(THEIRS), &leased(MINE)]);
        let mut done = vec![None; 4];
        let tokens = [MINE; 4].map(Token::of);
        store.renew_many(&list(), &tokens, 40_000, soon(), &mut |place, outcome| {
            assert!(done[place].replace(outcome.unwrap()).is_none());
        });
        assert_eq!(done, [yes, None, no, yes], "{}", bench.name);
        let lifted = |key| matches!(bench.pttl(key), Some(Pttl::Millis(70_000..=80_000)));
        assert_eq!(["a", "b", "c"].map(lifted), [true, false, true]);

        put([b"old", b"newer", b"old"]);
        let values = [(NEW, Life::Millis(5000)); 4];
        let mut done = vec![None; 4];
        let olds: [&[u8]; 4] = [b"old"; 4];
        store.swap_many(&list(), &olds, &values, soon(), &mut |place, outcome| {
            assert!(done[place].replace(outcome.unwrap()).is_none());
        });
        assert_eq!(done, [yes, None, no, yes], "{}", bench.name);
        assert_eq!(bench.bytes("b").unwrap(), b"newer");
        assert_eq!(bench.bytes("c").unwrap(), b"\xC1\x11\x00\x00new");

        // Whatever is there counts, a placeholder too; of a life that is over nothing is stored.
        bench.store.delete(b"a", soon()).unwrap();
        bench.store.delete(b"c", soon()).unwrap();
        bench.put("b", &leased(THEIRS), Some(60_000));
        let (new, over) = ((NEW, Life::Millis(5000)), (NEW, Life::Expired));
        let mut done = vec![None; 4];
        let values = [new, new, new, over];
        store.add_many(&list(), &values, soon(), &mut |place, outcome| {
            assert!(done[place].replace(outcome.unwrap()).is_none());
        });
        assert_eq!(done, [yes, None, no, yes], "{}", bench.name);
        assert_eq!(bench.bytes("a").unwrap(), b"\xC1\x11\x00\x00new");
        assert!(matches!(bench.pttl("a"), Some(Pttl::Millis(1..=5000))));
        assert_eq!(bench.bytes("b").unwrap(), leased(THEIRS));
        assert_eq!(bench.bytes("c"), None);
    });
}
