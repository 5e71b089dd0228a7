//! What the loader of many keys that C calls may do: renew all its leases in one round trip.

use crate::cache::Cache;
use crate::error::ErrorKind;
use crate::expiry::Expiry;
use crate::herd::{Made, Renew};
use crate::redis::testing::Server;

type Never = std::convert::Infallible;

/// How often the server has read from its sockets.
fn reads(server: &Server) -> u64 {
    let stats: String = server.command(&["INFO", "stats"]);
    let mut lines = stats.lines();
    let count = lines.find_map(|line| line.strip_prefix("total_reads_processed:"));
    count.unwrap().parse().unwrap()
}

/// It was one round trip for each.
#[test]
fn two_hundred_leases_are_renewed_in_one_round_trip() {
    let server = Server::start();
    let url = format!("unix://{}?timeout=20s", server.socket().display());
    let cache = Cache::open(&url).unwrap();
    let keys: Vec<String> = (0..200).map(|number| format!("k{number}")).collect();
    let mut taken = None;
    let load = |missing: &[&&String], renew: &mut Renew<'_>| {
        renew().unwrap();
        let before = reads(&server);
        renew().unwrap();
        taken = Some(reads(&server) - before);
        // One that is lost is told, and the others are renewed all the same.
        cache.delete("k7").unwrap();
        assert_eq!(renew().unwrap_err().kind(), ErrorKind::Lost);
        Ok::<_, Never>(missing.iter().map(|_| Made::Value(vec![1])).collect())
    };
    let made = cache.load_many_bytes(&keys, Expiry::Default, load).unwrap();
    assert!(made.iter().all(|item| item.is_ok()));
    // A socket is read in pieces, and asking takes two or three.
    let taken = taken.unwrap();
    assert!(taken < 30, "{taken} reads for one pipeline");
    assert_eq!(cache.stats().sets, 199, "but for the one that was deleted");
}
