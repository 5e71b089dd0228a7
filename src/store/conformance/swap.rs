//! SWAP: only in the place of exactly what was there.

use crate::expiry::Life;

use super::bench::{Answer, Before, Case, Step, case, on_every_store};
use super::entry::{Entry, THEIRS, leaseless, raw};

const NEW: &[u8] = b"\xC1\x11\x00\x00new";
const LIFE: Life = Life::Millis(9000);

fn swap(old: &[u8], life: Life) -> Step {
    Step::Swap(old.to_vec(), NEW, life)
}

fn refused(name: &'static str, before: Before, old: &[u8]) -> Case {
    case(name, before, swap(old, LIFE), Answer::Done(false))
}

fn done(name: &'static str, before: &[u8], life: Life) -> Case {
    case(name, raw(before), swap(before, life), Answer::Done(true))
}

#[test]
fn what_is_as_it_was_seen_is_replaced_and_nothing_else() {
    let leased = Entry::fresh().leased(THEIRS, 1 << 50).bytes(0);
    let mut longer = leased.clone();
    longer.push(b'x');
    on_every_store(|bench| {
        bench.run(vec![
            done("a value", b"42", LIFE).leaves(NEW).lives_for(9000),
            done("an empty one", b"", LIFE).leaves(NEW).lives_for(9000),
            done("a leased one", &leased, LIFE)
                .leaves(NEW)
                .lives_for(9000),
            done("one without an end", b"42", LIFE)
                .living(None)
                .leaves(NEW)
                .lives_for(9000),
            done("for ever", b"42", Life::Forever)
                .living(None)
                .leaves(NEW),
            done("for a life that is over", b"42", Life::Expired).leaves_nothing(),
            refused("another value", raw(b"43"), b"42"),
            refused("the beginning of it", raw(&leased), &longer),
            refused("more than it", raw(&longer), &leased),
            refused("an empty one, where there is more", raw(b"42"), b""),
            refused("nothing there", Before::Absent, b"42"),
            refused("nothing there, not even an empty one", Before::Absent, b""),
            case(
                "another data type",
                Before::List,
                swap(b"42", LIFE),
                Answer::WrongType,
            ),
        ]);
        bench.put("k", b"42", Some(60_000));
        let for_ever = swap(b"42", Life::Forever).take(&*bench.store, b"k");
        assert_eq!(for_ever, Answer::Done(true));
        assert_eq!(bench.pttl("k"), Some(crate::store::Pttl::Forever));
    });
}

/// What no lease can stand in is what it is for.
#[test]
fn it_replaces_what_knows_no_leases() {
    on_every_store(|bench| {
        let known = leaseless().into_iter().map(|(name, before)| match before {
            Before::Raw(bytes) => done(name, &bytes, LIFE).leaves(NEW).lives_for(9000),
            Before::Entry(entry) => done(name, &entry.bytes(0), LIFE)
                .leaves(NEW)
                .lives_for(9000),
            _ => panic!("{name}: its bytes are known"),
        });
        bench.run(known.collect());
    });
}
