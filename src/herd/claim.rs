//! Claims: what the store says to one, and what is kept of its answer.

use crate::base::moment::Moment;
use crate::cache::Cache;
use crate::entry::{Judge, Keeping};
use crate::error::{Error, Result};
use crate::expiry::Clock;
use crate::store::{Acquired, Claim, Force};

use super::form::Reader;
use super::held::{Held, is_refusal};
use super::step::Heard;

/// What the store said to a claim.
pub(crate) struct Claimed<'a, V> {
    pub(crate) heard: Heard,
    /// The lease, where it was given.
    pub(crate) held: Held<&'a Cache>,
    pub(crate) clock: Clock,
    /// The value that was found, where it is of use.
    pub(crate) found: Option<V>,
    /// All of what was found, where no lease can stand in it.
    pub(crate) kept: Option<Vec<u8>>,
    /// Why it did not answer, or refused.
    pub(crate) error: Option<Error>,
    /// When the lease of another lapses, unless it is renewed.
    pub(crate) lapses: Option<Moment>,
}

impl<V> Claimed<'_, V> {
    /// Whether the store did not even answer.
    pub(crate) fn is_silent(&self) -> bool {
        let error = self.error.as_ref();
        error.is_some_and(|error| !is_refusal(error))
    }
}

impl Cache {
    /// Claims the lease of a key. Whatever fails is told to the hook here.
    ///
    /// # Errors
    /// Only for a value that cannot be decoded, of which the caller wants to hear.
    pub(crate) fn claim<'a, R: Reader>(
        &'a self,
        key: &[u8],
        claim: Claim,
        backoff_ms: u64,
        may_be_absent: bool,
    ) -> Result<Claimed<'a, R::Value>> {
        let options = &self.shared.options;
        let mut look = Keeping::new(options, R::sink(options));
        let store = &self.shared.store;
        let mut claimed = Claimed {
            heard: Heard::Failed,
            held: Held::none(self),
            clock: Clock::default(),
            found: None,
            kept: None,
            error: None,
            lapses: None,
        };
        let (acquired, clock) = match store.acquire(key, claim, &mut look, self.budget()) {
            Ok(answer) => answer,
            Err(error) => {
                self.tell(&error);
                claimed.error = Some(error);
                return Ok(claimed);
            }
        };
        claimed.clock = clock;
        claimed.heard = match acquired {
            Acquired::Yours(token) => {
                claimed.held.push(key, token, backoff_ms);
                if clock.is_known() {
                    Heard::Yours
                } else {
                    // Nobody could say until when the value is fresh: it is not stored, and the lease goes back.
                    claimed.held.release();
                    Heard::Failed
                }
            }
            Acquired::Stale => Heard::Stale,
            Acquired::Held(ms) => {
                let left = std::time::Duration::from_millis(ms);
                claimed.lapses = Some(Moment::now().after(left));
                Heard::Held
            }
            Acquired::Found(()) => {
                let (sight, kept) = look.finish(Judge::Fresh);
                let seen = self.weigh(sight, may_be_absent)?;
                let heard = seen.heard();
                (claimed.found, claimed.kept) = (seen.value, kept);
                heard
            }
        };
        Ok(claimed)
    }

    /// A claim of a new token, for as long as the option `lease` says.
    pub(crate) fn new_claim(&self, force: Force, seen: Option<u64>) -> Claim {
        Claim::new(self.shared.options.lease, force, seen)
    }
}
