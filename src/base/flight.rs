//! Single flight: of all threads of this process that miss the same key at the same time, one loads the value and
//! the others wait for it. No waiter is ever stranded: a flight lands when its leader is done, fails, or unwinds,
//! and every wait has a deadline.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;
use parking_lot::{Condvar, Mutex};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::base::fork::PerProcess;
use crate::base::moment::Moment;
use crate::error::{Error, ErrorKind, Result};

/// The loads under way, by wire key. A forked child starts with none: their threads are not there.
#[derive(Debug)]
pub(crate) struct Flights {
    under_way: PerProcess<Arc<Mutex<UnderWay>>>,
}

#[derive(Debug)]
struct UnderWay {
    flights: HashTable<Arc<Flight>>,
    /// How many have been closed.
    closed: u64,
    /// Drawn anew for each, so that nobody can choose keys that collide.
    seed: u64,
}

impl Default for UnderWay {
    fn default() -> Self {
        UnderWay {
            flights: HashTable::new(),
            closed: 0,
            seed: RandomState::new().hash_one(0),
        }
    }
}

impl Default for Flights {
    fn default() -> Self {
        Flights {
            under_way: PerProcess::new(Arc::default()),
        }
    }
}

/// What a loader made, for those who wait: each of them reads it in the form it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Product {
    /// "Known to be absent".
    Absent,
    /// The value in its stored form, whose header knows no times.
    Value(Arc<Vec<u8>>),
    /// The same of one that is larger than any that is stored.
    Large(Arc<Vec<u8>>),
}

/// What a leader hands to those who wait.
#[derive(Debug, Clone)]
pub(crate) enum Landing {
    Made {
        product: Product,
        /// It is only for those who asked before this moment, when its loader began: whoever asked later may have
        /// asked because something has changed since.
        before: Option<Moment>,
    },
    /// Look again: the store has a value, or nobody has loaded one.
    Again,
    /// The loader failed.
    Failed(Error),
}

#[derive(Debug)]
struct Flight {
    key: Box<[u8]>,
    hash: u64,
    leader: usize,
    landing: Mutex<Option<Landing>>,
    landed: Condvar,
}

/// A caller's part in a flight.
#[derive(Debug)]
pub(crate) enum Part {
    /// The load is yours; land it.
    Lead(Lead),
    /// Another thread loads it.
    Follow(Follow),
}

impl Flights {
    /// Leads the flight for `key`, or follows the one under way. Never waits.
    ///
    /// # Errors
    /// A loader that asks for the very key it is loading would wait for itself: InvalidArgument.
    pub(crate) fn join(&self, key: &[u8]) -> Result<Part> {
        let under_way = self.under_way.get(|_| Arc::default());
        let mut locked = under_way.lock();
        Self::join_one(under_way, &mut locked, key)
    }

    /// The same for many keys at one moment: of calls with the same keys one leads all, and none only some of them.
    pub(crate) fn join_all<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k [u8]>,
    ) -> Vec<Result<Part>> {
        let under_way = self.under_way.get(|_| Arc::default());
        let mut locked = under_way.lock();
        let keys = keys.into_iter();
        keys.map(|key| Self::join_one(under_way, &mut locked, key))
            .collect()
    }

    fn join_one(
        under_way: &Arc<Mutex<UnderWay>>,
        locked: &mut UnderWay,
        key: &[u8],
    ) -> Result<Part> {
        let hash = xxh3_64_with_seed(key, locked.seed);
        let of_key = |flight: &Arc<Flight>| *flight.key == *key;
        let Some(flight) = locked.flights.find(hash, of_key).cloned() else {
            let flight = Arc::new(Flight {
                key: key.into(),
                hash,
                leader: this_thread(),
                landing: Mutex::new(None),
                landed: Condvar::new(),
            });
            let flights = &mut locked.flights;
            flights.insert_unique(hash, flight.clone(), |flight| flight.hash);
            return Ok(Part::Lead(Lead {
                flight,
                under_way: under_way.clone(),
                is_open: true,
            }));
        };
        if flight.leader == this_thread() {
            let text = "get_or_set was called by its own loader for the same key: load another key, or return";
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        Ok(Part::Follow(Follow { flight }))
    }

    /// How many flights have been closed so far: as long as that is the same, what was seen before is not out of date
    /// by anything that this process did.
    pub(crate) fn closed(&self) -> u64 {
        self.under_way.get(|_| Arc::default()).lock().closed
    }
}

