//! What a call takes from the heap, counted by an allocator that counts: a hit allocates what it hands out and
//! nothing else, a write nothing. (The performance chapter of the crate's documentation says so.)

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use redis_cache::{Cache, Expiry};

use common::fixture::{Backend, Fixture};

/// Counts what the thread that asks takes from the heap, growth included.
struct Counting;

thread_local! {
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    let _ = TAKEN.try_with(|taken| taken.set(taken.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocations of one call, once the connection and its buffers are there.
fn allocations<T>(mut call: impl FnMut() -> T) -> usize {
    for _ in 0..3 {
        call();
    }
    let before = TAKEN.get();
    let result = call();
    let taken = TAKEN.get() - before;
    drop(result);
    taken
}

/// A cache with a value of 100 bytes under `key`, over a connection of either kind.
fn caches() -> impl Iterator<Item = Cache> {
    [Backend::Tcp, Backend::Unix].into_iter().map(|backend| {
        let cache = Fixture::new(backend).cache();
        let value = [b'x'; 100];
        cache.set_bytes("key", &value, Expiry::Default).unwrap();
        cache
    })
}

#[test]
fn a_hit_into_the_callers_memory_allocates_nothing() {
    for cache in caches() {
        let mut memory = [0; 128];
        let mut hit = || cache.get_into("key", &mut memory).unwrap();
        assert_eq!(hit(), Some(100));
        assert_eq!(allocations(hit), 0);
    }
}

#[test]
fn a_hit_allocates_the_bytes_it_hands_out() {
    for cache in caches() {
        let hit = || cache.get_bytes("key").unwrap();
        assert_eq!(hit().unwrap().len(), 100);
        assert_eq!(allocations(hit), 1);
    }
}

#[test]
fn a_large_value_is_one_allocation_too() {
    for cache in caches() {
        let value = vec![b'y'; 1 << 20];
        cache.set_bytes("large", &value, Expiry::Default).unwrap();
        assert_eq!(allocations(|| cache.get_bytes("large").unwrap()), 1);
    }
}

#[test]
fn a_miss_allocates_nothing() {
    for cache in caches() {
        assert_eq!(allocations(|| cache.get_bytes("absent").unwrap()), 0);
    }
}

#[test]
fn a_typed_hit_allocates_nothing_for_a_value_without_memory_of_its_own() {
    for cache in caches() {
        cache
            .set("pair", &(7_u64, 0.5_f64), Expiry::Default)
            .unwrap();
        let hit = || cache.get::<(u64, f64)>("pair").unwrap();
        assert_eq!(hit(), Some((7, 0.5)));
        assert_eq!(allocations(hit), 0);
    }
}

#[test]
fn a_write_allocates_nothing() {
    for cache in caches() {
        let value = [b'z'; 100];
        let write = || cache.set_bytes("key", &value, Expiry::Default).unwrap();
        assert_eq!(allocations(write), 0);
    }
}
