//! What a node is, as it says itself: ROLE (<https://redis.io/docs/latest/commands/role/>).

use std::sync::Arc;

use crate::base::budget::Budget;
use crate::redis::command::Command;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::{Encoder, Token};
use crate::redis::fleet::together;
use crate::redis::node::exchange::{Failed, Verb};

use super::super::connection::Connection;
use super::super::node::Node;

/// What of it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It takes writes, and so many replicas follow it.
    Primary { replicas: usize },
    /// It follows another node, or is none that stores keys.
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
        let budget = from.budget();
        read(from.connection(), budget)
    }
}

fn read(from: &mut Connection, budget: Budget) -> Reply<Role> {
    let mut parts = match reply::array(from, budget)? {
        Ok(parts) => parts,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let is_primary = match from.next(budget)? {
        Token::Bulk(role) => role == b"master",
        _ => return Err(reply::unexpected("a role")),
    };
    let mut role = Role::Other;
    parts = parts.saturating_sub(1);
    if is_primary && parts == 2 {
        // The offset, which does not matter, and the replicas.
        from.skip(budget)?;
        let Ok(replicas) = reply::array(from, budget)? else {
            return Err(reply::unexpected("the replicas"));
        };
        role = Role::Primary { replicas };
        parts = replicas;
    }
    for _ in 0..parts {
        from.skip(budget)?;
    }
    Ok(Ok(role))
}
