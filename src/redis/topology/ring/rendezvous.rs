//! The default ring: weighted rendezvous hashing (Thaler and Ravishankar 1998, with the logarithmic weights of
//! Schindelhauer and Schomaker 2005). For every key all servers draw lots, each by its own name, and the best lot
//! gets the key; so a server that joins or leaves moves only the keys that it wins or had, and nothing else counts
//! than the names and weights of the servers.
//!
//! # The contract
//!
//! Other clients must place keys alike, so this can never change; all arithmetic is on unsigned 64-bit integers,
//! modulo 2^64, unless it says otherwise.
//!
//! * `H(bytes)` is XXH3-64 with seed 0 and the default secret (xxHash 0.8).
//! * `mix(z)`: `z ^= z >> 30; z *= 0xBF58476D1CE4E5B9; z ^= z >> 27; z *= 0x94D049BB133111EB; z ^= z >> 31`, the
//!   finalizer of SplitMix64.
//! * The lot of a server for a key is `mix(H(wire key) ^ H(name))`.
//! * Among servers of the same weight the greatest lot wins; of equal lots, that of the name first in byte order.
//! * Among these winners the least `-ln(u) / weight` wins, in double precision, where
//!   `u = ((lot >> 12) + 0.5) / 2^52`; of equal ones, the least weight. That is the greatest `-weight / ln(u)`: a
//!   server waits for an exponentially distributed time, its weight is the rate, and the first one up takes the key.
//!   Where libraries differ in the last digit of `ln`, one key in about 10^14 may be placed differently.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::member::Member;

#[derive(Debug)]
pub(crate) struct Rendezvous {
    /// One for each weight there is, the least weight first.
    classes: Vec<Class>,
}

/// Servers of the same weight, in the byte order of their names.
#[derive(Debug)]
struct Class {
    weight: f64,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    name_hash: u64,
    index: usize,
}

impl Rendezvous {
    pub(crate) fn new(members: &[Member<'_>]) -> Self {
        let mut by_name: Vec<_> = members.iter().enumerate().collect();
        by_name.sort_by_key(|(_, member)| member.name);
        let mut classes: BTreeMap<u32, Vec<Node>> = BTreeMap::new();
        for (index, member) in by_name {
            classes.entry(member.weight).or_default().push(Node {
                name_hash: xxh3_64(member.name.as_bytes()),
                index,
            });
        }
        let classes = classes.into_iter().map(|(weight, nodes)| Class {
            weight: f64::from(weight),
            nodes,
        });
        Rendezvous {
            classes: classes.collect(),
        }
    }

    /// One XXH3 of the key, some 2 ns a server, and one logarithm a weight unless all weights are equal.
    pub(crate) fn place(&self, key: &[u8]) -> usize {
        let key_hash = xxh3_64(key);
        let winner = match self.classes.as_slice() {
            [class] => class.winner(key_hash),
            classes => classes
                .iter()
                .filter_map(|class| {
                    let node = class.winner(key_hash)?;
                    Some((waiting_time(node.lot(key_hash)) / class.weight, node))
                })
                .min_by(|(time, _), (other, _)| time.total_cmp(other))
                .map(|(_, node)| node),
        };
        winner.map_or(0, |node| node.index)
    }
}

impl Class {
    /// Of equal lots the first one counts here, as `min_by` has it above: names and weights are in order.
    fn winner(&self, key_hash: u64) -> Option<&Node> {
        self.nodes
            .iter()
            .min_by_key(|node| Reverse(node.lot(key_hash)))
    }
}

impl Node {
    fn lot(&self, key_hash: u64) -> u64 {
        mix(key_hash ^ self.name_hash)
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood 2014; constants of Stafford's variant 13).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Exponentially distributed with mean 1. Both 52 bits and the half fit a double exactly, so the logarithm is never
/// that of 0 or 1.
fn waiting_time(lot: u64) -> f64 {
    const STEPS: f64 = (1_u64 << 52) as f64;
    -(((lot >> 12) as f64 + 0.5) / STEPS).ln()
}
