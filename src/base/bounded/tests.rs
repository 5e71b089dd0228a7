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
                        let shard = map.lock(at);
                        prop_assert_eq!(shard.peek(at).map(|item| item.value), Some(value));
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
                _ => drop(map.look(at, |item| item.value)),
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

#[test]
fn a_near_cache_takes_no_more_than_a_64th_and_starves_no_shard() {
    let map = Bounded::<Thing, u64>::new(8 << 20);
    let largest = (8 << 20) / LARGEST_PART;
    let admit = |number: u64, weight| {
        let item = thing(number, weight, 0);
        let bytes = item.key.clone();
        let key = map.key(&bytes);
        map.lock(key).admit(key, item)
    };
    for number in 0..5000 {
        assert!(
            admit(number, 1 + (number as usize * 7919) % largest),
            "{number}"
        );
    }
    let full = contents(&map);
    assert!(map.bytes() > 7 << 20, "{} bytes", map.bytes());
    assert!(!admit(4999, largest + 1));
    assert!(admit(4999, largest));
    assert!(!admit(4999, largest + 1) && !contents(&map).contains_key(&4999));
    assert!(full.contains_key(&4999), "the newest stays");
}

#[test]
fn who_has_less_than_a_share_gets_it_from_others() {
    let map = Bounded::<Thing, u64>::new(4 << 20);
    let mut numbers = (0..).map(|number: u64| (number, number.to_le_bytes()));
    let mut of_shard = |shard: usize| {
        let (number, _) = numbers
            .find(|(_, key)| map.shard_of(map.key(key)) == shard)
            .unwrap();
        thing(number, 10_000, 0)
    };
    // One shard takes all that there is.
    (0..430).for_each(|_| put(&map, of_shard(0)).unwrap());
    assert_eq!(map.lock_at(0).unwrap().bytes(), 4_190_000);
    for shard in [1, 2, 3] {
        (0..200).for_each(|_| put(&map, of_shard(shard)).unwrap());
    }
    for shard in 0..4 {
        let bytes = map.lock_at(shard).unwrap().bytes();
        assert!(
            (800_000..1_600_000).contains(&bytes),
            "{bytes} bytes in {shard}"
        );
    }
    // Larger than a share: all make way.
    put(&map, thing(u64::MAX, 3 << 20, 0)).unwrap();
    assert!(contents(&map).contains_key(&u64::MAX));
    assert!(put(&map, thing(u64::MAX, (4 << 20) + 1, 0)).is_err());
}

#[test]
fn the_bound_holds_while_eight_threads_put_take_and_park() {
    let map = Bounded::<Thing, u64>::new(3 << 20);
    let over = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let (map, over) = (&map, &over);
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(thread);
                for _ in 0..4000 {
                    let number = rng.u64(..300);
                    let bytes = number.to_le_bytes();
                    let key = map.key(&bytes);
                    match rng.u8(..10) {
                        0..6 => drop(put(map, thing(number, rng.usize(1..60_000), thread))),
                        6 => drop(map.lock(key).remove(key)),
                        7 => {
                            let mut shard = map.lock(key);
                            shard
                                .find(key)
                                .into_iter()
                                .for_each(|slot| shard.park(slot));
                        }
                        8 => {
                            let mut shard = map.lock(key);
                            shard
                                .find(key)
                                .into_iter()
                                .for_each(|slot| shard.unpark(slot));
                        }
                        _ => *map.lock(key).own() += 1,
                    }
                    over.fetch_add(usize::from(map.bytes() > map.limit()), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(over.into_inner(), 0);
    contents(&map);
}

#[test]
fn every_item_is_dropped_once() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let map = Bounded::<Thing, u64>::new(100);
    for number in 0..50 {
        let mut item = thing(number % 30, 9, number);
        item.dropped = Some(Arc::clone(&dropped));
        let bytes = item.key.clone();
        let key = map.key(&bytes);
        map.lock(key).put(key, item, &mut map.no_room()).unwrap();
    }
    assert_eq!(dropped.load(Ordering::Relaxed) + map.len(), 50);
    drop(map);
    assert_eq!(dropped.load(Ordering::Relaxed), 50);
}

/// The victims of a step are dropped when others may have the lock again.
#[test]
fn what_goes_is_dropped_after_the_lock() {
    struct Looks(Arc<Bounded<Looks>>, Arc<AtomicUsize>);
    impl Item for Looks {
        fn key(&self) -> &[u8] {
            b"k"
        }
        fn weight(&self) -> usize {
            60
        }
    }
    impl Drop for Looks {
        fn drop(&mut self) {
            let free = self.0.shards[0].0.try_lock().is_ok();
            self.1.fetch_add(usize::from(free), Ordering::Relaxed);
        }
    }
    let map: Arc<Bounded<Looks>> = Arc::new(Bounded::new(100));
    let free = Arc::new(AtomicUsize::new(0));
    let key = map.key(b"k");
    for _ in 0..2 {
        let item = Looks(Arc::clone(&map), Arc::clone(&free));
        assert!(map.lock(key).put(key, item, &mut map.no_room()).is_ok());
    }
    assert!(map.lock(key).discard(key));
    assert_eq!(free.load(Ordering::Relaxed), 2);
}

/// Draws 0.. with the frequencies 1, 1/2^s, 1/3^s and so on.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(keys: usize, s: f64) -> Self {
        let mut sum = 0.0;
        let sums = (1..=keys).map(|rank| {
            sum += (rank as f64).powf(-s);
            sum
        });
        Zipf(sums.collect())
    }

    fn draw(&self, rng: &mut fastrand::Rng) -> u64 {
        let at = rng.f64() * self.0.last().unwrap();
        self.0.partition_point(|sum| *sum < at) as u64
    }
}

