//! Single flight: of all threads of this process that miss the same key at the same time, one loads the value and
//! the others wait for it. No waiter is ever stranded: a flight lands when its leader is done, fails, or unwinds,
//! and every wait has a deadline.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::base::fork::PerProcess;
use crate::error::{Error, ErrorKind, Result};

/// The loads under way, by wire key. A forked child starts with none: their threads are not there.
#[derive(Debug)]
pub(crate) struct Flights {
    under_way: PerProcess<Arc<UnderWay>>,
}

type UnderWay = Mutex<HashMap<Vec<u8>, Arc<Flight>>>;

impl Default for Flights {
    fn default() -> Self {
        Flights {
            under_way: PerProcess::new(Arc::default()),
        }
    }
}

/// What a leader hands to those who wait.
#[derive(Debug, Clone)]
pub(crate) enum Landing {
    /// The stored form of the value that is now in the store.
    Stored(Arc<[u8]>),
    /// The stored form of a value that is not in the store, and when its loader began: whoever asked later may have
    /// asked because something changed.
    Uncached { stored: Arc<[u8]>, since: Instant },
    /// Look again: the store has a value, or somebody removed the one that was being loaded.
    Again,
    /// The loader failed.
    Failed(Error),
}

#[derive(Debug)]
struct Flight {
    leader: usize,
    landing: Mutex<Option<Landing>>,
    landed: Condvar,
}

/// A caller's part in a flight.
#[derive(Debug)]
pub(crate) enum Part {
    /// The load is yours; land it.
    Lead(Lead),
    /// Another thread loaded it.
    Landed(Landing),
    /// Another thread is still loading it, and the deadline has passed.
    Waited,
}

impl Flights {
    /// Leads the flight for `key`, or waits for the one under way until `deadline`.
    ///
    /// # Errors
    /// A loader that asks for the very key it is loading would wait for itself: InvalidArgument.
    pub(crate) fn join(&self, key: &[u8], deadline: Instant) -> Result<Part> {
        let under_way = self.under_way.get(|_| Arc::default());
        let mut flights = under_way.lock();
        let Some(flight) = flights.get(key).cloned() else {
            let flight = Arc::new(Flight {
                leader: this_thread(),
                landing: Mutex::new(None),
                landed: Condvar::new(),
            });
            flights.insert(key.to_vec(), flight.clone());
            return Ok(Part::Lead(Lead {
                key: key.to_vec(),
                flight,
                under_way: under_way.clone(),
                is_open: true,
            }));
        };
        drop(flights);
        if flight.leader == this_thread() {
            let text = "get_or_set was called by its own loader for the same key: load another key, or return";
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let mut landing = flight.landing.lock();
        while landing.is_none() {
            if flight.landed.wait_until(&mut landing, deadline).timed_out() {
                break;
            }
        }
        Ok(landing.clone().map_or(Part::Waited, Part::Landed))
    }
}

/// A number that no other living thread has. (`thread::current()` would allocate on a thread that C started.)
fn this_thread() -> usize {
    thread_local! { static MARK: u8 = const { 0 } }
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

/// The duty to land a flight. Dropped without landing (the loader panicked), it lands with an error.
#[derive(Debug)]
pub(crate) struct Lead {
    key: Vec<u8>,
    flight: Arc<Flight>,
    under_way: Arc<UnderWay>,
    is_open: bool,
}

impl Lead {
    /// Lets nobody join any more. A value that is about to be stored may only go to those who waited for it then:
    /// whoever asks after a later deletion must not get it.
    pub(crate) fn close(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.under_way.lock().remove(&self.key);
        }
    }

    /// Hands the outcome to all who wait.
    pub(crate) fn land(self, landing: Landing) {
        *self.flight.landing.lock() = Some(landing);
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

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn one_leads_and_the_others_get_its_value() {
        let flights = Flights::default();
        let Part::Lead(lead) = flights.join(b"k", soon()).unwrap() else {
            panic!("first leads")
        };
        thread::scope(|scope| {
            let waiters: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| flights.join(b"k", soon()).unwrap()))
                .collect();
            while Arc::strong_count(&lead.flight) < 2 + waiters.len() {
                thread::yield_now();
            }
            lead.land(Landing::Stored(Arc::from(&b"v"[..])));
            for waiter in waiters {
                let Part::Landed(Landing::Stored(stored)) = waiter.join().unwrap() else {
                    panic!("it joined the flight under way")
                };
                assert_eq!(&*stored, b"v");
            }
        });
    }

    #[test]
    fn a_panicking_leader_strands_nobody() {
        let flights = Flights::default();
        let Part::Lead(lead) = flights.join(b"k", soon()).unwrap() else {
            panic!("first leads")
        };
        thread::scope(|scope| {
            let waiter = scope.spawn(|| flights.join(b"k", soon()).unwrap());
            while Arc::strong_count(&lead.flight) < 3 {
                thread::yield_now();
            }
            drop(lead);
            let Part::Landed(Landing::Failed(error)) = waiter.join().unwrap() else {
                panic!("it waited for the leader")
            };
            assert_eq!(error.kind(), ErrorKind::Callback);
        });
        assert!(matches!(flights.join(b"k", soon()), Ok(Part::Lead(_))));
    }

    #[test]
    fn a_closed_flight_is_joined_by_nobody_and_leaves_the_next_one_alone() {
        let flights = Flights::default();
        let Ok(Part::Lead(mut first)) = flights.join(b"k", soon()) else {
            panic!("first leads")
        };
        first.close();
        let Ok(Part::Lead(_second)) = flights.join(b"k", soon()) else {
            panic!("nobody can join the first any more")
        };
        drop(first);
        let error = flights.join(b"k", soon()).unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::InvalidArgument,
            "the second is there"
        );
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let flights = Flights::default();
        let _lead = flights.join(b"k", soon()).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                flights
                    .join(b"k", Instant::now() + Duration::from_millis(20))
                    .unwrap()
            });
            assert!(matches!(waiter.join().unwrap(), Part::Waited));
        });
    }

    #[test]
    fn a_loader_that_asks_for_its_own_key_is_told() {
        let flights = Flights::default();
        let _lead = flights.join(b"k", soon()).unwrap();
        assert_eq!(
            flights.join(b"k", soon()).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
    }
}
