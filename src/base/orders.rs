//! All orders in which threads can go on, one after the other: for tests of code that waits and wakes. Its threads are real,
//! but one of them runs at a time, and at each lock, wait and end it is chosen who is next; a wait may also end by its time.
//! The choices are gone through depth first, with a bound on how often a thread is put off that could have gone on
//! (Musuvathi and Qadeer, PLDI 2007: few such points find what there is to be found).

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::moment::end_time;

/// A thread of the model.
pub(crate) struct Actor<'a> {
    pub(crate) work: Box<dyn FnOnce() + Send + 'a>,
    /// Its waits may end by their time.
    pub(crate) may_end: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Ready,
    /// A lock was taken when it came; until somebody else has gone on.
    Locked,
    /// Until somebody wakes this.
    Waits(usize),
    Done,
}

#[derive(Default)]
struct Sequence {
    /// Who was chosen of how many, in a run before this one and then in this one.
    choices: Vec<(usize, usize)>,
    made: usize,
    put_off: usize,
}

struct State {
    at: Vec<At>,
    may_end: Vec<bool>,
    is_over: Vec<bool>,
    runs: usize,
    sequence: Sequence,
    most_put_off: usize,
    /// A thread panicked, or nobody can go on: all end as they can.
    is_broken: bool,
}

struct Model {
    state: Mutex<State>,
    turn: Condvar,
}

thread_local! {
    static ME: RefCell<Option<(Arc<Model>, usize)>> = const { RefCell::new(None) };
}

/// Whether this thread is one of a model.
pub(crate) fn is_on() -> bool {
    ME.with_borrow(Option::is_some)
}

/// Takes a lock, after others may have gone on. `None`: this is no thread of a model.
pub(crate) fn lock<G>(mut attempt: impl FnMut() -> Option<G>) -> Option<G> {
    let (model, me) = ME.with_borrow(Clone::clone)?;
    model.go_on(me, At::Ready);
    loop {
        if let Some(guard) = attempt() {
            return Some(guard);
        }
        model.go_on(me, At::Locked);
    }
}

/// Waits to be woken, or until its time is over.
pub(crate) fn wait(place: usize) {
    if let Some((model, me)) = ME.with_borrow(Clone::clone) {
        model.go_on(me, At::Waits(place));
        let is_over = model.locked().is_over[me];
        if is_over {
            end_time();
        }
    }
}

/// Wakes who waits there.
pub(crate) fn wake(place: usize) {
    if let Some((model, _)) = ME.with_borrow(Clone::clone) {
        for at in &mut model.locked().at {
            if *at == At::Waits(place) {
                *at = At::Ready;
            }
        }
    }
}

impl Model {
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody is chosen; returns when it is this one.
    fn go_on(&self, me: usize, at: At) {
        let mut state = self.locked();
        if state.is_broken {
            drop(state);
            assert!(
                at == At::Done || std::thread::panicking(),
                "the model is over"
            );
            // Others must get at what is locked.
            return std::thread::yield_now();
        }
        if at != At::Locked {
            let locked = state.at.iter_mut().filter(|at| **at == At::Locked);
            locked.for_each(|at| *at = At::Ready);
        }
        state.at[me] = at;
        state.choose(me);
        self.turn.notify_all();
        while state.runs != me && !state.is_broken && at != At::Done {
            state = self
                .turn
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_broken && at != At::Done && !std::thread::panicking() {
            drop(state);
            panic!("the model is over");
        }
    }
}

impl State {
    fn choose(&mut self, me: usize) {
        let can_go_on = self.at[me] == At::Ready;
        let ready = |(who, at): (usize, &At)| (*at == At::Ready && who != me).then_some(who);
        let mut options: Vec<usize> = can_go_on.then_some(me).into_iter().collect();
        if !can_go_on || self.sequence.put_off < self.most_put_off {
            options.extend(self.at.iter().enumerate().filter_map(ready));
            let ends = |(who, at): (usize, &At)| {
                (matches!(at, At::Waits(_)) && self.may_end[who]).then_some(who)
            };
            options.extend(self.at.iter().enumerate().filter_map(ends));
        }
        if options.is_empty() {
            self.is_broken |= self.at.iter().any(|at| *at != At::Done);
            return;
        }
        let made = self.sequence.made;
        if made == self.sequence.choices.len() {
            self.sequence.choices.push((0, options.len()));
        }
        let (chosen, of) = self.sequence.choices[made];
        assert_eq!(of, options.len(), "a model that is not the same each time");
        self.sequence.made += 1;
        self.sequence.put_off += usize::from(can_go_on && chosen > 0);
        let next = options[chosen];
        if let At::Waits(_) = self.at[next] {
            self.is_over[next] = true;
        }
        self.at[next] = At::Ready;
        self.runs = next;
    }
}

/// Runs what `make` gives in all orders with at most so many points at which a thread is put off that could have gone on;
/// `make` also gives what is looked at when all are done. How many orders there were.
pub(crate) fn all_orders<'a, W: FnOnce()>(
    most_put_off: usize,
    mut make: impl FnMut() -> (Vec<Actor<'a>>, W),
) -> usize {
    let mut sequence = Sequence::default();
    let mut count = 0;
    loop {
        let (actors, look) = make();
        let number = actors.len();
        let model = Arc::new(Model {
            state: Mutex::new(State {
                at: vec![At::Ready; number],
                may_end: actors.iter().map(|actor| actor.may_end).collect(),
                is_over: vec![false; number],
                runs: usize::MAX,
                sequence,
                most_put_off,
                is_broken: false,
            }),
            turn: Condvar::new(),
        });
        let mut panics = Vec::new();
        std::thread::scope(|scope| {
            let threads: Vec<_> = actors
                .into_iter()
                .enumerate()
                .map(|(me, actor)| {
                    let model = Arc::clone(&model);
                    scope.spawn(move || model.play(me, actor.work))
                })
                .collect();
            model.begin();
            for thread in threads {
                panics.extend(thread.join().err());
            }
        });
        let mut state = model.locked();
        sequence = std::mem::take(&mut state.sequence);
        if state.is_broken || !panics.is_empty() {
            println!(
                "order {count}: {:?}, which leaves them {:?}",
                sequence.choices, state.at
            );
            if let Some(panic) = panics.pop() {
                resume_unwind(panic);
            }
            panic!("nobody can go on");
        }
        drop(state);
        look();
        count += 1;
        sequence.made = 0;
        sequence.put_off = 0;
        while sequence
            .choices
            .last()
            .is_some_and(|(chosen, of)| chosen + 1 == *of)
        {
            sequence.choices.pop();
        }
        match sequence.choices.last_mut() {
            Some((chosen, _)) => *chosen += 1,
            None => return count,
        }
    }
}

impl Model {
    /// The first one is chosen.
    fn begin(&self) {
        let mut state = self.locked();
        state.runs = 0;
        self.turn.notify_all();
    }

    fn play(self: Arc<Self>, me: usize, work: Box<dyn FnOnce() + Send + '_>) {
        {
            let mut state = self.locked();
            while state.runs != me && !state.is_broken {
                state = self
                    .turn
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if state.is_broken {
                return;
            }
        }
        ME.set(Some((Arc::clone(&self), me)));
        let outcome = catch_unwind(AssertUnwindSafe(work));
        ME.set(None);
        if outcome.is_err() {
            self.locked().is_broken = true;
            self.turn.notify_all();
        }
        self.go_on(me, At::Done);
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    }
}
