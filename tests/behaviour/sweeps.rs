//! Sweeps as bounded jobs: a limit, a time budget, a dry run, progress, and a cursor to go on with
//! (design, section 6).

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::time::Duration;

use redis_cache::{Cache, ErrorKind, Expiry, Progress};

use crate::common::fixture::Fixture;
use crate::common::kind;

behaviour! {
    stores: [
        a_sweep_without_bounds_does_all,
        a_dry_run_counts_and_changes_nothing,
        a_limited_sweep_resumes_until_each_key_went_once,
        a_sweep_out_of_time_resumes_until_each_key_went_once,
        progress_is_told_and_grows,
        progress_can_stop_a_sweep_and_it_resumes,
        a_small_scan_count_and_batch_change_nothing_but_the_steps,
        sweeps_of_all_and_of_a_version_have_the_same_bounds,
        a_cursor_that_is_none_is_refused,
    ],
    servers: [],
}

const MANY: u64 = 1200;

fn fill(cache: &Cache) {
    let entries = (0..MANY).map(|index| (format!("k{index}"), "value"));
    cache.set_many_bytes(entries, Expiry::Default).unwrap();
    cache.set("beside", &1, Expiry::Default).unwrap();
}

fn left(cache: &Cache) -> u64 {
    cache.keys("k*").unwrap().map(Result::unwrap).count() as u64
}

fn a_sweep_without_bounds_does_all(at: &Fixture) {
    let cache = at.cache();
    fill(&cache);
    let swept = cache.sweep("k*").delete().unwrap();
    assert_eq!((swept.changed, swept.matched), (MANY, MANY));
    assert!(swept.scanned >= MANY, "{swept:?}");
    assert_eq!(swept.cursor, None);
    assert_eq!(left(&cache), 0);
    assert!(cache.has_key("beside").unwrap());
}

fn a_dry_run_counts_and_changes_nothing(at: &Fixture) {
    let at = at.alone();
    let cache = at.cache();
    fill(&cache);
    let swept = cache.sweep("k*").dry_run(true).delete().unwrap();
    assert_eq!(swept.matched, MANY);
    assert_eq!(swept.cursor, None);
    assert_eq!(left(&cache), MANY);
    assert_eq!(cache.stats().deletes, 0);
    assert_eq!(at.calls("unlink") + at.calls("del"), 0);
}

