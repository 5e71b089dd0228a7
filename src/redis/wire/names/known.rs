//! The addresses that names had last. While name servers are silent they are better than nothing; where they led to the
//! wrong server, the name servers are waited for longer first.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use crate::base::fork;

/// So many names are remembered.
const MOST: usize = 1024;

/// What a name was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) addresses: Vec<SocketAddr>,
    /// A connection there led to the wrong server.
    pub(super) is_doubted: bool,
}

/// Touched at the gate of forks only, so a child inherits it whole, and unlocked.
static NAMES: Mutex<BTreeMap<String, Known>> = Mutex::new(BTreeMap::new());

fn names<R>(work: impl FnOnce(&mut BTreeMap<String, Known>) -> R) -> R {
    fork::at_the_gate(|| work(&mut NAMES.lock().unwrap_or_else(PoisonError::into_inner)))
}

pub(super) fn get(host: &str) -> Option<Known> {
    names(|names| names.get(host).cloned())
}

pub(super) fn put(host: &str, addresses: &[SocketAddr]) {
    let known = Known {
        addresses: addresses.to_vec(),
        is_doubted: false,
    };
    names(|names| {
        if names.len() >= MOST && !names.contains_key(host) {
            names.pop_first();
        }
        names.insert(host.to_owned(), known);
    });
}

/// Nobody has that name any more.
pub(super) fn forget(host: &str) {
    names(|names| names.remove(host));
}

/// A connection to what the name is proved to be to the wrong server.
pub(crate) fn doubt(host: &str) {
    let host = host.to_ascii_lowercase();
    names(|names| {
        if let Some(known) = names.get_mut(&host) {
            known.is_doubted = true;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_doubted_until_it_is_known_again() {
        let host = "doubted.known.test";
        doubt(host);
        assert_eq!(get(host), None);
        let addresses = ["10.0.0.1:0".parse().unwrap()];
        for _ in 0..2 {
            put(host, &addresses);
            assert!(!get(host).unwrap().is_doubted);
            doubt(host);
            assert!(get(host).unwrap().is_doubted);
        }
        forget(host);
        assert_eq!(get(host), None);
    }
}
