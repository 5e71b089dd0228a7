//! Who is primary: the one rule for topologies that have one. A late reply proves nothing, so whoever failed is asked
//! again like all others; a server takes writes over only when it says that it is the primary and others bear that out.
//! Sentinels and the nodes of a cluster vote among themselves, and what most of them say is their evidence; a server that
//! they name must say so itself as well, on every new connection
//! ([`expecting_primary`](crate::redis::node::Node::expecting_primary)) or with every MOVED.

use crate::config::Address;
use crate::error::{Error, Meaning};

use super::role::Role;

/// One node, and what it says of itself.
#[derive(Debug)]
pub(crate) struct Witness<'a> {
    pub(crate) address: &'a Address,
    /// None when it did not answer.
    pub(crate) role: Option<Role>,
    /// It did not answer in time, and nothing worse is known of it.
    pub(crate) is_late: bool,
    /// It was seen following another node before: if it is a primary now, it was made one.
    pub(crate) has_followed: bool,
}

/// Whether a failure is a reason to ask who the primary is: the node is gone, or says that it is none, or that none
/// follows it, or does not know this user.
pub(crate) fn casts_doubt(error: &Error) -> bool {
    let meaning = error.meaning();
    meaning.is_fault()
        || meaning == Meaning::NotPrimary
        || matches!(error.code(), Some("NOREPLICAS" | "NOAUTH"))
}

/// Whether what so many of them remember counts although others know better: for a moment after a change some have not
/// heard of it, and one that is cut off never does.
pub(crate) fn is_majority(count: usize, of: usize) -> bool {
    count > of / 2
}

/// Who takes the writes, by their places: `current` until now, `configured` by the configuration.
///
/// A primary that says so keeps its place, whoever else says so too: it was only late. From the configured one nobody takes
/// it; any other gives it back as soon as the configured one says that it is the primary, unless more replicas follow
/// the other: then the configured one has come back empty, from before the change. Where the current one is silent or
/// follows another, a primary counts that replicas follow, or that is configured; or that was seen becoming one, if the
/// current one is not merely late.
pub(crate) fn writer(configured: usize, current: usize, witnesses: &[Witness<'_>]) -> usize {
    let claim = |place: usize| claim(witnesses, place);
    if let Some(own) = claim(current) {
        let is_back = claim(configured).is_some_and(|its| its >= own);
        return if is_back { configured } else { current };
    }
    let is_late = witnesses
        .get(current)
        .is_some_and(|witness| witness.is_late);
    let backed = witnesses.iter().enumerate().filter_map(|(place, witness)| {
        let followers = claim(place)?;
        let is_configured = place == configured;
        let was_promoted = witness.has_followed && !is_late;
        let counts = followers > 0 || was_promoted || is_configured;
        counts.then_some((followers, is_configured, place))
    });
    backed.max().map_or(current, |(_, _, place)| place)
}

/// How many follow the one at `place`, by its own word or by theirs; None unless it says that it is a primary.
fn claim(witnesses: &[Witness<'_>], place: usize) -> Option<usize> {
    let witness = witnesses.get(place)?;
    let Some(Role::Primary { replicas }) = &witness.role else {
        return None;
    };
    let follows = |other: &&Witness<'_>| match &other.role {
        Some(Role::Replica { of }) => of == witness.address,
        _ => false,
    };
    let followers = witnesses.iter().filter(follows).count();
    Some(followers.max(*replicas))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Address {
        Address::Tcp {
            host: "10.0.0.1".into(),
            port,
        }
    }

    fn primary(replicas: usize) -> Option<Role> {
        Some(Role::Primary { replicas })
    }

    fn replica_of(port: u16) -> Option<Role> {
        Some(Role::Replica { of: address(port) })
    }

    /// The configured one is at 0, on port 0, and so on.
    fn decide(current: usize, roles: &[Option<Role>]) -> usize {
        decide_with(current, roles, None, None)
    }

    fn decide_with(
        current: usize,
        roles: &[Option<Role>],
        has_followed: Option<usize>,
        late: Option<usize>,
    ) -> usize {
        let addresses: Vec<_> = (0..).map(address).take(roles.len()).collect();
        let witness = |(place, role): (usize, &Option<Role>)| Witness {
            address: &addresses[place],
            role: role.clone(),
            is_late: late == Some(place),
            has_followed: has_followed == Some(place),
        };
        let witnesses: Vec<_> = roles.iter().enumerate().map(witness).collect();
        writer(0, current, &witnesses)
    }

    #[test]
    fn a_late_reply_makes_no_primary_of_one_that_nobody_follows() {
        assert_eq!(decide(0, &[None, primary(0)]), 0);
        assert_eq!(decide(0, &[None, primary(0), replica_of(0)]), 0);
        assert_eq!(decide(0, &[None, None]), 0);
    }

    #[test]
    fn a_primary_that_says_so_keeps_its_place() {
        assert_eq!(decide(0, &[primary(0), primary(2)]), 0);
        assert_eq!(decide(1, &[None, primary(0), primary(1)]), 1);
    }

    #[test]
    fn one_that_replicas_follow_takes_over() {
        assert_eq!(decide(0, &[None, primary(1), replica_of(1)]), 1);
        // The new primary has not noticed its replicas yet, or they are not configured.
        assert_eq!(decide(0, &[replica_of(1), primary(0)]), 1);
        assert_eq!(decide(0, &[replica_of(9), primary(1)]), 1);
        assert_eq!(decide(0, &[None, primary(1), primary(2)]), 2);
    }

    #[test]
    fn one_that_was_seen_becoming_a_primary_takes_over() {
        let roles = [None, primary(0)];
        assert_eq!(decide_with(0, &roles, Some(1), None), 1);
        assert_eq!(decide_with(0, &roles, Some(1), Some(0)), 0);
        assert_eq!(decide_with(0, &roles, Some(0), None), 0);
    }

    #[test]
    fn the_configured_one_wins_again() {
        assert_eq!(decide(1, &[primary(0), primary(0)]), 0);
        assert_eq!(decide(1, &[primary(1), primary(1)]), 0);
        assert_eq!(decide(1, &[primary(0), None]), 0);
        assert_eq!(decide(1, &[primary(1), replica_of(0)]), 0);
        // But not when it comes back alone from before the change.
        assert_eq!(decide(1, &[primary(0), primary(1), replica_of(1)]), 1);
    }
}
