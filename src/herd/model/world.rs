//! Three callers and a key: the first two are threads of one process, the third is another process. Each makes one call,
//! at any time; what it does next is said by `herd::step`. Others meddle, replies are lost, processes are killed.

use crate::entry::freshness::Hold;
use crate::herd::step::{self, End, Hand, Heard, Next, Right, View, Why, Worth};
use crate::store::Force;

use super::Rules;
use super::entry::{Age, Asked, Block, Entry, Epoch, Kind, Lease, Said, Token, Value};

/// How far a caller has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum At {
    /// It has not called yet.
    Idle,
    Look(Why),
    Join(Force, Option<u64>),
    /// It waits for the other thread of its process.
    Follow,
    Claim {
        force: Force,
        seen: Option<u64>,
        /// The attempt before, of which nothing was heard.
        former: Option<Token>,
        is_resent: bool,
    },
    /// It pauses.
    Wait,
    Load(By),
    Store {
        by: By,
        value: Value,
        /// An attempt was made, and nothing heard of it.
        is_resent: bool,
    },
    /// The store has answered.
    Stored(End),
    /// The server has refused the value, or the loader has failed.
    Release {
        token: Token,
        end: Option<End>,
    },
    /// It has a value, of this time; its own, or another's.
    Done,
    /// Its loader has failed.
    Failed,
    Dead,
}

/// By what right it loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum By {
    Lease(Token),
    Swap(Value),
    /// It stores nothing; whether the server did not even answer.
    Nothing {
        is_silent: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Caller {
    pub(super) at: At,
    /// The truth when it called.
    pub(super) began: Epoch,
    /// The truth when its loader began, which may be what it has loaded.
    loaded: Epoch,
    /// The stale or fresh value in hand.
    hand: Option<Value>,
    /// Whether it had called before the other thread's loader began.
    is_before: bool,
    /// Whether it has a lease, as far as the promises go: nobody took it away, and it has not lapsed.
    has_lease: bool,
}

/// What the third process has no use for: nothing. The others want a value.
fn can_use(caller: usize, kind: Kind) -> bool {
    kind == Kind::Good || kind == Kind::Absent && caller == 2
}

/// The flight of the process of two threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Flight {
    leader: usize,
    is_open: bool,
    is_awaited: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) entry: Entry,
    pub(super) epoch: Epoch,
    pub(super) callers: [Caller; 3],
    flight: Option<Flight>,
    /// First attempts that are still on their way: they may arrive after their repetition, or never.
    late: [Option<Asked>; 3],
    /// How often others may still meddle, and how often something may still go wrong.
    meddling: u8,
    faults: u8,
    /// Whether a lease may be left to lapse: its holder was killed, or nobody could take it back.
    is_forsaken: bool,
}

/// What must never be, and what was left out then.
pub(super) type Violation = &'static str;

type Step = Result<World, Violation>;

impl World {
    /// `who`: those of the three who call at all.
    pub(super) fn new(entry: Entry, who: &[usize], meddling: u8, faults: u8) -> World {
        let caller = Caller {
            at: At::Idle,
            began: 0,
            loaded: 0,
            hand: None,
            is_before: false,
            has_lease: false,
        };
        let mut callers = [caller; 3];
        for (number, caller) in callers.iter_mut().enumerate() {
            if !who.contains(&number) {
                caller.at = At::Done;
            }
        }
        World {
            entry,
            epoch: 0,
            callers,
            flight: None,
            late: [None; 3],
            meddling,
            faults,
            is_forsaken: false,
        }
    }

    /// Everything that may happen next.
    pub(super) fn next(&self, rules: &Rules, steps: &mut Vec<Step>) {
        for entry in self.entry.ages(rules) {
            let mut world = World { entry, ..*self };
            if let (Lease::Live(_), Lease::Lapsed(_)) = (self.entry.lease(), entry.lease()) {
                world.nobody_has_a_lease();
            }
            steps.push(Ok(world));
        }
        if self.meddling > 0 {
            self.meddle(steps);
        }
        for (caller, late) in self.late.iter().enumerate() {
            if let Some(asked) = late {
                let mut world = *self;
                world.late[caller] = None;
                if world.entry.acquire(*asked, rules) == Said::Yours {
                    world.is_forsaken = true;
                    world.nobody_has_a_lease();
                }
                steps.push(Ok(world));
            }
        }
        for caller in 0..3 {
            self.act(caller, rules, steps);
        }
    }

