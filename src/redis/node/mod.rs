//! One server: the pool of its connections, its breaker, its clock. Everything that is asked of a server goes through
//! [`Node::run`], or through [`Node::start_among`] and [`Exchange::finish`] when several servers are asked at once. Whatever
//! goes wrong there carries the node's name.

pub(crate) mod along;
pub(crate) mod bare;
pub(crate) mod breaker;
pub(crate) mod clock;
pub(crate) mod connect;
pub(crate) mod exchange;
mod figures;
pub(crate) mod handshake;
pub(crate) mod lane;
pub(crate) mod login;
mod making;
pub(crate) mod opening;
pub(crate) mod pool;
mod pooled;
pub(crate) mod refusals;
mod server_time;
pub(crate) mod several;
pub(crate) mod time;
mod timed;
pub(crate) mod together;
pub(crate) mod tracked;
#[cfg_attr(not(feature = "tracing"), path = "no_trail.rs")]
mod trail;
pub(crate) mod verdict;
pub(crate) mod words;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::fork::PerProcess;
use crate::base::latencies::Latencies;
use crate::base::moment::Moment;
use crate::config::{Address, Hooks};
use crate::error::{Error, Result};
use crate::redis::connection::resp::Encoder;

use super::command::Command;
use super::command::kept::keep;
use super::command::verb::Verb;
use super::connection::{Connection, Dial};
use super::wire::tls::TlsSettings;

use bare::Bare;
use breaker::{Admission, Breaker};
use clock::NodeClock;
use exchange::{Call, Failed};
use login::Login;
use opening::Parking;
use pool::{Loan, Pool};
use several::Exchange;
use tracked::Tracked;

/// How a node is opened when it is one of several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    /// The time to get a connection and to send.
    pub(crate) budget: Budget,
    /// Whether to wait for a connection when all are lent.
    pub(crate) may_wait: bool,
}

/// One server.
pub(crate) struct Node {
    name: String,
    shown: String,
    dial: Dial,
    login: Login,
    bare: Bare,
    connect_timeout: Duration,
    /// The time that a call has, and with it no connect has more.
    timeout: Duration,
    is_primary: bool,
    /// Why it cannot be connected to, whatever is tried.
    out_of_reach: Option<Error>,
    pool: Pool<Connection>,
    parking: Parking,
    /// Commands of several threads may share a connection.
    is_shared: bool,
    breaker: Breaker,
    clock: NodeClock,
    refused: AtomicU64,
    retries: AtomicU64,
    /// How long it took to answer, if that is to be known.
    latencies: Option<Box<Latencies>>,
    /// Something besides the breaker has a say in a call, or is to hear of it: usually nothing is, and one look tells.
    is_attended: bool,
    /// It is too old to leave what is read untouched.
    is_touching: AtomicBool,
    /// What hears of files that have changed and are of no use.
    hooks: Hooks,
    tracked: PerProcess<Tracked>,
}

impl Node {
    /// Whether it must say of itself that it is a primary.
    pub(crate) fn is_primary(&self) -> bool {
        self.is_primary
    }

