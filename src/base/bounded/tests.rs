//! The map against a model, its bound under threads, and how well it chooses.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
struct Thing {
    key: Vec<u8>,
    weight: usize,
    value: u64,
    /// Who is told when it is dropped.
    dropped: Option<Arc<AtomicUsize>>,
}

impl Item for Thing {
    fn key(&self) -> &[u8] {
        &self.key
    }

    fn weight(&self) -> usize {
        self.weight
    }
}

impl Drop for Thing {
    fn drop(&mut self) {
        if let Some(dropped) = &self.dropped {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn thing(key: u64, weight: usize, value: u64) -> Thing {
    Thing {
        key: key.to_le_bytes().to_vec(),
        weight,
        value,
        dropped: None,
    }
}

fn put(map: &Bounded<Thing, u64>, item: Thing) -> Result<(), Full> {
    let bytes = item.key.clone();
    let key = map.key(&bytes);
    let mut room = map.no_room();
    loop {
        let done = map.lock(key).put(key, item.clone(), &mut room);
        match done {
            Ok(_) => return Ok(()),
            Err(full) if map.make_room(key, full.0, &mut room) => {}
            Err(full) => return Err(full),
        }
    }
}

/// What stands in the map, found by its slots, and whether all sums agree with it.
fn contents(map: &Bounded<Thing, u64>) -> BTreeMap<u64, u64> {
    let mut found = BTreeMap::new();
    let (mut bytes, mut parked, mut len) = (0, 0, 0);
    for shard in 0..map.shards() {
        let shard = map.lock_at(shard).unwrap();
        let mut here = 0;
        for slot in (0..shard.slots()).map(Slot) {
            let Some(item) = shard.at(slot) else { continue };
            assert_eq!(shard.find(map.key(&item.key)), Some(slot));
            here += item.weight;
            len += 1;
            parked += if shard.is_parked(slot) {
                item.weight
            } else {
                0
            };
            let number = u64::from_le_bytes(item.key[..].try_into().unwrap());
            assert_eq!(found.insert(number, item.value), None);
        }
        assert_eq!(shard.bytes(), here);
        bytes += here;
    }
    assert_eq!((map.bytes(), map.parked(), map.len()), (bytes, parked, len));
    assert!(bytes <= map.limit(), "{bytes} of {}", map.limit());
    found
}

proptest! {
    #[test]
    fn it_holds_what_was_put_last_or_nothing(
        megabytes in 1usize..6,
        steps in prop::collection::vec((0u8..8, 0u64..60, 1usize..400_000), 1..200),
    ) {
        let map = Bounded::<Thing, u64>::new(megabytes << 20);
        let (mut model, mut held) = (BTreeMap::new(), BTreeMap::new());
        for (number, (step, key, weight)) in steps.into_iter().enumerate() {
            let value = number as u64;
            let bytes = key.to_le_bytes();
            let at = map.key(&bytes);
            match step {
                0..=3 => {
                    if put(&map, thing(key, weight, value)).is_ok() {
                        model.insert(key, value);
                        held.entry(key).and_modify(|held| *held = weight);
                        let mut shard = map.lock(at);
                        prop_assert_eq!(shard.get(at).map(|item| item.value), Some(value));
                    } else {
                        let kept: usize = held.iter().filter(|(held, _)| **held != key).map(|(_, bytes)| bytes).sum();
                        prop_assert!(kept + weight > map.limit(), "{kept} and {weight}");
                    }
                }
                4 => {
                    let was = map.lock(at).remove(at).map(|item| item.value);
                    prop_assert!(was.is_none() || was == model.get(&key).copied());
                    model.remove(&key);
                    held.remove(&key);
                }
                5 => {
                    let mut shard = map.lock(at);
                    if let Some(slot) = shard.find(at) {
                        shard.park(slot);
                        held.insert(key, shard.at(slot).unwrap().weight);
                    }
                }
                6 => {
                    let mut shard = map.lock(at);
                    if let Some(slot) = shard.find(at) {
                        shard.unpark(slot);
                        held.remove(&key);
                    }
                }
                _ => drop(map.lock(at).get(at).map(|item| item.value)),
            }
            let found = contents(&map);
            prop_assert!(found.iter().all(|(key, value)| model.get(key) == Some(value)));
            prop_assert!(held.keys().all(|key| found.contains_key(key)), "who is held stays");
            if map.bytes() == found.len() && held.is_empty() {
                prop_assert_eq!(&found, &model, "nobody goes while there is room");
            }
        }
        map.clear();
        prop_assert_eq!((map.bytes(), map.parked(), map.len()), (0, 0, 0));
    }
}
