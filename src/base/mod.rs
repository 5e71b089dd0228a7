//! What the machine gives, and what knows nothing of caches: time, budgets, waiting, forks, chance; and
//! what an enum needs to be said in words.

pub(crate) mod backoff;
pub(crate) mod bounded;
pub(crate) mod budget;
pub(crate) mod clocks;
pub(crate) mod flight;
pub(crate) mod fork;
pub(crate) mod histogram;
pub(crate) mod latencies;
pub(crate) mod moment;
pub(crate) mod one_at_a_time;
#[cfg(test)]
pub(crate) mod orders;
pub(crate) mod random;
pub(crate) mod room;
pub(crate) mod words;
