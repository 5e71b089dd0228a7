//! What concerns values: reads are those of the near cache, and what is written is forgotten.

use crate::base::budget::Budget;
use crate::error::Result;
use crate::expiry::{Clock, Life};
use crate::store::{
    Access, EachDone, EachValue, Head, KeyList, Pttl, Sink, Touch, Value, Values, head_of,
};

use super::super::{Look, NearStore};

impl Values for NearStore {
    fn get(
        &self,
        key: &[u8],
        access: Access,
        sink: &mut dyn Sink,
        budget: Budget,
    ) -> Result<Option<Clock>> {
        match access {
            Access::Read => self.read(key, access, sink, budget),
            Access::Write => self.far.get(key, access, sink, budget),
        }
    }

    fn first_look(&self, key: &[u8], sink: &mut dyn Sink, budget: Budget) -> Result<Option<Clock>> {
        self.read(key, Access::Write, sink, budget)
    }

    fn get_many(&self, keys: &KeyList, access: Access, budget: Budget, each: &mut EachValue<'_>) {
        match access {
            Access::Read => self.read_many(keys, access, budget, each),
            Access::Write => self.far.get_many(keys, access, budget, each),
        }
    }

    fn head(&self, key: &[u8], access: Access, budget: Budget) -> Result<Option<(Head, Clock)>> {
        if access == Access::Read
            && let Look::Known(head, clock) =
                self.look(key, budget, |value| value.map(|value| head_of(value)))
        {
            return Ok(head.map(|head| (head, clock)));
        }
        self.far.head(key, access, budget.later())
    }

    fn rename(&self, from: &[u8], to: &[u8], budget: Budget) -> Result<bool> {
        let done = self.far.rename(from, to, budget);
        self.wrote(from, self.wrote(to, done))
    }

    fn ttl(&self, key: &[u8], budget: Budget) -> Result<Option<(Pttl, Head, Clock)>> {
        self.far.ttl(key, budget)
    }

    fn set(&self, key: &[u8], value: Value<'_>, life: Life, budget: Budget) -> Result<()> {
        self.wrote(key, self.far.set(key, value, life, budget))
    }

    fn add(&self, key: &[u8], value: Value<'_>, life: Life, budget: Budget) -> Result<bool> {
        self.wrote(key, self.far.add(key, value, life, budget))
    }

    fn delete(&self, key: &[u8], budget: Budget) -> Result<bool> {
        self.wrote(key, self.far.delete(key, budget))
    }

    fn touch(&self, key: &[u8], touch: Touch, budget: Budget) -> Result<bool> {
        self.wrote(key, self.far.touch(key, touch, budget))
    }

    fn incr(&self, key: &[u8], delta: i64, budget: Budget) -> Result<Option<i64>> {
        self.wrote(key, self.far.incr(key, delta, budget))
    }

    fn incr_or_create(
        &self,
        key: &[u8],
        delta: i64,
        initial: i64,
        life: Life,
        budget: Budget,
    ) -> Result<i64> {
        self.wrote(
            key,
            self.far.incr_or_create(key, delta, initial, life, budget),
        )
    }

    fn set_many(
        &self,
        keys: &KeyList,
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let mut each = self.wrote_each(keys, each);
        self.far.set_many(keys, values, budget, &mut each);
    }

    fn add_many(
        &self,
        keys: &KeyList,
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let mut each = self.wrote_each(keys, each);
        self.far.add_many(keys, values, budget, &mut each);
    }

    fn delete_many(&self, keys: &KeyList, budget: Budget, each: &mut EachDone<'_>) {
        let mut each = self.wrote_each(keys, each);
        self.far.delete_many(keys, budget, &mut each);
    }
}
