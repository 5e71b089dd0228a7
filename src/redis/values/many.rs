//! The primitives that concern many keys: what their commands are, how many go out at a time, and how the replies
//! are read. How they reach the nodes is `fleet/many.rs`.

use crate::error::Result;
use crate::expiry::{Clock, Life};
use crate::redis::command::large;
use crate::redis::command::values::{pack_head, pack_px, pack_set_new, pack_set_with, pack_unlink};
use crate::redis::command::verb::Verb;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::{Aside, Encoder};
use crate::redis::fleet::many::{Batch, Commands, Each, Group, WINDOW_BYTES, WINDOW_WRITES, key};
use crate::store::{EachDone, KeyList, Value};

/// Keys of one window of reads: what a slow reader can make the server hold.
const WINDOW_READS: usize = 100_000;

/// Leaves out the clock, which a write does not need.
pub(crate) fn done(each: &mut EachDone<'_>) -> impl FnMut(usize, Result<bool>, Clock) {
    |item, outcome, _| each(item, outcome)
}

pub(crate) struct Get<'a> {
    pub(crate) keys: &'a KeyList,
    /// Whether that is a use of the keys.
    pub(crate) touches: bool,
    /// Whether keys may stand together in one command. If not, each is read by GET.
    pub(crate) together: bool,
}

impl Commands for Get<'_> {
    fn verb(&self) -> Verb {
        Verb::safe(match self.together {
            true => "MGET",
            false => "GET",
        })
    }

    /// Enough to make the command small beside the work, and few enough not to keep the server from its other
    /// clients.
    fn group(&self) -> usize {
        match self.together {
            true => 1000,
            false => 1,
        }
    }

    fn touches(&self) -> bool {
        self.touches
    }

    fn window(&self, items: &[usize]) -> usize {
        items.len().min(WINDOW_READS)
    }

    fn pack(&self, to: &mut Encoder<'_>, items: &[usize]) {
        if !self.together {
            for item in items {
                to.opening(b"*2\r\n$3\r\nGET\r\n")
                    .name(self.keys.framed(*item));
            }
            return;
        }
        to.command(1 + items.len()).words(b"$4\r\nMGET\r\n");
        self.keys.pieces(items, |piece| {
            to.framed(piece);
        });
    }
}

impl Batch for Get<'_> {
    type Answer<'a> = Option<&'a [u8]>;

    fn read(
        &self,
        from: &mut Replies<'_>,
        group: &mut Group<'_, Self, impl Each<Self>>,
    ) -> Reply<()> {
        if !self.together {
            return from.value_or_foreign(|value| group.tell_outcome(0, value));
        }
        match from.array()? {
            Ok(len) if len == group.items.len() => {}
            Ok(_) => return Err(reply::unexpected("a value for every key")),
            Err(refusal) => return Ok(Err(refusal)),
        }
        let mut places = 0..;
        from.values(group.items.len(), |value| {
            if let Some(place) = places.next() {
                group.tell_outcome(place, value);
            }
        })
        .map(Ok)
    }
}

/// The first bytes of each, by a walk.
pub(crate) struct Heads<'a> {
    pub(crate) keys: &'a KeyList,
}

impl Commands for Heads<'_> {
    fn verb(&self) -> Verb {
        Verb::safe("GETRANGE")
    }

    fn touches(&self) -> bool {
        false
    }

    fn window(&self, items: &[usize]) -> usize {
        items.len().min(WINDOW_READS)
    }

    fn pack(&self, to: &mut Encoder<'_>, items: &[usize]) {
        for item in items {
            pack_head(to, self.keys.framed(*item));
        }
    }
}

impl Batch for Heads<'_> {
    type Answer<'a> = &'a [u8];

    fn read(
        &self,
        from: &mut Replies<'_>,
        group: &mut Group<'_, Self, impl Each<Self>>,
    ) -> Reply<()> {
        Ok(from.head()?.map(|head| group.tell(0, &head)))
    }
}

pub(crate) struct Set<'a> {
    keys: &'a KeyList,
    values: &'a [(Value<'a>, Life)],
    /// How long most of them live, as it is said in the command.
    usual: (u64, Vec<u8>),
}

