//! STORE, RELEASE and RENEW: only for the holder of the lease.

use crate::base::budget::soon;
use crate::entry::header::STALE_FOREVER;
use crate::expiry::Life;

use super::bench::{Answer, Before, Bench, Case, Step, case, on_every_store};
use super::entry::{Entry, MINE, NOBODY, THEIRS, leaseless};

const NEW: &[u8] = b"\xC1\x11\x00\x00new";
const STORE: Step = Step::Store(NEW, Life::Millis(9000));
const RENEW: Step = Step::Renew(15_000);

fn mine() -> Entry {
    Entry::placeholder().leased(MINE, 30_000)
}

fn stale() -> Entry {
    Entry::stale().leased(MINE, 30_000)
}

fn refused(name: &'static str, before: Before, step: &Step) -> Case {
    case(name, before, step.clone(), Answer::Done(false))
}

fn done(name: &'static str, before: Entry, step: Step) -> Case {
    case(name, before.there(), step, Answer::Done(true))
}

#[test]
fn whoever_does_not_hold_the_lease_changes_nothing() {
    let steps = [
        STORE,
        Step::Store(NEW, Life::Forever),
        Step::Store(NEW, Life::Expired),
        Step::Release(0),
        Step::Release(1000),
        RENEW,
    ];
    on_every_store(|bench| {
        for step in &steps {
            let theirs = |entry: Entry, deadline| entry.leased(THEIRS, deadline).there();
            let no_lease = leaseless().into_iter();
            bench.run(
                no_lease
                    .map(|(name, before)| refused(name, before, step))
                    .collect(),
            );
            bench.run(vec![
                refused("nothing there", Before::Absent, step),
                refused(
                    "their placeholder",
                    theirs(Entry::placeholder(), 30_000),
                    step,
                ),
                refused(
                    "their lapsed placeholder",
                    theirs(Entry::placeholder(), -1),
                    step,
                ),
                refused("their stale value", theirs(Entry::stale(), 30_000), step),
                refused("their fresh value", theirs(Entry::fresh(), 30_000), step),
                refused("their short life", theirs(Entry::stale(), 30_000), step)
                    .living(Some(20_000)),
                refused("nobody's value", Entry::stale().there(), step),
                refused(
                    "nobody's back-off",
                    Entry::stale().leased(NOBODY, 500).there(),
                    step,
                ),
                refused("nobody's placeholder", Entry::placeholder().there(), step),
                case(
                    "another data type",
                    Before::List,
                    step.clone(),
                    Answer::WrongType,
                ),
            ]);
        }
    });
}

#[test]
fn the_holder_stores_its_value_with_its_lifetime() {
    on_every_store(|bench| {
        let once = Step::Store(b"", Life::Forever);
        bench.run(vec![
            done("over a placeholder", mine(), STORE)
                .leaves(NEW)
                .lives_for(9000),
            done("over a stale value", stale(), STORE)
                .leaves(NEW)
                .lives_for(9000),
            done("over a fresh value", Entry::fresh().leased(MINE, 1), STORE)
                .leaves(NEW)
                .lives_for(9000),
            done("after its time", mine().leased(MINE, -9000), STORE)
                .leaves(NEW)
                .lives_for(9000),
            done("for ever", mine(), Step::Store(NEW, Life::Forever))
                .living(None)
                .leaves(NEW),
            done("an empty one", stale(), once).living(None).leaves(b""),
            done(
                "a long life",
                mine(),
                Step::Store(NEW, Life::Millis(1_000_000)),
            )
            .leaves(NEW)
            .lives_for(1_000_000),
            done("one that is over", mine(), Step::Store(NEW, Life::Expired)).leaves_nothing(),
            done("one that is over", stale(), Step::Store(NEW, Life::Expired)).leaves_nothing(),
        ]);
        bench.put("forever", &stale().bytes(0), Some(60_000));
        let store = |life| Step::Store(NEW, life).take(&*bench.store, b"forever");
        assert_eq!(store(Life::Forever), Answer::Done(true));
        assert_eq!(bench.pttl("forever"), Some(crate::store::Pttl::Forever));
    });
}

