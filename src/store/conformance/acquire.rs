//! ACQUIRE: own token, then values that need no load, then the leases of others.

use crate::entry::header::STALE_FOREVER;
use crate::store::{Acquired, Force, Token};

use super::bench::{Answer, Before, Case, Step, case, on_every_store};
use super::entry::{Entry, MINE, NOBODY, THEIRS, leaseless, raw};

const LEASE: u64 = 15_000;
const ASK: Step = Step::Acquire {
    lease_ms: LEASE,
    force: Force::No,
    seen: None,
};
const FORCE: Step = Step::Acquire {
    lease_ms: LEASE,
    force: Force::Early,
    seen: None,
};

const USELESS: Step = Step::Acquire {
    lease_ms: LEASE,
    force: Force::Useless,
    seen: None,
};

/// Somebody else is told to do something else, and nothing changes.
fn told(name: &'static str, before: Before, step: Step, answer: Acquired<Vec<u8>>) -> Case {
    case(name, before, step, Answer::Claim(answer))
}

/// The lease is taken, and only its 16 bytes change.
fn taken(name: &'static str, before: Before, step: Step) -> Case {
    told(name, before, step, Acquired::Yours(Token::of(MINE)))
        .makes(|entry| entry.leased(MINE, LEASE as i64))
}

/// The value that is there comes back whole.
fn found(name: &'static str, before: Before, step: Step) -> Case {
    let Before::Raw(bytes) = &before else {
        panic!("its bytes are known beforehand")
    };
    let bytes = bytes.clone();
    told(name, before, step, Acquired::Found(bytes))
}

/// The bytes of an entry whose times do not depend on now.
fn bytes(entry: Entry) -> Before {
    Before::Raw(entry.bytes(0))
}

#[test]
fn what_no_lease_can_stand_in_is_handed_out() {
    on_every_store(|bench| {
        for step in [ASK, FORCE, USELESS] {
            let known = |(name, before)| match before {
                Before::Entry(entry) => found(name, bytes(entry), step.clone()),
                before => found(name, before, step.clone()),
            };
            bench.run(leaseless().into_iter().map(known).collect());
        }
        let large = vec![b'x'; 3 << 20];
        bench.run(vec![
            found("a large text", raw(large), ASK),
            case("another data type", Before::List, ASK, Answer::WrongType),
        ]);
    });
}

#[test]
fn a_fresh_value_is_handed_out_unless_it_is_to_be_renewed() {
    let always = || Entry::fresh().soft(None);
    let late = |entry: Entry| bytes(entry.soft(Some(1 << 50)));
    on_every_store(|bench| {
        bench.run(vec![
            found("fresh", late(Entry::fresh()), ASK),
            found("always fresh", bytes(always()), ASK),
            found("fresh and without an end", late(Entry::fresh()), ASK).living(None),
            found(
                "fresh and empty",
                bytes(Entry {
                    payload: Vec::new(),
                    ..always()
                }),
                ASK,
            ),
            found(
                "fresh and leased",
                late(Entry::fresh().leased(THEIRS, 1 << 50)),
                ASK,
            ),
            found(
                "fresh and lapsed",
                late(Entry::fresh().leased(THEIRS, 1)),
                ASK,
            ),
            found(
                "fresh, known to be absent",
                late(Entry::fresh().negative()),
                ASK,
            ),
            found(
                "fresh, of an unknown flag",
                late(Entry::fresh().flags(0x1B)),
                ASK,
            ),
            taken("forced", Entry::fresh().there(), FORCE),
            taken("forced, always fresh", always().there(), FORCE),
            taken("of no use", Entry::fresh().there(), USELESS),
            told(
                "forced, in a back-off",
                Entry::fresh().leased(NOBODY, 30_000).there(),
                FORCE,
                Acquired::Stale,
            ),
            taken(
                "of no use, in a back-off",
                Entry::fresh().leased(NOBODY, 30_000).there(),
                USELESS,
            ),
            taken(
                "forced, known to be absent",
                Entry::fresh().negative().there(),
                FORCE,
            ),
            taken(
                "forced, of an unknown flag",
                Entry::fresh().flags(0x1B).there(),
                FORCE,
            ),
            taken(
                "forced, the other lapsed",
                Entry::fresh().leased(THEIRS, -1000).there(),
                FORCE,
            ),
            told(
                "forced, leased",
                Entry::fresh().leased(THEIRS, 30_000).there(),
                FORCE,
                Acquired::Stale,
            ),
            told(
                "forced, always fresh, leased",
                always().leased(THEIRS, 30_000).there(),
                FORCE,
                Acquired::Stale,
            ),
        ]);
    });
}

