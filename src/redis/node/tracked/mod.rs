//! The connection of a node that hears of changes: the server remembers what was read here (CLIENT TRACKING) and says when
//! that changes. It stands outside the pool. Whoever calls does the reading: one that needs what has come locks, reads
//! without waiting, and hands replies and news on in the order of the stream; nobody waits for replies with the lock held.
//!
//! What was learned is good for one connection, which is its epoch. Loss is a new epoch, and nothing of an old one counts.

mod fill;
mod live;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::clocks::uptime_us;
use crate::base::moment::Moment;
use crate::config::Protocol;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::command::verb::Verb;
use crate::redis::connection::replies::Replies;
use crate::redis::wire::{Ears, Wants, Wire, poll};

use super::Node;
use super::along::Along;

pub(crate) use fill::{Answer, Fill, Heard, Listener};
use live::{Fault, Live, What};

/// After so long without an answer nothing is known of the server.
const QUIET_US: i64 = 2_000_000;

/// So many questions may be under way.
const MOST_ASKED: usize = 2048;

/// Another may have read the answer that somebody waits for: he looks again after so long.
const SLICE: Duration = Duration::from_millis(2);

/// A node that could not be connected to, and one that refuses to track, is asked again after so long.
const AGAIN_US: i64 = 200_000;
const REFUSED_US: i64 = 60_000_000;

const TRACKING: Verb = Verb::safe("CLIENT TRACKING");

/// Each connection has a number of its own, whichever node it leads to.
static EPOCHS: AtomicU64 = AtomicU64::new(1);

#[derive(Default)]
struct State {
    live: Option<Live>,
    is_opening: bool,
    /// Not tried before.
    again_us: i64,
}

/// The tracked connection of a node.
pub(crate) struct Tracked {
    state: Mutex<State>,
    /// That of the connection; 0 is none.
    epoch: AtomicU64,
    /// All that had come by then is known.
    drained_us: AtomicI64,
    /// When the latest question was sent that has an answer.
    answered_us: AtomicI64,
    /// The server refuses to track, or cannot tell. Entries live by the clock then, under this number.
    refused: AtomicU64,
}

impl Default for Tracked {
    fn default() -> Self {
        Tracked {
            state: Mutex::default(),
            epoch: AtomicU64::new(0),
            drained_us: AtomicI64::new(0),
            answered_us: AtomicI64::new(0),
            refused: AtomicU64::new(0),
        }
    }
}

impl Tracked {
    /// For a forked child: the descriptor that it has inherited is closed if nobody was at it.
    pub(crate) fn inherited(&self) -> Self {
        if let Ok(mut state) = self.state.try_lock() {
            state.live = None;
        }
        Tracked::default()
    }

    /// The number under which entries live by the clock alone, where the server refuses to track.
    pub(crate) fn untracked(&self) -> Option<u64> {
        Some(self.refused.load(Ordering::Acquire)).filter(|number| *number != 0)
    }

    /// The epoch in which all that came until `max_lag_us` ago is known, from a server that was heard of. Looks at nothing but
    /// what is known here at `now_us`.
    #[inline]
    pub(crate) fn known(&self, max_lag_us: i64, now_us: i64) -> Option<u64> {
        let epoch = self.epoch.load(Ordering::Acquire);
        let is_known = epoch != 0 && !self.lags(max_lag_us, now_us) && !self.is_silent(now_us);
        // The same connection all along: what was looked at is its own.
        (is_known && self.epoch.load(Ordering::Acquire) == epoch).then_some(epoch)
    }

    fn lags(&self, max_lag_us: i64, now_us: i64) -> bool {
        now_us - self.drained_us.load(Ordering::Acquire) > max_lag_us
    }

    fn is_silent(&self, now_us: i64) -> bool {
        now_us - self.answered_us.load(Ordering::Acquire) >= QUIET_US
    }

    /// The same after reading what has come, and after a silence asking for a sign of life.
    pub(crate) fn current(
        &self,
        max_lag_us: i64,
        budget: Budget,
        listener: &dyn Listener,
    ) -> Option<u64> {
        let epoch = self.epoch.load(Ordering::Acquire);
        if epoch == 0 {
            return None;
        }
        let now = uptime_us();
        if self.lags(max_lag_us, now) {
            self.drain(listener);
            if self.lags(max_lag_us, now) {
                return None;
            }
        }
        if self.is_silent(now) {
            self.sign_of_life(budget, listener)?;
        }
        (self.epoch.load(Ordering::Acquire) == epoch).then_some(epoch)
    }

    fn sign_of_life(&self, budget: Budget, listener: &dyn Listener) -> Option<()> {
        let answered = Arc::new(OnceLock::new());
        let ping = What::Ping {
            answered: answered.clone(),
            settles: false,
        };
        {
            let mut state = self.locked();
            if let Err(Fault) = state.live.as_mut()?.ask([ping]) {
                self.lose(&mut state, listener);
                return None;
            }
        }
        self.wait(half_of(budget), listener, || answered.get().is_some());
        answered.get().copied()
    }

    /// Asks for keys that are to be kept, and how long they live. False: there is no connection for them, and nothing was sent.
    pub(crate) fn ask(&self, fills: &[Arc<Fill>], listener: &dyn Listener) -> bool {
        let mut state = self.locked();
        let Some(live) = state.live.as_mut() else {
            return false;
        };
        if live.asked.len() + 2 * fills.len() > MOST_ASKED {
            return false;
        }
        if live.ask(fills.iter().cloned().map(What::Value)).is_err() {
            self.lose(&mut state, listener);
        }
        true
    }

