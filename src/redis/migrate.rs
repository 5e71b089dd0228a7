//! Entries that change their node: copied first, removed from where they were only then, and only if nothing changed
//! there meanwhile. So nothing is ever lost, and a second copy remains only when somebody dies in between. Their
//! lifetimes are kept to the millisecond. (Not DUMP and RESTORE, which fail towards older servers.)

use crate::base::budget::Budget;
use crate::entry::header::without_lease;
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Life;
use crate::redis::command::script::Script;
use crate::redis::command::untouched::Untouched;
use crate::redis::command::verb::Verb;
use crate::redis::command::{Command, Run};
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::{Encoder, Token};
use crate::redis::fleet::many::To;
use crate::redis::fleet::scripted;
use crate::redis::store::RedisStore;
use crate::store::{Entry, HEAD_LEN, KeyList, Pttl, Store, Whole};

/// How often a move begins again because the entry changed under it.
const ATTEMPTS: usize = 16;
/// What is held in this process at a time, in bytes and in entries.
const WINDOW_BYTES: u64 = 4 << 20;
const WINDOW: usize = 256;

/// Moves a live entry to a key of another node and replaces what is there: four steps at most, all within one budget.
pub(crate) fn rename(store: &RedisStore, from: &[u8], to: &[u8], budget: Budget) -> Result<bool> {
    let scripts = &store.scripts;
    let mut is_moved = false;
    for _ in 0..ATTEMPTS {
        let taken = store.run(Run::new(&scripts.take, &[from], 0, |_| {}, entry), budget)?;
        let Some(entry) = taken else {
            return Ok(is_moved);
        };
        let mut head = [0; HEAD_LEN];
        store.put(
            to,
            without_lease(&entry.bytes, &mut head),
            entry.life(),
            budget,
        )?;
        is_moved = true;
        let pack = |out: &mut Encoder<'_>| pack_drop(out, &entry);
        let dropped = store.run(
            Run::new(&scripts.drop, &[from], 2, pack, |from| from.flag()),
            budget,
        )?;
        if dropped {
            return Ok(true);
        }
    }
    let text = "the entry keeps changing while it is moved to another node; it is at both places";
    Err(Error::new(ErrorKind::Unavailable, text))
}

/// Moves entries that lie on `node` to where `to` places them, unless something is there already; returns how many
/// have left the node.
pub(crate) fn export(
    store: &RedisStore,
    node: &str,
    keys: &KeyList,
    to: &dyn Store,
    budget: &dyn Fn() -> Budget,
) -> Result<u64> {
    let lengths = Untouched(Lengths { keys });
    let sizes = store.fleet.ask_node(node, budget(), lengths)?;
    let (mut from, mut moved) = (0, 0);
    while from < keys.len() {
        let mut bytes = 0;
        let fits = |size: &&u64| {
            let is_first = bytes == 0;
            bytes += **size + 1;
            is_first || bytes <= WINDOW_BYTES
        };
        let rest = sizes.iter().skip(from).take(WINDOW);
        let window = keys.part(from, rest.take_while(fits).count().max(1));
        from += window.len();
        let found = copies(store, node, &window, budget())?;
        let mut entries = Vec::with_capacity(found.len());
        let mut movable = KeyList::with_room(found.len())?;
        for ((_, key), entry) in window.iter().zip(found) {
            if let Some(entry) = entry {
                movable.push_bytes(key);
                entries.push(entry);
            }
        }
        let mut first = Ok(());
        to.import(&movable, &entries, budget(), &mut |_, outcome| {
            if let (Ok(()), Err(error)) = (&first, outcome) {
                first = Err(error);
            }
        });
        first?;
        moved += drop_all(store, node, &movable, &entries, budget())?;
    }
    Ok(moved)
}

/// STRLEN of every key; 0 where there is no value, or none that could be moved.
struct Lengths<'a> {
    keys: &'a KeyList,
}

impl Command for Lengths<'_> {
    type Answer = Vec<u64>;

    fn verb(&self) -> Verb {
        Verb::safe("STRLEN")
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        for (_, key) in self.keys.iter() {
            to.command(2).arg(b"STRLEN").arg(key);
        }
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<Vec<u64>> {
        let mut sizes = Ok(Vec::with_capacity(self.keys.len()));
        for _ in 0..self.keys.len() {
            let size = or_foreign(from.int()?, 0);
            sizes = sizes.and_then(|mut sizes| {
                sizes.push(u64::try_from(size?).unwrap_or_default());
                Ok(sizes)
            });
        }
        Ok(sizes)
    }
}

