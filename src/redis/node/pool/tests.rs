use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::base::fork::testing::in_child;

use super::*;

#[derive(Debug)]
struct Fake {
    number: usize,
    quiet: Cell<bool>,
    reusable: bool,
    dropped: Arc<AtomicUsize>,
}

impl Pooled for Fake {
    fn is_reusable(&self) -> bool {
        self.reusable
    }

    fn is_quiet(&mut self) -> bool {
        self.quiet.get()
    }

    fn trim(&mut self) {}

    fn take_traffic(&mut self) -> (u64, u64) {
        (10, 1)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

const LIMITS: Limits = Limits {
    max_connections: 2,
    pool_timeout: Duration::from_millis(50),
    idle_check: Duration::from_secs(10),
    max_lifetime: None,
};

struct House {
    pool: Pool<Fake>,
    opened: AtomicUsize,
    dropped: Arc<AtomicUsize>,
}

impl House {
    fn new(limits: Limits) -> Self {
        House {
            pool: Pool::new(limits),
            opened: AtomicUsize::new(0),
            dropped: Arc::default(),
        }
    }

    fn lend(&self) -> Loan<'_, Fake> {
        self.try_lend(false).unwrap()
    }

    fn try_lend(&self, careful: bool) -> Result<Loan<'_, Fake>> {
        let mut loan = self
            .pool
            .lend(Budget::new(Duration::from_secs(5)), careful)?;
        loan.connection_or(|| {
            let number = self.opened.fetch_add(1, Ordering::Relaxed);
            Ok(Fake {
                number,
                quiet: Cell::new(true),
                reusable: true,
                dropped: Arc::clone(&self.dropped),
            })
        })?;
        Ok(loan)
    }

    fn dropped(&self) -> usize {
        self.dropped.load(Ordering::Relaxed)
    }
}

fn number(loan: &mut Loan<'_, Fake>) -> usize {
    loan.connection().unwrap().number
}

#[test]
fn the_last_connection_used_is_the_next_one_used() {
    let house = House::new(LIMITS);
    let (first, second) = (house.lend(), house.lend());
    drop(second);
    drop(first);
    assert_eq!(number(&mut house.lend()), 0);
    assert_eq!(number(&mut house.lend()), 0);
    assert_eq!(
        house.pool.state(),
        PoolState {
            open: 2,
            idle: 2,
            bytes_read: 40,
            bytes_written: 4
        }
    );
}

#[test]
fn who_finds_all_connections_lent_waits_and_then_fails() {
    let house = House::new(LIMITS);
    let _both = (house.lend(), house.lend());
    let begin = Instant::now();
    let error = house.try_lend(false).map(drop).unwrap_err();
    let waited = begin.elapsed();
    assert!(error.is_timeout());
    assert!(
        error.to_string().contains("within 50ms: all 2 are in use"),
        "{error}"
    );
    assert!(
        (Duration::from_millis(50)..Duration::from_secs(15)).contains(&waited),
        "{waited:?}"
    );
}

#[test]
fn the_budget_of_the_call_ends_the_wait_when_it_is_shorter() {
    let house = House::new(Limits {
        pool_timeout: Duration::from_secs(60),
        ..LIMITS
    });
    let _both = (house.lend(), house.lend());
    let begin = Instant::now();
    assert!(
        house
            .pool
            .lend(Budget::new(Duration::from_millis(20)), false)
            .is_err()
    );
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_connection_that_comes_back_goes_to_who_waits() {
    let house = House::new(Limits {
        pool_timeout: Duration::from_secs(20),
        ..LIMITS
    });
    let loans = (house.lend(), house.lend());
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| number(&mut house.lend())))
            .collect();
        std::thread::sleep(Duration::from_millis(20));
        drop(loans);
        waiters
            .into_iter()
            .for_each(|waiter| assert!(waiter.join().unwrap() < 2));
    });
    assert_eq!(house.opened.load(Ordering::Relaxed), 2);
}

