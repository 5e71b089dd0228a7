//! One server: the pool of its connections, its breaker, its clock. Everything that is asked of a server goes through
//! [`Node::run`], or through [`Node::start_among`] and [`Exchange::finish`] when several servers are asked at once. Whatever
//! goes wrong there carries the node's name.

pub(crate) mod breaker;
pub(crate) mod clock;
pub(crate) mod exchange;
pub(crate) mod handshake;
pub(crate) mod login;
pub(crate) mod opening;
pub(crate) mod pool;
pub(crate) mod verdict;

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::budget::Budget;
use crate::config::{Address, Hooks, Location, Options};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Clock, local_unix_ms};
use crate::redis::connection::reply::Reply;
use crate::redis::connection::resp::Encoder;
use crate::store::Traffic;

use super::command::{self, Command};
use super::connection::{Connection, Dial};
use super::wire::tls::{self, TlsSettings};

use breaker::{Admission, Breaker};
use clock::NodeClock;
use exchange::{Call, Exchange, Failed, Verb};
use login::Login;
use pool::{Limits, Loan, Pool, Pooled};

/// How a node is opened when it is one of several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening {
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
    connect_timeout: Duration,
    /// The time that a call has, and with it no connect has more.
    timeout: Duration,
    is_primary: bool,
    pool: Pool<Connection>,
    breaker: Breaker,
    clock: NodeClock,
    refused: AtomicU64,
    retries: AtomicU64,
}

impl Node {
    /// Opens nothing.
    pub(crate) fn new(location: &Location, options: &Options, hooks: &Hooks) -> Result<Self> {
        let secured = location.tls && hooks.connector.is_none();
        let tls = secured.then(|| tls_settings(location)).transpose()?;
        let name = location.name.clone();
        let login = Login::new(location, options);
        let limits = Limits {
            max_connections: options.max_connections,
            pool_timeout: options.pool_timeout,
            idle_check: options.idle_check,
            idle_timeout: options.idle_timeout,
            max_lifetime: options.max_lifetime,
        };
        let backoff = options.breaker_backoff;
        Ok(Node {
            shown: name.clone().unwrap_or_else(|| location.shown.clone()),
            name: name.unwrap_or_else(|| location.address.to_string()),
            dial: Dial {
                address: location.address.clone(),
                tls,
                parser: options.parser,
                connector: hooks.connector.clone(),
                info: login::connection_info(location, &login)?,
            },
            login,
            connect_timeout: options.connect_timeout,
            timeout: options.timeout,
            is_primary: false,
            pool: Pool::new(limits),
            breaker: Breaker::new(
                options.breaker_failures,
                backoff,
                options.breaker_backoff_max,
            ),
            clock: NodeClock::new(),
            refused: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        })
    }

    /// This server must say of itself that it is a primary, on every new connection.
    pub(crate) fn expecting_primary(mut self) -> Self {
        self.is_primary = true;
        self
    }

    /// Whether it must be one.
    pub(crate) fn is_primary(&self) -> bool {
        self.is_primary
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

    /// For reads of what a replica of a cluster has: without READONLY it sends every caller on to its primary.
    pub(crate) fn for_replica_reads(mut self) -> Self {
        self.login.reads_replica = true;
        self
    }

    /// Where it is.
    pub(crate) fn address(&self) -> &Address {
        &self.dial.address
    }

    /// Whether it did not answer when it was last asked.
    pub(crate) fn is_failing(&self) -> bool {
        self.breaker.is_failing()
    }

    /// The server's clock, as it was last seen.
    pub(crate) fn clock(&self) -> Clock {
        self.clock.get()
    }

    /// The same, unless this server was never connected to.
    pub(crate) fn known_clock(&self) -> Option<Clock> {
        self.clock.known()
    }

    /// Looks at the server's clock again if that was long ago. For calls that can afford a round trip; when it
    /// fails, nothing has changed.
    pub(crate) fn refresh_clock(&self, budget: Budget) {
        if !self.clock.is_due(budget.started()) {
            return;
        }
        let sent_at = Cell::new(0);
        let pack = |to: &mut Encoder<'_>| {
            sent_at.set(local_unix_ms());
            handshake::pack_time(to);
        };
        let read = |from: &mut Connection, budget| {
            let offset = handshake::read_time(from, sent_at.get(), budget)?;
            Ok(Ok(offset))
        };
        if let Ok(Some(offset)) = self.run(
            0,
            budget,
            &mut command::pair(Verb::safe("TIME"), pack, read),
        ) {
            self.clock.set(offset);
        }
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
        let (admission, loan) = match self.slot(verb, budget) {
            Ok(slot) => slot,
            // Nothing was sent here; what was lost elsewhere is lost all the same.
            Err(failed) => return Err(Failed { lost, ..failed }),
        };
        let mut call = Call::new(self, loan, verb, budget, admission).alone(lost);
        call.dispatch(|to| command.pack(to))?;
        call.receive(command)
    }

    /// The first half of [`Node::run`] where this is one of several nodes, which must not take the time of the others:
    /// when it returns, the commands are on their way. `None` when it would have to wait for a connection and is not
    /// to.
    pub(crate) fn start_among(
        &self,
        verb: Verb,
        budget: Budget,
        opening: Opening,
        pack: impl Fn(&mut Encoder<'_>),
    ) -> Result<Option<Exchange<'_>>, Failed> {
        let admission = self.admit(verb, budget)?;
        let loan = if opening.may_wait {
            let loan = self.pool.lend(opening.budget);
            Some(loan.map_err(|error| Failed::refused(self.named(error, verb)))?)
        } else {
            self.pool.lend_now(opening.budget)
        };
        let Some(loan) = loan else { return Ok(None) };
        let call = Call::new(self, loan, verb, budget, admission);
        let mut exchange = Exchange::new(call);
        exchange.begin(pack)?;
        Ok(Some(exchange))
    }