    /// Whether it only stands for a server that cannot be reached.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        self.out_of_reach.is_some()
    }

    /// The given name, or the address: the same for every spelling of it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The given name, or the location as it was configured, without credentials.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// What the owner of the cache should hear about this node.
    pub(crate) fn caution(&self) -> Option<&'static str> {
        self.dial.tls.as_ref()?.caution()
    }

    /// Before a connection is opened: whether the files of the TLS options have changed.
    pub(crate) fn renew_tls(&self) {
        let tls = self.dial.tls.as_ref();
        if let Some(error) = tls.and_then(TlsSettings::renew) {
            self.hooks.tell(&error.at_node(&self.name));
        }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> &Address {
        &self.dial.address
    }

    /// Whether it did not answer when it was last asked.
    pub(crate) fn is_failing(&self) -> bool {
        self.breaker.is_failing()
    }

    /// Sends the command and reads its replies; a second time, on a fresh connection, where that may be done. `lost` tells
    /// of attempts elsewhere that were sent and never answered.
    pub(crate) fn run<C: Command + ?Sized>(
        &self,
        lost: u32,
        budget: Budget,
        command: &mut C,
    ) -> Result<C::Answer, Failed> {
        let verb = command.verb();
        let began = match self.is_attended {
            true => self.attend(verb, lost, budget)?,
            false => Moment::BEFORE,
        };
        let (admission, loan) = match self.slot(verb, budget) {
            Ok((admission, Some(loan))) => (admission, loan),
            Ok((admission, None)) => {
                let share = |command: &mut dyn Command<Answer = ()>| {
                    self.share(lost, budget, admission, command)
                };
                let (answer, ()) = keep(command, share)?;
                let answer = answer.map_err(Failed::refused)?;
                self.note_answer(verb, began);
                return Ok(answer);
            }
            // Nothing was sent here; what was lost elsewhere is lost all the same.
            Err(failed) => return Err(Failed { lost, ..failed }),
        };
        let mut call = Call::alone(self, loan, verb, budget, admission, lost);
        call.send(command)?;
        let answer = call.receive(command)?;
        if began != Moment::BEFORE {
            self.note_answer(verb, began);
        }
        Ok(answer)
    }

    /// The first half of [`Node::run`] where this is one of several nodes, which must not take the time of the others:
    /// when it returns, the commands are on their way. `None` when it would have to wait for a connection and is not
    /// to.
    pub(crate) fn start_among<'a>(
        &'a self,
        verb: Verb,
        budget: Budget,
        turn: Turn,
        large: Option<&'a [u8]>,
        pack: impl Fn(&mut Encoder<'_>),
    ) -> Result<Option<Exchange<'a>>, Failed> {
        let began = match self.is_attended {
            true => self.attend(verb, 0, budget.later())?,
            false => Moment::BEFORE,
        };
        let admission = self.pass_breaker(verb, budget)?;
        let loan = if turn.may_wait {
            let loan = self.pool.lend(turn.budget);
            Some(loan.map_err(|error| self.not_begun(error, verb))?)
        } else {
            self.pool.lend_now(turn.budget)
        };
        let Some(loan) = loan else { return Ok(None) };
        let call = Call::new(self, loan, verb, budget, admission);
        let mut exchange = Exchange::new(call, large, began);
        exchange.begin(pack)?;
        Ok(Some(exchange))
    }

    /// A slot of the pool, if the breaker lets the call pass; `None` when all are lent.
    #[inline(always)]
    fn slot(
        &self,
        verb: Verb,
        budget: Budget,
    ) -> Result<(Admission, Option<Loan<'_, Connection>>), Failed> {
        let admission = self.pass_breaker(verb, budget)?;
        match self.pool.lend_if_free(budget).transpose() {
            Ok(loan) => Ok((admission, loan)),
            Err(error) => Err(self.not_begun(error, verb)),
        }
    }

    /// The right to connect beside the pool.
    fn admit(&self, verb: Verb, budget: Budget) -> Result<Admission> {
        let may_ask = match self.is_attended {
            true => self.attend(verb, 0, budget).map(drop),
            false => Ok(()),
        };
        let admission = may_ask.and_then(|()| self.pass_breaker(verb, budget));
        admission.map_err(|failed| failed.error)
    }

    /// Whether the breaker lets it pass.
    #[inline]
    fn pass_breaker(&self, verb: Verb, budget: Budget) -> Result<Admission, Failed> {
        let claim = || budget.remaining().unwrap_or_default() + Duration::from_millis(1);
        self.breaker.admit(claim).map_err(|refusal| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            self.not_begun(refusal, verb)
        })
    }

    /// The connection on which it says what has changed.
    pub(crate) fn tracked(&self) -> &Tracked {
        self.tracked.get(Tracked::inherited)
    }

    /// Whether it may know CLIENT NO-TOUCH.
    pub(crate) fn knows_no_touch(&self) -> bool {
        !self.is_touching.load(Ordering::Relaxed)
    }

    /// It does not, and is not asked again.
    pub(crate) fn knows_not_no_touch(&self) {
        self.is_touching.store(true, Ordering::Relaxed);
    }

    /// Whether the breaker would refuse a call now.
    pub(crate) fn is_refusing(&self) -> bool {
        self.breaker.is_open()
    }

    /// Says where and at what the error happened, unless it says so itself.
    pub(crate) fn named(&self, error: Error, verb: Verb) -> Error {
        let error = match verb.asks_time && error.is_denied_in_script() {
            true => self.denied(error),
            false => error,
        };
        error.at_node(&self.name).during(verb.name)
    }

    /// Says which command a script was denied, where it is TIME: some servers do not name it, but then they denied it to
    /// the greeting too.
    #[cold]
    fn denied(&self, error: Error) -> Error {
        let is_refused = self.clock.asked().is_some_and(|clock| !clock.is_known());
        if !is_refused && !error.text().contains("'time' command") {
            return error;
        }
        error.with_text(
            "NOPERM this user has no right to TIME, which the script asks for: `+time` gives it (it is in @fast, not \
             in @read, @write or @scripting)"
                .to_owned(),
        )
    }

    pub(crate) fn pool(&self) -> &Pool<Connection> {
        &self.pool
    }

    /// Counts commands that are sent a second time.
    pub(crate) fn count_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether connections can be opened without waiting for them.
    pub(crate) fn opens_at_once(&self) -> bool {
        self.dial.connector.is_none() && !self.is_out_of_reach()
    }

    /// The time to open a connection within a call.
    pub(crate) fn time_to_open(&self, budget: Budget) -> Budget {
        budget.capped(self.connect_timeout)
    }

    pub(crate) fn dial(&self) -> &Dial {
        &self.dial
    }

    pub(crate) fn login(&self) -> &Login {
        &self.login
    }

    /// Whether it hung up on a greeting lately, and then served without one.
    pub(crate) fn is_bare(&self) -> bool {
        self.bare.is_it()
    }

    pub(crate) fn remember_bare(&self) {
        self.bare.remember();
    }

    /// A connection broke: perhaps that was not for want of a greeting before either.
    pub(crate) fn forget_bare(&self) {
        self.bare.forget();
    }

    /// Closes idle connections, and those in use when they are done.
    pub(crate) fn close(&self) {
        drop(self.parking.take());
        self.pool.close();
    }
}

/// Shows neither credentials nor connections.
impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.name)
            .field("shown", &self.shown)
            .finish_non_exhaustive()
    }
}
