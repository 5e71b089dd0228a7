//! EXPIRE_SOFT: a value stays servable, and whoever loads it now has lost.

use crate::entry::header::STALE_FOREVER;

use super::bench::{Answer, Before, Case, Step, case, on_every_store};
use super::entry::{Entry, NOBODY, THEIRS, leaseless, raw};

/// What has just become stale, and lives for a minute yet.
fn stale_now(entry: Entry) -> Entry {
    entry.soft(Some(0)).stale_for(60_000).unleased()
}

fn done(name: &'static str, before: Before) -> Case {
    case(name, before, Step::ExpireSoft, Answer::Done(true))
}

fn missing(name: &'static str, before: Before) -> Case {
    case(name, before, Step::ExpireSoft, Answer::Done(false))
}

#[test]
fn a_value_becomes_stale_for_the_rest_of_its_life() {
    let fresh = Entry::fresh;
    on_every_store(|bench| {
        bench.run(vec![
            done("fresh", fresh().there()).makes(stale_now),
            done("always fresh", fresh().soft(None).there()).makes(stale_now),
            done("leased", fresh().leased(THEIRS, 30_000).there()).makes(stale_now),
            done("in a back-off", fresh().leased(NOBODY, 30_000).there()).makes(stale_now),
            done("known to be absent", fresh().negative().there()).makes(stale_now),
            done("without an end", fresh().soft(None).there())
                .living(None)
                .makes(|entry| stale_now(entry).stale_for(STALE_FOREVER)),
            done("a life of many years", fresh().soft(None).there())
                .living(Some(1 << 40))
                .makes(|entry| stale_now(entry).stale_for(STALE_FOREVER - 1)),
            done(
                "servable for ever",
                fresh().stale_for(STALE_FOREVER).there(),
            )
            .makes(stale_now),
            // 40 s fresh and 30 s stale, whatever the TTL is.
            done("lifted by a lease", fresh().leased(THEIRS, 100_000).there())
                .living(Some(200_000))
                .makes(|entry| stale_now(entry).stale_for(70_000)),
            done("a key without an end", fresh().there())
                .living(None)
                .makes(|entry| stale_now(entry).stale_for(70_000)),
            done("never to be stale", fresh().stale_for(0).there())
                .living(Some(200_000))
                .makes(|entry| stale_now(entry).stale_for(40_000)),
        ]);
    });
}

#[test]
fn a_short_header_grows_and_keeps_what_it_says() {
    on_every_store(|bench| {
        let short = |payload: &str| [b"\xC1\x11\x23\x07", payload.as_bytes()].concat();
        for (ttl_ms, stale_ms) in [
            (Some(60_000), 60_000),
            (Some(1 << 40), STALE_FOREVER - 1),
            (None, STALE_FOREVER),
        ] {
            for payload in [
                "",
                "short",
                "one that is longer than the longest header of all",
            ] {
                bench.put("k", &short(payload), ttl_ms);
                assert_eq!(
                    Step::ExpireSoft.take(&*bench.store, b"k"),
                    Answer::Done(true)
                );
                let bytes = bench.bytes("k").unwrap();
                assert_eq!(bytes[..4], *b"\xC1\x13\x23\x07", "{}", bench.name);
                assert_eq!(bytes[32..], *payload.as_bytes(), "{}", bench.name);
                assert_eq!(bytes[16..32], [0; 16], "{}", bench.name);
                let said = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
                assert!(said <= stale_ms && said > stale_ms - 10_000, "{said}");
                let begun = u64::from_le_bytes(bytes[8..16].try_into().unwrap());
                assert!(crate::expiry::local_unix_ms().abs_diff(begun) < 10_000);
                let left = bench.pttl("k");
                assert_eq!(left == Some(crate::store::Pttl::Forever), ttl_ms.is_none());
            }
        }
    });
}

#[test]
fn what_cannot_be_stale_is_removed() {
    on_every_store(|bench| {
        let no_lease = leaseless().into_iter();
        let bare =
            no_lease.filter(|(name, _)| *name != "a short header" && *name != "no lease bit");
        bench.run(
            bare.map(|(name, before)| done(name, before).leaves_nothing())
                .collect(),
        );
        bench.run(vec![
            done("less than a header", raw(b"\xC1\x11\x00")).leaves_nothing(),
            case(
                "another data type",
                Before::List,
                Step::ExpireSoft,
                Answer::WrongType,
            ),
        ]);
    });
}

#[test]
fn without_a_fresh_value_there_is_nothing_to_expire() {
    let placeholder = || Entry::placeholder().leased(THEIRS, 30_000);
    on_every_store(|bench| {
        bench.run(vec![
            missing("nothing there", Before::Absent),
            missing("a placeholder", placeholder().there()).leaves_nothing(),
            missing("a lapsed placeholder", Entry::placeholder().there()).leaves_nothing(),
            missing("stale already", Entry::stale().there()),
            missing(
                "stale and leased",
                Entry::stale().leased(THEIRS, 30_000).there(),
            )
            .makes(Entry::unleased),
            missing(
                "stale, in a back-off",
                Entry::stale().leased(NOBODY, 30_000).there(),
            )
            .makes(Entry::unleased),
        ]);
        bench.put("k", &Entry::fresh().soft(None).bytes(0), Some(60_000));
        let twice = [(); 2].map(|()| Step::ExpireSoft.take(&*bench.store, b"k"));
        assert_eq!(twice, [Answer::Done(true), Answer::Done(false)]);
    });
}