/// The entries under `keys` as they are now.
fn copies(
    store: &RedisStore,
    node: &str,
    keys: &KeyList,
    budget: Budget,
) -> Result<Vec<Option<Entry>>> {
    let copy = Copy {
        script: &store.scripts.copy,
    };
    let mut copies: Vec<Option<Entry>> = Vec::new();
    copies.resize_with(keys.len(), || None);
    let mut fault = None;
    store.fleet.run_many(
        To::Node(node),
        keys,
        &copy,
        budget,
        |item, entry, _| match (entry, copies.get_mut(item)) {
            (Ok(entry), Some(copy)) => *copy = entry,
            (Err(error), _) => fault = Some(error),
            _ => {}
        },
    );
    fault.map_or(Ok(copies), Err)
}

struct Copy<'a> {
    script: &'a Script,
}

impl scripted::Step for Copy<'_> {
    type Answer<'a> = Option<Entry>;
    const ARGS: usize = 0;

    fn script(&self) -> &Script {
        self.script
    }

    fn touches(&self) -> bool {
        false
    }

    fn pack_args(&self, _: &mut Encoder<'_>, _: usize) {}

    fn read(&self, from: &mut Replies<'_>, _: usize, tell: impl FnMut(Option<Entry>)) -> Reply<()> {
        Ok(or_foreign(entry(from)?, None).map(tell))
    }
}

/// Removes entries that are still as they were copied; returns how many that were.
fn drop_all(
    store: &RedisStore,
    node: &str,
    keys: &KeyList,
    entries: &[Entry],
    budget: Budget,
) -> Result<u64> {
    let drop = Drop {
        script: &store.scripts.drop,
        entries,
    };
    let (mut dropped, mut fault) = (0, None);
    store.fleet.run_many(
        To::Node(node),
        keys,
        &drop,
        budget,
        |_, done, _| match done {
            Ok(done) => dropped += u64::from(done),
            Err(error) => fault = Some(error),
        },
    );
    fault.map_or(Ok(dropped), Err)
}

struct Drop<'a> {
    script: &'a Script,
    entries: &'a [Entry],
}

impl scripted::Step for Drop<'_> {
    type Answer<'a> = bool;
    const ARGS: usize = 2;

    fn script(&self) -> &Script {
        self.script
    }

    fn touches(&self) -> bool {
        false
    }

    fn pack_args(&self, to: &mut Encoder<'_>, item: usize) {
        if let Some(entry) = self.entries.get(item) {
            pack_drop(to, entry);
        }
    }

    fn size(&self, item: usize) -> usize {
        self.entries.get(item).map_or(0, |entry| entry.bytes.len())
    }

    fn read(&self, from: &mut Replies<'_>, _: usize, tell: impl FnMut(bool)) -> Reply<()> {
        Ok(from.done_once()?.map(tell))
    }
}

fn pack_drop(to: &mut Encoder<'_>, entry: &Entry) {
    let to = to.arg(&entry.bytes);
    match entry.ttl {
        Pttl::Millis(ms) => to.int(i64::try_from(ms).unwrap_or(i64::MAX)),
        Pttl::Forever => to.int(-1),
    };
}

/// What a key of another data type says to a command for strings: it is none of ours.
pub(crate) fn or_foreign<R>(answer: Result<R>, none: R) -> Result<R> {
    match answer {
        Err(error) if error.kind() == ErrorKind::WrongType => Ok(none),
        answer => answer,
    }
}

/// The answer of the scripts that read an entry: {} or {value, ms | -1}.
fn entry(from: &mut Replies<'_>) -> Reply<Option<Entry>> {
    match from.array()? {
        Ok(0) => return Ok(Ok(None)),
        Ok(2) => {}
        Ok(_) => return Err(reply::unexpected("a value and its time")),
        Err(refusal) => return Ok(Err(refusal)),
    }
    let mut bytes = Whole::default();
    let found = from.value(&mut bytes)?;
    let (Ok(true), Token::Int(ms)) = (found, from.next()?) else {
        return Err(reply::unexpected("a value and its time"));
    };
    let ttl = u64::try_from(ms).map_or(Pttl::Forever, Pttl::Millis);
    Ok(Ok(Some(Entry {
        bytes: bytes.0,
        ttl,
    })))
}

impl Entry {
    /// An entry in its last millisecond lives for one more.
    pub(crate) fn life(&self) -> Life {
        match self.ttl {
            Pttl::Forever => Life::Forever,
            Pttl::Millis(ms) => Life::Millis(ms.max(1)),
        }
    }
}
