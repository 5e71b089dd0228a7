//! What `fork()` does to a cache. Handlers of `pthread_atfork` count the generations of processes and hold the locks
//! of embedded stores across the fork; [`PerProcess`] keeps one value a process, so that a child never waits for a
//! lock that a thread of its parent held. Only `std` locks are used around a fork: they are one futex word each,
//! while the queues of `parking_lot` are shared by the whole process and may be inherited locked.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError, Weak};

/// A store whose locks must be free in a child: taken before the fork, given back on both sides of it.
///
/// No lock that [`lock_for_fork`](ForkLock::lock_for_fork) takes may be held while [`register`] or
/// [`PerProcess::get`] is called, nor by a thread that forks.
pub(crate) trait ForkLock: Send + Sync {
    /// Takes every lock of the store, on the thread that forks.
    fn lock_for_fork(&self);

    /// Gives them back; called on the same thread, in the parent and in the child.
    fn unlock_after_fork(&self);
}

type Stores = Vec<Weak<dyn ForkLock>>;

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The gate that a fork waits at: while it is held, nothing that a child could inherit half done goes on.
static GATE: Mutex<Stores> = Mutex::new(Vec::new());

/// Threads of this process that are at [`delicate`] work.
static DELICATE: AtomicU32 = AtomicU32::new(0);

/// The fork that made this process, or one before, found such work under way.
static INHERITED: AtomicBool = AtomicBool::new(false);

/// What the forking thread holds across the fork.
struct Held {
    stores: Vec<Arc<dyn ForkLock>>,
    gate: MutexGuard<'static, Stores>,
}

thread_local! {
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

/// How many forks lie between the first process and this one.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Has the locks of `store` taken before every fork from now on.
pub(crate) fn register(store: Weak<dyn ForkLock>) {
    watch();
    let mut stores = gate();
    stores.retain(|known| known.strong_count() > 0);
    stores.push(store);
}

/// Does `work` while nobody forks; a fork waits for its end, so it waits for nothing and takes no lock of a store. What
/// it leaves behind, a child inherits whole.
pub(crate) fn at_the_gate<R>(work: impl FnOnce() -> R) -> R {
    watch();
    let _gate = gate();
    work()
}

/// Does `work` that takes locks inside libc, and may take long: getaddrinfo. No fork waits for it, so a child may have
/// inherited those locks held: not to be done where [`has_inherited_work`].
pub(crate) fn delicate<R>(work: impl FnOnce() -> R) -> R {
    watch();
    DELICATE.fetch_add(1, Ordering::SeqCst);
    fence(Ordering::SeqCst);
    let done = work();
    DELICATE.fetch_sub(1, Ordering::SeqCst);
    done
}

/// Whether [`delicate`] work was under way when this process, or one that it comes from, was forked.
pub(crate) fn has_inherited_work() -> bool {
    INHERITED.load(Ordering::Relaxed)
}

fn gate() -> MutexGuard<'static, Stores> {
    GATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Installs the handlers, once. They stay for the life of the process.
fn watch() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: the handlers are functions of this library, which is never unloaded while they are installed
        // (`-z nodelete`), and they do not unwind. The only failure is a lack of memory, at start-up.
        unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    });
}

extern "C" fn prepare() {
    // A thread whose thread-local storage is gone is about to end; it forks without the locks.
    if HELD.try_with(|_| ()).is_err() {
        return;
    }
    let gate = gate();
    let stores: Vec<_> = gate.iter().filter_map(Weak::upgrade).collect();
    stores.iter().for_each(|store| store.lock_for_fork());
    HELD.set(Some(Held { stores, gate }));
}

extern "C" fn parent() {
    release();
}

extern "C" fn child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    if DELICATE.swap(0, Ordering::SeqCst) > 0 {
        INHERITED.store(true, Ordering::Relaxed);
    }
    release();
}

fn release() {
    let Ok(Some(Held { stores, gate })) = HELD.try_with(RefCell::take) else {
        return;
    };
    stores.iter().for_each(|store| store.unlock_after_fork());
    drop(gate);
}

/// A value that every process has for itself: a forked child makes its own at first use and never touches a lock
/// in the one it inherited, unless `renew` does.
pub(crate) struct PerProcess<T> {
    generation: u32,
    value: T,
    /// The value of a child of the process that made this one. Set with the gate held, so no child ever inherits
    /// it half set.
    next: OnceLock<Box<PerProcess<T>>>,
}

impl<T> PerProcess<T> {
    pub(crate) fn new(value: T) -> Self {
        watch();
        Self::of_generation(generation(), value)
    }

    fn of_generation(generation: u32, value: T) -> Self {
        PerProcess {
            generation,
            value,
            next: OnceLock::new(),
        }
    }

    /// This process's value. In a child that has none, `renew` makes it, and is shown the one that was inherited:
    /// its locks may be held by threads that are not there any more, so it can only be tried for.
    pub(crate) fn get(&self, renew: impl FnOnce(&T) -> T) -> &T {
        let now = generation();
        if self.generation == now {
            &self.value
        } else {
            self.of_child(now, renew)
        }
    }

