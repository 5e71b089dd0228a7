//! One server: the pool of its connections, its breaker, its clock. Everything that is asked of a server goes through
//! [`Node::run`], or through [`Node::start`] and [`Call::finish`] when several servers are asked at once. Whatever
//! goes wrong there carries the node's name.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::backend::Traffic;
use crate::config::{Address, Hooks, Location, Options};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Clock, local_unix_ms};

use super::breaker::{Admission, Breaker};
use super::budget::Budget;
use super::call::{Call, Failed, Resend, Verb};
use super::clock::NodeClock;
use super::connection::{Connection, Dial};
use super::handshake;
use super::login::{self, Login};
use super::pool::{Limits, Loan, Pool, Pooled};
use super::reply::Reply;
use super::resp::Encoder;
use super::wire::tls::{self, TlsSettings};

/// One server.
pub(crate) struct Node {
    name: String,
    shown: String,
    dial: Dial,
    login: Login,
    connect_timeout: Duration,
    pool: Pool<Connection>,
    breaker: Breaker,
    clock: NodeClock,
    refused: AtomicU64,
    retries: AtomicU64,
}

impl Node {
    /// Opens nothing.
    pub(crate) fn new(location: &Location, options: &Options, hooks: &Hooks) -> Result<Self> {
        Node::with_login(location, Login::new(location, options), options, hooks)
    }

    /// A replica of a cluster, for reads: without READONLY it would send every caller on to its primary.
    pub(crate) fn of_replica(
        location: &Location,
        options: &Options,
        hooks: &Hooks,
    ) -> Result<Self> {
        let login = Login {
            reads_replica: true,
            ..Login::new(location, options)
        };
        Node::with_login(location, login, options, hooks)
    }

    fn with_login(
        location: &Location,
        login: Login,
        options: &Options,
        hooks: &Hooks,
    ) -> Result<Self> {
        let secured = location.tls && hooks.connector.is_none();
        let tls = secured.then(|| tls_settings(location)).transpose()?;
        let name = location.name.clone();
        let limits = Limits {
            max_connections: options.max_connections,
            pool_timeout: options.pool_timeout,
            idle_check: options.idle_check,
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
        if let Ok(Some(offset)) = self.run(Verb::safe("TIME"), budget, pack, read) {
            self.clock.set(offset);
        }
    }

    /// Sends what `pack` writes and has `read` read all the replies to it. Both may be called a second time, on a
    /// fresh connection.
    pub(crate) fn run<R>(
        &self,
        verb: Verb,
        budget: Budget,
        pack: impl Fn(&mut Encoder<'_>),
        read: impl FnMut(&mut Connection, Budget) -> Reply<R>,
    ) -> Result<R, Failed> {
        let (loan, admission) = self.admit(verb, budget)?;
        let mut call = Call::new(self, loan, verb, budget, admission);
        call.dispatch(&pack)?;
        call.finish(&pack, read)
    }

    /// The first half of [`Node::run`]: when this returns, the commands are on their way.
    pub(crate) fn start(
        &self,
        verb: Verb,
        budget: Budget,
        pack: impl Fn(&mut Encoder<'_>),
    ) -> Result<Call<'_>, Failed> {
        let (loan, admission) = self.admit(verb, budget)?;
        let mut call = Call::new(self, loan, verb, budget, admission);
        call.dispatch(&pack)?;
        Ok(call)
    }

    /// A slot of the pool, if the breaker lets anyone pass.
    fn admit(
        &self,
        verb: Verb,
        budget: Budget,
    ) -> Result<(Loan<'_, Connection>, Admission), Failed> {
        let unsent = |error| Failed::refused(self.named(error, verb));
        let claim = || budget.remaining().unwrap_or_default() + Duration::from_millis(1);
        let admission = self.breaker.admit(claim).map_err(|refusal| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            unsent(refusal)
        })?;
        let loan = self.pool.lend(budget, verb.resend == Resend::Never);
        Ok((loan.map_err(unsent)?, admission))
    }

    /// Says where and at what the error happened, unless it says so itself.
    pub(crate) fn named(&self, error: Error, verb: Verb) -> Error {
        error.at_node(&self.name).during(verb.name)
    }

    /// A connection that is ready for commands. A failure counts at once: a node that cannot be connected to is not
    /// tried twice.
    pub(super) fn connect(&self, budget: Budget, admission: Admission) -> Result<Connection> {
        match self.open(budget.capped(self.connect_timeout)) {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(refusal)) => {
                self.answered();
                Err(refusal)
            }
            Err(fault) => {
                self.did_not_answer(admission);
                Err(fault)
            }
        }
    }

    /// Tells the breaker that the node answered, whatever it said.
    pub(super) fn answered(&self) {
        self.breaker.succeeded();
    }

    /// Tells the breaker that it did not.
    pub(super) fn did_not_answer(&self, admission: Admission) {
        self.breaker.failed(admission);
    }

    /// Counts commands that are sent a second time.
    pub(super) fn count_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
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
        Ok(offset.map(|offset| {
            if let Some(offset) = offset {
                self.clock.set(offset);
            }
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
fn is_fault(error: &Error) -> bool {
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