impl<'a> Set<'a> {
    pub(crate) fn new(keys: &'a KeyList, values: &'a [(Value<'a>, Life)]) -> Self {
        let mut usual = (0, Vec::new());
        if let Some((_, Life::Millis(ms))) = values.first() {
            usual.0 = *ms;
            pack_px(
                &mut Encoder::new(&mut usual.1, &mut 0, &mut Aside::default()),
                *ms,
            );
        }
        Set {
            keys,
            values,
            usual,
        }
    }

    #[inline]
    fn value(&self, item: usize) -> &(Value<'_>, Life) {
        const NOTHING: (Value<'_>, Life) = (
            Value {
                head: &[],
                body: &[],
            },
            Life::Forever,
        );
        self.values.get(item).unwrap_or(&NOTHING)
    }
}

impl Commands for Set<'_> {
    fn verb(&self) -> Verb {
        Verb::once("SET")
    }

    fn window(&self, items: &[usize]) -> usize {
        let mut bytes = 0;
        let fits = |item: &&usize| {
            let is_first = bytes == 0;
            bytes += self.value(**item).0.len() + key(self.keys, **item).len();
            is_first || bytes <= WINDOW_BYTES
        };
        items.iter().take(WINDOW_WRITES).take_while(fits).count()
    }

    fn pack(&self, to: &mut Encoder<'_>, items: &[usize]) {
        for item in items {
            let (value, life) = self.value(*item);
            pack_set_with(to, self.keys.framed(*item), *value, *life, |to, ms| {
                if ms == self.usual.0 {
                    to.framed(&self.usual.1);
                } else {
                    pack_px(to, ms);
                }
            });
        }
    }

    fn large(&self, item: usize) -> Option<&[u8]> {
        large(self.value(item).0)
    }
}

impl Batch for Set<'_> {
    type Answer<'a> = bool;

    fn read(
        &self,
        from: &mut Replies<'_>,
        group: &mut Group<'_, Self, impl Each<Self>>,
    ) -> Reply<()> {
        let done = from.done()?;
        Ok(done.map(|()| group.tell(0, true)))
    }
}

/// SET NX of each.
pub(crate) struct Add<'a>(pub(crate) Set<'a>);

impl Commands for Add<'_> {
    fn verb(&self) -> Verb {
        Verb::once("SET NX")
    }

    fn window(&self, items: &[usize]) -> usize {
        self.0.window(items)
    }

    fn pack(&self, to: &mut Encoder<'_>, items: &[usize]) {
        for item in items {
            let (value, life) = self.0.value(*item);
            pack_set_new(to, self.0.keys.framed(*item), *value, *life);
        }
    }

    fn large(&self, item: usize) -> Option<&[u8]> {
        self.0.large(item)
    }
}

impl Batch for Add<'_> {
    type Answer<'a> = bool;

    fn read(
        &self,
        from: &mut Replies<'_>,
        group: &mut Group<'_, Self, impl Each<Self>>,
    ) -> Reply<()> {
        let stored = from.stored()?;
        Ok(stored.map(|stored| group.tell(0, stored)))
    }
}

/// One UNLINK a key: a command for all of them would only say how many there were.
pub(crate) struct Delete<'a> {
    pub(crate) keys: &'a KeyList,
}

impl Commands for Delete<'_> {
    fn verb(&self) -> Verb {
        Verb::safe("UNLINK")
    }

    fn window(&self, items: &[usize]) -> usize {
        items.len().min(WINDOW_READS)
    }

    fn pack(&self, to: &mut Encoder<'_>, items: &[usize]) {
        for item in items {
            pack_unlink(to, self.keys.framed(*item));
        }
    }
}

impl Batch for Delete<'_> {
    type Answer<'a> = bool;

    fn read(
        &self,
        from: &mut Replies<'_>,
        group: &mut Group<'_, Self, impl Each<Self>>,
    ) -> Reply<()> {
        let existed = from.done_once()?;
        Ok(existed.map(|existed| group.tell(0, existed)))
    }
}