#[test]
fn a_stale_value_is_loaded_by_one_and_served_by_the_others() {
    let stale = Entry::stale;
    let theirs = || stale().leased(THEIRS, 30_000);
    on_every_store(|bench| {
        bench.run(vec![
            taken("stale", stale().there(), ASK),
            taken("stale, forced", stale().there(), FORCE),
            taken(
                "stale, the other lapsed",
                stale().leased(THEIRS, -1).there(),
                ASK,
            ),
            taken(
                "stale, no longer servable",
                stale().stale_for(100).there(),
                ASK,
            ),
            taken("stale, known to be absent", stale().negative().there(), ASK),
            taken("after a back-off", stale().leased(NOBODY, -1).there(), ASK),
            told("stale, leased", theirs().there(), ASK, Acquired::Stale),
            told(
                "stale, leased, forced",
                theirs().there(),
                FORCE,
                Acquired::Stale,
            ),
            told(
                "servable as long as it lives",
                theirs()
                    .soft(Some(-1_000_000))
                    .stale_for(STALE_FOREVER)
                    .there(),
                ASK,
                Acquired::Stale,
            ),
            told(
                "no longer servable, leased",
                theirs().stale_for(100).there(),
                ASK,
                Acquired::Held(30_000),
            ),
            told(
                "never servable, leased",
                theirs().stale_for(0).there(),
                FORCE,
                Acquired::Held(30_000),
            ),
            told(
                "in a back-off",
                stale().leased(NOBODY, 30_000).there(),
                ASK,
                Acquired::Stale,
            ),
            taken(
                "in a back-off, no longer servable",
                stale().stale_for(100).leased(NOBODY, 30_000).there(),
                ASK,
            ),
            taken(
                "in a back-off, of no use",
                stale().leased(NOBODY, 30_000).there(),
                USELESS,
            ),
            told(
                "leased, of no use",
                theirs().there(),
                USELESS,
                Acquired::Stale,
            ),
            told(
                "no longer servable, leased, of no use",
                theirs().stale_for(100).there(),
                USELESS,
                Acquired::Held(30_000),
            ),
        ]);
    });
}

#[test]
fn a_missing_value_is_loaded_by_one_and_awaited_by_the_others() {
    let placeholder = Entry::placeholder;
    on_every_store(|bench| {
        bench.run(vec![
            taken("nothing there", Before::Absent, ASK).lives_for(2 * LEASE),
            taken("nothing there, forced", Before::Absent, FORCE).lives_for(2 * LEASE),
            told(
                "a placeholder",
                placeholder().leased(THEIRS, 30_000).there(),
                ASK,
                Acquired::Held(30_000),
            ),
            told(
                "a placeholder, forced",
                placeholder().leased(THEIRS, 30_000).there(),
                FORCE,
                Acquired::Held(30_000),
            ),
            taken(
                "a placeholder in a back-off, which binds nobody who has nothing to serve",
                placeholder().leased(NOBODY, 30_000).there(),
                ASK,
            ),
            taken(
                "a lapsed placeholder",
                placeholder().leased(THEIRS, -1).there(),
                ASK,
            ),
            taken(
                "a placeholder that nobody holds",
                placeholder().there(),
                ASK,
            ),
        ]);
    });
}

#[test]
fn the_holder_gets_its_lease_again_whatever_is_there() {
    on_every_store(|bench| {
        bench.run(vec![
            taken(
                "a placeholder",
                Entry::placeholder().leased(MINE, 5000).there(),
                ASK,
            ),
            taken(
                "a fresh value",
                Entry::fresh().leased(MINE, 5000).there(),
                ASK,
            ),
            taken(
                "a stale value",
                Entry::stale().leased(MINE, 5000).there(),
                ASK,
            ),
            taken("lapsed", Entry::stale().leased(MINE, -5000).there(), ASK),
            taken(
                "no longer servable",
                Entry::stale().stale_for(0).leased(MINE, 1).there(),
                ASK,
            ),
        ]);
        let twice = |_| ASK.take(&*bench.store, b"twice");
        assert_eq!(
            [(); 2].map(twice),
            [(); 2].map(|()| Answer::Claim(Acquired::Yours(Token::of(MINE))))
        );
    });
}

#[test]
fn a_lease_lifts_a_short_lifetime_and_no_other() {
    let stale = || Entry::stale().there();
    on_every_store(|bench| {
        bench.run(vec![
            taken("short", stale(), ASK)
                .living(Some(20_000))
                .lives_for(2 * LEASE),
            taken("long", stale(), ASK).living(Some(2 * LEASE + 20_000)),
            taken("without an end", stale(), ASK).living(None),
            taken("own", Entry::stale().leased(MINE, 5).there(), ASK)
                .living(Some(20_000))
                .lives_for(2 * LEASE),
            told(
                "of another",
                Entry::stale().leased(THEIRS, 30_000).there(),
                ASK,
                Acquired::Stale,
            )
            .living(Some(20_000)),
        ]);
    });
}

/// The value that was to be renewed, or that was of no use, is another one by now: it is looked at anew.
#[test]
fn only_what_was_looked_at_is_forced() {
    let at = 1_u64 << 50;
    let there = || bytes(Entry::fresh().soft(Some(at as i64)));
    let always = || bytes(Entry::fresh().soft(None));
    on_every_store(|bench| {
        for force in [Force::Early, Force::Useless] {
            let step = |seen| Step::Acquire {
                lease_ms: LEASE,
                force,
                seen: Some(seen),
            };
            bench.run(vec![
                taken("what was seen", there(), step(at)),
                found("a later value", there(), step(at - 1)),
                found("an earlier value", there(), step(at + 1)),
                found("one that had no end", there(), step(0)),
                taken("always fresh, as seen", always(), step(0)),
                found("always fresh, and was not", always(), step(at)),
                taken("gone", Before::Absent, step(at)).lives_for(2 * LEASE),
                taken("stale, and was not", Entry::stale().there(), step(at)),
            ]);
        }
    });
}
