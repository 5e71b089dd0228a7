//! Locks that processes share: one key with a random token and a lifetime, taken and given back by scripts. A lock
//! that its holder forgets, or whose holder dies, ends with its lifetime. What must not be done twice should be guarded
//! by the fencing token too, for a holder may be slower than its lock.
//! <https://redis.io/docs/latest/develop/clients/patterns/distributed-locks/>

use std::time::{Duration, Instant};

use crate::base::backoff::Pause;
use crate::cache::Cache;
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Life, millis_rounded_up};
use crate::store::Token;

/// A lock that is held; made by [`Cache::lock`]. Dropping it gives it back.
#[derive(Debug)]
pub struct Lock {
    cache: Cache,
    key: Vec<u8>,
    token: Token,
    fencing: u64,
    is_over: bool,
}

impl Cache {
    /// Takes the lock `name` for `ttl`, waiting for it at most for `wait`; `None` when somebody else had it all that
    /// time. The lock is the key `prefix:lock:name`, so neither versions nor `clear` touch it. One round trip a try;
    /// tries come 4 to 50 ms apart.
    ///
    /// ```
    /// use redis_cache::Cache;
    /// use std::time::Duration;
    ///
    /// # fn main() -> redis_cache::Result<()> {
    /// let cache = Cache::open("memory://?prefix=app")?;
    /// let (life, patience) = (Duration::from_secs(60), Duration::ZERO);
    /// let lock = cache.lock("nightly-job", life, patience)?.expect("nobody has it");
    /// assert!(cache.lock("nightly-job", life, patience)?.is_none());
    /// // The store that must not be written twice keeps the largest token that it has seen, and refuses smaller ones.
    /// assert!(lock.token() > 0);
    /// lock.release()?; // dropping it would do, but not tell that it had run out
    /// assert!(cache.lock("nightly-job", life, patience)?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for an empty name, and for a `ttl` of nothing or for ever. After any other error
    /// the lock may be held by nobody for `ttl`: the server may have given it, and the answer got lost.
    pub fn lock(
        &self,
        name: impl AsRef<[u8]>,
        ttl: Duration,
        wait: Duration,
    ) -> Result<Option<Lock>> {
        let (key, ms) = self.report(self.lock_key(name.as_ref()).and_then(|key| {
            let ms = lock_life(ttl)?;
            Ok((key, ms))
        }))?;
        let token = Token::new();
        let deadline = Instant::now().checked_add(wait);
        let mut pause = Pause::until(deadline.unwrap_or_else(far_away));
        loop {
            let taken = self.shared.store.lock(&key, token, ms, self.budget());
            let is_reachable = !taken.as_ref().is_err_and(Error::is_unavailable);
            if let Some(fencing) = self.or_miss(taken, None)? {
                return Ok(Some(Lock {
                    cache: self.clone(),
                    key,
                    token,
                    fencing,
                    is_over: false,
                }));
            }
            if !is_reachable || !pause.sleep() {
                return Ok(None);
            }
        }
    }

    fn lock_key(&self, name: &[u8]) -> Result<Vec<u8>> {
        if name.is_empty() {
            return Err(refused(
                "the name of the lock is empty: at least one byte is needed",
            ));
        }
        Ok(self.keys.lock(name))
    }
}

impl Lock {
    /// The fencing token: a number that grows with every acquisition of this lock, for as long as the server's clock
    /// does not go back. Stores that remember the largest one they saw can refuse a holder that was too slow. No network.
    pub fn token(&self) -> u64 {
        self.fencing
    }

    /// Lets the lock last for `ttl` from now. One round trip.
    ///
    /// # Errors
    /// [`ErrorKind::Lost`]: it ran out, and may be somebody else's.
    pub fn extend(&self, ttl: Duration) -> Result<()> {
        let ms = self.cache.report(lock_life(ttl))?;
        let store = &self.cache.shared.store;
        let extended = store.extend_lock(&self.key, self.token, ms, self.cache.budget());
        self.still_held(extended)
    }

    /// Gives the lock back and tells whether it was held until now. One round trip.
    ///
    /// # Errors
    /// [`ErrorKind::Lost`]: it ran out before.
    pub fn release(mut self) -> Result<()> {
        self.is_over = true;
        let released = self
            .cache
            .shared
            .store
            .unlock(&self.key, self.token, self.cache.budget());
        self.still_held(released)
    }

    fn still_held(&self, answer: Result<bool>) -> Result<()> {
        if self.cache.report(answer)? {
            return Ok(());
        }
        self.cache.report(Err(Error::new(
            ErrorKind::Lost,
            "the lock is no longer held: it ran out, or its key was deleted",
        )))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if let Err(error) =
            self.cache
                .shared
                .store
                .unlock(&self.key, self.token, self.cache.budget())
        {
            self.cache.tell(&error);
        }
    }
}

fn lock_life(ttl: Duration) -> Result<u64> {
    match Life::after(ttl) {
        Life::Millis(_) => Ok(millis_rounded_up(ttl)),
        Life::Expired => Err(refused("a lock needs a lifetime above 0")),
        Life::Forever => Err(refused(
            "a lock needs a lifetime that ends: above 10^15 ms is for ever",
        )),
    }
}

/// A deadline for those who would wait longer than an [`Instant`] can say.
fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(1 << 30)
}

fn refused(text: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}
