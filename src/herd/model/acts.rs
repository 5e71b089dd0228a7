//! What a caller does: it looks, joins, loads, waits; what follows is said by `herd::step`.

use crate::entry::freshness::Hold;
use crate::herd::step::{self, Next, View, Why, Worth};
use crate::store::Force;

use super::Rules;
use super::entry::{Age, Entry, Kind, Lease, Value};
use super::world::{At, By, Flight, Step, Violation, World, can_use};

impl World {
    /// What a caller may do next.
    pub(super) fn act(&self, caller: usize, rules: &Rules, steps: &mut Vec<Step>) {
        let me = self.callers[caller];
        if !matches!(me.at, At::Idle | At::Done | At::Failed | At::Dead)
            && let Some(world) = self.fault()
        {
            steps.push(Ok(world.killed(caller)));
        }
        match me.at {
            At::Idle => {
                let mut world = self.at(caller, At::Look(Why::First));
                world.callers[caller].began = self.epoch;
                steps.push(Ok(world));
            }
            At::Look(why) => {
                for (view, is_true) in self.views(caller, why) {
                    steps.push(self.looked(caller, why, view, is_true));
                }
                if let Some(world) = self.fault() {
                    steps.push(Ok(world.at(caller, At::Join(Force::No, None)).away(caller)));
                }
            }
            At::Join(force, seen) => steps.push(Ok(self.join(caller, force, seen))),
            At::Follow => {
                // The wait is over.
                let is_silent = false;
                steps.push(Ok(self.load(caller, By::Nothing { is_silent })));
            }
            At::Claim {
                force,
                seen,
                former,
                is_resent,
            } => {
                self.claim(caller, (force, seen, former, is_resent), rules, steps);
            }
            At::Wait => {
                steps.push(Ok(self.at(caller, At::Look(Why::Poll))));
                // The wait is over.
                let mut over = *self;
                over.again(caller);
                let is_silent = false;
                steps.push(Ok(over.load(caller, By::Nothing { is_silent })));
            }
            At::Load(by) => {
                let value = Value {
                    epoch: me.loaded,
                    kind: Kind::Good,
                };
                let mut world = self.at(
                    caller,
                    At::Store {
                        by,
                        value,
                        is_resent: false,
                    },
                );
                if !rules.flight_open {
                    world.close(caller);
                }
                steps.push(Ok(world));
                if let By::Lease(token) = by {
                    let mut renewed = *self;
                    if renewed.entry.renew(token) {
                        renewed.callers[caller].has_lease = true;
                        if renewed != *self {
                            steps.push(renewed.is_alone(caller));
                        }
                    }
                }
                if let Some(world) = self.fault() {
                    let at = match by {
                        By::Lease(token) => At::Release { token, end: None },
                        _ => At::Failed,
                    };
                    let mut world = world.at(caller, at);
                    if at == At::Failed {
                        world.land(caller, None, rules, steps);
                        world = world.served(caller);
                        steps.push(Ok(world));
                    } else {
                        steps.push(Ok(world));
                    }
                }
            }
            At::Store {
                by,
                value,
                is_resent,
            } => {
                self.store(caller, (by, value, is_resent), rules, steps);
            }
            At::Stored(end) => self.finish(caller, Some(end), rules, steps),
            At::Release { token, end } => {
                let mut released = *self;
                released.entry.release(token, me.hand.is_some());
                released.callers[caller].has_lease = false;
                released.finish(caller, end, rules, steps);
                if let Some(mut lost) = self.fault() {
                    lost.is_forsaken = true;
                    lost.finish(caller, end, rules, steps);
                }
            }
            At::Done | At::Failed | At::Dead => {}
        }
    }

