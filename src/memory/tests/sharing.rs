//! One store and many threads, names and processes.

use super::*;

#[test]
fn increments_of_eight_threads_add_up() {
    let store = private(ROOMY);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..5000 {
                    store
                        .incr_or_create(b"sum", 1, 1, Life::Forever, soon())
                        .unwrap();
                    store
                        .set(
                            format!("{thread}:{}", round % 50).as_bytes(),
                            plain(b"x"),
                            Life::Millis(1),
                            soon(),
                        )
                        .unwrap();
                    get(
                        store,
                        format!("{}:{}", (thread + 1) % 8, round % 50).as_bytes(),
                    );
                }
            });
        }
    });
    assert_eq!(store.incr(b"sum", 0, soon()).unwrap(), Some(40_000));
}

#[test]
fn only_one_of_many_threads_adds() {
    let store = private(ROOMY);
    for round in 0..200u32 {
        let added: usize = std::thread::scope(|scope| {
            let add = || {
                usize::from(
                    store
                        .add(&round.to_le_bytes(), plain(b"x"), Life::Forever, soon())
                        .unwrap(),
                )
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(add)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(added, 1);
    }
}

/// In a process of its own: a fork holds every store for a moment, and others here fork.
#[test]
fn a_name_is_shared_while_somebody_holds_it_and_grows_to_the_largest_limit() {
    assert!(crate::base::fork::testing::in_child(|| {
        let first = MemoryStore::open(Some("shared"), None, 400);
        let second = MemoryStore::open(Some("shared"), None, 1000);
        let third = MemoryStore::open(Some("shared"), None, 10);
        first
            .set(b"k", plain(&[0; 500]), Life::Forever, soon())
            .unwrap();
        assert!(get(&third, b"k").is_some());
        assert_eq!(second.locate(b"k", soon()).unwrap(), "memory://shared");
        assert_eq!(
            get(&MemoryStore::open(Some("another"), None, 1000), b"k"),
            None
        );
        assert_eq!(get(&private(1000), b"k"), None);
        drop((first, second, third));
        assert_eq!(
            get(&MemoryStore::open(Some("shared"), None, 400), b"k"),
            None
        );
    }));
}

#[test]
fn a_child_forked_amid_other_threads_goes_on_with_its_own_copy() {
    use std::sync::atomic::{AtomicBool, Ordering};

    let store = MemoryStore::open(Some("forked"), None, ROOMY);
    store
        .set(b"sum", plain(b"1"), Life::Forever, soon())
        .unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    store
                        .set(b"busy", plain(b"x"), Life::Forever, soon())
                        .unwrap();
                    MemoryStore::open(Some("forked"), None, 1);
                }
            });
        }
        let children_fared_well = (0..100).all(|_| {
            crate::base::fork::testing::in_child(|| {
                // Not on threads of its own: std starts one under a lock that another test's thread may have had.
                for _ in 0..2000 {
                    assert!(store.incr(b"sum", 1, soon()).unwrap().is_some());
                }
                let again = MemoryStore::open(Some("forked"), None, 1);
                assert_eq!(again.incr(b"sum", 0, soon()).unwrap(), Some(2001));
            })
        });
        stop.store(true, Ordering::Relaxed);
        assert!(children_fared_well);
    });
    assert_eq!(get(&store, b"sum"), Some(b"1".to_vec()));
}
