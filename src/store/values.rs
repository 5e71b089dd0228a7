//! Values under their keys: what is done to one of them, or to many at once, in one step each. A step knows the entry
//! header only as far as it must (a placeholder is not a value).

use crate::base::budget::Budget;
use crate::error::Result;
use crate::expiry::{Clock, Life};

use super::{Access, Head, KeyList, Sink, Value};

/// A change of an entry's lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touch {
    /// From now, in milliseconds of the server's clock; 0 has passed already.
    In(u64),
    /// At this Unix time in milliseconds.
    At(u64),
    /// Never.
    Persist,
}

/// What is left of a key's life, in the store's own terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pttl {
    Forever,
    Millis(u64),
}

/// Is told of item `index` of a multi-key read: its value, `None` when there is none (or not a string).
pub(crate) type EachValue<'a> = dyn FnMut(usize, Result<Option<&[u8]>>, Clock) + 'a;

/// Is told of item `index` of a multi-key write: whether the key was there (delete) or just that it was done.
pub(crate) type EachDone<'a> = dyn FnMut(usize, Result<bool>) + 'a;

/// Values under their keys. Every item of a [`KeyList`] that is not a fault is reported to `each` exactly once, in any
/// order.
pub(crate) trait Values {
    /// GET. `None` when there is no such key; otherwise the sink has the whole value.
    fn get(
        &self,
        key: &[u8],
        access: Access,
        sink: &mut dyn Sink,
        budget: Budget,
    ) -> Result<Option<Clock>>;

    /// GET of what takes writes, by one who has not looked yet: what is kept near will do.
    fn first_look(&self, key: &[u8], sink: &mut dyn Sink, budget: Budget) -> Result<Option<Clock>> {
        self.get(key, Access::Write, sink, budget)
    }

    /// MGET, one pipeline a node; a key of another data type is `None`.
    fn get_many(&self, keys: &KeyList, access: Access, budget: Budget, each: &mut EachValue<'_>);

    /// SET PX; with [`Life::Expired`] the key is removed instead. Where the store is full (OOM) the key is removed too, in a
    /// second round trip, before that is told: what was to be written over is not read any more. No other write does so.
    fn set(&self, key: &[u8], value: Value<'_>, life: Life, budget: Budget) -> Result<()>;

    /// SET PX of many, one pipeline a node. `values` is as long as `keys`; either all lives are over, or none. Those that
    /// a full node refuses are removed, in a second pipeline.
    fn set_many(
        &self,
        keys: &KeyList,
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    );

    /// SET NX PX, where a placeholder, a negative or a soft-expired entry counts as absent. With [`Life::Expired`]
    /// nothing is stored and nothing is removed; the answer is the same.
    fn add(&self, key: &[u8], value: Value<'_>, life: Life, budget: Budget) -> Result<bool>;

    /// SET NX PX of many, one pipeline a node: whatever is there counts. `values` is as long as `keys`. Of one whose life is
    /// over nothing is stored, and the answer is true.
    fn add_many(
        &self,
        keys: &KeyList,
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    );

    /// UNLINK: whether there was such a key, of any kind. One that is gone when this is sent again counts as removed.
    fn delete(&self, key: &[u8], budget: Budget) -> Result<bool>;

    /// UNLINK of many, one pipeline a node.
    fn delete_many(&self, keys: &KeyList, budget: Budget, each: &mut EachDone<'_>);

    /// EXISTS and the first bytes of the value. A key of another data type has an empty head.
    fn head(&self, key: &[u8], access: Access, budget: Budget) -> Result<Option<(Head, Clock)>>;

    /// PTTL and the first bytes of the value.
    fn ttl(&self, key: &[u8], budget: Budget) -> Result<Option<(Pttl, Head, Clock)>>;

    /// Moves soft and hard expiry together. False: no such key, or no live value under it.
    fn touch(&self, key: &[u8], touch: Touch, budget: Budget) -> Result<bool>;

    /// Adds to an integer. `None`: no such key, or no live value. WrongType: not an integer, or overflow.
    fn incr(&self, key: &[u8], delta: i64, budget: Budget) -> Result<Option<i64>>;

    /// The same, but an absent key is created with `initial`, and `initial` is returned.
    fn incr_or_create(
        &self,
        key: &[u8],
        delta: i64,
        initial: i64,
        life: Life,
        budget: Budget,
    ) -> Result<i64>;

    /// Moves value and lifetime to another key, replacing what is there. False: no live value under `from`.
    /// Atomic on one node; up to four round trips and never a loss between two.
    fn rename(&self, from: &[u8], to: &[u8], budget: Budget) -> Result<bool>;
}
