//! A value that moves to another key leaves its lease behind: bytes 16 to 31 are zero there.

use std::time::Duration;

use crate::base::budget::Budget;

use super::bench::on_every_store;
use super::entry::{Entry, THEIRS};

#[test]
fn a_value_that_moves_leaves_its_lease_behind() {
    on_every_store(|bench| {
        let now = crate::expiry::local_unix_ms();
        let leased = Entry::fresh().leased(THEIRS, 50_000).bytes(now);
        let mut moved = leased.clone();
        moved[16..32].fill(0);
        assert_ne!(moved, leased);
        let short = b"\xC1\x11\0\0a payload that is longer than a long header".to_vec();
        for (before, after) in [(leased, moved), (short.clone(), short)] {
            bench.put("from", &before, Some(1_000_000));
            bench.put("to", b"replaced", None);
            let budget = Budget::new(Duration::from_secs(20));
            assert!(bench.store.rename(b"from", b"to", budget).unwrap());
            assert_eq!(bench.bytes("from"), None, "{}", bench.name);
            assert_eq!(bench.bytes("to"), Some(after), "{}", bench.name);
            assert!(bench.pttl("to").is_some(), "{}", bench.name);
        }
    });
}
