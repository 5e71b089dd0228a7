//! What a forked child does with the connections of its parent: nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::fork::testing::in_child;
use crate::store::Store;

use super::super::testing::{Server, fill_pool, get, set};

#[test]
fn a_forked_child_uses_connections_of_its_own() {
    let server = Server::start();
    let backend = server.backend();
    set(&backend, "parent", b"1").unwrap();
    set(&backend, "k", b"v").unwrap();
    fill_pool(&backend, 3);
    assert!(in_child(|| {
        assert_eq!(backend.traffic().connections_open, 0);
        for _ in 0..50 {
            assert_eq!(get(&backend, "parent").unwrap().unwrap(), b"1");
            set(&backend, "child", b"2").unwrap();
        }
    }));
    for _ in 0..50 {
        assert_eq!(get(&backend, "parent").unwrap().unwrap(), b"1");
        assert_eq!(get(&backend, "child").unwrap().unwrap(), b"2");
    }
    assert_eq!(backend.traffic().retries, 0);
}

#[test]
fn forks_amid_busy_threads_leave_children_that_work() {
    let server = Server::start();
    let backend = server.backend();
    set(&backend, "k", b"v").unwrap();
    let working = AtomicBool::new(true);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while working.load(Ordering::Relaxed) {
                    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v");
                }
            });
        }
        let all_worked =
            (0..30).all(|_| in_child(|| assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v")));
        working.store(false, Ordering::Relaxed);
        assert!(all_worked);
    });
}
