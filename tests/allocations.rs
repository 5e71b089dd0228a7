//! What a call takes from the heap, counted by an allocator that counts: a hit allocates what it hands out and
//! nothing else, a write nothing. (The performance chapter of the crate's documentation says so.)

#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used
)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use redis_cache::{Cache, Expiry};

use common::fixture::{Backend, Fixture};

/// Counts what the thread that asks takes from the heap, growth included.
struct Counting;

thread_local! {
    static TAKEN: Cell<usize> = const { Cell::new(0) };
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count() {
    let _ = TAKEN.try_with(|taken| taken.set(taken.get() + 1));
}

fn hold(more: usize, less: usize) {
    let _ = HELD.try_with(|held| {
        held.set(held.get() + more as isize - less as isize);
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size(), 0);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        hold(size, layout.size());
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        hold(0, layout.size());
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

/// A cache with a value of 100 bytes under `key`, over a connection of either kind, and the server it lives on.
fn caches() -> impl Iterator<Item = (Fixture, Cache)> {
    [Backend::Tcp, Backend::Unix].into_iter().map(|backend| {
        let fixture = Fixture::new(backend);
        let cache = fixture.cache();
        let value = [b'x'; 100];
        cache.set_bytes("key", &value, Expiry::Default).unwrap();
        (fixture, cache)
    })
}

#[test]
fn a_hit_into_the_callers_memory_allocates_nothing() {
    for (_fixture, cache) in caches() {
        let mut memory = [0; 128];
        let mut hit = || cache.get_into("key", &mut memory).unwrap();
        assert_eq!(hit(), Some(100));
        assert_eq!(allocations(hit), 0);
    }
}

#[test]
fn a_hit_allocates_the_bytes_it_hands_out() {
    for (_fixture, cache) in caches() {
        let hit = || cache.get_bytes("key").unwrap();
        assert_eq!(hit().unwrap().len(), 100);
        assert_eq!(allocations(hit), 1);
    }
}

#[test]
fn a_large_value_is_one_allocation_too() {
    for (_fixture, cache) in caches() {
        let value = vec![b'y'; 1 << 20];
        cache.set_bytes("large", &value, Expiry::Default).unwrap();
        assert_eq!(allocations(|| cache.get_bytes("large").unwrap()), 1);
    }
}

#[test]
fn a_miss_allocates_nothing() {
    for (_fixture, cache) in caches() {
        assert_eq!(allocations(|| cache.get_bytes("absent").unwrap()), 0);
    }
}

#[test]
fn a_typed_hit_allocates_nothing_for_a_value_without_memory_of_its_own() {
    for (_fixture, cache) in caches() {
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
    for (_fixture, cache) in caches() {
        let value = [b'z'; 100];
        let write = || cache.set_bytes("key", &value, Expiry::Default).unwrap();
        assert_eq!(allocations(write), 0);
    }
}

/// The most memory that a call holds at once, beyond what is there before it.
fn peak<T>(call: impl FnOnce() -> T) -> usize {
    let before = HELD.get();
    MOST.set(before);
    drop(call());
    usize::try_from(MOST.get() - before).unwrap()
}

#[test]
fn a_bomb_takes_no_more_memory_than_max_value() {
    const MOST: usize = 1 << 20;
    // The reader of zlib needs 43 KiB for itself; a connection's buffer grows by less.
    const SLACK: usize = 128 << 10;
    let fixture = Fixture::new(Backend::Unix);
    let narrow = fixture.cache_with(&[("max_value", "1m"), ("on_decode_error", "error")]);
    for compressor in ["zlib", "zstd", "lz4"] {
        let writer = fixture.cache_with(&[("compressor", compressor)]);
        for len in [MOST, MOST + 1, 16 << 20] {
            writer
                .set_bytes("bomb", &vec![0; len], Expiry::Default)
                .unwrap();
            let packed = fixture.stored("bomb").unwrap().len();
            assert_eq!(
                narrow.get_bytes("bomb").is_ok(),
                len == MOST,
                "{compressor} {len}"
            );
            let taken = peak(|| narrow.get_bytes("bomb"));
            let most = MOST + packed + SLACK;
            assert!(taken <= most, "{compressor} {len}: {taken} of {most} bytes");
            let taken = peak(|| narrow.get_into("bomb", &mut [0; 16]));
            assert!(taken <= most, "{compressor} {len}: {taken} of {most} bytes");
            let taken = peak(|| narrow.get::<String>("bomb"));
            assert!(
                taken <= most + MOST,
                "{compressor} {len}: {taken} of {most} bytes"
            );
        }
    }
}

#[test]
fn a_payload_is_not_believed_what_it_claims() {
    let fixture = Fixture::new(Backend::Unix);
    let cache = fixture.cache_with(&[("on_decode_error", "error")]);
    let claims: [&[u8]; 5] = [
        b"\xC1\x11\x03\0\0\0\0\x10\x10x",
        b"\xC1\x11\x03\0\xff\xff\xff\xff\x10x",
        b"\xC1\x11\x02\0\x28\xb5\x2f\xfd\xe0\0\0\0\x10\0\0\0\0\x29\0\0hello",
        b"\xC1\x11\x10\0\xff\xff\xff\xff\x7fx",
        b"\xC1\x11\x30\0\xc6\x7f\xff\xff\xffx",
    ];
    for bytes in claims {
        fixture.plant("k", bytes);
        assert!(cache.get::<String>("k").is_err(), "{bytes:?}");
        let taken = peak(|| cache.get::<String>("k"));
        assert!(taken < 64 << 10, "{bytes:?}: {taken} bytes");
    }
    fixture.plant("k", b"\xC1\x11\x30\0\xdd\xff\xff\xff\xff\x01");
    let taken = peak(|| cache.get::<Vec<[u64; 4]>>("k"));
    assert!(taken < 2 << 20, "an array of four billion: {taken} bytes");
}
