mod ends;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::base::fork::testing::in_child;
use crate::redis::wire::SendFault;

use super::*;

#[derive(Debug)]
struct Fake {
    number: usize,
    quiet: Cell<bool>,
    reusable: bool,
    knows: bool,
    dropped: Arc<AtomicUsize>,
}

impl Pooled for Fake {
    fn is_reusable(&self) -> bool {
        self.reusable
    }

    fn is_quiet(&mut self) -> bool {
        self.quiet.get()
    }

    fn knows_its_end(&self) -> bool {
        self.knows
    }

    fn trim(&mut self) {}

    fn take_traffic(&mut self) -> (u64, u64) {
        (10, 1)
    }

    fn append(&mut self, _: &[u8], _: usize) {}

    fn depart(&mut self) -> std::result::Result<(), SendFault> {
        Ok(())
    }

    fn owes(&self) -> Option<usize> {
        self.reusable.then_some(0)
    }

    fn come_to(&mut self, _: &mut usize, _: Budget) -> Result<()> {
        Ok(())
    }

    fn take_replies(&mut self, _: usize, _: &mut Vec<u8>) -> Result<bool> {
        Ok(false)
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
    idle_timeout: None,
    max_lifetime: None,
};

const WIDE: Limits = Limits {
    max_connections: 16,
    pool_timeout: Duration::from_secs(20),
    ..LIMITS
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
        self.try_lend().unwrap()
    }

    fn try_lend(&self) -> Result<Loan<'_, Fake>> {
        let mut loan = self.pool.lend(budget())?;
        loan.connection_or(|| Ok(self.connection()))?;
        Ok(loan)
    }

    fn connection(&self) -> Fake {
        Fake {
            number: self.opened.fetch_add(1, Ordering::Relaxed),
            quiet: Cell::new(true),
            reusable: true,
            knows: true,
            dropped: Arc::clone(&self.dropped),
        }
    }

    /// Leaves so many idle connections; the one opened first is on top.
    fn fill(&self, count: usize) {
        let loans: Vec<_> = (0..count).map(|_| self.lend()).collect();
        loans.into_iter().rev().for_each(drop);
    }

    fn dropped(&self) -> usize {
        self.dropped.load(Ordering::Relaxed)
    }
}

fn budget() -> Budget {
    Budget::new(Duration::from_secs(20))
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
    let error = house.try_lend().map(drop).unwrap_err();
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
            .lend(Budget::new(Duration::from_millis(20)))
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
    assert!(!house.lend().was_awaited());
}

/// Otherwise the time for its reply would be taken to be all of it.
#[test]
fn a_connection_that_was_waited_for_says_so() {
    let house = House::new(WIDE);
    let all: Vec<_> = (0..16).map(|_| house.lend()).collect();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| house.lend().was_awaited());
        while house.pool.shared().lock().line.is_empty() {
            std::thread::yield_now();
        }
        drop(all);
        assert!(waiter.join().unwrap());
    });
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
    let _locked = house.pool.shared().lock();
    assert!(in_child(|| assert_eq!(number(&mut house.lend()), 1)));
}
