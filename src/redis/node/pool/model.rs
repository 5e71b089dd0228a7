//! Those who wait at a pool, in all orders in which they and those who come back can go on: nobody is forgotten in line, no
//! two have one connection, one at most is called at a time, and each gets the reply to his own command.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::base::orders::{Actor, all_orders};
use crate::error::ErrorKind;
use crate::redis::wire::SendFault;

use super::*;

/// Answers a command with the command.
struct Echo {
    packed: Vec<u8>,
    owed: VecDeque<u8>,
    /// So many replies come at once; the others have to be waited for.
    at_once: usize,
    at_hand: usize,
}

impl Echo {
    fn new(at_once: usize) -> Echo {
        Echo {
            packed: Vec::new(),
            owed: VecDeque::new(),
            at_once,
            at_hand: 0,
        }
    }

    fn reply(&mut self) -> u8 {
        self.at_hand = self.at_hand.saturating_sub(1);
        self.owed.pop_front().unwrap()
    }
}

impl Pooled for Echo {
    fn is_reusable(&self) -> bool {
        self.owed.is_empty()
    }

    fn is_quiet(&mut self) -> bool {
        self.owed.is_empty()
    }

    fn knows_its_end(&self) -> bool {
        true
    }

    fn trim(&mut self) {}

    fn take_traffic(&mut self) -> (u64, u64) {
        (0, 0)
    }

    fn append(&mut self, packed: &[u8], commands: usize) {
        assert_eq!(packed.len(), commands);
        self.packed.extend(packed);
    }

    fn depart(&mut self) -> std::result::Result<(), SendFault> {
        self.owed.extend(self.packed.drain(..));
        self.at_hand = self.at_once;
        Ok(())
    }

    fn owes(&self) -> Option<usize> {
        Some(self.owed.len())
    }

    fn come_to(&mut self, replies: &mut usize, budget: Budget) -> Result<()> {
        budget.remaining()?;
        while *replies > 0 {
            self.reply();
            *replies -= 1;
        }
        Ok(())
    }

    fn take_replies(&mut self, replies: usize, to: &mut Vec<u8>) -> Result<bool> {
        if self.at_hand < replies {
            return Ok(false);
        }
        to.extend((0..replies).map(|_| self.reply()));
        Ok(true)
    }
}

struct House {
    pool: Pool<Echo>,
    at_once: usize,
    /// Those who have a connection.
    holders: AtomicUsize,
    is_over: AtomicBool,
}

impl House {
    fn new(max_connections: usize, at_once: usize) -> Arc<House> {
        let limits = Limits {
            max_connections,
            pool_timeout: Duration::from_secs(1000),
            idle_check: Duration::from_secs(10_000),
            idle_timeout: None,
            max_lifetime: None,
        };
        let house = House {
            pool: Pool::new(limits),
            at_once,
            holders: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        };
        house.hold(house.pool.lend(budget()).unwrap());
        Arc::new(house)
    }

    /// Has a connection to itself for a while.
    fn hold(&self, mut loan: Loan<'_, Echo>) {
        assert!(!loan.is_nothing());
        let before = self.holders.fetch_add(1, Ordering::SeqCst);
        assert!(
            before < self.pool.limits.max_connections,
            "too many have one"
        );
        let open = || Ok(Echo::new(self.at_once));
        assert!(loan.connection_or(open).unwrap().owed.is_empty());
        assert!(self.pool.shared().lock().line.called() <= 1);
        self.holders.fetch_sub(1, Ordering::SeqCst);
        drop(loan);
    }

    /// Whoever may run out of time may go without.
    fn wait(&self, may_end: bool) {
        match self.pool.lend(budget()) {
            Ok(loan) => self.hold(loan),
            Err(error) => assert!(may_end && error.is_timeout()),
        }
    }

