//! The stores that are checked, and how a case is written down. Times in cases are distances from now.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::budget::soon;
use crate::error::{ErrorKind, Result};
use crate::expiry::{Life, local_unix_ms};
use crate::memory::MemoryStore;
use crate::memory::timed::TimedStore;
use crate::redis::testing::{Server, Whole};
use crate::store::{Access, Acquired, Claim, Force, Pttl, Store, Stored, Token, Value};

use super::entry::{Entry, MINE};

/// How far two clocks of one machine and a rounding may be apart.
pub(crate) const SLACK_MS: u64 = 50;
/// How long a step may take on a machine that has much else to do.
pub(crate) const LOADED_MS: u64 = 10_000;

/// A store, and ways to look into it that the cache has not.
pub(crate) struct Bench {
    pub(crate) name: &'static str,
    pub(crate) store: Arc<dyn Store>,
    server: Option<Server>,
}

/// Runs `check` on every kind of store.
pub(crate) fn on_every_store(check: impl Fn(&Bench)) {
    check(&Bench::memory());
    check(&Bench::timed_memory());
    check(&Bench::server(&[]));
}

impl Bench {
    fn memory() -> Bench {
        Bench {
            name: "memory",
            store: MemoryStore::open(None, None, 64 << 20),
            server: None,
        }
    }

    fn timed_memory() -> Bench {
        let store = MemoryStore::open(None, None, 64 << 20);
        Bench {
            name: "timed memory",
            store: Arc::new(TimedStore::new(store, None)),
            server: None,
        }
    }

    pub(crate) fn server(arguments: &[&str]) -> Bench {
        let server = Server::with(arguments);
        Bench {
            name: "redis-server",
            store: Arc::new(server.backend()),
            server: Some(server),
        }
    }

    /// Puts a list there; false when the store knows no lists.
    pub(crate) fn put_list(&self, key: &str) -> bool {
        let Some(server) = &self.server else {
            return false;
        };
        let _: u64 = server.command(&["RPUSH", key, "an element"]);
        true
    }

    /// Every byte that is stored: for a server also what tells data types apart.
    pub(crate) fn dump(&self, key: &str) -> Option<Vec<u8>> {
        match &self.server {
            Some(server) => server.command(&["DUMP", key]),
            None => self.bytes(key),
        }
    }

    pub(crate) fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        let mut kept = Whole::default();
        let found = self
            .store
            .get(key.as_bytes(), Access::Write, &mut kept, soon());
        found.unwrap().map(|_| kept.0)
    }

    /// What is left of a key's life; `None` when there is no such key.
    pub(crate) fn pttl(&self, key: &str) -> Option<Pttl> {
        let found = self.store.ttl(key.as_bytes(), soon()).unwrap();
        found.map(|(pttl, ..)| pttl)
    }

    pub(crate) fn put(&self, key: &str, bytes: &[u8], ttl_ms: Option<u64>) {
        let value = Value {
            head: &[],
            body: bytes,
        };
        let life = ttl_ms.map_or(Life::Forever, Life::Millis);
        self.store.set(key.as_bytes(), value, life, soon()).unwrap();
    }

    /// Runs every case on a key of its own.
    pub(crate) fn run(&self, cases: Vec<Case>) {
        for (number, case) in cases.into_iter().enumerate() {
            let told = format!("{}: {}", self.name, case.name);
            self.check(&format!("case:{number}"), case, &told);
        }
    }

    fn check(&self, key: &str, case: Case, told: &str) {
        self.store.delete(key.as_bytes(), soon()).unwrap();
        let (begin, started) = (local_unix_ms(), Instant::now());
        match &case.before {
            Before::Absent => {}
            Before::Raw(bytes) => self.put(key, bytes, case.ttl_ms),
            Before::Entry(entry) => self.put(key, &entry.bytes(begin), case.ttl_ms),
            Before::List if !self.put_list(key) => return,
            Before::List => {}
        }
        let is_list = matches!(case.before, Before::List);
        let dump = self.dump(key);
        let before = (!is_list).then(|| self.bytes(key)).flatten();
        let answer = case.step.take(&*self.store, key.as_bytes());
        assert_eq!(answer, case.answer.near(&answer), "{told}: the answer");
        if is_list {
            assert_eq!(self.dump(key), dump, "{told}: every byte");
            return;
        }
        let after = self.bytes(key);
        match case.after {
            After::Same => assert_eq!(self.dump(key), dump, "{told}: every byte"),
            After::Gone => assert_eq!(after, None, "{told}: gone"),
            After::Whole(bytes) => assert_eq!(after, Some(bytes), "{told}: the value"),
            After::Header(expected) => {
                let expected = expected(Entry::of(&before.unwrap_or_else(placeholder), begin));
                let after = after.unwrap_or_else(|| panic!("{told}: it is there"));
                let seen = Entry::of(&after, begin);
                assert!(
                    seen.is_near(&expected),
                    "{told}: {seen:?}, not {expected:?}"
                );
            }
        }
        let left = self.pttl(key);
        let spent = started.elapsed().as_millis() as u64;
        let expected = match (case.ttl_after, case.ttl_ms) {
            (TtlAfter::Kept, ttl_ms) => ttl_ms,
            (TtlAfter::Is(ms), _) => Some(ms),
        };
        match (left, expected) {
            (None, _) => {}
            (Some(Pttl::Forever), None) => {}
            (Some(Pttl::Millis(left)), Some(ms)) => {
                let range = ms.saturating_sub(spent + SLACK_MS)..=ms;
                assert!(range.contains(&left), "{told}: lives for {left} of {ms} ms");
            }
            (left, ms) => panic!("{told}: lives for {left:?}, not {ms:?}"),
        }
    }
}

