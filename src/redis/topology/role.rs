//! What a node is, as it says itself: ROLE (<https://redis.io/docs/latest/commands/role/>).

use std::sync::Arc;

use crate::base::budget::Budget;
use crate::config::Address;
use crate::error::Result;
use crate::redis::command::Command;
use crate::redis::command::verb::Verb;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::{Encoder, Token};
use crate::redis::node::exchange::Failed;
use crate::redis::node::together;

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
    together::ask(nodes, budget, &AskRole)
}

/// ROLE.
#[derive(Debug, Clone, Copy)]
struct AskRole;

impl Command for AskRole {
    type Answer = Role;

    fn verb(&self) -> Verb {
        Verb::safe("ROLE")
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        to.command(1).arg(b"ROLE");
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<Role> {
        let parts = match from.array()? {
            Ok(parts) => parts,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let is_primary = match from.next()? {
            Token::Bulk(b"master") if parts == 3 => true,
            Token::Bulk(b"slave") if parts == 5 => false,
            Token::Bulk(_) => {
                skip(parts.saturating_sub(1), from)?;
                return Ok(Ok(Role::Other));
            }
            _ => return Err(reply::unexpected("a role")),
        };
        if is_primary {
            // The offset, which does not matter, and the replicas.
            from.skip()?;
            let Ok(replicas) = from.array()? else {
                return Err(reply::unexpected("the replicas"));
            };
            skip(replicas, from)?;
            return Ok(Ok(Role::Primary { replicas }));
        }
        let Token::Bulk(host) = from.next()? else {
            return Err(reply::unexpected("the host of the primary"));
        };
        let host = String::from_utf8_lossy(host).into_owned();
        let Ok(port) = from.int()? else {
            return Err(reply::unexpected("the port of the primary"));
        };
        skip(2, from)?;
        let port = u16::try_from(port).unwrap_or_default();
        Ok(Ok(Role::Replica {
            of: Address::Tcp { host, port },
        }))
    }
}

fn skip(parts: usize, from: &mut Replies<'_>) -> Result<()> {
    for _ in 0..parts {
        from.skip()?;
    }
    Ok(())
}
