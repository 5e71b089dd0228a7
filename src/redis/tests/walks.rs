//! What concerns whole nodes, against a real server.

use crate::base::budget::soon;
use crate::error::ErrorKind;
use crate::store::{KeyList, ScanStep, Store, Walks};

use super::super::testing::{Server, keys, set};

#[test]
fn a_walk_finds_every_key_and_removes_what_it_is_told() {
    let server = Server::start();
    let backend = server.backend();
    for number in 0..1000 {
        set(&backend, &format!("a:{number}"), b"v").unwrap();
        set(&backend, &format!("b:{number}"), b"v").unwrap();
    }
    let nodes = backend.nodes(soon()).unwrap();
    assert_eq!(nodes, [server.unix().to_string()]);
    let (mut cursor, mut removed, mut steps, mut walked) = (0, 0, 0, 0.0);
    loop {
        let mut found = KeyList::default();
        let step = ScanStep {
            node: &nodes[0],
            cursor,
            pattern: b"a:*",
            count: 100,
        };
        cursor = backend
            .scan(step, soon(), &mut |key| found.push_bytes(key))
            .unwrap();
        removed += backend.unlink(&nodes[0], &found, soon()).unwrap();
        steps += 1;
        if cursor == 0 {
            break;
        }
        assert!(backend.walked(cursor, walked) > walked);
        walked = backend.walked(cursor, walked);
    }
    assert_eq!(removed, 1000);
    assert!((10..40).contains(&steps), "{steps}");
    assert!(walked > 0.9, "{walked}");
    assert_eq!(server.command::<u64>(&["DBSIZE"]), 1000);
    let step = ScanStep {
        node: "elsewhere",
        cursor: 0,
        pattern: b"*",
        count: 10,
    };
    assert_eq!(
        backend.scan(step, soon(), &mut |_| {}).unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    assert_eq!(
        backend
            .unlink("elsewhere", &keys(&["k"]), soon())
            .unwrap_err()
            .kind(),
        ErrorKind::Unavailable
    );
}

#[test]
fn ping_flush_locate_and_counters() {
    let server = Server::start();
    let backend = server.backend();
    backend.ping(soon()).unwrap();
    set(&backend, "k", &[0; 1000]).unwrap();
    let traffic = backend.traffic();
    assert!((1000..3000).contains(&traffic.bytes_written), "{traffic:?}");
    assert!(traffic.bytes_read > 0);
    assert_eq!((traffic.connections_open, traffic.connections_idle), (1, 1));
    backend.reset_traffic();
    assert_eq!(backend.traffic().bytes_written, 0);
    assert_eq!(
        backend.locate(b"k", soon()).unwrap(),
        server.unix().to_string()
    );
    backend.flush(soon()).unwrap();
    assert_eq!(server.command::<u64>(&["DBSIZE"]), 0);
    backend.close();
    assert_eq!(backend.traffic().connections_open, 0);
    backend.ping(soon()).unwrap();
}
