//! Random numbers for jitter and for spreading load. `fastrand`'s own generator asks for the current thread, which
//! allocates on a thread that C started and is never given back; this one is a word of memory per thread.

use std::cell::Cell;

use super::clocks::uptime_us;

/// Draws from this thread's generator.
pub(crate) fn draw<R>(from: impl FnOnce(&mut fastrand::Rng) -> R) -> R {
    thread_local! { static SEED: Cell<u64> = const { Cell::new(0) } }
    SEED.with(|seed| {
        let place = std::ptr::from_ref(seed).addr() as u64;
        let start = match seed.get() {
            0 => uptime_us().unsigned_abs() ^ place.rotate_left(32) ^ u64::from(std::process::id()),
            drawn => drawn,
        };
        let mut rng = fastrand::Rng::with_seed(start);
        let drawn = from(&mut rng);
        seed.set(rng.get_seed());
        drawn
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_differ() {
        let drawn: Vec<u64> = (0..100).map(|_| draw(|rng| rng.u64(..))).collect();
        let distinct: std::collections::BTreeSet<_> = drawn.iter().collect();
        assert_eq!(distinct.len(), drawn.len());
    }
}
