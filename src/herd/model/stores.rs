//! What a caller asks of the store, with everything that may become of it on the way, and what follows for those who wait.

use crate::herd::step::{self, End, Hand, Heard, Next, Right, Why};
use crate::store::Force;

use super::Rules;
use super::acts::claim;
use super::entry::{Age, Asked, Entry, Kind, Lease, Said, Token, Value};
use super::world::{At, By, Step, World, can_use};

impl World {
    pub(super) fn claim(
        &self,
        caller: usize,
        (force, seen, former, is_resent): (Force, Option<u64>, Option<Token>, bool),
        rules: &Rules,
        steps: &mut Vec<Step>,
    ) {
        let token = match former {
            Some(former) if rules.same_token => former,
            _ => self.unused_token(),
        };
        let asked = Asked {
            token,
            former,
            force,
            seen,
        };
        let mut world = *self;
        let before = self.entry;
        let said = world.entry.acquire(asked, rules);
        steps.push(world.heard(caller, asked, said, before));
        if let (Some(lost), false) = (world.fault(), is_resent) {
            // Its answer is lost, or it is late itself; it is sent again.
            let again = At::Claim {
                force,
                seen,
                former: Some(token),
                is_resent: true,
            };
            let mut heard = lost.at(caller, again);
            if said == Said::Yours {
                heard.callers[caller].has_lease = true;
                steps.push(heard.is_alone(caller));
            } else {
                steps.push(Ok(heard));
            }
            let mut late = World {
                entry: before,
                ..lost
            }
            .at(caller, again);
            late.late[caller] = Some(asked);
            steps.push(Ok(late));
        }
        if let Some(mut refused) = self.fault() {
            // An attempt of which nothing was heard may have taken a lease that nobody knows of.
            refused.is_forsaken |= former.is_some();
            for is_silent in [true, false] {
                let hand = self.hand(caller);
                steps.push(match step::claimed(hand, Heard::Failed) {
                    Next::ServeInHand => {
                        let hand = self.callers[caller].hand;
                        refused.serve(caller, hand, false)
                    }
                    _ => Ok(refused.load(caller, By::Nothing { is_silent })),
                });
            }
        }
    }

    pub(super) fn hand(&self, caller: usize) -> Hand {
        match self.callers[caller].hand {
            Some(_) => Hand::Value,
            None => Hand::Nothing,
        }
    }

    pub(super) fn heard(mut self, caller: usize, asked: Asked, said: Said, before: Entry) -> Step {
        let mut found = None;
        let heard = match said {
            Said::Yours => {
                // Only over what was seen: another value may be of use.
                if let (Entry::Block(block), Force::Early | Force::Useless) = (before, asked.force)
                    && block.age == Age::Fresh
                    && asked.seen != Some(block.soft)
                    && !asked.former.is_some_and(|former| block.lease.is_of(former))
                {
                    return Err("a fresh value that nobody looked at is loaded again");
                }
                self.callers[caller].has_lease = true;
                self = self.is_alone(caller)?;
                Heard::Yours
            }
            Said::Stale => Heard::Stale,
            Said::Held => {
                if matches!(before.lease(), Lease::None | Lease::Backoff) {
                    return Err("somebody waits for a lease that nobody holds");
                }
                Heard::Held
            }
            Said::Found(entry) => match entry.value() {
                Some(value) if can_use(caller, value.kind) => {
                    found = Some(value);
                    Heard::Found
                }
                _ => Heard::Useless(match entry {
                    Entry::Block(block) => Some(block.soft),
                    _ => None,
                }),
            },
        };
        match step::claimed(self.hand(caller), heard) {
            Next::Serve => self.serve(caller, found, false),
            Next::ServeInHand => {
                let hand = self.callers[caller].hand;
                self.serve(caller, hand, false)
            }
            Next::Claim(force, soft) => Ok(self.at(caller, claim(force, soft))),
            Next::Lead(Right::Lease) => Ok(self.load(caller, By::Lease(asked.token))),
            Next::Lead(Right::Swap) => match before {
                Entry::Bare(old) => Ok(self.load(caller, By::Swap(old))),
                _ => Err("a value in which a lease can stand is swapped"),
            },
            Next::Look => Ok(self.at(caller, At::Look(Why::Servable))),
            Next::Wait => {
                self.waits(caller, true)?;
                Ok(self.at(caller, At::Wait))
            }
            Next::Uncached => Err("an answer is taken for none"),
        }
    }

    /// Invariant 2.
    pub(super) fn is_alone(self, caller: usize) -> Step {
        let others = self.callers.iter().enumerate();
        let is_beside = others
            .filter(|(other, _)| *other != caller)
            .any(|(_, other)| other.has_lease && matches!(other.at, At::Load(By::Lease(_))));
        match is_beside {
            true => Err("two have the lease"),
            false => Ok(self),
        }
    }

