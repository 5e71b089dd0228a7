//! What is shared: stores by name between the caches of a process, and every store between a process and the child
//! it forks, which goes on with a copy of its own. A forking thread holds all locks across the fork, so that the
//! child finds every table whole and every lock free.
//!
//! The locks, those of the map too, are those of std, not of parking_lot: parking_lot queues waiting threads in a table of the process,
//! which the child inherits together with threads that do not exist there, and the first contended unlock may hand
//! the lock to one of them. A futex has its waiters in the kernel, and a new process has none.
//!
//! Order of locks: whoever holds [`NAMES`] waits for no other lock, and whoever waits for it has registered a named
//! store before.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::base::fork::{self, ForkLock};

use crate::base::bounded::Locked;

use super::MemoryStore;
use super::table::{Entry, Kept};

type Names = BTreeMap<String, Weak<MemoryStore>>;

/// The named stores that somebody holds.
static NAMES: Mutex<Names> = Mutex::new(BTreeMap::new());

impl MemoryStore {
    /// A store that may grow to `limit` bytes. Without a name it is private to its holders; a named one is the same
    /// for everybody in this process, as long as anybody holds it. When they ask for different limits, the largest
    /// counts: nobody gets less than they asked for.
    ///
    /// Errors and listings call the store by `title`, else by its location; a shared one by its first opener's.
    pub(crate) fn open(name: Option<&str>, title: Option<&str>, limit: usize) -> Arc<Self> {
        let fresh = Arc::new(MemoryStore::new(name, title, limit));
        let known: Weak<Self> = Arc::downgrade(&fresh);
        fork::register(known);
        let Some(name) = name else { return fresh };
        let store = held_or_fresh(name, fresh);
        store.table.raise_limit(limit);
        store
    }
}

fn held_or_fresh(name: &str, fresh: Arc<MemoryStore>) -> Arc<MemoryStore> {
    let mut names = self::names();
    if let Some(store) = names.get(name).and_then(Weak::upgrade) {
        return store;
    }
    names.retain(|_, store| store.strong_count() > 0);
    names.insert(name.to_owned(), Arc::downgrade(&fresh));
    fresh
}

fn names() -> MutexGuard<'static, Names> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The locks that this thread holds while it forks.
#[derive(Default)]
struct Held {
    tables: Vec<Vec<Locked<'static, Entry, Kept>>>,
    names: Option<MutexGuard<'static, Names>>,
}

thread_local! {
    static HELD: RefCell<Held> = const { RefCell::new(Held { tables: Vec::new(), names: None }) };
}

impl ForkLock for MemoryStore {
    fn lock_for_fork(&self) {
        let locks = self.table.lock_all();
        // SAFETY: only the lifetime changes. The registry keeps the store alive until `unlock_after_fork`, which
        // drops the guards.
        let locks = unsafe {
            mem::transmute::<Vec<Locked<'_, Entry, Kept>>, Vec<Locked<'static, Entry, Kept>>>(locks)
        };
        // A thread without its thread-local storage is about to end; it forks without the locks.
        let _ = HELD.try_with(|held| {
            let mut held = held.borrow_mut();
            held.tables.push(locks);
            held.names.get_or_insert_with(names);
        });
    }

    /// The first store to be unlocked frees all: parent and child have left the fork behind by then.
    fn unlock_after_fork(&self) {
        let _ = HELD.try_with(RefCell::take);
    }
}