fn placeholder() -> Vec<u8> {
    Entry::placeholder().bytes(0)
}

/// One line of a table.
pub(crate) struct Case {
    name: &'static str,
    before: Before,
    ttl_ms: Option<u64>,
    step: Step,
    answer: Answer,
    after: After,
    ttl_after: TtlAfter,
}

/// What is stored before.
pub(crate) enum Before {
    Absent,
    Raw(Vec<u8>),
    Entry(Entry),
    /// Of another data type.
    List,
}

enum After {
    Same,
    Gone,
    Whole(Vec<u8>),
    /// The header as it follows from the one before; nothing else may change.
    Header(fn(Entry) -> Entry),
}

enum TtlAfter {
    Kept,
    Is(u64),
}

/// A step with its arguments; the token is [`MINE`].
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Acquire {
        lease_ms: u64,
        force: Force,
        seen: Option<u64>,
    },
    Store(&'static [u8], Life),
    /// All of the old value, the new one, and its life.
    Swap(Vec<u8>, &'static [u8], Life),
    Release(u64),
    Renew(u64),
    ExpireSoft,
    Lock(u64),
    Extend(u64),
    Unlock,
}

/// What a step says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Claim(Acquired<Vec<u8>>),
    Done(bool),
    /// Whether the lock was got.
    Locked(bool),
    WrongType,
}

impl Step {
    pub(crate) fn take(&self, store: &dyn Store, key: &[u8]) -> Answer {
        let token = Token::of(MINE);
        let done = |done: Result<bool>| done.map(Answer::Done);
        let answer = match *self {
            Step::Acquire {
                lease_ms,
                force,
                seen,
            } => {
                let claim = Claim {
                    token,
                    lease_ms,
                    force,
                    seen,
                };
                let mut kept = Whole::default();
                let answer = store.acquire(key, claim, &mut kept, soon());
                answer.map(|(answer, _)| Answer::Claim(answer.map(|()| kept.0)))
            }
            Step::Store(body, life) => {
                let value = Value { head: &[], body };
                done(
                    store
                        .fulfill(key, token, value, life, soon())
                        .map(is_stored),
                )
            }
            Step::Swap(ref old, body, life) => {
                let value = Value { head: &[], body };
                done(store.swap(key, old, value, life, soon()))
            }
            Step::Release(backoff_ms) => done(store.release(key, token, backoff_ms, soon())),
            Step::Renew(lease_ms) => done(store.renew(key, token, lease_ms, soon())),
            Step::ExpireSoft => done(store.expire_soft(key, soon())),
            Step::Lock(ms) => store
                .lock(key, token, ms, soon())
                .map(|number| Answer::Locked(number.is_some())),
            Step::Extend(ms) => done(store.extend_lock(key, token, ms, soon())),
            Step::Unlock => done(store.unlock(key, token, soon())),
        };
        answer.unwrap_or_else(|error| {
            assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
            Answer::WrongType
        })
    }
}

/// Nothing was sent twice here.
fn is_stored(stored: Stored) -> bool {
    assert_ne!(stored, Stored::Perhaps);
    stored == Stored::Yes
}

impl Answer {
    /// This answer, or the other one where they differ by no more than a moment.
    fn near(self, other: &Answer) -> Answer {
        match (&self, other) {
            (Answer::Claim(Acquired::Held(expected)), Answer::Claim(Acquired::Held(said)))
                if *said <= expected + SLACK_MS && said + LOADED_MS > *expected =>
            {
                other.clone()
            }
            _ => self,
        }
    }
}

/// A case whose step leaves every byte and the lifetime as they are.
pub(crate) fn case(name: &'static str, before: Before, step: Step, answer: Answer) -> Case {
    Case {
        name,
        before,
        ttl_ms: Some(60_000),
        step,
        answer,
        after: After::Same,
        ttl_after: TtlAfter::Kept,
    }
}

impl Case {
    /// What is stored before has this lifetime, instead of a minute.
    pub(crate) fn living(mut self, ttl_ms: Option<u64>) -> Self {
        self.ttl_ms = ttl_ms;
        self
    }

    pub(crate) fn leaves_nothing(mut self) -> Self {
        self.after = After::Gone;
        self
    }

    pub(crate) fn leaves(mut self, bytes: &[u8]) -> Self {
        self.after = After::Whole(bytes.to_vec());
        self
    }

    pub(crate) fn makes(mut self, change: fn(Entry) -> Entry) -> Self {
        self.after = After::Header(change);
        self
    }

    pub(crate) fn lives_for(mut self, ms: u64) -> Self {
        self.ttl_after = TtlAfter::Is(ms);
        self
    }
}

/// Waits until `done` says so.
pub(crate) fn until(mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "it never happens"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}
