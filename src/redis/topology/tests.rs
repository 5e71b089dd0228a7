//! A name that moves from one server to another while connections stay where they are, played by fake servers:
//! whoever asks the old one to write hears READONLY, and finds the new one on a fresh connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::base::budget::{minute, soon};
use crate::config::{self, Address, Hooks, Options};
use crate::redis::RedisStore;
use crate::redis::testing::{fake, fill_pool, greeting, location, set_within};
use crate::store::Store;

/// An address at which there is another server from the moment it has moved; who was connected before stays connected.
struct Name {
    address: Address,
    moved: Arc<AtomicBool>,
    refusals: Arc<AtomicUsize>,
}

fn name() -> Name {
    let (moved, refusals) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let (inside, count) = (Arc::clone(&moved), Arc::clone(&refusals));
    let first_new = AtomicUsize::new(usize::MAX);
    let address = fake(move |number, command| {
        let has_moved = inside.load(Ordering::SeqCst);
        if command[0] == b"HELLO" && has_moved {
            first_new.fetch_min(number, Ordering::SeqCst);
        }
        let is_old = has_moved && number < first_new.load(Ordering::SeqCst);
        greeting(command).or_else(|| {
            Some(match (command[0].as_slice(), is_old) {
                (b"ROLE", true) => {
                    b"*5\r\n$5\r\nslave\r\n$3\r\nnew\r\n:6379\r\n$9\r\nconnected\r\n:0\r\n".to_vec()
                }
                (b"ROLE", false) => b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n".to_vec(),
                (b"GET", _) => b"$1\r\nv\r\n".to_vec(),
                (_, true) => {
                    count.fetch_add(1, Ordering::SeqCst);
                    b"-READONLY You can't write against a read only replica.\r\n".to_vec()
                }
                (_, false) => b"+OK\r\n".to_vec(),
            })
        })
    });
    Name {
        address,
        moved,
        refusals,
    }
}

/// Guards: connections stayed with the old server, and every write failed for ever.
#[test]
fn a_write_finds_the_server_that_the_name_has_moved_to() {
    for topology in [
        config::Topology::Single,
        config::Topology::Ring,
        config::Topology::Primary,
    ] {
        let (name, other) = (name(), name());
        let mut locations = vec![location(name.address.clone())];
        if topology != config::Topology::Single {
            locations.push(location(other.address.clone()));
        }
        let is_primary = topology == config::Topology::Primary;
        let options = Options {
            topology: Some(topology),
            primary: is_primary.then(|| name.address.to_string()),
            ..Options::default()
        };
        let backend = RedisStore::new(&options, &locations, &Hooks::default()).unwrap();
        let at = name.address.to_string();
        let key = (0..).map(|number| format!("k{number}"));
        let key = { key }
            .find(|key| {
                backend
                    .locate(key.as_bytes(), soon())
                    .unwrap()
                    .contains(&at)
            })
            .unwrap();
        set_within(&backend, &key, b"v", minute()).unwrap();
        if topology == config::Topology::Single {
            fill_pool(&backend, 8);
        }
        name.moved.store(true, Ordering::SeqCst);
        set_within(&backend, &key, b"v", minute()).unwrap();
        set_within(&backend, &key, b"v", minute()).unwrap();
        // All the idle connections led to the old one; none of the others had to find that out.
        assert_eq!(name.refusals.load(Ordering::SeqCst), 1, "{topology:?}");
    }
}
