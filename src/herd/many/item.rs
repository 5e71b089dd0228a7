//! One key of many on its way through a call: what a look has shown, what the store has said to a claim, and what a flight
//! has come to, each turned into what is next by `herd::step`.

use crate::base::flight::{Follow, Landing, Lead, Part};
use crate::base::moment::Moment;
use crate::base::room;
use crate::cache::Cache;
use crate::entry::{Judge, Sight};
use crate::error::{Error, Result};
use crate::expiry::Clock;
use crate::store::{Acquired, Force};

use super::super::Source;
use super::super::form::Form;
use super::super::held::is_refusal;
use super::super::product::unpacked;
use super::super::step::{self, Hand, Heard, Next, Why, Worth};
use super::super::weigh::is_the_callers;
use super::store::Right;

/// One key.
pub(super) struct Item<V> {
    pub(super) at: At<V>,
    /// Its flight, if this call leads it.
    pub(super) lead: Option<Lead>,
    /// The stale value in hand: absent, or a value.
    pub(super) old: Option<Option<V>>,
    /// All of a value that is of no use, where no lease can stand in it.
    pub(super) kept: Option<Vec<u8>>,
    /// When the lease of another lapses, unless it is renewed.
    pub(super) lapses: Option<Moment>,
}

/// How far it has come.
pub(super) enum At<V> {
    /// It is to be looked at.
    Open(Why),
    /// Its lease is to be claimed.
    Wanted(Force, Option<u64>),
    /// The store did not answer, or refused.
    Away {
        is_silent: bool,
    },
    /// Another thread of this process loads it.
    Behind {
        follow: Follow,
        is_away: bool,
    },
    /// This call loads it.
    Mine(Mine),
    Done(Result<Option<V>>),
}

/// A key that this call loads.
pub(super) struct Mine {
    pub(super) right: Right,
    pub(super) clock: Clock,
}

impl<V> Item<V> {
    /// One that nothing is known of.
    pub(super) fn new(at: At<V>) -> Self {
        Item {
            at,
            lead: None,
            old: None,
            kept: None,
            lapses: None,
        }
    }

    pub(super) fn mine(&mut self, right: Right, clock: Clock) {
        self.at = At::Mine(Mine { right, clock });
    }

    /// It is settled by what others have stored: who waits for it finds that.
    pub(super) fn serve(&mut self, cache: &Cache, value: Option<V>, source: Source) {
        if source == Source::Stale {
            cache.shared.counters.stale_served.add(1);
        }
        self.settle(Ok(value), Landing::Again);
    }

    /// It is settled.
    pub(super) fn settle(&mut self, done: Result<Option<V>>, landing: Landing) {
        self.at = At::Done(done);
        if let Some(lead) = self.lead.take() {
            lead.land(landing);
        }
    }

    pub(super) fn fail(&mut self, error: Error) {
        self.settle(Err(error.clone()), Landing::Failed(error));
    }

    /// Its part in the flight of its key.
    pub(super) fn join(&mut self, cache: &Cache, part: Result<Part>) {
        let is_away = matches!(self.at, At::Away { is_silent: true });
        match cache.report(part) {
            Ok(Part::Lead(lead)) => self.lead = Some(lead),
            Ok(Part::Follow(follow)) => self.at = At::Behind { follow, is_away },
            Err(error) => self.at = At::Done(Err(error)),
        }
    }

    /// What a look has shown.
    pub(super) fn saw<F: Form<Value = V>>(
        &mut self,
        cache: &Cache,
        stored: Result<Option<&[u8]>>,
        clock: Clock,
        is_plain: bool,
    ) {
        let why = match self.at {
            At::Open(why) => why,
            _ => Why::First,
        };
        let stored = match stored {
            Ok(Some(stored)) => stored,
            Ok(None) => {
                self.kept = None;
                self.at = At::Wanted(Force::No, None);
                return;
            }
            Err(error) => {
                cache.tell(&error);
                if is_the_callers(&error) {
                    self.fail(error);
                } else {
                    let is_silent = !is_refusal(&error);
                    self.at = At::Away { is_silent };
                }
                return;
            }
        };
        let sight = F::see(&cache.shared.options, stored, why.judge(clock));
        let seen = match cache.weigh(sight, true) {
            Ok(seen) => seen,
            Err(error) => return self.fail(error),
        };
        let source = match seen.view.worth {
            Worth::Fresh => Source::Fresh,
            _ => Source::Stale,
        };
        self.at = match step::looked(why, seen.view) {
            Next::Serve => return self.serve(cache, seen.value, source),
            Next::Claim(force, soft) => {
                self.old = (seen.view.worth == Worth::Stale).then_some(seen.value);
                if is_plain {
                    self.kept = room::copy(stored, "a value").ok();
                }
                At::Wanted(force, soft)
            }
            _ => At::Open(Why::Poll),
        };
    }