    #[cold]
    fn of_child(&self, now: u32, renew: impl FnOnce(&T) -> T) -> &T {
        let last = self.newest();
        if last.generation == now {
            return &last.value;
        }
        let _gate = gate();
        let last = last.newest();
        if last.generation == now {
            return &last.value;
        }
        let own = last
            .next
            .get_or_init(|| Box::new(Self::of_generation(now, renew(&last.value))));
        &own.value
    }

    fn newest(&self) -> &Self {
        let mut last = self;
        while let Some(next) = last.next.get() {
            last = next;
        }
        last
    }
}

impl<T: fmt::Debug> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.newest().value.fmt(f)
    }
}

/// Helpers of tests that fork.
#[cfg(test)]
pub(crate) mod testing {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// Runs `body` in a forked child and tells whether it came to its end without a panic, within a minute.
    pub(crate) fn in_child(body: impl FnOnce()) -> bool {
        // SAFETY: the child runs `body` and leaves by `_exit`; glibc makes its allocator usable after a fork.
        match unsafe { libc::fork() } {
            0 => {
                // SAFETY: plain calls; an alarm ends a child that hangs.
                unsafe { libc::alarm(60) };
                let code = if catch_unwind(AssertUnwindSafe(body)).is_ok() {
                    0
                } else {
                    1
                };
                // SAFETY: ends the child without running the exit handlers of the test harness.
                unsafe { libc::_exit(code) }
            }
            pid => {
                let mut status = 0;
                // SAFETY: `pid` is our child and `status` is ours to write.
                unsafe { libc::waitpid(pid, &mut status, 0) };
                if status != 0 {
                    println!("the child ended with status {status:#x}");
                }
                status == 0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::testing::in_child;
    use super::*;

    #[test]
    fn a_child_knows_that_its_parent_was_at_delicate_work() {
        assert_eq!(delicate(|| 1), 1);
        let (begun, is_begun) = mpsc::channel();
        let (done, is_done) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                delicate(|| {
                    begun.send(()).unwrap();
                    let _ = is_done.recv();
                })
            });
            is_begun.recv().unwrap();
            assert!(in_child(|| {
                assert!(has_inherited_work());
                assert!(in_child(|| assert!(has_inherited_work())));
                assert_eq!(at_the_gate(|| 1), 1);
            }));
            assert!(!has_inherited_work());
            drop(done);
        });
    }

    #[test]
    fn a_child_makes_its_own_value_once_and_the_parent_keeps_its_own() {
        let value = PerProcess::new(1);
        let new = || panic!("only a child renews");
        assert_eq!(*value.get(|_| new()), 1);
        assert!(in_child(|| {
            assert_eq!(*value.get(|inherited| inherited + 10), 11);
            assert_eq!(*value.get(|_| panic!("made already")), 11);
            assert!(in_child(|| assert_eq!(
                *value.get(|inherited| inherited + 100),
                111
            )));
        }));
        assert_eq!(*value.get(|_| new()), 1);
    }

    #[test]
    fn a_lock_held_by_another_thread_at_the_fork_does_not_stop_the_child() {
        let value = Arc::new(PerProcess::new(Mutex::new(1)));
        let (locked, is_locked) = mpsc::channel();
        let (done, is_done) = mpsc::channel::<()>();
        let holder = std::thread::spawn({
            let value = Arc::clone(&value);
            move || {
                let _guard = value.get(|_| unreachable!()).lock().unwrap();
                locked.send(()).unwrap();
                let _ = is_done.recv();
            }
        });
        is_locked.recv().unwrap();
        assert!(in_child(|| {
            let own = value.get(|inherited| {
                assert!(inherited.try_lock().is_err());
                Mutex::new(2)
            });
            assert_eq!(*own.lock().unwrap(), 2);
        }));
        drop(done);
        holder.join().unwrap();
    }

    /// A store whose one lock is a flag.
    #[derive(Default)]
    struct Store {
        busy: AtomicBool,
    }

    impl ForkLock for Store {
        fn lock_for_fork(&self) {
            while self.busy.swap(true, Ordering::Acquire) {
                std::thread::yield_now();
            }
        }

        fn unlock_after_fork(&self) {
            self.busy.store(false, Ordering::Release);
        }
    }

    #[test]
    fn the_locks_of_stores_are_free_on_both_sides_of_a_fork() {
        let store = Arc::new(Store::default());
        let known: Arc<dyn ForkLock> = store.clone();
        register(Arc::downgrade(&known));
        let working = AtomicBool::new(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while working.load(Ordering::Relaxed) {
                    store.lock_for_fork();
                    store.unlock_after_fork();
                }
            });
            for _ in 0..50 {
                assert!(in_child(|| {
                    assert!(!store.busy.load(Ordering::Relaxed));
                    // The gate too.
                    register(Arc::downgrade(&known));
                }));
            }
            working.store(false, Ordering::Relaxed);
        });
        // Other tests fork too, and hold it for a moment.
        let begun = std::time::Instant::now();
        while store.busy.load(Ordering::Relaxed) {
            assert!(begun.elapsed() < std::time::Duration::from_secs(20));
            std::thread::yield_now();
        }
    }
}