    pub(super) fn store(
        &self,
        caller: usize,
        (by, value, is_resent): (By, Value, bool),
        rules: &Rules,
        steps: &mut Vec<Step>,
    ) {
        let mut world = *self;
        let soft = self.unused_soft();
        let is_stored = match by {
            By::Lease(token) => world.entry.store(token, value, soft),
            By::Swap(old) => world.entry.swap(old, value, soft, rules),
            By::Nothing { is_silent } => {
                let end = if is_silent { End::Away } else { End::NotStored };
                return world.finish(caller, Some(end), rules, steps);
            }
        };
        world.callers[caller].has_lease = false;
        let end = match is_stored {
            true => End::Stored,
            false if is_resent && rules.zero_is_stored => End::Stored,
            false => End::NotStored,
        };
        // Until it has heard of that, and has told the other thread, everything may happen.
        steps.push(Ok(world.at(caller, At::Stored(end))));
        let Some(lost) = world.fault() else {
            return;
        };
        match by {
            By::Lease(token) => {
                if !is_resent {
                    // Its answer is lost, or it never came there.
                    let again = At::Store {
                        by,
                        value,
                        is_resent: true,
                    };
                    steps.push(Ok(lost.at(caller, again)));
                    if let Some(unheard) = self.fault() {
                        steps.push(Ok(unheard.at(caller, again)));
                    }
                }
                lost.finish(caller, Some(End::Unknown), rules, steps);
                if let Some(mut unheard) = self.fault() {
                    unheard.is_forsaken = true;
                    unheard.finish(caller, Some(End::Unknown), rules, steps);
                }
                if let Some(refused) = self.fault() {
                    let end = Some(End::Refused);
                    steps.push(Ok(refused.at(caller, At::Release { token, end })));
                }
            }
            _ => lost.finish(caller, Some(End::Unknown), rules, steps),
        }
    }

    /// A call ends with its own value, and its flight lands. (`None`: with the loader's error.)
    pub(super) fn finish(
        &self,
        caller: usize,
        end: Option<End>,
        rules: &Rules,
        steps: &mut Vec<Step>,
    ) {
        let at = match end {
            Some(_) => At::Done,
            None => At::Failed,
        };
        let mut world = self.at(caller, at);
        let value = Value {
            epoch: self.callers[caller].loaded,
            kind: Kind::Good,
        };
        if end.is_none() {
            world = world.served(caller);
        }
        match world.landed(caller, end.map(|end| (end, value)), rules) {
            Ok(landed) => steps.push(Ok(landed)),
            Err(violation) => steps.push(Err(violation)),
        }
    }

    /// A failed load is made up for by what is in hand.
    pub(super) fn served(self, caller: usize) -> World {
        match self.callers[caller].hand {
            Some(_) => self.at(caller, At::Done),
            None => self,
        }
    }

    pub(super) fn land(
        &mut self,
        caller: usize,
        made: Option<(End, Value)>,
        rules: &Rules,
        steps: &mut Vec<Step>,
    ) {
        match self.landed(caller, made, rules) {
            Ok(world) => *self = world,
            Err(violation) => steps.push(Err(violation)),
        }
    }

    /// Hands what was made to the other thread, if it waits for it.
    pub(super) fn landed(mut self, caller: usize, made: Option<(End, Value)>, _: &Rules) -> Step {
        let Some(flight) = self.flight.filter(|flight| flight.leader == caller) else {
            return Ok(self);
        };
        self.flight = None;
        let other = 1 - caller;
        if !flight.is_awaited || self.callers[other].at != At::Follow {
            return Ok(self);
        }
        let Some((end, value)) = made else {
            return Ok(self.at(other, At::Failed));
        };
        if end.is_for_all() || self.callers[other].is_before {
            return self.serve(other, Some(value), end == End::Away);
        }
        Ok(self.at(other, At::Look(Why::Poll)))
    }

    /// Whoever waits for this caller looks again.
    pub(super) fn again(&mut self, caller: usize) {
        if let Some(flight) = self.flight
            && flight.leader == caller
        {
            self.flight = None;
            let other = 1 - caller;
            if self.callers[other].at == At::Follow {
                self.callers[other].at = At::Look(Why::Poll);
            }
        }
    }

    pub(super) fn close(&mut self, caller: usize) {
        if let Some(flight) = &mut self.flight
            && flight.leader == caller
        {
            flight.is_open = false;
        }
    }

    /// A process is killed, with both its threads.
    pub(super) fn killed(mut self, caller: usize) -> World {
        let process: &[usize] = if caller < 2 { &[0, 1] } else { &[2] };
        for caller in process {
            let me = &mut self.callers[*caller];
            me.has_lease = false;
            if me.at != At::Done {
                me.at = At::Dead;
            }
        }
        if caller < 2 {
            self.flight = None;
        }
        self.is_forsaken = true;
        self
    }
}
