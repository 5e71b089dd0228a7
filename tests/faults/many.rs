//! Calls of several commands or keys whose replies break off in the middle: what is reported done is done.

use redis_cache::{Error, ErrorKind, Expiry, Rewrite};

use crate::common::fault::Fate;
use crate::common::within;
use crate::{Faulty, TIMEOUT};

dialects! {
    get_many_that_breaks_off_fails_as_one_or_is_asked_again,
    set_many_that_breaks_off_reports_only_what_is_done,
    delete_many_that_breaks_off_is_asked_again,
    a_listing_that_breaks_off_ends_with_the_error,
    a_sweep_that_breaks_off_reports_the_error,
    a_page_that_breaks_off_is_shown_once,
    a_removal_whose_answer_is_lost_counts,
}

fn get_many_that_breaks_off_fails_as_one_or_is_asked_again(at: &Faulty) {
    let cache = at.warm();
    let expected = [Some(b"hello".to_vec()), None, Some(b"world".to_vec())];
    // `*3\r\n` + 15 + 5 (3 for RESP3's `_\r\n`) + 15
    for byte in (0..37).step_by(3) {
        at.server.always("MGET", Fate::Reset(byte));
        let partial =
            within(TIMEOUT, || cache.get_many_bytes(["k", "absent", "other"])).unwrap_err();
        assert_eq!(partial.items.len(), 3);
        for (item, right) in partial.items.iter().zip(&expected) {
            match item {
                Ok(value) => assert_eq!(value, right, "cut at {byte}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Io, "cut at {byte}: {error}"),
            }
        }
        assert_eq!(Error::from(partial).kind(), ErrorKind::Io);
        at.server.once("MGET", Fate::Reset(byte));
        assert_eq!(
            cache.get_many_bytes(["k", "absent", "other"]).unwrap(),
            expected,
            "cut at {byte}"
        );
    }
}

fn set_many_that_breaks_off_reports_only_what_is_done(at: &Faulty) {
    let cache = at.warm();
    let keys: Vec<String> = (0..10).map(|index| format!("many{index}")).collect();
    for broken in [0, 1, 5, 9] {
        cache.delete_many(&keys).unwrap();
        let mut seen = 0;
        at.server.judge(move |command| {
            seen += usize::from(command[0] == b"SET");
            if command[0] == b"SET" && seen == broken + 1 {
                Fate::Reset(0)
            } else {
                Fate::Pass
            }
        });
        let partial = cache
            .set_many_bytes(keys.iter().map(|key| (key, "v")), Expiry::Default)
            .unwrap_err();
        at.server.heal();
        assert_eq!(partial.items.len(), 10);
        let failed = partial.items.iter().filter(|item| item.is_err()).count();
        assert!(
            failed >= 10 - broken,
            "{failed} failed of ten, the reply of {broken} was lost"
        );
        for (key, item) in keys.iter().zip(&partial.items) {
            match item {
                Ok(()) => assert!(cache.has_key(key).unwrap(), "{key} is said to be stored"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Io, "{error}"),
            }
        }
    }
}

fn delete_many_that_breaks_off_is_asked_again(at: &Faulty) {
    let cache = at.warm();
    for byte in 0..4 {
        cache
            .set_many_bytes([("a", "1"), ("b", "2")], Expiry::Default)
            .unwrap();
        at.server.once("UNLINK", Fate::Reset(byte));
        cache.delete_many(["a", "b"]).unwrap();
        assert_eq!(cache.get_many_bytes(["a", "b"]).unwrap(), [None, None]);
    }
}

fn a_listing_that_breaks_off_ends_with_the_error(at: &Faulty) {
    let cache = at.warm();
    at.server.always("SCAN", Fate::Reset(10));
    let mut keys = cache.keys("*").unwrap();
    let error = keys.next().unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.command()),
        (ErrorKind::Io, Some("SCAN")),
        "{error}"
    );
    assert!(keys.next().is_none(), "it does not go on behind a gap");
    at.server.once("SCAN", Fate::Reset(10));
    let mut found: Vec<Vec<u8>> = cache.keys("*").unwrap().map(Result::unwrap).collect();
    found.sort();
    assert_eq!(found, [&b"k"[..], b"n", b"other"], "asked again");
}

fn a_sweep_that_breaks_off_reports_the_error(at: &Faulty) {
    let cache = at.warm();
    at.server.always("UNLINK", Fate::Stall(0));
    let error = cache.delete_pattern("k").unwrap_err();
    assert_eq!(
        (error.kind(), error.command()),
        (ErrorKind::Timeout, Some("UNLINK")),
        "{error}"
    );
    at.server.heal();
    assert_eq!(
        cache.clear().unwrap(),
        2,
        "k went, though nobody heard of it"
    );
}

/// Issue 7: what was read of a page before it broke off had been told already, and was told again: entries were rewritten
/// twice, and keys listed twice.
fn a_page_that_breaks_off_is_shown_once(at: &Faulty) {
    let cache = at.warm();
    let names: Vec<String> = (0..300).map(|number| format!("page{number}")).collect();
    cache
        .set_many_bytes(names.iter().map(|name| (name, "v")), Expiry::Default)
        .unwrap();
    for byte in [30, 700, 2000] {
        at.server.once("SCAN", Fate::Reset(byte));
        let mut keys: Vec<_> = cache
            .keys("page*")
            .unwrap()
            .map(|key| key.unwrap())
            .collect();
        keys.sort();
        keys.windows(2)
            .for_each(|pair| assert_ne!(pair[0], pair[1], "listed twice"));
        assert_eq!(keys.len(), 300, "cut at {byte}");
        at.server.once("SCAN", Fate::Reset(byte));
        let swept = cache
            .sweep("page*")
            .reinsert_with(|_, value| Ok::<_, String>(Rewrite::Replace([value, b"+"].concat())));
        assert_eq!(swept.unwrap().changed, 300, "cut at {byte}");
    }
    for value in cache.get_many_bytes(&names).unwrap() {
        assert_eq!(value.unwrap(), b"v+++", "once for each sweep");
    }
}

/// Issue 7: sent again, an UNLINK finds nothing, and what it had removed was not counted.
fn a_removal_whose_answer_is_lost_counts(at: &Faulty) {
    let cache = at.warm();
    for fate in [Fate::Reset(0), Fate::Close(1)] {
        let entries = (0..300).map(|number| (format!("gone{number}"), "v"));
        cache.set_many_bytes(entries, Expiry::Default).unwrap();
        at.server.once("UNLINK", fate);
        assert_eq!(cache.delete_pattern("gone*").unwrap(), 300);
    }
}