/// A number that no other living thread has. (`thread::current()` would allocate on a thread that C started.)
fn this_thread() -> usize {
    thread_local! { static MARK: u8 = const { 0 } }
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

/// A place among those who wait.
#[derive(Debug)]
pub(crate) struct Follow {
    flight: Arc<Flight>,
}

impl Follow {
    /// What came of it, as soon as it has landed. `None`: the deadline has passed before.
    pub(crate) fn wait(&self, deadline: Moment) -> Option<Landing> {
        let mut landing = self.flight.landing.lock();
        while landing.is_none() {
            let left = deadline.since(Moment::now());
            if left.is_zero() {
                break;
            }
            self.flight.landed.wait_for(&mut landing, left);
        }
        landing.clone()
    }

    /// What came of it, if it has landed.
    pub(crate) fn landed(&self) -> Option<Landing> {
        self.flight.landing.lock().clone()
    }
}

/// The duty to land a flight. Dropped without landing (the loader panicked), it lands with an error.
#[derive(Debug)]
pub(crate) struct Lead {
    flight: Arc<Flight>,
    under_way: Arc<Mutex<UnderWay>>,
    is_open: bool,
}

impl Lead {
    /// Lets nobody join any more, and tells whether anybody has. A value that is about to be stored may only go to those
    /// who waited for it then: whoever asks after a later deletion must not get it.
    pub(crate) fn close(&mut self) -> bool {
        if std::mem::take(&mut self.is_open) {
            let mut under_way = self.under_way.lock();
            let it = |flight: &Arc<Flight>| Arc::ptr_eq(flight, &self.flight);
            if let Ok(entry) = under_way.flights.find_entry(self.flight.hash, it) {
                entry.remove();
            }
            under_way.closed += 1;
        }
        Arc::strong_count(&self.flight) > 1
    }

    /// Hands the outcome to all who wait.
    pub(crate) fn land(self, landing: Landing) {
        *self.flight.landing.lock() = Some(landing);
    }

    /// Hands them the loader's error.
    pub(crate) fn fail<T>(self, error: Error) -> Result<T> {
        self.land(Landing::Failed(error.clone()));
        Err(error)
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.close();
        self.flight.landing.lock().get_or_insert_with(|| {
            Landing::Failed(Error::new(
                ErrorKind::Callback,
                "the loader of this key panicked in another thread",
            ))
        });
        self.flight.landed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn soon() -> Moment {
        Moment::now().after(Duration::from_secs(10))
    }

    fn lead(flights: &Flights) -> Lead {
        match flights.join(b"k").unwrap() {
            Part::Lead(lead) => lead,
            Part::Follow(_) => panic!("somebody else leads"),
        }
    }

    fn wait(flights: &Flights, until: Moment) -> Option<Landing> {
        match flights.join(b"k").unwrap() {
            Part::Lead(_) => panic!("there is no flight"),
            Part::Follow(follow) => follow.wait(until),
        }
    }

    fn value(bytes: &[u8]) -> Landing {
        Landing::Made {
            product: Product::Value(Arc::new(bytes.to_vec())),
            before: None,
        }
    }

    #[test]
    fn one_leads_and_the_others_get_its_value() {
        let flights = Flights::default();
        let mut lead = lead(&flights);
        thread::scope(|scope| {
            let waiters: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| wait(&flights, soon())))
                .collect();
            while Arc::strong_count(&lead.flight) < 2 + waiters.len() {
                thread::yield_now();
            }
            assert!(lead.close());
            lead.land(value(b"v"));
            for waiter in waiters {
                let Some(Landing::Made { product, .. }) = waiter.join().unwrap() else {
                    panic!("it joined the flight under way")
                };
                assert_eq!(product, Product::Value(Arc::new(b"v".to_vec())));
            }
        });
    }

    #[test]
    fn a_panicking_leader_strands_nobody() {
        let flights = Flights::default();
        let lead = lead(&flights);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| wait(&flights, soon()));
            while Arc::strong_count(&lead.flight) < 3 {
                thread::yield_now();
            }
            drop(lead);
            let Some(Landing::Failed(error)) = waiter.join().unwrap() else {
                panic!("it waited for the leader")
            };
            assert_eq!(error.kind(), ErrorKind::Callback);
        });
        assert!(matches!(flights.join(b"k"), Ok(Part::Lead(_))));
    }

    #[test]
    fn a_closed_flight_is_joined_by_nobody_and_leaves_the_next_one_alone() {
        let flights = Flights::default();
        let mut first = lead(&flights);
        assert!(!first.close(), "nobody waits for it");
        assert_eq!(flights.closed(), 1);
        let _second = lead(&flights);
        drop(first);
        let error = flights.join(b"k").unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::InvalidArgument,
            "the second is there"
        );
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let flights = Flights::default();
        let _lead = lead(&flights);
        let until = Moment::now().after(Duration::from_millis(20));
        thread::scope(|scope| {
            let waiter = scope.spawn(|| wait(&flights, until));
            assert!(waiter.join().unwrap().is_none());
            assert!(Moment::now() >= until);
        });
    }

    #[test]
    fn a_loader_that_asks_for_its_own_key_is_told() {
        let flights = Flights::default();
        let _lead = lead(&flights);
        assert_eq!(
            flights.join(b"k").unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
    }
}
