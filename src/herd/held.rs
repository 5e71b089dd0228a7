//! Leases in hand. Whatever becomes of their loader, those that end without a value are given back, so that nobody waits
//! for them: when it fails, when it panics, when its value is refused.

use std::borrow::Borrow;

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::expiry::millis_rounded_up;
use crate::store::{KeyList, Token};

use super::lost;

/// Leases, each with its key; dropped, they are given back, in one round trip a node.
pub(crate) struct Held<C: Borrow<Cache>> {
    cache: C,
    keys: KeyList,
    leases: Vec<Lease>,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    token: Token,
    /// How long nobody is to try again after a failure: not at all where there is nothing to serve meanwhile.
    backoff_ms: u64,
    is_over: bool,
}

impl<C: Borrow<Cache>> Held<C> {
    pub(crate) fn none(cache: C) -> Self {
        Held {
            cache,
            keys: KeyList::default(),
            leases: Vec::new(),
        }
    }

    /// One more; returns its number.
    pub(crate) fn push(&mut self, key: &[u8], token: Token, backoff_ms: u64) -> usize {
        self.keys.push_bytes(key);
        self.leases.push(Lease {
            token,
            backoff_ms,
            is_over: false,
        });
        self.leases.len() - 1
    }

    pub(crate) fn cache(&self) -> &Cache {
        self.cache.borrow()
    }

    /// The token of a lease that is about to end with a value.
    pub(crate) fn end(&mut self, number: usize) -> Option<Token> {
        let lease = self.leases.get_mut(number)?;
        lease.is_over = true;
        Some(lease.token)
    }

    /// It did not: the server has refused the value.
    pub(crate) fn refused(&mut self, number: usize) {
        if let Some(lease) = self.leases.get_mut(number) {
            lease.is_over = false;
        }
    }

    /// That one ends without a value, and without a failure: others may load at once.
    pub(crate) fn skip(&mut self, number: usize) {
        if let Some(lease) = self.leases.get_mut(number) {
            lease.backoff_ms = 0;
        }
    }

    /// All last for another `lease`. One round trip a node, none where there are none.
    ///
    /// # Errors
    /// Lost, also when only one was; the others are renewed all the same.
    pub(crate) fn renew(&self) -> Result<()> {
        let (cache, mut renewed) = (self.cache(), Ok(true));
        let store = &cache.shared.store;
        let lease_ms = millis_rounded_up(cache.shared.options.lease);
        match self.leases.as_slice() {
            [] => return Ok(()),
            [lease] => {
                if let Some(key) = self.keys.get(0) {
                    renewed = store.renew(key, lease.token, lease_ms, cache.budget());
                }
            }
            leases => {
                let tokens: Vec<_> = leases.iter().map(|lease| lease.token).collect();
                let mut each = |_, done: Result<bool>| match (&renewed, done) {
                    (Ok(_), Err(error)) => renewed = Err(error),
                    (Ok(true), Ok(done)) => renewed = Ok(done),
                    _ => {}
                };
                store.renew_many(&self.keys, &tokens, lease_ms, cache.budget(), &mut each);
            }
        }
        if cache.or_miss(renewed, true)? {
            return Ok(());
        }
        cache.report(Err(lost()))
    }

    /// Gives back what has not ended.
    pub(crate) fn release(&mut self) {
        for backoff_ms in [0, super::BACKOFF_MS] {
            let (mut keys, mut tokens) = (KeyList::default(), Vec::new());
            for (lease, (_, key)) in self.leases.iter_mut().zip(self.keys.iter()) {
                if !lease.is_over && lease.backoff_ms == backoff_ms {
                    lease.is_over = true;
                    keys.push_bytes(key);
                    tokens.push(lease.token);
                }
            }
            let (cache, store) = (self.cache(), &self.cache().shared.store);
            match (tokens.as_slice(), keys.get(0)) {
                ([], _) | (_, None) => {}
                ([token], Some(key)) => {
                    let released = store.release(key, *token, backoff_ms, cache.budget());
                    tell(cache, released);
                }
                (tokens, _) => {
                    let mut each = |_, released| tell(cache, released);
                    store.release_many(&keys, tokens, backoff_ms, cache.budget(), &mut each);
                }
            }
        }
    }
}

impl Held<&Cache> {
    /// The same leases, for longer than the call lasts.
    pub(crate) fn owned(mut self) -> Held<Cache> {
        Held {
            cache: self.cache.clone(),
            keys: std::mem::take(&mut self.keys),
            leases: std::mem::take(&mut self.leases),
        }
    }
}

fn tell(cache: &Cache, released: Result<bool>) {
    if let Err(error) = released {
        cache.tell(&error);
    }
}

impl<C: Borrow<Cache>> Drop for Held<C> {
    fn drop(&mut self) {
        self.release();
    }
}

impl<C: Borrow<Cache>> std::fmt::Debug for Held<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.leases).finish()
    }
}

/// Whether the server has said no to a value: nobody else will say more about it, and the lease stands. (Where it did
/// not answer, the value may be there.)
pub(crate) fn is_refusal(error: &Error) -> bool {
    error.code().is_some()
}
