//! What a ring is told of a server.

use crate::config::Address;

/// A server as a ring sees it.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    /// The stable name of the node: the given one, or its address.
    pub(crate) name: &'a str,
    /// Whether `name` was given.
    pub(crate) is_named: bool,
    /// Its share of the keys, in relation to the weights of the others.
    pub(crate) weight: u32,
    pub(crate) address: &'a Address,
    pub(crate) db: u32,
    /// The location as configured, with its credentials and without its query. Only the legacy rings look at it;
    /// no ring keeps it.
    pub(crate) spelled: &'a str,
}
