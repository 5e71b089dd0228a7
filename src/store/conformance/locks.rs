//! Locks: one holder, growing numbers, and no effect on a lock of somebody else.

use crate::base::budget::soon;
use crate::store::Token;

use super::bench::{Answer, Before, Case, Step, case, on_every_store, until};
use super::entry::{MINE, THEIRS, raw};

const LOCK: Step = Step::Lock(20_000);
const EXTEND: Step = Step::Extend(30_000);

fn locked(name: &'static str, before: Before, step: Step, got: bool) -> Case {
    case(name, before, step, Answer::Locked(got))
}

fn done(name: &'static str, before: Before, step: Step, done: bool) -> Case {
    case(name, before, step, Answer::Done(done))
}

#[test]
fn a_lock_has_one_holder() {
    on_every_store(|bench| {
        bench.run(vec![
            locked("free", Before::Absent, LOCK, true)
                .leaves(&MINE)
                .lives_for(20_000),
            locked("held by another", raw(THEIRS), LOCK, false),
            locked("held by oneself", raw(MINE), LOCK, true).lives_for(20_000),
            locked("a value of another program", raw(b"text"), LOCK, false),
            locked("an empty value", raw(b""), LOCK, false),
            locked("another data type", Before::List, LOCK, false),
            done("extended", raw(MINE), EXTEND, true).lives_for(30_000),
            done(
                "extended, to a shorter life",
                raw(MINE),
                Step::Extend(5000),
                true,
            )
            .lives_for(5000),
            done("extended, without an end", raw(MINE), EXTEND, true)
                .living(None)
                .lives_for(30_000),
            done("extended, lost", raw(THEIRS), EXTEND, false),
            done("extended, gone", Before::Absent, EXTEND, false),
            done("extended, almost the same", raw(&MINE[..7]), EXTEND, false),
            case(
                "extended, another data type",
                Before::List,
                EXTEND,
                Answer::WrongType,
            ),
            done("unlocked", raw(MINE), Step::Unlock, true).leaves_nothing(),
            done("unlocked, lost", raw(THEIRS), Step::Unlock, false),
            done("unlocked, gone", Before::Absent, Step::Unlock, false),
            case(
                "unlocked, another data type",
                Before::List,
                Step::Unlock,
                Answer::WrongType,
            ),
        ]);
    });
}

#[test]
fn fencing_numbers_grow_with_every_holder() {
    on_every_store(|bench| {
        let begin = crate::expiry::local_unix_ms();
        let mut last = begin * 1000 - 1_000_000;
        for _ in 0..200 {
            let token = Token::new();
            let number = bench
                .store
                .lock(b"lock", token, 20_000, soon())
                .unwrap()
                .unwrap();
            assert!(number > last, "{}: {number} after {last}", bench.name);
            // Taken anew, by who has it: as if it had been given back in between.
            let again = bench.store.lock(b"lock", token, 20_000, soon());
            let again = again.unwrap().unwrap();
            assert!(again > number, "{}: {again} after {number}", bench.name);
            assert!(bench.store.unlock(b"lock", token, soon()).unwrap());
            last = again;
        }
        assert!(
            last.abs_diff(begin * 1000) < 60_000_000,
            "{}: {last}",
            bench.name
        );
    });
}

#[test]
fn a_lock_that_lapsed_is_free_again() {
    on_every_store(|bench| {
        let (first, second) = (Token::of(MINE), Token::of(THEIRS));
        let number = bench
            .store
            .lock(b"lock", first, 20, soon())
            .unwrap()
            .unwrap();
        let mut next = None;
        until(|| {
            next = bench.store.lock(b"lock", second, 60_000, soon()).unwrap();
            next.is_some()
        });
        assert!(next.unwrap() > number);
        assert!(
            !bench
                .store
                .extend_lock(b"lock", first, 60_000, soon())
                .unwrap()
        );
        assert!(!bench.store.unlock(b"lock", first, soon()).unwrap());
        assert!(bench.store.unlock(b"lock", second, soon()).unwrap());
    });
}