fn a_limited_sweep_resumes_until_each_key_went_once(at: &Fixture) {
    let cache = at.cache();
    fill(&cache);
    let (mut changed, mut rounds, mut cursor) = (0, 0, None::<String>);
    loop {
        let sweep = cache.sweep("k*").limit(250).scan_count(100);
        let sweep = if let Some(cursor) = &cursor {
            sweep.resume(cursor)
        } else {
            sweep
        };
        let swept = sweep.delete().unwrap();
        assert!(swept.changed <= 250, "{swept:?}");
        changed += swept.changed;
        rounds += 1;
        assert_eq!(left(&cache), MANY - changed, "the count is what is gone");
        assert!(rounds < 20, "it never ends");
        cursor = swept.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(changed, MANY);
    assert!(rounds >= 5, "{rounds}");
}

fn a_sweep_out_of_time_resumes_until_each_key_went_once(at: &Fixture) {
    let cache = at.cache();
    fill(&cache);
    let bounded = |cache: &Cache, cursor: Option<&str>| {
        let sweep = cache
            .sweep("k*")
            .time(Duration::from_nanos(1))
            .scan_count(50);
        let sweep = if let Some(cursor) = cursor {
            sweep.resume(cursor)
        } else {
            sweep
        };
        sweep.delete().unwrap()
    };
    let first = bounded(&cache, None);
    assert!(
        first.changed < MANY && first.cursor.is_some(),
        "a nanosecond was enough: {first:?}"
    );
    let (mut changed, mut cursor) = (first.changed, first.cursor);
    // Each step looks at fifty keys or so; other tests' keys may be among them.
    for _ in 0..100_000 {
        let Some(from) = cursor else { break };
        let swept = bounded(&cache, Some(&from));
        changed += swept.changed;
        cursor = swept.cursor;
    }
    assert_eq!((changed, left(&cache)), (MANY, 0));
}

fn progress_is_told_and_grows(at: &Fixture) {
    let cache = at.cache();
    fill(&cache);
    let told: RefCell<Vec<Progress>> = RefCell::default();
    let sweep = cache.sweep("k*").scan_count(100).progress(|progress| {
        told.borrow_mut().push(progress);
        ControlFlow::Continue(())
    });
    let swept = sweep.delete().unwrap();
    let told = told.into_inner();
    assert!(told.len() >= 3, "told {} times", told.len());
    for pair in told.windows(2) {
        assert!(
            pair[0].scanned <= pair[1].scanned && pair[0].matched <= pair[1].matched,
            "{pair:?}"
        );
        assert!(
            pair[0].changed <= pair[1].changed && pair[0].fraction <= pair[1].fraction,
            "{pair:?}"
        );
    }
    assert!(
        told.iter()
            .all(|progress| (0.0..=1.0).contains(&progress.fraction)),
        "{told:?}"
    );
    let last = told.last().unwrap();
    assert_eq!((last.matched, last.changed), (swept.matched, swept.changed));
}

fn progress_can_stop_a_sweep_and_it_resumes(at: &Fixture) {
    let cache = at.cache();
    fill(&cache);
    let stop_at_once = |_| ControlFlow::Break(());
    let first = cache
        .sweep("k*")
        .scan_count(100)
        .progress(stop_at_once)
        .delete()
        .unwrap();
    let cursor = first.cursor.as_deref().unwrap();
    assert!(first.changed < MANY, "{first:?}");
    assert_eq!(left(&cache), MANY - first.changed);
    let rest = cache.sweep("k*").resume(cursor).delete().unwrap();
    assert_eq!(first.changed + rest.changed, MANY);
    assert_eq!((rest.cursor, left(&cache)), (None, 0));
}

fn a_small_scan_count_and_batch_change_nothing_but_the_steps(at: &Fixture) {
    let cache = at.cache();
    fill(&cache);
    let swept = cache.sweep("k*").scan_count(30).batch(7).delete().unwrap();
    assert_eq!((swept.changed, left(&cache)), (MANY, 0));
    let cache = at.cache_with(&[("scan_count", "30")]);
    fill(&cache);
    assert_eq!(cache.delete_pattern("k*").unwrap(), MANY);
}

fn sweeps_of_all_and_of_a_version_have_the_same_bounds(at: &Fixture) {
    let cache = at.cache();
    fill(&cache);
    fill(&cache.version(2));
    let all = cache.sweep_all().dry_run(true).delete().unwrap();
    assert!(all.matched >= 2 * MANY + 2, "{all:?}");
    let one = cache.sweep_version(2).limit(10).delete().unwrap();
    assert_eq!(one.changed, 10);
    assert!(one.cursor.is_some());
    assert_eq!(left(&cache), MANY, "the other version is whole");
    assert_eq!(
        cache.sweep_version(2).delete().unwrap().changed,
        MANY + 1 - 10
    );
    assert_eq!(cache.sweep_all().delete().unwrap().changed, MANY + 1);
}

fn a_cursor_that_is_none_is_refused(at: &Fixture) {
    let cache = at.cache();
    cache.set("k1", &1, Expiry::Default).unwrap();
    for cursor in ["", "nonsense", "-1", "99999999999999999999999"] {
        assert_eq!(
            kind(cache.sweep("k*").resume(cursor).delete()),
            ErrorKind::InvalidArgument,
            "{cursor:?}"
        );
    }
    assert!(cache.has_key("k1").unwrap());
}
