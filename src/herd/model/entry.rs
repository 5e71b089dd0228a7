//! One key of a store, and the scripts of `lease.lua` on it, as far as they decide anything. Time is what happens next:
//! a value that is fresh may turn stale at any moment, a lease may lapse.

use crate::store::Force;

use super::Rules;

/// Who holds a lease; each attempt of each claim has another one.
pub(super) type Token = u8;

/// A moment of the world: how often the truth has changed.
pub(super) type Epoch = u8;

/// What a loader made, or what others have set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Value {
    /// The truth that it tells: of that time at least.
    pub(super) epoch: Epoch,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Everybody can use it.
    Good,
    /// "Known to be absent": some want a value.
    Absent,
    /// Nobody can use it.
    Foreign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Age {
    Fresh,
    Stale,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lease {
    None,
    Live(Token),
    Lapsed(Token),
    Backoff,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Entry {
    Gone,
    /// No lease can stand in it.
    Bare(Value),
    Block(Block),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Block {
    /// `None`: a placeholder.
    pub(super) value: Option<Value>,
    pub(super) age: Age,
    /// Its soft expiry: another one for each write.
    pub(super) soft: u64,
    pub(super) lease: Lease,
}

impl Block {
    pub(super) fn is_servable(&self) -> bool {
        self.value.is_some() && self.age != Age::Over
    }
}

/// What ACQUIRE answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Yours,
    Stale,
    Found(Entry),
    Held,
}

/// What a claim carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) token: Token,
    pub(super) former: Option<Token>,
    pub(super) force: Force,
    pub(super) seen: Option<u64>,
}

impl Entry {
    pub(super) fn acquire(&mut self, asked: Asked, rules: &Rules) -> Said {
        let Asked { token, former, .. } = asked;
        let found = *self;
        match self {
            Entry::Gone => {
                *self = Entry::Block(Block {
                    value: None,
                    age: Age::Over,
                    soft: 0,
                    lease: Lease::Live(token),
                });
                Said::Yours
            }
            Entry::Bare(_) => Said::Found(found),
            Entry::Block(block) => {
                let is_as_seen = rules.no_seen || asked.seen.is_none_or(|soft| soft == block.soft);
                let force = if is_as_seen { asked.force } else { Force::No };
                if !block.lease.is_of(token) && !former.is_some_and(|own| block.lease.is_of(own)) {
                    let is_servable = block.is_servable();
                    if is_servable && block.age == Age::Fresh && force == Force::No {
                        return Said::Found(found);
                    }
                    match block.lease {
                        Lease::Live(_) if is_servable => return Said::Stale,
                        Lease::Live(_) => return Said::Held,
                        Lease::Backoff if rules.backoff_binds && !is_servable => return Said::Held,
                        Lease::Backoff
                            if is_servable && (force != Force::Useless || rules.backoff_binds) =>
                        {
                            return Said::Stale;
                        }
                        _ => {}
                    }
                }
                block.lease = Lease::Live(token);
                Said::Yours
            }
        }
    }

    pub(super) fn store(&mut self, token: Token, value: Value, soft: u64) -> bool {
        let is_own = self.lease().is_of(token);
        if is_own {
            self.write(value, soft);
        }
        is_own
    }

    pub(super) fn swap(&mut self, old: Value, value: Value, soft: u64, rules: &Rules) -> bool {
        let is_same = *self == Entry::Bare(old) || rules.plain_set;
        if is_same {
            self.write(value, soft);
        }
        is_same
    }

    pub(super) fn write(&mut self, value: Value, soft: u64) {
        *self = Entry::Block(Block {
            value: Some(value),
            age: Age::Fresh,
            soft,
            lease: Lease::None,
        });
    }

    pub(super) fn release(&mut self, token: Token, has_backoff: bool) {
        if let Entry::Block(block) = self
            && block.lease.is_of(token)
        {
            block.lease = if has_backoff {
                Lease::Backoff
            } else {
                Lease::None
            };
            if !block.is_servable() {
                *self = Entry::Gone;
            }
        }
    }

    pub(super) fn renew(&mut self, token: Token) -> bool {
        match self {
            Entry::Block(block) if block.lease.is_of(token) => {
                block.lease = Lease::Live(token);
                true
            }
            _ => false,
        }
    }

    pub(super) fn lease(&self) -> Lease {
        match self {
            Entry::Block(block) => block.lease,
            _ => Lease::None,
        }
    }

    pub(super) fn value(&self) -> Option<Value> {
        match self {
            Entry::Gone => None,
            Entry::Bare(value) => Some(*value),
            Entry::Block(block) => block.value,
        }
    }

    /// What time alone may do next. The key outlives a lease: that is what its TTL is lifted for.
    pub(super) fn ages(self, rules: &Rules) -> Vec<Entry> {
        let mut next = Vec::new();
        if self == Entry::Gone {
            return next;
        }
        if !matches!(self.lease(), Lease::Live(_)) || rules.ttl_not_lifted {
            next.push(Entry::Gone);
        }
        let Entry::Block(block) = self else {
            return next;
        };
        match (block.value, block.age) {
            (Some(_), Age::Fresh) => next.push(Entry::Block(Block {
                age: Age::Stale,
                ..block
            })),
            (Some(_), Age::Stale) => next.push(Entry::Block(Block {
                age: Age::Over,
                ..block
            })),
            _ => {}
        }
        let lease = match block.lease {
            Lease::Live(token) => Lease::Lapsed(token),
            Lease::Backoff => Lease::None,
            _ => return next,
        };
        next.push(Entry::Block(Block { lease, ..block }));
        next
    }
}

impl Lease {
    pub(super) fn is_of(self, token: Token) -> bool {
        matches!(self, Lease::Live(own) | Lease::Lapsed(own) if own == token)
    }
}