    fn nobody_has_a_lease(&mut self) {
        for caller in &mut self.callers {
            caller.has_lease = false;
        }
    }

    /// What others do to the key.
    fn meddle(&self, steps: &mut Vec<Step>) {
        let mut world = *self;
        world.meddling -= 1;
        let mut push = |entry: Entry, is_news: bool| {
            let mut next = world;
            next.entry = entry;
            next.epoch += Epoch::from(is_news);
            next.nobody_has_a_lease();
            steps.push(Ok(next));
        };
        // A deletion, after the truth has changed; an eviction.
        push(Entry::Gone, true);
        push(Entry::Gone, false);
        let value = Value {
            epoch: self.epoch + 1,
            kind: Kind::Good,
        };
        push(Entry::Bare(value), true);
        let foreign = Value {
            kind: Kind::Foreign,
            ..value
        };
        push(Entry::Bare(foreign), true);
        let mut entry = self.entry;
        entry.write(value, self.unused_soft());
        push(entry, true);
        if let Entry::Block(block) = self.entry
            && block.age == Age::Fresh
        {
            // expire_soft, which takes a lease away; and touch, which does not.
            let soft = self.unused_soft();
            let (age, lease) = (Age::Stale, Lease::None);
            push(
                Entry::Block(Block {
                    age,
                    lease,
                    soft,
                    ..block
                }),
                false,
            );
            let mut touched = World {
                entry: Entry::Block(Block { soft, ..block }),
                ..*self
            };
            touched.meddling -= 1;
            steps.push(Ok(touched));
        }
    }

    /// A soft expiry that nobody knows.
    fn unused_soft(&self) -> u64 {
        let known = |soft: u64| {
            let is_of = |seen: Option<u64>| seen == Some(soft);
            let in_entry = matches!(self.entry, Entry::Block(block) if block.soft == soft);
            let asked = self.late.iter().flatten().any(|asked| is_of(asked.seen));
            in_entry
                || asked
                || self.callers.iter().any(|caller| match caller.at {
                    At::Join(_, seen) | At::Claim { seen, .. } => is_of(seen),
                    _ => false,
                })
        };
        (1..).find(|soft| !known(*soft)).unwrap_or(0)
    }

    /// A token that nobody has.
    fn unused_token(&self) -> Token {
        let known = |token: Token| {
            let late = self.late.iter().flatten();
            self.entry.lease().is_of(token)
                || late
                    .clone()
                    .any(|asked| asked.token == token || asked.former == Some(token))
                || self.callers.iter().any(|caller| match caller.at {
                    At::Claim { former, .. } => former == Some(token),
                    At::Load(By::Lease(own)) | At::Release { token: own, .. } => own == token,
                    At::Store {
                        by: By::Lease(own), ..
                    } => own == token,
                    _ => false,
                })
        };
        (1..).find(|token| !known(*token)).unwrap_or(0)
    }

    fn at(mut self, caller: usize, at: At) -> World {
        self.callers[caller].at = at;
        self
    }

    /// The same world, in which tokens and soft expiries are numbered in the order in which they are met, and those who
    /// are done have forgotten what they knew.
    pub(super) fn canonical(mut self) -> World {
        let mut tokens = Names::<Token>::default();
        let mut softs = Names::<u64>::default();
        if let Entry::Block(block) = &mut self.entry {
            softs.name(&mut block.soft);
            match &mut block.lease {
                Lease::Live(token) | Lease::Lapsed(token) => tokens.name(token),
                Lease::None | Lease::Backoff => {}
            }
        }
        for caller in &mut self.callers {
            match &mut caller.at {
                At::Done | At::Failed | At::Dead => {
                    (caller.began, caller.loaded) = (0, 0);
                    (caller.hand, caller.is_before, caller.has_lease) = (None, false, false);
                }
                At::Join(_, seen) => seen.iter_mut().for_each(|soft| softs.name(soft)),
                At::Claim { seen, former, .. } => {
                    seen.iter_mut().for_each(|soft| softs.name(soft));
                    former.iter_mut().for_each(|token| tokens.name(token));
                }
                At::Load(By::Lease(token))
                | At::Release { token, .. }
                | At::Store {
                    by: By::Lease(token),
                    ..
                } => tokens.name(token),
                _ => {}
            }
        }
        for late in self.late.iter_mut().flatten() {
            late.seen.iter_mut().for_each(|soft| softs.name(soft));
            late.former.iter_mut().for_each(|token| tokens.name(token));
            tokens.name(&mut late.token);
        }
        self
    }