    fn ride(&self, me: u8, may_end: bool) {
        let budget = budget();
        if let Some(loan) = self.pool.lend_if_free(budget) {
            return self.hold(loan.unwrap());
        }
        match self.pool.ride(vec![me], 1, budget) {
            Ok(Ride::Alone(loan)) => self.hold(loan),
            Ok(Ride::Lead(mut loan, seat)) => match loan.come_to(&seat, budget) {
                Ok(()) => assert_eq!(loan.connection().unwrap().reply(), me),
                Err(error) => {
                    assert!(may_end && error.kind() == ErrorKind::Timeout);
                    loan.pass_on(&seat);
                    if !loan.is_nothing() {
                        self.pool.broken(&mut loan, true);
                    }
                }
            },
            Ok(Ride::Replies(bytes)) => assert_eq!(bytes, [me]),
            Ok(Ride::Late) => assert!(may_end),
            Ok(Ride::Lost(_)) => panic!("nothing breaks here but for want of time"),
            Err(error) => assert!(may_end && error.is_timeout()),
        }
    }

    /// All are gone: nothing is lent, nobody is in line, and what rests is of use.
    fn look(&self) {
        let slots = self.pool.shared().lock();
        assert_eq!((slots.lent, slots.opening, slots.line.len()), (0, 0, 0));
        assert!(slots.idle.len() <= self.pool.limits.max_connections);
        assert!(slots.idle.iter().all(|open| open.connection.is_reusable()));
        assert!(!self.is_over.swap(true, Ordering::SeqCst));
    }
}

fn budget() -> Budget {
    Budget::new(Duration::from_secs(2000))
}

#[derive(Debug, Clone, Copy)]
enum Wants {
    Slot,
    Ride,
}
use Wants::{Ride as Rides, Slot as Waits};

/// Goes through the orders of so many threads, of which those may run out of time that say so.
fn orders(connections: usize, at_once: usize, put_off: usize, all: &[(Wants, bool)]) -> usize {
    let count = all_orders(put_off, || {
        let house = House::new(connections, at_once);
        let actor = |(me, (wants, may_end)): (usize, &(Wants, bool))| {
            let (house, wants, may_end) = (Arc::clone(&house), *wants, *may_end);
            let work = Box::new(move || match wants {
                Waits => house.wait(may_end),
                Rides => house.ride(me as u8, may_end),
            });
            Actor { work, may_end }
        };
        let actors = all.iter().enumerate().map(actor).collect();
        (actors, move || house.look())
    });
    println!("{count} orders of {all:?} over {connections}, {at_once} replies at once");
    count
}

const PATIENT: bool = false;
const HURRIED: bool = true;
const WAITS: [(Wants, bool); 3] = [(Waits, PATIENT), (Waits, HURRIED), (Waits, PATIENT)];
const RIDES: [(Wants, bool); 3] = [(Rides, PATIENT), (Rides, HURRIED), (Rides, PATIENT)];
const MIXED: [(Wants, bool); 4] = [
    (Rides, PATIENT),
    (Rides, HURRIED),
    (Waits, HURRIED),
    (Rides, PATIENT),
];
const MANY: [(Wants, bool); 4] = [
    (Waits, PATIENT),
    (Waits, HURRIED),
    (Waits, PATIENT),
    (Waits, PATIENT),
];

#[test]
fn nobody_is_forgotten_in_any_order() {
    assert!(orders(1, 0, 2, &WAITS) > 100);
    assert!(orders(2, 0, 2, &WAITS) > 100);
    orders(2, 0, 1, &MANY);
    // With three points it is among them that a time ends between two looks at a seat, and the train leaves then.
    assert!(orders(1, 0, 3, &RIDES) > 1000);
    orders(1, 1, 1, &RIDES);
    orders(1, 2, 1, &MIXED);
}

#[test]
#[ignore = "long: by make torture"]
fn long_nobody_is_forgotten_in_any_order() {
    for connections in 1..3 {
        orders(connections, 0, 3, &WAITS);
        orders(connections, 0, 2, &MANY);
    }
    for at_once in 0..3 {
        orders(1, at_once, 4, &RIDES);
        orders(1, at_once, 2, &MIXED);
    }
}