/// Least recently used goes first, to compare with: by a queue of uses, the last of each key counting.
#[derive(Default)]
struct Lru {
    uses: VecDeque<(u64, u64)>,
    last: HashMap<u64, u64>,
    turn: u64,
}

impl Lru {
    fn hit(&mut self, key: u64, most: usize) -> bool {
        self.turn += 1;
        self.uses.push_back((key, self.turn));
        let hit = self.last.insert(key, self.turn).is_some();
        while self.last.len() > most {
            let (key, turn) = self.uses.pop_front().unwrap();
            if self.last.get(&key) == Some(&turn) {
                self.last.remove(&key);
            }
        }
        hit
    }
}

/// Hits in a hundred at one key in a hundred: this map and an LRU. `scan`: one access in five belongs to a walk over
/// keys that nobody else uses.
fn hits(s: f64, scan: bool, keys: usize, accesses: usize) -> (f64, f64) {
    let most = keys / 100;
    // As many shards as there are megabytes, and so many items in all.
    let map = Bounded::<Thing, u64>::new(16 << 20);
    let weight = (16 << 20) / most;
    let zipf = Zipf::new(keys, s);
    let mut rng = fastrand::Rng::with_seed(7);
    let mut lru = Lru::default();
    let (mut ours, mut theirs, mut counted, mut walked) = (0, 0, 0, keys as u64);
    for access in 0..accesses {
        let is_scan = scan && access / 2000 % 5 == 4;
        let number = if is_scan {
            walked += 1;
            walked
        } else {
            zipf.draw(&mut rng)
        };
        let bytes = number.to_le_bytes();
        let key = map.key(&bytes);
        let hit = map.look(key, |_| ()).is_some();
        if !hit {
            map.lock(key)
                .put(key, thing(number, weight, 0), &mut map.no_room())
                .ok();
        }
        let lru_hit = lru.hit(number, most);
        if access >= accesses / 4 && !is_scan {
            counted += 1;
            ours += usize::from(hit);
            theirs += usize::from(lru_hit);
        }
    }
    let percent = |hits| 100.0 * f64::from(u32::try_from(hits).unwrap()) / f64::from(counted);
    (percent(ours), percent(theirs))
}

#[test]
fn it_hits_more_often_than_an_lru() {
    for (s, scan, ahead) in [
        (0.9, false, 6.0),
        (1.0, false, 5.0),
        (1.1, false, 3.0),
        (1.0, true, 6.0),
    ] {
        let (ours, lru) = hits(s, scan, 100_000, 400_000);
        println!("Zipf {s}, scans: {scan}: {ours:.1} %, LRU {lru:.1} %");
        assert!(
            ours > lru + ahead,
            "Zipf {s}, scans: {scan}: {ours:.1} %, LRU {lru:.1} %"
        );
    }
}

/// At a million keys nobody can hit more often than in 68 of 100 at Zipf 1.0: who knows the ten thousand most wanted.
#[test]
#[ignore = "a minute; make torture"]
fn long_it_hits_nearly_as_often_as_one_who_knows() {
    for (s, scan, least) in [(1.0, false, 65.0), (1.0, true, 65.0)] {
        let (ours, lru) = hits(s, scan, 1_000_000, 8_000_000);
        println!("Zipf {s}, scans: {scan}: {ours:.1} %, LRU {lru:.1} %");
        assert!(ours > least, "Zipf {s}, scans: {scan}: {ours:.1} %");
    }
}