    /// One fault less.
    fn fault(mut self) -> Option<World> {
        self.faults = self.faults.checked_sub(1)?;
        Some(self)
    }

    /// What a caller may do next.
    fn act(&self, caller: usize, rules: &Rules, steps: &mut Vec<Step>) {
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
    fn views(&self, caller: usize, why: Why) -> Vec<(View, bool)> {
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

    fn looked(&self, caller: usize, why: Why, view: View, is_true: bool) -> Step {
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
    fn waits(&self, caller: usize, is_judged: bool) -> Result<(), Violation> {
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
    fn serve(&self, caller: usize, value: Option<Value>, is_excepted: bool) -> Step {
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

    fn join(&self, caller: usize, force: Force, seen: Option<u64>) -> World {
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
    fn away(self, caller: usize) -> World {
        let world = self.join(caller, Force::No, None);
        match world.callers[caller].at {
            At::Follow => world,
            _ => world.load(caller, By::Nothing { is_silent: true }),
        }
    }

    fn load(&self, caller: usize, by: By) -> World {
        let mut world = self.at(caller, At::Load(by));
        world.callers[caller].loaded = self.epoch;
        if caller < 2 {
            let other = &mut world.callers[1 - caller];
            other.is_before = other.at != At::Idle;
        }
        world
    }

    fn claim(
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

    fn hand(&self, caller: usize) -> Hand {
        match self.callers[caller].hand {
            Some(_) => Hand::Value,
            None => Hand::Nothing,
        }
    }

    fn heard(mut self, caller: usize, asked: Asked, said: Said, before: Entry) -> Step {
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
    fn is_alone(self, caller: usize) -> Step {
        let others = self.callers.iter().enumerate();
        let is_beside = others
            .filter(|(other, _)| *other != caller)
            .any(|(_, other)| other.has_lease && matches!(other.at, At::Load(By::Lease(_))));
        match is_beside {
            true => Err("two have the lease"),
            false => Ok(self),
        }
    }

    fn store(
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
    fn finish(&self, caller: usize, end: Option<End>, rules: &Rules, steps: &mut Vec<Step>) {
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
    fn served(self, caller: usize) -> World {
        match self.callers[caller].hand {
            Some(_) => self.at(caller, At::Done),
            None => self,
        }
    }

    fn land(
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
    fn landed(mut self, caller: usize, made: Option<(End, Value)>, _: &Rules) -> Step {
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
    fn again(&mut self, caller: usize) {
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

    fn close(&mut self, caller: usize) {
        if let Some(flight) = &mut self.flight
            && flight.leader == caller
        {
            flight.is_open = false;
        }
    }

    /// A process is killed, with both its threads.
    fn killed(mut self, caller: usize) -> World {
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

    /// What must hold in every state.
    pub(super) fn check(&self) -> Result<(), Violation> {
        for (caller, me) in self.callers.iter().enumerate() {
            let other = if caller < 2 {
                self.callers[1 - caller].at
            } else {
                At::Dead
            };
            let is_led = self.flight.is_some()
                && !matches!(other, At::Idle | At::Done | At::Failed | At::Dead);
            if me.at == At::Follow && !is_led {
                return Err("somebody waits for a thread that is gone");
            }
        }
        let is_over = |caller: &Caller| matches!(caller.at, At::Idle | At::Done | At::Failed);
        if self.callers.iter().all(is_over)
            && !self.is_forsaken
            && self.late.iter().all(Option::is_none)
            && matches!(self.entry.lease(), Lease::Live(_))
        {
            return Err("a lease is left behind");
        }
        Ok(())
    }
}

/// New numbers for old ones.
#[derive(Default)]
struct Names<T> {
    old: Vec<T>,
}

impl<T: PartialEq + Copy + TryFrom<usize> + Default> Names<T> {
    fn name(&mut self, name: &mut T) {
        let place = self.old.iter().position(|old| old == name);
        let place = place.unwrap_or_else(|| {
            self.old.push(*name);
            self.old.len() - 1
        });
        *name = T::try_from(place + 1).unwrap_or_default();
    }
}

fn claim(force: Force, seen: Option<u64>) -> At {
    At::Claim {
        force,
        seen,
        former: None,
        is_resent: false,
    }
}
