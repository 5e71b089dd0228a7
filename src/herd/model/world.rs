//! Three callers and a key: the first two are threads of one process, the third is another process. Each makes one call,
//! at any time; what it does next is said by `herd::step`. Others meddle, replies are lost, processes are killed.

use crate::herd::step::{End, Why};
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
    pub(super) loaded: Epoch,
    /// The stale or fresh value in hand.
    pub(super) hand: Option<Value>,
    /// Whether it had called before the other thread's loader began.
    pub(super) is_before: bool,
    /// Whether it has a lease, as far as the promises go: nobody took it away, and it has not lapsed.
    pub(super) has_lease: bool,
}

/// What the third process has no use for: nothing. The others want a value.
pub(super) fn can_use(caller: usize, kind: Kind) -> bool {
    kind == Kind::Good || kind == Kind::Absent && caller == 2
}

/// The flight of the process of two threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    pub(super) leader: usize,
    pub(super) is_open: bool,
    pub(super) is_awaited: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) entry: Entry,
    pub(super) epoch: Epoch,
    pub(super) callers: [Caller; 3],
    pub(super) flight: Option<Flight>,
    /// First attempts that are still on their way: they may arrive after their repetition, or never.
    pub(super) late: [Option<Asked>; 3],
    /// How often others may still meddle, and how often something may still go wrong.
    pub(super) meddling: u8,
    pub(super) faults: u8,
    /// Whether a lease may be left to lapse: its holder was killed, or nobody could take it back.
    pub(super) is_forsaken: bool,
}

/// What must never be, and what was left out then.
pub(super) type Violation = &'static str;

pub(super) type Step = Result<World, Violation>;

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

    pub(super) fn nobody_has_a_lease(&mut self) {
        for caller in &mut self.callers {
            caller.has_lease = false;
        }
    }

    /// What others do to the key.
    pub(super) fn meddle(&self, steps: &mut Vec<Step>) {
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
    pub(super) fn unused_soft(&self) -> u64 {
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
    pub(super) fn unused_token(&self) -> Token {
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

    pub(super) fn at(mut self, caller: usize, at: At) -> World {
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
    pub(super) fn fault(mut self) -> Option<World> {
        self.faults = self.faults.checked_sub(1)?;
        Some(self)
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
    pub(super) fn name(&mut self, name: &mut T) {
        let place = self.old.iter().position(|old| old == name);
        let place = place.unwrap_or_else(|| {
            self.old.push(*name);
            self.old.len() - 1
        });
        *name = T::try_from(place + 1).unwrap_or_default();
    }
}
