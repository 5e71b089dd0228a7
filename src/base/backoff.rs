//! The rhythm of those who wait for another process and have to look for themselves: 4 ms, doubling to 50 ms, each
//! shortened or prolonged by chance, until a deadline.

use std::thread;
use std::time::{Duration, Instant};

use crate::base::random::draw;

/// Pauses between looks.
#[derive(Debug)]
pub(crate) struct Pause {
    deadline: Instant,
    next: Duration,
}

impl Pause {
    const LONGEST: Duration = Duration::from_millis(50);

    pub(crate) fn until(deadline: Instant) -> Self {
        Pause {
            deadline,
            next: Duration::from_millis(4),
        }
    }

    /// False: the wait is over.
    pub(crate) fn sleep(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        thread::sleep(self.next.mul_f64(0.5 + draw(|rng| rng.f64())).min(left));
        self.next = (self.next * 2).min(Self::LONGEST);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_at_its_deadline_and_looks_often_before() {
        let began = Instant::now();
        let mut pause = Pause::until(began + Duration::from_millis(200));
        let mut looks = 0;
        while pause.sleep() {
            looks += 1;
        }
        assert!(began.elapsed() >= Duration::from_millis(200));
        assert!((2..40).contains(&looks), "{looks}");
        assert!(!Pause::until(began).sleep());
    }
}