#[test]
fn a_lease_is_lost_with_its_value() {
    on_every_store(|bench| {
        type Loss = fn(&Bench);
        let lose: [(&str, Loss); 3] = [
            ("deleted", |bench| {
                assert!(bench.store.delete(b"k", soon()).unwrap())
            }),
            ("set", |bench| bench.put("k", b"newer", Some(60_000))),
            ("flushed", |bench| bench.store.flush(soon()).unwrap()),
        ];
        for (how, lose) in lose {
            for step in [STORE, RENEW, Step::Release(0)] {
                bench.put("k", &mine().bytes(0), Some(60_000));
                lose(bench);
                let left = bench.dump("k");
                let answer = step.take(&*bench.store, b"k");
                assert_eq!(
                    answer,
                    Answer::Done(false),
                    "{}: {how}: {step:?}",
                    bench.name
                );
                assert_eq!(bench.dump("k"), left, "{}: {how}: {step:?}", bench.name);
            }
        }
    });
}

#[test]
fn a_step_that_is_repeated_changes_nothing_more() {
    on_every_store(|bench| {
        for (step, again) in [
            (STORE, false),
            (Step::Release(0), false),
            (Step::Release(1000), false),
            (RENEW, true),
        ] {
            bench.put("k", &stale().bytes(0), Some(60_000));
            assert_eq!(step.take(&*bench.store, b"k"), Answer::Done(true));
            let left = bench.dump("k");
            let answer = step.take(&*bench.store, b"k");
            assert_eq!(answer, Answer::Done(again), "{}: {step:?}", bench.name);
            if !again {
                assert_eq!(bench.dump("k"), left, "{}: {step:?}", bench.name);
            }
        }
    });
}

#[test]
fn a_failed_load_gives_the_lease_back() {
    let rest = |entry: Entry| entry.leased(NOBODY, 1000);
    on_every_store(|bench| {
        bench.run(vec![
            done("a placeholder", mine(), Step::Release(0)).leaves_nothing(),
            done(
                "a lapsed placeholder",
                mine().leased(MINE, -5),
                Step::Release(0),
            )
            .leaves_nothing(),
            done(
                "a placeholder, whatever the back-off",
                mine(),
                Step::Release(20_000),
            )
            .leaves_nothing(),
            done(
                "a value that is no longer servable",
                stale().stale_for(100),
                Step::Release(1000),
            )
            .leaves_nothing(),
            done(
                "a value that was never servable",
                stale().stale_for(0),
                Step::Release(0),
            )
            .leaves_nothing(),
            done(
                "a value that is servable for ever",
                stale().soft(Some(-1_000_000)).stale_for(STALE_FOREVER),
                Step::Release(1000),
            )
            .makes(rest),
            done(
                "an always fresh value",
                stale().soft(None).stale_for(0),
                Step::Release(1000),
            )
            .makes(rest),
            done("a stale value", stale(), Step::Release(0)).makes(Entry::unleased),
            done(
                "a stale value with a back-off",
                stale(),
                Step::Release(1000),
            )
            .makes(rest),
            done("a short life with a back-off", stale(), Step::Release(1000))
                .living(Some(20_000))
                .makes(rest),
            done("a value without an end", stale(), Step::Release(1000))
                .living(None)
                .makes(rest),
            done(
                "a lapsed one",
                stale().leased(MINE, -5),
                Step::Release(1000),
            )
            .makes(rest),
            done(
                "a fresh value",
                Entry::fresh().leased(MINE, 5),
                Step::Release(0),
            )
            .makes(Entry::unleased),
            done("known to be absent", stale().negative(), Step::Release(0)).makes(Entry::unleased),
        ]);
    });
}

#[test]
fn a_lease_is_renewed_and_lifts_a_short_lifetime() {
    let longer = |entry: Entry| entry.leased(MINE, 15_000);
    on_every_store(|bench| {
        bench.run(vec![
            done("a placeholder", mine(), RENEW).makes(longer),
            done("one about to go", mine(), RENEW)
                .living(Some(5000))
                .makes(longer)
                .lives_for(30_000),
            done("a stale value", stale(), RENEW).makes(longer),
            done("a stale value about to go", stale(), RENEW)
                .living(Some(5000))
                .makes(longer)
                .lives_for(30_000),
            done("without an end", stale(), RENEW)
                .living(None)
                .makes(longer),
            done("a lapsed one", mine().leased(MINE, -5), RENEW).makes(longer),
            done("a fresh value", Entry::fresh().leased(MINE, 1), RENEW).makes(longer),
        ]);
    });
}
