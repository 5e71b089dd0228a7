//! One server: the pool of its connections, its breaker, its clock. Everything that is asked of a server goes through
//! [`Node::run`], or through [`Node::start`] and [`Call::finish`] when several servers are asked at once; that is
//! where a dead connection is replaced, once and silently, and where errors get the node's name.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo};

use crate::backend::Traffic;
use crate::config::{Address, Hooks, Location, Options, Protocol};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Clock;

use super::breaker::{Admission, Breaker};
use super::budget::Budget;
use super::connection::{Connection, Dial, SendFault};
use super::handshake::{self, Login};
use super::pool::{Limits, Loan, Pool, Pooled};
use super::reply::Reply;
use super::resp::Encoder;

/// A kind of command: its name in errors, and whether it may be sent again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) resend: Resend,
}

/// What may be done when a connection broke after a command was sent and before its reply came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resend {
    /// Send it again: it reads, or doing it twice does what doing it once does, whatever came in between.
    Safe,
    /// Report the fault: the server may have done it.
    Never,
}

impl Verb {
    pub(crate) const fn safe(name: &'static str) -> Self {
        Verb {
            name,
            resend: Resend::Safe,
        }
    }

    pub(crate) const fn once(name: &'static str) -> Self {
        Verb {
            name,
            resend: Resend::Never,
        }
    }
}

/// One server.
pub(crate) struct Node {
    name: String,
    shown: String,
    dial: Dial,
    login: Login,
    connect_timeout: Duration,
    pool: Pool<Connection>,
    breaker: Breaker,
    clock_offset_ms: AtomicI64,
    refused: AtomicU64,
    retries: AtomicU64,
}

impl Node {
    /// Opens nothing.
    pub(crate) fn new(location: &Location, options: &Options, hooks: &Hooks) -> Result<Self> {
        if location.tls && hooks.connector.is_none() {
            let text = format!(
                "{}: this build has no TLS; a `connector` may bring its own",
                location.shown
            );
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let name = location.name.clone();
        let login = Login {
            protocol: options.protocol,
            username: location.username.clone(),
            password: location.password.clone(),
            db: location.db.unwrap_or(options.db),
            client_name: options.client_name.clone(),
        };
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
                parser: options.parser,
                connector: hooks.connector.clone(),
                info: connection_info(location, &login)?,
            },
            login,
            connect_timeout: options.connect_timeout,
            pool: Pool::new(limits),
            breaker: Breaker::new(
                options.breaker_failures,
                backoff,
                options.breaker_backoff_max,
            ),
            clock_offset_ms: AtomicI64::new(0),
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

    /// The server's clock, as the last connect saw it.
    pub(crate) fn clock(&self) -> Clock {
        Clock {
            offset_ms: self.clock_offset_ms.load(Ordering::Relaxed),
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
    ) -> Result<R> {
        self.start(verb, budget, &pack)?.finish(&pack, read)
    }

    /// The first half of [`Node::run`]: when this returns, the commands are on their way.
    pub(crate) fn start(
        &self,
        verb: Verb,
        budget: Budget,
        pack: impl Fn(&mut Encoder<'_>),
    ) -> Result<Call<'_>> {
        let named = |error| self.named(error, verb);
        let claim = || budget.remaining().unwrap_or_default() + Duration::from_millis(1);
        let admission = self.breaker.admit(claim).map_err(|refusal| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            named(refusal)
        })?;
        let loan = self
            .pool
            .lend(budget, verb.resend == Resend::Never)
            .map_err(named)?;
        let mut call = Call {
            node: self,
            loan,
            verb,
            budget,
            admission,
            is_retried: false,
        };
        call.dispatch(&pack)?;
        Ok(call)
    }

    /// Says where and at what the error happened, unless it says so itself.
    pub(crate) fn named(&self, error: Error, verb: Verb) -> Error {
        error.at_node(&self.name).during(verb.name)
    }

    /// A connection that is ready for commands. A failure counts at once: a node that cannot be connected to is not
    /// tried twice.
    fn connect(&self, budget: Budget, admission: Admission) -> Result<Connection> {
        match self.open(budget.capped(self.connect_timeout)) {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(refusal)) => {
                self.breaker.succeeded();
                Err(refusal)
            }
            Err(fault) => {
                self.breaker.failed(admission);
                Err(fault)
            }
        }
    }