    /// A slot of the pool, if the breaker lets the call pass.
    #[inline(always)]
    fn slot(
        &self,
        verb: Verb,
        budget: Budget,
    ) -> Result<(Admission, Loan<'_, Connection>), Failed> {
        let admission = self.admit(verb, budget)?;
        let loan = self.pool.lend(budget);
        let loan = loan.map_err(|error| Failed::refused(self.named(error, verb)))?;
        Ok((admission, loan))
    }

    #[inline]
    fn admit(&self, verb: Verb, budget: Budget) -> Result<Admission, Failed> {
        let claim = || budget.remaining().unwrap_or_default() + Duration::from_millis(1);
        self.breaker.admit(claim).map_err(|refusal| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            Failed::refused(self.named(refusal, verb))
        })
    }

    /// Whether the breaker would refuse a call now.
    pub(crate) fn is_refusing(&self) -> bool {
        self.breaker.is_open()
    }

    /// Says where and at what the error happened, unless it says so itself.
    pub(crate) fn named(&self, error: Error, verb: Verb) -> Error {
        error.at_node(&self.name).during(verb.name)
    }

    /// A connection that is ready for commands. A failure counts at once: a node that cannot be connected to is not
    /// tried twice.
    pub(crate) fn connect(&self, budget: Budget, admission: Admission) -> Result<Connection> {
        self.breaker.still_admits(admission)?;
        let budget = self.time_to_open(budget);
        match self.open(budget) {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(refusal)) => {
                self.was_refused(admission, &refusal);
                Err(refusal)
            }
            Err(fault) => {
                self.was_not_opened(admission, &fault, budget);
                Err(fault)
            }
        }
    }

    /// Whether a call that was let pass may still connect: others may have found out meanwhile that the node does not serve.
    pub(crate) fn may_connect(&self, admission: Admission) -> Result<()> {
        self.breaker.still_admits(admission)
    }

    /// Tells the breaker that the node serves, or what it said instead.
    #[inline]
    pub(crate) fn answered(&self) {
        self.breaker.succeeded();
    }

    /// Tells the breaker that the node does not serve, and why; what this process lacks is no evidence against it.
    #[cold]
    pub(crate) fn did_not_serve(&self, admission: Admission, why: &Error) {
        if !why.is_our_own() {
            self.breaker.failed(admission, why);
        }
    }

    /// The node answered the greeting, and takes nobody in like this; a replica in the place of a primary serves others.
    #[cold]
    pub(crate) fn was_refused(&self, admission: Admission, refusal: &Error) {
        match refusal.code() {
            Some("READONLY") => self.answered(),
            _ => self.did_not_serve(admission, refusal),
        }
    }

    /// A connection did not come about within `budget`. Where that was a part of what others have, it is no evidence.
    #[cold]
    pub(crate) fn was_not_opened(&self, admission: Admission, fault: &Error, budget: Budget) {
        let all = self.connect_timeout.min(self.timeout);
        let is_cut = budget.total().saturating_mul(4) < all.saturating_mul(3);
        if !fault.is_timeout() || !is_cut {
            self.did_not_serve(admission, fault);
        }
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
        self.dial.connector.is_none() && !self.is_primary
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

    pub(crate) fn learn(&self, offset: handshake::Offset) {
        self.clock.learn(offset);
    }

    fn open(&self, budget: Budget) -> Reply<Connection> {
        let mut connection = match Connection::open(&self.dial, budget) {
            Ok(connection) => connection,
            Err(error) if is_fault(&error) => return Err(error),
            Err(error) => return Ok(Err(error)),
        };
        let offset = if self.dial.connector.is_some() {
            handshake::ask_time(&mut connection, &self.login, budget)?
        } else {
            handshake::greet(&mut connection, &self.login, budget)?
        };
        let offset = match offset {
            Ok(_) if self.is_primary => handshake::ask_role(&mut connection, budget)?.and(offset),
            offset => offset,
        };
        Ok(offset.map(|offset| {
            self.clock.learn(offset);
            connection
        }))
    }

    /// Counters and gauges of this node.
    pub(crate) fn traffic(&self) -> Traffic {
        let pool = self.pool.state();
        Traffic {
            refused: self.refused.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            connections_open: pool.open as u64,
            connections_idle: pool.idle as u64,
            bytes_read: pool.bytes_read,
            bytes_written: pool.bytes_written,
        }
    }

    pub(crate) fn reset_traffic(&self) {
        self.refused.store(0, Ordering::Relaxed);
        self.retries.store(0, Ordering::Relaxed);
        self.pool.reset_traffic();
    }

    /// Closes idle connections, and those in use when they are done.
    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

fn tls_settings(location: &Location) -> Result<TlsSettings> {
    let settings = tls::prepare(&location.tls_options)?;
    settings.check(&location.address)?;
    Ok(settings)
}

/// Whether the node did not answer, rather than answered something unwelcome.
pub(crate) fn is_fault(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Io | ErrorKind::Timeout | ErrorKind::Unavailable
    )
}

impl Pooled for Connection {
    #[inline]
    fn is_reusable(&self) -> bool {
        Connection::is_reusable(self)
    }

    fn is_quiet(&mut self) -> bool {
        Connection::is_quiet(self)
    }

    fn knows_its_end(&self) -> bool {
        Connection::knows_its_end(self)
    }

    #[inline]
    fn take_traffic(&mut self) -> (u64, u64) {
        Connection::take_traffic(self)
    }

    #[inline]
    fn trim(&mut self) {
        Connection::trim(self);
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
