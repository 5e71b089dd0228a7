//! Invariant 5 of the protocol, over entries of every make.

use crate::base::random::draw;
use crate::expiry::Life;
use crate::store::Pttl;

use super::bench::{Answer, Step, on_every_store};
use super::entry::{Entry, MINE, THEIRS};

/// Bytes that look like an entry more or less, never leased by [`MINE`].
fn anything() -> Vec<u8> {
    let some = |most: i64| draw(|rng| rng.i64(-most..most));
    let entry = Entry {
        flags: draw(|rng| rng.choice([0x10, 0x11, 0x12, 0x13, 0x16, 0x17, 0x1B, 0x23]))
            .unwrap_or(0x13),
        format: draw(|rng| rng.u8(..)),
        cost: draw(|rng| rng.u8(..)),
        stale_ms: draw(|rng| rng.u32(..)),
        soft: draw(|rng| rng.bool()).then(|| some(50_000)),
        deadline: draw(|rng| rng.bool()).then(|| some(50_000)),
        token: if draw(|rng| rng.bool()) {
            THEIRS
        } else {
            [0; 8]
        },
        payload: vec![b'p'; draw(|rng| rng.usize(0..200))],
    };
    let mut bytes = entry.bytes(crate::expiry::local_unix_ms());
    if draw(|rng| rng.u8(..)) < 50 {
        bytes.truncate(draw(|rng| rng.usize(..40)));
    }
    bytes
}

#[test]
fn a_foreign_token_changes_no_byte() {
    let steps = [
        Step::Store(b"stolen", Life::Millis(1000)),
        Step::Store(b"stolen", Life::Forever),
        Step::Store(b"", Life::Expired),
        Step::Release(0),
        Step::Release(5000),
        Step::Renew(3_600_000),
        Step::Extend(1000),
        Step::Unlock,
    ];
    on_every_store(|bench| {
        for _ in 0..100 {
            let bytes = anything();
            assert_ne!(bytes.get(24..32), Some(&MINE[..]));
            let ttl_ms = draw(|rng| rng.bool()).then_some(1_000_000);
            bench.put("k", &bytes, ttl_ms);
            let dump = bench.dump("k");
            for step in &steps {
                let answer = step.take(&*bench.store, b"k");
                assert_eq!(
                    answer,
                    Answer::Done(false),
                    "{}: {step:?}: {bytes:?}",
                    bench.name
                );
                assert_eq!(bench.dump("k"), dump, "{}: {step:?}: {bytes:?}", bench.name);
            }
            match (bench.pttl("k"), ttl_ms) {
                (Some(Pttl::Forever), None) => {}
                (Some(Pttl::Millis(left)), Some(ms)) => {
                    assert!(left <= ms && left > ms - 100_000, "{}: {left}", bench.name);
                }
                (left, ms) => panic!("{}: lives for {left:?}, not {ms:?}", bench.name),
            }
        }
    });
}