    fn open(&self, budget: Budget) -> Reply<Connection> {
        let mut connection = match Connection::open(&self.dial, budget) {
            Ok(connection) => connection,
            Err(error) if is_fault(&error) => return Err(error),
            Err(error) => return Ok(Err(error)),
        };
        let offset = if self.dial.connector.is_some() {
            handshake::ask_time(&mut connection, budget)?
        } else {
            handshake::greet(&mut connection, &self.login, budget)?
        };
        Ok(offset.map(|offset| {
            if let Some(offset) = offset {
                self.clock_offset_ms.store(offset, Ordering::Relaxed);
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

/// The same login in the words of the `redis` crate, for a connector.
fn connection_info(location: &Location, login: &Login) -> Result<redis::ConnectionInfo> {
    let address = match &location.address {
        Address::Tcp { host, port } if location.tls => ConnectionAddr::TcpTls {
            host: host.clone(),
            port: *port,
            insecure: location.tls_options.insecure == Some(true),
            tls_params: None,
        },
        Address::Tcp { host, port } => ConnectionAddr::Tcp(host.clone(), *port),
        Address::Unix(path) => ConnectionAddr::Unix(path.clone()),
        Address::Memory(_) => {
            let text = format!("{} is an embedded store, not a server", location.address);
            return Err(Error::new(ErrorKind::Config, text));
        }
    };
    let mut settings = redis::RedisConnectionInfo::default().set_db(i64::from(login.db));
    if let Some(username) = &login.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &login.password {
        settings = settings.set_password(password);
    }
    if login.protocol == Protocol::Resp3 {
        settings = settings.set_protocol(redis::ProtocolVersion::RESP3);
    }
    let info = address.into_connection_info();
    let info = info.map_err(|error| Error::new(ErrorKind::Config, error.to_string()))?;
    Ok(info.set_redis_settings(settings))
}

/// Whether the node did not answer, rather than answered something unwelcome.
fn is_fault(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Io | ErrorKind::Timeout | ErrorKind::Unavailable
    )
}

/// Commands on their way to a node. Dropped unfinished, it closes the connection, for replies are still to come.
pub(crate) struct Call<'a> {
    node: &'a Node,
    loan: Loan<'a, Connection>,
    verb: Verb,
    budget: Budget,
    admission: Admission,
    is_retried: bool,
}

impl Call<'_> {
    /// Has `read` read all the replies. `pack` is what [`Node::start`] was given.
    pub(crate) fn finish<R>(
        mut self,
        pack: impl Fn(&mut Encoder<'_>),
        mut read: impl FnMut(&mut Connection, Budget) -> Reply<R>,
    ) -> Result<R> {
        loop {
            let Some(connection) = self.loan.connection() else {
                return Err(self.failed(Error::new(ErrorKind::Io, "the connection is closed")));
            };
            match read(connection, self.budget) {
                Ok(answer) => {
                    self.node.breaker.succeeded();
                    return answer.map_err(|error| self.named(error));
                }
                Err(error) => self.recover(SendFault {
                    error,
                    unsent: false,
                })?,
            }
            self.dispatch(&pack)?;
        }
    }

    /// Sends the commands, on the connection at hand or on a fresh one.
    fn dispatch(&mut self, pack: &impl Fn(&mut Encoder<'_>)) -> Result<()> {
        let (node, budget, admission) = (self.node, self.budget, self.admission);
        loop {
            let connection = self.loan.connection_or(|| node.connect(budget, admission));
            let sent = match connection {
                Ok(connection) => {
                    pack(&mut connection.encoder());
                    connection.send(budget)
                }
                Err(error) => return Err(self.named(error)),
            };
            match sent {
                Ok(()) => return Ok(()),
                Err(fault) => self.recover(fault)?,
            }
        }
    }

    /// After a fault of the connection: whether the commands may be sent once more, on another one.
    #[cold]
    fn recover(&mut self, fault: SendFault) -> Result<()> {
        self.loan.discard();
        let SendFault { error, unsent } = fault;
        let may_resend = unsent || self.verb.resend == Resend::Safe;
        if self.is_retried || !may_resend || error.is_timeout() || self.budget.remaining().is_err()
        {
            return Err(self.failed(error));
        }
        self.is_retried = true;
        self.node.retries.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn failed(&self, error: Error) -> Error {
        self.node.breaker.failed(self.admission);
        self.named(error)
    }

    fn named(&self, error: Error) -> Error {
        self.node.named(error, self.verb)
    }
}

impl Pooled for Connection {
    fn is_reusable(&self) -> bool {
        Connection::is_reusable(self)
    }

    fn is_quiet(&self) -> bool {
        Connection::is_quiet(self)
    }

    fn take_traffic(&mut self) -> (u64, u64) {
        Connection::take_traffic(self)
    }

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