#[test]
fn never_more_than_the_maximum_is_open() {
    let house = House::new(Limits {
        max_connections: 3,
        pool_timeout: Duration::from_secs(20),
        ..LIMITS
    });
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for round in 0..500 {
                    let mut loan = house.lend();
                    loan.connection().unwrap().reusable = round % 7 != 0;
                    assert!(house.pool.state().open <= 3);
                }
            });
        }
    });
    let state = house.pool.state();
    assert_eq!(state.open, state.idle);
    assert_eq!(
        house.opened.load(Ordering::Relaxed) - house.dropped(),
        state.idle
    );
}

#[test]
fn a_connection_in_the_middle_of_something_is_closed() {
    let house = House::new(LIMITS);
    house.lend().connection().unwrap().reusable = false;
    assert_eq!(house.dropped(), 1);
    assert_eq!(house.pool.state().open, 0);
}

#[test]
fn a_panic_gives_the_slot_back() {
    let house = House::new(LIMITS);
    for _ in 0..5 {
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            house.lend().connection().unwrap().reusable = false;
            let _loan = house.lend();
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(panicked.is_err());
    }
    assert_eq!(house.pool.state().open, 1);
}

#[test]
fn a_fault_discards_every_idle_connection() {
    let house = House::new(Limits {
        max_connections: 4,
        ..LIMITS
    });
    let mut broken = house.lend();
    drop((house.lend(), house.lend(), house.lend()));
    broken.discard();
    assert!(broken.connection().is_none());
    assert_eq!(house.dropped(), 4);
    assert_eq!(
        house.pool.state(),
        PoolState {
            open: 1,
            idle: 0,
            bytes_read: 40,
            bytes_written: 4
        }
    );
}

#[test]
fn a_dead_connection_is_replaced_when_it_rested_too_long() {
    let house = House::new(Limits {
        idle_check: Duration::ZERO,
        ..LIMITS
    });
    drop((house.lend(), house.lend()));
    house.lend().connection().unwrap().quiet.set(false);
    assert_eq!(number(&mut house.lend()), 0);
    assert_eq!(house.dropped(), 1);
}

#[test]
fn a_careful_caller_always_looks() {
    let house = House::new(LIMITS);
    house.lend().connection().unwrap().quiet.set(false);
    assert_eq!(number(&mut house.try_lend(false).unwrap()), 0);
    assert_eq!(number(&mut house.try_lend(true).unwrap()), 1);
}

#[test]
fn an_old_connection_is_replaced() {
    let house = House::new(Limits {
        max_lifetime: Some(Duration::from_millis(5)),
        ..LIMITS
    });
    drop(house.lend());
    std::thread::sleep(Duration::from_millis(6));
    assert_eq!(number(&mut house.lend()), 1);
}

#[test]
fn a_closed_pool_takes_no_older_connection_back_and_opens_new_ones() {
    let house = House::new(LIMITS);
    let lent = house.lend();
    drop(house.lend());
    house.pool.close();
    assert_eq!(house.pool.state().idle, 0);
    drop(lent);
    assert_eq!(house.pool.state().open, 0);
    assert_eq!(number(&mut house.lend()), 2);
}

#[test]
fn a_child_closes_what_it_inherited_and_begins_with_an_empty_pool() {
    let house = House::new(LIMITS);
    drop(house.lend());
    let mut lent = house.lend();
    assert_eq!(number(&mut lent), 0);
    drop(house.lend());
    assert!(in_child(|| {
        assert_eq!(house.pool.state().open, 0);
        assert_eq!(house.dropped(), 1);
        assert_eq!(number(&mut house.lend()), 2);
        assert_eq!(house.pool.state().open, 1);
        // What the forking thread itself had lent stays out of the child's pool.
        drop(lent);
        assert_eq!(house.dropped(), 2);
        assert_eq!(house.pool.state().open, 1);
    }));
    assert_eq!(house.pool.state().open, 2);
}

#[test]
fn a_child_does_not_wait_for_a_lock_of_its_parent() {
    let house = House::new(LIMITS);
    drop(house.lend());
    let _locked = house.pool.shared().slots.lock();
    assert!(in_child(|| assert_eq!(number(&mut house.lend()), 1)));
}