    /// What an entry may look like: clocks differ, and by another time at every look.
    pub(super) fn views(&self, caller: usize, why: Why) -> Vec<(View, bool)> {
        let empty = View {
            worth: Worth::Nothing,
            hold: Hold::Free,
            soft: None,
        };
        let block = match self.entry {
            Entry::Gone => return vec![(empty, true)],
            Entry::Bare(value) => {
                let worth = match can_use(caller, value.kind) {
                    true => Worth::Fresh,
                    false => Worth::Useless,
                };
                return vec![(View { worth, ..empty }, true)];
            }
            Entry::Block(block) => block,
        };
        let holds: &[Hold] = match block.lease {
            Lease::None => &[Hold::Free],
            Lease::Live(_) => &[Hold::Held, Hold::Lapsed],
            Lease::Lapsed(_) => &[Hold::Lapsed, Hold::Held],
            Lease::Backoff => &[Hold::Backoff, Hold::Free],
        };
        let ages: &[Age] = match (block.value, why) {
            (None, _) => &[Age::Over],
            (Some(_), Why::Servable) => &[Age::Fresh, Age::Stale],
            (Some(_), _) => &[Age::Fresh, Age::Stale, Age::Over],
        };
        let mut views = Vec::new();
        for age in ages {
            for (index, hold) in holds.iter().enumerate() {
                let is_true = *age == block.age && index == 0;
                let worths: &[Worth] = match (block.value, age) {
                    (None, _) | (_, Age::Over) => &[Worth::Nothing],
                    (Some(value), _) if !can_use(caller, value.kind) => &[Worth::Useless],
                    (_, Age::Fresh) => &[Worth::Fresh, Worth::Due],
                    (_, Age::Stale) => &[Worth::Stale],
                };
                for worth in worths {
                    let soft = Some(block.soft);
                    views.push((
                        View {
                            worth: *worth,
                            hold: *hold,
                            soft,
                        },
                        is_true,
                    ));
                }
            }
        }
        views
    }

    pub(super) fn looked(&self, caller: usize, why: Why, view: View, is_true: bool) -> Step {
        let value = self.entry.value();
        match step::looked(why, view) {
            Next::Serve => self.serve(caller, value, false),
            Next::Claim(force, soft) => {
                let mut world = *self;
                if view.worth >= Worth::Stale {
                    world.callers[caller].hand = value;
                    return Ok(world.at(caller, claim(force, soft)));
                }
                Ok(match why {
                    Why::First => world.at(caller, At::Join(force, soft)),
                    _ if world.flight.is_some_and(|flight| flight.leader == caller)
                        || caller == 2 =>
                    {
                        world.at(caller, claim(force, soft))
                    }
                    // It followed a flight that has landed.
                    _ => world.at(caller, At::Join(force, soft)),
                })
            }
            _ => {
                if is_true && matches!(self.entry.lease(), Lease::None | Lease::Backoff) {
                    return Err("somebody waits for a lease that nobody holds");
                }
                self.waits(caller, is_true || why == Why::Servable)?;
                Ok(self.at(caller, At::Wait))
            }
        }
    }

    /// Invariant 3.
    pub(super) fn waits(&self, caller: usize, is_judged: bool) -> Result<(), Violation> {
        let is_served = match self.entry {
            Entry::Block(block) => {
                block.is_servable() && block.value.is_some_and(|value| can_use(caller, value.kind))
            }
            _ => false,
        };
        match is_judged && is_served {
            true => Err("somebody waits beside a value that could be served"),
            false => Ok(()),
        }
    }

    /// A caller is given a value that it did not load.
    pub(super) fn serve(&self, caller: usize, value: Option<Value>, is_excepted: bool) -> Step {
        let me = self.callers[caller];
        let Some(value) = value else {
            return Err("a caller is given nothing");
        };
        if !can_use(caller, value.kind) {
            return Err("a caller is given what it cannot use");
        }
        if value.epoch < me.began && !is_excepted {
            return Err("a caller is given what was true no more when it called");
        }
        let mut world = *self;
        world.again(caller);
        Ok(world.at(caller, At::Done))
    }

    pub(super) fn join(&self, caller: usize, force: Force, seen: Option<u64>) -> World {
        let mut world = *self;
        if caller < 2 {
            match &mut world.flight {
                Some(flight) if flight.is_open && flight.leader != caller => {
                    flight.is_awaited = true;
                    return world.at(caller, At::Follow);
                }
                Some(_) => {}
                None => {
                    world.flight = Some(Flight {
                        leader: caller,
                        is_open: true,
                        is_awaited: false,
                    });
                }
            }
        }
        world.at(caller, claim(force, seen))
    }

    /// The store did not answer a look.
    pub(super) fn away(self, caller: usize) -> World {
        let world = self.join(caller, Force::No, None);
        match world.callers[caller].at {
            At::Follow => world,
            _ => world.load(caller, By::Nothing { is_silent: true }),
        }
    }

    pub(super) fn load(&self, caller: usize, by: By) -> World {
        let mut world = self.at(caller, At::Load(by));
        world.callers[caller].loaded = self.epoch;
        if caller < 2 {
            let other = &mut world.callers[1 - caller];
            other.is_before = other.at != At::Idle;
        }
        world
    }
}

pub(super) fn claim(force: Force, seen: Option<u64>) -> At {
    At::Claim {
        force,
        seen,
        former: None,
        is_resent: false,
    }
}
