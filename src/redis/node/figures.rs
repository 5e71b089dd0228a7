//! What a node tells of itself: its state, its counters and gauges, and the certificate of its server.

use std::sync::atomic::Ordering;

use crate::base::budget::Budget;
use crate::error::Result;
use crate::store::{NodeState, Traffic};

use super::super::wire::Wire;
use super::Node;

impl Node {
    /// What this process knows of it.
    pub(crate) fn state(&self, owns_keys: bool) -> NodeState {
        let Traffic {
            connections_open,
            connections_idle,
            ..
        } = self.traffic();
        NodeState {
            name: self.name.clone(),
            location: self.shown.clone(),
            owns_keys,
            is_refusing: self.is_refusing(),
            connections_open,
            connections_idle,
        }
    }

    /// The certificate that it shows to a connection of its own, which ends with that.
    pub(crate) fn certificate(&self, budget: Budget) -> Result<Option<Vec<u8>>> {
        if self.dial.tls.is_none() || self.dial.connector.is_some() || self.is_out_of_reach() {
            return Ok(None);
        }
        let budget = self.time_to_open(budget);
        let wire = Wire::connect(&self.dial.address, self.dial.tls.as_ref(), budget);
        let wire = wire.map_err(|error| error.at_node(&self.name))?;
        Ok(wire.certificate())
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
            near_hits: 0,
            near_untracked: 0,
        }
    }

    pub(crate) fn reset_traffic(&self) {
        self.refused.store(0, Ordering::Relaxed);
        self.retries.store(0, Ordering::Relaxed);
        self.pool.reset_traffic();
        if let Some(latencies) = &self.latencies {
            latencies.reset();
        }
    }
}
