//! ACQUIRE over headers of every shape, against what the protocol says of them in words: every store says the same, and
//! changes the 16 bytes of a lease that is taken and no others.

use crate::base::budget::soon;
use crate::entry::header::STALE_FOREVER;
use crate::expiry::local_unix_ms;
use crate::redis::testing::Whole;
use crate::store::{Acquired, Claim, Force, Token};

use super::bench::{Bench, LOADED_MS, SLACK_MS, on_every_store};
use super::entry::{Entry, MINE, NOBODY, THEIRS};

const LEASE: u64 = 15_000;
/// A placeholder, a value, "known to be absent", and flags that nobody knows.
const FLAGS: [u8; 4] = [0x12, 0x13, 0x17, 0x1B];
const TOKENS: [[u8; 8]; 3] = [NOBODY, MINE, THEIRS];

/// Whether the caller says what he has looked at, and whether it is still that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Anything,
    This,
    Another,
}

/// What is asked for, over what.
#[derive(Debug)]
struct Question {
    entry: Entry,
    force: Force,
    seen: Seen,
}

/// Soft expiry and how long it may be served after that.
fn freshness() -> [(Option<i64>, u32); 5] {
    [
        (None, 100),
        (Some(40_000), 0),
        (Some(-10_000), 100),
        (Some(-10_000), 60_000),
        (Some(-10_000), STALE_FOREVER),
    ]
}

fn questions() -> Vec<Question> {
    let mut all = Vec::new();
    for flags in FLAGS {
        for (soft, stale_ms) in freshness() {
            for token in TOKENS {
                for deadline in [None, Some(-20_000), Some(30_000)] {
                    for force in [Force::No, Force::Early, Force::Useless] {
                        for seen in [Seen::Anything, Seen::This, Seen::Another] {
                            let entry = Entry {
                                flags,
                                token,
                                deadline,
                                ..Entry::fresh().soft(soft).stale_for(stale_ms)
                            };
                            all.push(Question { entry, force, seen });
                        }
                    }
                }
            }
        }
    }
    all
}

/// What the contract says, in its order.
fn expected(question: &Question) -> Acquired<()> {
    let Question { entry, force, seen } = question;
    let has_value = entry.flags & 1 == 1;
    let is_fresh = has_value && entry.soft.is_none_or(|soft| soft > 0);
    let is_servable = is_fresh || (has_value && entry.stale_ms > 10_000);
    let is_forced = *force != Force::No && *seen != Seen::Another;
    let has_nothing = *force == Force::Useless && is_forced;
    let is_live = entry.deadline.is_some_and(|deadline| deadline > 0);
    let is_backoff = entry.token == NOBODY;
    match entry.token {
        MINE => Acquired::Yours(Token::of(MINE)),
        _ if is_fresh && !is_forced => Acquired::Found(()),
        _ if is_live && is_backoff && is_servable && !has_nothing => Acquired::Stale,
        _ if is_live && !is_backoff && is_servable => Acquired::Stale,
        _ if is_live && !is_backoff => Acquired::Held(30_000),
        _ => Acquired::Yours(Token::of(MINE)),
    }
}

fn check(bench: &Bench, question: &Question) {
    let now = local_unix_ms();
    let before = question.entry.bytes(now);
    bench.put("k", &before, Some(60_000));
    let soft = u64::from_le_bytes(before[8..16].try_into().unwrap());
    let claim = Claim {
        token: Token::of(MINE),
        lease_ms: LEASE,
        force: question.force,
        seen: match question.seen {
            Seen::Anything => None,
            Seen::This => Some(soft),
            Seen::Another => Some(soft + 1),
        },
    };
    let mut kept = Whole::default();
    let answer = bench.store.acquire(b"k", claim, &mut kept, soon());
    let (answer, _) = answer.unwrap();
    let after = bench.bytes("k").unwrap();
    let told = format!("{}: {question:?}: {answer:?}", bench.name);
    match (expected(question), answer) {
        (Acquired::Held(most), Acquired::Held(ms)) => {
            assert!(ms <= most + SLACK_MS && ms + LOADED_MS > most, "{told}");
        }
        (expected, answer) => assert_eq!(answer, expected, "{told}"),
    }
    match answer {
        Acquired::Found(()) => assert_eq!((&kept.0, &after), (&before, &before), "{told}"),
        Acquired::Yours(token) => {
            let deadline = u64::from_le_bytes(after[16..24].try_into().unwrap());
            let until = now + LEASE;
            assert!(
                (until - SLACK_MS..until + LOADED_MS).contains(&deadline),
                "{told}"
            );
            assert_eq!(after[24..32], *token.bytes(), "{told}");
            assert_eq!(after[..16], before[..16], "{told}");
            assert_eq!(after[32..], before[32..], "{told}");
        }
        Acquired::Stale | Acquired::Held(_) => assert_eq!(after, before, "{told}"),
    }
}

#[test]
fn both_stores_judge_headers_of_every_shape_alike() {
    let questions = questions();
    assert_eq!(questions.len(), 4 * 5 * 3 * 3 * 3 * 3);
    on_every_store(|bench| questions.iter().for_each(|one| check(bench, one)));
}