    /// Waits until something has come of every fill. One whose time ends takes the connection for lost.
    pub(crate) fn await_all(&self, fills: &[Arc<Fill>], budget: Budget, listener: &dyn Listener) {
        self.wait(budget, listener, || {
            fills.iter().all(|fill| fill.answer().is_some())
        });
    }

    fn wait(&self, budget: Budget, listener: &dyn Listener, is_done: impl Fn() -> bool) {
        loop {
            self.drain(listener);
            if is_done() {
                return;
            }
            let socket = {
                let mut state = self.locked();
                if budget.left().is_none() {
                    return self.lose(&mut state, listener);
                }
                match &state.live {
                    Some(live) => live.wire.socket(),
                    None => return,
                }
            };
            poll(&[Wants {
                socket: Some(socket),
                events: libc::POLLIN,
                besides: Ears::NONE,
                until: Moment::now().after(SLICE),
            }]);
        }
    }

    /// Takes in what has come, without waiting.
    fn drain(&self, listener: &dyn Listener) {
        let mut state = self.locked();
        let Some(live) = state.live.as_mut() else {
            return;
        };
        let epoch = self.epoch.load(Ordering::Relaxed);
        match live.drain(&self.answered_us, epoch, listener) {
            Ok(_) if live.filled > listener.enough() => self.lose(&mut state, listener),
            Ok(Some(at)) => self.drained_us.store(at, Ordering::Release),
            Ok(None) => {}
            Err(Fault) => self.lose(&mut state, listener),
        }
    }

    /// The connection is given up, and with it all that was learned from it.
    fn lose(&self, state: &mut State, listener: &dyn Listener) {
        self.epoch.store(0, Ordering::Release);
        let Some(live) = state.live.take() else {
            return;
        };
        state.again_us = uptime_us();
        for fill in live.fills() {
            listener.abandoned(&fill);
            let _ = fill.answer.set(Answer::Nothing);
        }
    }

    /// Gives the connection up.
    pub(crate) fn close(&self, listener: &dyn Listener) {
        self.lose(&mut self.locked(), listener);
    }

    /// Opens the connection if there is none and nobody is at it.
    #[cold]
    pub(crate) fn open(&self, node: &Node, budget: Budget) {
        {
            let mut state = self.locked();
            let waits = uptime_us() < state.again_us;
            if state.live.is_some() || state.is_opening || waits {
                return;
            }
            state.is_opening = true;
        }
        let opening = Opening(self);
        let began = uptime_us();
        let opened = open(node, budget);
        let mut state = self.locked();
        match opened {
            Ok(Some(wire)) => {
                state.live = Some(Live::over(wire));
                self.refused.store(0, Ordering::Release);
                self.drained_us.store(began, Ordering::Release);
                self.answered_us.store(began, Ordering::Release);
                let epoch = EPOCHS.fetch_add(1, Ordering::Relaxed);
                self.epoch.store(epoch, Ordering::Release);
            }
            Ok(None) => {
                state.again_us = uptime_us().saturating_add(REFUSED_US);
                if self.refused.load(Ordering::Relaxed) == 0 {
                    let number = EPOCHS.fetch_add(1, Ordering::Relaxed);
                    self.refused.store(number, Ordering::Release);
                }
            }
            Err(_) => state.again_us = uptime_us().saturating_add(AGAIN_US),
        }
        drop(state);
        drop(opening);
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time for what can be done in the usual way after it.
pub(crate) fn half_of(budget: Budget) -> Budget {
    budget.later().capped(budget.total() / 2)
}

/// Whoever opens the connection is done with it, also by a panic of a caller's function.
struct Opening<'a>(&'a Tracked);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.locked().is_opening = false;
    }
}

/// A connection that tracks. `Ok(None)`: the server refuses, or this kind of connection cannot tell what it hears.
fn open(node: &Node, budget: Budget) -> Result<Option<Wire>> {
    if node.login.protocol == Protocol::Resp2 || node.dial.connector.is_some() {
        return Ok(None);
    }
    let admission = node.admit(TRACKING, budget)?;
    let mut nothing = Along {
        pack: None,
        is_out: false,
    };
    let mut connection = node.connect(budget, admission, &mut nothing)?;
    node.answered();
    let mut to = connection.encoder();
    // Where the greeting was in RESP2 nothing would be heard, and the server says OK all the same.
    to.command(2).arg(b"HELLO").arg(b"3");
    to.command(3).arg(b"CLIENT").arg(b"TRACKING").arg(b"ON");
    connection.send(budget).map_err(|fault| fault.error)?;
    let mut refusal = None;
    for _ in 0..2 {
        let said = Replies::new(&mut connection, budget, 0).skip()?;
        refusal = refusal.or(said);
    }
    let wire = match refusal {
        None => connection.into_wire(),
        Some(_) => None,
    };
    if wire.is_none() && node.tracked().untracked().is_none() {
        let text = "the server does not announce changes (CLIENT TRACKING): see near_untracked";
        let why = refusal.map_or_else(
            || Error::new(ErrorKind::Unsupported, text),
            |why| why.during("CLIENT TRACKING"),
        );
        node.hooks.tell(&why.at_node(&node.name));
    }
    Ok(wire)
}