    /// What the store said to a claim; `None`: nothing that is of use.
    pub(super) fn heard<F: Form<Value = V>>(
        &mut self,
        cache: &Cache,
        acquired: Option<Result<Acquired<&[u8]>>>,
        clock: Clock,
    ) {
        let (mut found, mut kept, mut right) = (None, None, None);
        let mut is_silent = false;
        self.lapses = None;
        let heard = match acquired {
            Some(Ok(Acquired::Yours(token))) => {
                right = Some(Right::Lease(token));
                Heard::Yours
            }
            Some(Ok(Acquired::Stale)) => Heard::Stale,
            Some(Ok(Acquired::Held(ms))) => {
                let left = std::time::Duration::from_millis(ms);
                self.lapses = Some(Moment::now().after(left));
                Heard::Held
            }
            Some(Ok(Acquired::Found(stored))) => {
                let sight = F::see(&cache.shared.options, stored, Judge::Fresh);
                match cache.weigh(sight, true) {
                    Ok(seen) => {
                        let heard = seen.heard();
                        found = seen.value;
                        if heard == Heard::Useless(None) {
                            // Without memory for it, nothing is stored in its place.
                            kept = room::copy(stored, "a value").ok();
                        }
                        heard
                    }
                    Err(error) => match self.old.take() {
                        Some(old) => return self.serve(cache, old, Source::Stale),
                        None => return self.fail(error),
                    },
                }
            }
            Some(Err(error)) => {
                cache.tell(&error);
                is_silent = !is_refusal(&error);
                Heard::Failed
            }
            None => Heard::Failed,
        };
        let hand = match self.old {
            Some(_) => Hand::Value,
            None => Hand::Nothing,
        };
        self.at = match step::claimed(hand, heard) {
            Next::Serve => return self.serve(cache, found, Source::Fresh),
            Next::ServeInHand => {
                let old = self.old.take().flatten();
                return self.serve(cache, old, Source::Stale);
            }
            Next::Claim(force, soft) => At::Wanted(force, soft),
            Next::Lead(step::Right::Lease) => {
                return self.mine(right.unwrap_or(Right::Nothing { is_silent }), clock);
            }
            Next::Lead(step::Right::Swap) => {
                let right = kept.map_or(Right::Nothing { is_silent }, Right::Swap);
                return self.mine(right, clock);
            }
            Next::Uncached => At::Away { is_silent },
            Next::Look => At::Open(Why::Servable),
            Next::Wait => At::Open(Why::Poll),
        };
    }

    /// The flight that was followed has landed.
    pub(super) fn landed<F: Form<Value = V>>(
        &mut self,
        cache: &Cache,
        landing: Landing,
        is_away: bool,
        began: Moment,
    ) {
        self.at = At::Open(Why::Poll);
        let (product, before) = match landing {
            Landing::Made { product, before } => (product, before),
            Landing::Again => return,
            Landing::Failed(error) => {
                self.at = At::Done(Err(error));
                return;
            }
        };
        if !is_away && before.is_some_and(|since| began > since) {
            return;
        }
        let sight = Sight {
            seen: unpacked::<F>(&cache.shared.options, &product),
            header: None,
            now_ms: 0,
        };
        match cache.weigh(sight, true) {
            Ok(seen) if seen.view.worth == Worth::Fresh => {
                self.serve(cache, seen.value, Source::Fresh)
            }
            Ok(_) => {}
            Err(error) => self.fail(error),
        }
    }
}
