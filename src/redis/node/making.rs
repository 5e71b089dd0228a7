//! How a node is made, and for what. That touches no network.

use std::sync::atomic::{AtomicBool, AtomicU64};

use crate::base::fork::PerProcess;
use crate::base::latencies::Latencies;
use crate::config::{Hooks, Location, Options, Pipelining};
use crate::error::{Error, Result};

use super::super::connection::Dial;
use super::super::wire::tls::{self, TlsSettings};
use super::Node;
use super::bare::Bare;
use super::breaker::Breaker;
use super::clock::NodeClock;
use super::login::{self, Login};
use super::opening::Parking;
use super::pool::{Limits, Pool};
use super::tracked::Tracked;

impl Node {
    /// Opens nothing.
    pub(crate) fn new(location: &Location, options: &Options, hooks: &Hooks) -> Result<Self> {
        let secured = location.tls && hooks.connector.is_none();
        let tls = secured.then(|| tls::prepare(&location.tls_options));
        Node::with_tls(location, options, hooks, tls.transpose()?)
    }

    /// The same with settings that were made before, for a location that is `rediss://`.
    pub(crate) fn with_tls(
        location: &Location,
        options: &Options,
        hooks: &Hooks,
        tls: Option<TlsSettings>,
    ) -> Result<Self> {
        if let Some(tls) = &tls {
            tls.check(&location.address)?;
        }
        let name = location.name.clone();
        let login = Login::new(location, options, hooks);
        let limits = Limits {
            max_connections: options.max_connections,
            pool_timeout: options.pool_timeout,
            idle_check: options.idle_check,
            idle_timeout: options.idle_timeout,
            max_lifetime: options.max_lifetime,
        };
        let backoff = options.breaker_backoff;
        let latencies = options.latencies.then(|| Box::new(Latencies::new()));
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
            is_attended: latencies.is_some() || login.asker().is_some(),
            latencies,
            login,
            bare: Bare::default(),
            connect_timeout: options.connect_timeout,
            timeout: options.timeout,
            is_primary: false,
            out_of_reach: None,
            pool: Pool::new(limits),
            parking: Parking::new(),
            is_shared: options.pipelining == Pipelining::Auto && hooks.connector.is_none(),
            breaker: Breaker::new(
                options.breaker_failures,
                backoff,
                options.breaker_backoff_max,
            ),
            clock: NodeClock::new(),
            refused: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            is_touching: AtomicBool::new(false),
            hooks: hooks.clone(),
            tracked: PerProcess::new(Tracked::default()),
        })
    }

    /// This server must say of itself that it is a primary, on every new connection.
    pub(crate) fn expecting_primary(mut self) -> Self {
        self.is_primary = true;
        self
    }

    /// Stands for a server that is part of the fleet and cannot be reached: whatever is asked of it fails with this.
    pub(crate) fn out_of_reach(mut self, why: Error) -> Self {
        self.out_of_reach = Some(why);
        self
    }

    /// For reads of what a replica of a cluster has: without READONLY it sends every caller on to its primary.
    pub(crate) fn for_replica_reads(mut self) -> Self {
        self.login.reads_replica = true;
        self
    }
}
