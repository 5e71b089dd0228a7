//! What a node is, as it says itself: ROLE (<https://redis.io/docs/latest/commands/role/>).

use std::sync::Arc;

use crate::base::budget::Budget;
use crate::config::Address;
use crate::error::Result;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::{Encoder, Token};
use crate::redis::fleet::together;
use crate::redis::node::exchange::{Failed, Verb};

use super::super::connection::Connection;
use super::super::node::Node;

/// What of it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// It takes writes, and so many replicas follow it.
    Primary { replicas: usize },
    /// It follows this one.
    Replica { of: Address },
    /// It is none that stores keys.
    Other,
}

/// Asks all of `nodes` at the same time; the answers stand in their order.
pub(crate) fn ask(nodes: &[Arc<Node>], budget: Budget) -> Vec<Result<Role, Failed>> {
    let pack = |to: &mut Encoder<'_>| {
        to.command(1).arg(b"ROLE");
    };
    together::ask(nodes, Verb::safe("ROLE"), budget, pack, read)
}

fn read(from: &mut Connection, budget: Budget) -> Reply<Role> {
    let parts = match reply::array(from, budget)? {
        Ok(parts) => parts,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let is_primary = match from.next(budget)? {
        Token::Bulk(b"master") if parts == 3 => true,
        Token::Bulk(b"slave") if parts == 5 => false,
        Token::Bulk(_) => {
            skip(parts.saturating_sub(1), from, budget)?;
            return Ok(Ok(Role::Other));
        }
        _ => return Err(reply::unexpected("a role")),
    };
    if is_primary {
        // The offset, which does not matter, and the replicas.
        from.skip(budget)?;
        let Ok(replicas) = reply::array(from, budget)? else {
            return Err(reply::unexpected("the replicas"));
        };
        skip(replicas, from, budget)?;
        return Ok(Ok(Role::Primary { replicas }));
    }
    let Token::Bulk(host) = from.next(budget)? else {
        return Err(reply::unexpected("the host of the primary"));
    };
    let host = String::from_utf8_lossy(host).into_owned();
    let Ok(port) = reply::int(from, budget)? else {
        return Err(reply::unexpected("the port of the primary"));
    };
    skip(2, from, budget)?;
    let port = u16::try_from(port).unwrap_or_default();
    Ok(Ok(Role::Replica {
        of: Address::Tcp { host, port },
    }))
}

fn skip(parts: usize, from: &mut Connection, budget: Budget) -> Result<()> {
    for _ in 0..parts {
        from.skip(budget)?;
    }
    Ok(())
}
