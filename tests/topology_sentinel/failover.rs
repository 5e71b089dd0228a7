//! The primary is replaced while callers are at work: by order, because it died, because it hangs.

use std::time::{Duration, Instant};

use redis_cache::{Cache, Expiry};

use crate::common::eventually;
use crate::common::sentinel::Watched;
use crate::load::Load;

const BUDGET: Duration = Duration::from_millis(500);

/// What is known is asked for again after a second, so a caller learns of anything by then.
const KNOWN_BY: Duration = Duration::from_millis(1500);

fn cache(watched: &Watched) -> Cache {
    let config = watched.config().set("timeout", "500ms").unwrap();
    config
        .set("connect_timeout", "200ms")
        .unwrap()
        .connect()
        .unwrap()
}

/// Waits until all sentinels name another server than the first; its place, and the time.
fn switched(watched: &Watched) -> (usize, Instant) {
    eventually("the sentinels agree on another primary", || {
        watched.primary().is_some_and(|place| place != 0)
    });
    (watched.primary().unwrap(), Instant::now())
}

#[test]
fn a_planned_failover_fails_no_call_and_writes_reach_the_new_primary_within_a_second() {
    let watched = Watched::start();
    let cache = cache(&watched);
    let load = Load::on(&cache);
    std::thread::sleep(Duration::from_millis(300));

    let began = Instant::now();
    watched.fail_over();
    let (place, agreed) = switched(&watched);
    std::thread::sleep(Duration::from_secs(3));
    let account = load.stop();
    let (lost, last_lost) = account.lost(&watched.servers()[place]);
    account.report("planned failover", began, lost);
    eprintln!("  the sentinels agreed after {:?}", agreed - began);

    account.assert_in_time(BUDGET);
    assert_eq!(account.failed(), 0);
    // Sentinels leave the old primary a primary for ten seconds: what it acknowledges then is gone.
    assert!(
        last_lost.is_none_or(|at| at < agreed + KNOWN_BY),
        "{last_lost:?}"
    );
    assert_eq!(
        cache.where_is("k").unwrap(),
        watched.servers()[place].address()
    );
}

#[test]
fn a_primary_that_dies_is_replaced_and_no_later_write_is_lost() {
    let mut watched = Watched::start();
    let cache = cache(&watched);
    let load = Load::on(&cache);
    std::thread::sleep(Duration::from_millis(300));

    let began = Instant::now();
    watched.servers_mut()[0].stop();
    let (place, agreed) = switched(&watched);
    std::thread::sleep(Duration::from_secs(2));
    let account = load.stop();
    let (lost, last_lost) = account.lost(&watched.servers()[place]);
    account.report("death of the primary", began, lost);
    eprintln!("  the sentinels agreed after {:?}", agreed - began);

    account.assert_in_time(BUDGET);
    let disturbed = account.disturbed(began);
    assert!(disturbed < agreed - began + BUDGET, "{disturbed:?}");
    assert!(
        last_lost.is_none_or(|at| at <= began),
        "only what had no time to be replicated"
    );

    // It comes back, empty, and is a replica before anybody takes it for the primary.
    cache.set("k", "after", Expiry::Never).unwrap();
    watched.servers_mut()[0].start_again();
    let returned = Instant::now();
    while returned.elapsed() < Duration::from_secs(3) {
        assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("after"));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_primary_that_hangs_is_replaced_and_not_written_to_when_it_wakes() {
    let watched = Watched::start();
    let cache = cache(&watched);
    let load = Load::on(&cache);
    std::thread::sleep(Duration::from_millis(300));

    let began = Instant::now();
    watched.first().freeze();
    let (place, agreed) = switched(&watched);
    std::thread::sleep(Duration::from_millis(1500));
    // It still believes to be the primary, and the sentinels leave it so for a while.
    watched.first().thaw();
    std::thread::sleep(Duration::from_millis(1500));
    let account = load.stop();
    let (lost, last_lost) = account.lost(&watched.servers()[place]);
    account.report("hang of the primary", began, lost);
    eprintln!("  the sentinels agreed after {:?}", agreed - began);

    account.assert_in_time(BUDGET);
    let disturbed = account.disturbed(began);
    assert!(disturbed < agreed - began + 2 * BUDGET, "{disturbed:?}");
    assert!(last_lost.is_none_or(|at| at <= began), "{last_lost:?}");
}

#[test]
fn an_idle_cache_finds_the_new_primary_with_its_first_call() {
    let mut watched = Watched::start();
    let cache = cache(&watched);
    cache.set("k", "before", Expiry::Never).unwrap();
    let _: i64 = watched.first().run(&["WAIT", "2", "1000"]);

    watched.servers_mut()[0].stop();
    let (place, _) = switched(&watched);
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("before"));
    cache.set("k", "after", Expiry::Never).unwrap();
    assert_eq!(
        cache.where_is("k").unwrap(),
        watched.servers()[place].address()
    );
    assert_eq!(cache.stats().errors, 0);
}

#[test]
fn a_server_that_became_a_replica_is_not_taken_for_the_primary() {
    // The sentinel still names it, as it does for a moment when somebody else moves the primary.
    let watched = Watched::start();
    let cache = cache(&watched);
    cache.set("k", &1, Expiry::Never).unwrap();
    let other = watched.servers()[1].port().to_string();
    let _: () = watched.servers()[1].run(&["REPLICAOF", "NO", "ONE"]);
    let _: () = watched.first().run(&["REPLICAOF", "127.0.0.1", &other]);
    watched.first().kill_clients();
    let error = crate::common::fault(cache.get::<i64>("k"));
    assert_eq!(error.code(), Some("READONLY"), "{error}");
    assert_eq!(error.node(), Some(watched.first().address().as_str()));
}
