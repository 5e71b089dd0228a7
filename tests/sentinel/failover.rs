//! The primary is replaced while callers are at work: by order, because it died, because it hangs.

use std::time::{Duration, Instant};

use redis_cache::{Cache, Expiry};

use crate::common::fault;
use crate::common::sentinel::Watched;
use crate::load::{Account, Load};

const BUDGET: Duration = Duration::from_millis(500);

/// Where no call is to fail, whatever else the machine has to do.
const AMPLE: Duration = Duration::from_secs(5);

/// What is known is asked for again after a second, so by then a caller has learned of anything.
const KNOWN_BY: Duration = Duration::from_millis(2500);

fn cache(watched: &Watched, budget: Duration) -> Cache {
    let config = watched.config().timeout(budget);
    config
        .set("connect_timeout", "200ms")
        .unwrap()
        .connect()
        .unwrap()
}

/// Longer than the sentinels here take for a failover before they give it up.
const ONE_FAILOVER: Duration = Duration::from_secs(10);

/// A failover under load.
struct Failover {
    /// When its cause was given.
    began: Instant,
    /// When the sentinels agreed.
    agreed: Instant,
    /// The place of the new primary.
    place: usize,
    account: Account,
    /// How many acknowledged writes it does not have, and when the last of them began.
    lost: (usize, Option<Instant>),
}

impl Failover {
    /// `cause` is what happens to the primary, `after` what happens when the sentinels have agreed on another one.
    fn of(
        what: &str,
        watched: &mut Watched,
        cache: &Cache,
        cause: impl FnOnce(&mut Watched),
        after: impl FnOnce(&Watched),
    ) -> Failover {
        let load = Load::on(cache);
        std::thread::sleep(Duration::from_millis(300));
        let began = Instant::now();
        cause(watched);
        let (place, agreed) = (watched.await_another_primary(), Instant::now());
        after(watched);
        let account = load.stop();
        let lost = account.lost(&watched.servers()[place]);
        account.report(what, began, lost.0);
        eprintln!("  the sentinels agreed after {:?}", agreed - began);
        Failover {
            began,
            agreed,
            place,
            account,
            lost,
        }
    }

    /// On a busy machine the sentinels may replace the new primary as well, or give up and begin anew, and look on for half
    /// a minute when they were held up themselves; then this tells nothing.
    fn is_disturbed(&self, watched: &Watched) -> bool {
        let took = self.agreed - self.began;
        took > ONE_FAILOVER || watched.primary() != Some(self.place)
    }
}

/// Runs what makes a failover until it is the only one.
fn undisturbed(attempt: impl Fn() -> bool) {
    assert!((0..5).any(|_| attempt()), "the sentinels find no rest");
}

fn sleep(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

#[test]
fn a_planned_failover_fails_no_call_and_writes_reach_the_new_primary_within_a_second() {
    undisturbed(|| {
        let mut watched = Watched::start();
        let cache = cache(&watched, AMPLE);
        let by_order = |watched: &mut Watched| watched.fail_over();
        let it = Failover::of("by order", &mut watched, &cache, by_order, |_| sleep(4000));
        if it.is_disturbed(&watched) {
            return false;
        }
        it.account.assert_in_time(AMPLE);
        assert_eq!(it.account.failed(), 0);
        // Sentinels leave the old primary a primary for ten seconds: what it acknowledges then is gone.
        let last_lost = it.lost.1;
        assert!(last_lost.is_none_or(|at| at < it.agreed + KNOWN_BY));
        let new = watched.servers()[it.place].address();
        assert_eq!(cache.where_is("k").unwrap(), new);
        true
    });
}

#[test]
fn a_primary_that_dies_is_replaced_and_no_later_write_is_lost() {
    undisturbed(|| {
        let mut watched = Watched::start();
        let cache = cache(&watched, BUDGET);
        let by_death = |watched: &mut Watched| watched.servers_mut()[0].stop();
        let it = Failover::of("by death", &mut watched, &cache, by_death, |_| sleep(2000));
        if it.is_disturbed(&watched) {
            return false;
        }
        it.account.assert_in_time(BUDGET);
        let disturbed = it.account.disturbed(it.began);
        assert!(disturbed < it.agreed - it.began + BUDGET, "{disturbed:?}");
        let had_no_time = |at| at <= it.began;
        assert!(it.lost.1.is_none_or(had_no_time), "{:?}", it.lost);

        // It comes back, empty, and is a replica before anybody takes it for the primary.
        cache.set("k", "after", Expiry::Never).unwrap();
        watched.servers_mut()[0].start_again();
        let returned = Instant::now();
        while returned.elapsed() < Duration::from_secs(3) && !it.is_disturbed(&watched) {
            let value = cache.get::<String>("k").unwrap();
            assert_eq!(value.as_deref(), Some("after"));
            sleep(20);
        }
        true
    });
}

#[test]
fn a_primary_that_hangs_is_replaced_and_not_written_to_when_it_wakes() {
    undisturbed(|| {
        let mut watched = Watched::start();
        let cache = cache(&watched, BUDGET);
        let by_hang = |watched: &mut Watched| watched.first().freeze();
        let it = Failover::of("by hang", &mut watched, &cache, by_hang, |watched| {
            sleep(1500);
            // It still believes to be the primary, and the sentinels leave it so for a while.
            watched.first().thaw();
            sleep(1500);
        });
        if it.is_disturbed(&watched) {
            return false;
        }
        it.account.assert_in_time(BUDGET);
        let disturbed = it.account.disturbed(it.began);
        assert!(
            disturbed < it.agreed - it.began + 2 * BUDGET,
            "{disturbed:?}"
        );
        let had_no_time = |at| at <= it.began;
        assert!(it.lost.1.is_none_or(had_no_time), "{:?}", it.lost);
        true
    });
}

#[test]
fn an_idle_cache_finds_the_new_primary_with_its_first_call() {
    undisturbed(|| {
        let mut watched = Watched::start();
        let cache = cache(&watched, BUDGET);
        cache.set("k", "before", Expiry::Never).unwrap();
        let _: i64 = watched.first().run(&["WAIT", "2", "5000"]);
        watched.servers_mut()[0].stop();
        let place = watched.await_another_primary();
        let value = cache.get::<String>("k");
        let wrote = cache.set("k", "after", Expiry::Never);
        let found = cache.where_is("k");
        if watched.primary() != Some(place) {
            return false;
        }
        assert_eq!(value.unwrap().as_deref(), Some("before"));
        wrote.unwrap();
        assert_eq!(found.unwrap(), watched.servers()[place].address());
        assert_eq!(cache.stats().errors, 0);
        true
    });
}

#[test]
fn a_server_that_became_a_replica_is_not_taken_for_the_primary() {
    // The sentinels still name it, as they do for a moment when somebody else moves the primary.
    let watched = Watched::start();
    let cache = cache(&watched, BUDGET);
    cache.set("k", &1, Expiry::Never).unwrap();
    let other = watched.servers()[1].port().to_string();
    let _: () = watched.servers()[1].run(&["REPLICAOF", "NO", "ONE"]);
    let _: () = watched.first().run(&["REPLICAOF", "127.0.0.1", &other]);
    watched.first().kill_clients();
    let error = fault(cache.get::<i64>("k"));
    assert_eq!(error.code(), Some("READONLY"), "{error}");
    assert_eq!(error.node(), Some(watched.first().address().as_str()));
}
