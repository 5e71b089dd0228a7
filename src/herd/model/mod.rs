//! The protocol explored: every state that three callers of `get_or_set` can come to, with everything that may happen
//! between any two of their steps. What a caller does next is said by `herd::step`, as in the library; the invariants of
//! the protocol hold in every state. Then each rule of it is left out in turn, and the fault is found.

mod acts;
mod entry;
mod stores;
mod world;

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};

use entry::{Age, Block, Entry, Kind, Lease, Value};
use world::{Violation, World};

/// Rules that are left out.
#[derive(Debug, Clone, Copy, Default)]
struct Rules {
    /// What no lease can stand in is written over without a comparison.
    plain_set: bool,
    /// A back-off binds those too who have nothing to serve.
    backoff_binds: bool,
    /// A flight can be joined while its value is stored.
    flight_open: bool,
    /// "Lost" in answer to a STORE that was sent again is taken for stored.
    zero_is_stored: bool,
    /// A claim is sent again under the same token.
    same_token: bool,
    /// The key may expire before its lease.
    ttl_not_lifted: bool,
    /// A claim is forced over whatever is there.
    no_seen: bool,
}

/// What a key may hold when the callers come.
fn beginnings() -> Vec<Entry> {
    let value = |kind| Value { epoch: 0, kind };
    let block = |kind, age, lease| {
        Entry::Block(Block {
            value: Some(value(kind)),
            age,
            soft: 1,
            lease,
        })
    };
    vec![
        Entry::Gone,
        Entry::Bare(value(Kind::Foreign)),
        block(Kind::Good, Age::Fresh, Lease::None),
        block(Kind::Good, Age::Stale, Lease::Backoff),
        block(Kind::Absent, Age::Fresh, Lease::None),
        block(Kind::Absent, Age::Stale, Lease::Backoff),
    ]
}

/// Who calls, how much others may meddle, and how much may go wrong.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    who: &'static [usize],
    meddling: u8,
    faults: u8,
}

/// Two threads of one process, two processes, and all three.
const THREADS: &[usize] = &[0, 1];
const PROCESSES: &[usize] = &[0, 2];
const ALL: &[usize] = &[0, 1, 2];

const fn bounds(who: &'static [usize], meddling: u8, faults: u8) -> Bounds {
    Bounds {
        who,
        meddling,
        faults,
    }
}

/// Explores all that can become of these beginnings, the nearest first: the number of states, or what was violated.
/// Of a state that is known only 128 bits are kept.
fn explore(entries: &[Entry], bounds: Bounds, rules: &Rules) -> Result<usize, Violation> {
    let first = entries
        .iter()
        .map(|entry| World::new(*entry, bounds.who, bounds.meddling, bounds.faults).canonical());
    let mut open: VecDeque<World> = first.collect();
    let mut known: HashSet<u128, BuildHasherDefault<First>> = HashSet::default();
    known.extend(open.iter().map(mark));
    let mut steps = Vec::new();
    while let Some(world) = open.pop_front() {
        world.next(rules, &mut steps);
        for next in steps.drain(..) {
            let next = next?.canonical();
            if known.insert(mark(&next)) {
                next.check()?;
                open.push_back(next);
            }
        }
    }
    Ok(known.len())
}

fn mark(world: &World) -> u128 {
    let mut marks = Marks { one: 1, other: 2 };
    world.hash(&mut marks);
    u128::from(marks.one) << 64 | u128::from(marks.other)
}

/// Two hashes at a time, quick ones: the states are millions.
struct Marks {
    one: u64,
    other: u64,
}

impl Hasher for Marks {
    fn finish(&self) -> u64 {
        self.one
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number.unsigned_abs() as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.one = (self.one ^ number)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(29);
        self.other = (self.other ^ number)
            .wrapping_mul(0xD6E8_FEB8_6659_FD93)
            .rotate_left(31);
    }
}

/// The marks are hashes already.
#[derive(Default)]
struct First(u64);

impl Hasher for First {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u128(&mut self, mark: u128) {
        self.0 = (mark >> 64) as u64;
    }
}

fn all_is_well(bounds: Bounds) -> usize {
    let mut states = 0;
    for entry in beginnings() {
        match explore(&[entry], bounds, &Rules::default()) {
            Ok(explored) => states += explored,
            Err(violation) => panic!("{bounds:?}, {entry:?}: {violation}"),
        }
    }
    states
}

#[test]
fn the_protocol_keeps_its_promises_in_every_state() {
    let short = [
        bounds(THREADS, 1, 1),
        bounds(PROCESSES, 1, 0),
        bounds(PROCESSES, 0, 2),
        bounds(ALL, 0, 0),
    ];
    let states: usize = short.into_iter().map(all_is_well).sum();
    println!("{states} states, no violation");
}

#[test]
#[ignore = "takes minutes, and gigabytes"]
fn long_the_protocol_keeps_its_promises_in_every_state() {
    let long = [
        bounds(THREADS, 2, 1),
        bounds(PROCESSES, 2, 1),
        bounds(ALL, 1, 0),
        bounds(ALL, 0, 1),
    ];
    let states: usize = long.into_iter().map(all_is_well).sum();
    println!("{states} states, no violation");
}

/// Each rule left out in turn. (A model that finds nothing proves nothing.)
#[test]
fn every_rule_that_is_left_out_is_missed() {
    let rules = Rules::default;
    let plain_set = Rules {
        plain_set: true,
        ..rules()
    };
    let backoff_binds = Rules {
        backoff_binds: true,
        ..rules()
    };
    let flight_open = Rules {
        flight_open: true,
        ..rules()
    };
    let zero_is_stored = Rules {
        zero_is_stored: true,
        ..rules()
    };
    let same_token = Rules {
        same_token: true,
        ..rules()
    };
    let ttl_not_lifted = Rules {
        ttl_not_lifted: true,
        ..rules()
    };
    let no_seen = Rules {
        no_seen: true,
        ..rules()
    };
    for (name, rules) in [
        ("plain SET", plain_set),
        ("a back-off that binds everybody", backoff_binds),
        ("a flight that is not closed", flight_open),
        ("a resent 0 that is taken for stored", zero_is_stored),
        ("the same token sent again", same_token),
        ("a TTL that is not lifted", ttl_not_lifted),
        ("no `seen`", no_seen),
    ] {
        let small = [
            bounds(PROCESSES, 1, 0),
            bounds(PROCESSES, 1, 1),
            bounds(THREADS, 1, 1),
        ];
        let found = small
            .into_iter()
            .find_map(|bounds| explore(&beginnings(), bounds, &rules).err());
        println!("without a rule ({name}): {found:?}");
        assert!(found.is_some(), "{name} is not missed");
    }
}
