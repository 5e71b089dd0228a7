//! The protocol of `get_or_set`, once: from what a caller has seen, or what the store has said to its claim, to what it
//! does next. No I/O, no time, no values: `herd::one`, `herd::many` and `herd::lease` do what is said here, and so does
//! the model that explores what can become of it (`herd::model`).

use crate::base::moment::Moment;
use crate::entry::freshness::Hold;
use crate::store::Force;

/// What a value that was seen is worth to this caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Worth {
    /// There is none: no such key, a placeholder, or one that is too old to be served.
    Nothing,
    /// There is one, and this caller cannot use it: it does not decode, or says "absent" where a value is wanted.
    Useless,
    /// It may be served, and should be renewed.
    Stale,
    /// It is fresh, and its renewal is due a little early.
    Due,
    Fresh,
}

/// What was seen under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct View {
    pub(crate) worth: Worth,
    pub(crate) hold: Hold,
    /// Its soft expiry, where a lease can stand in it.
    pub(crate) soft: Option<u64>,
}

/// Why a look was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Why {
    /// The call begins with it.
    First,
    /// Somebody else was loading the value.
    Poll,
    /// The store has said that there is something to be served.
    Servable,
}

/// What a caller has in hand when it makes a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Hand {
    Nothing,
    /// A value that it could serve, stale or fresh.
    Value,
}

/// What the store said to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Heard {
    Yours,
    /// Somebody else loads, or nobody is to do so yet, and what is there may be served.
    Stale,
    /// There is a value, fresh by the server's clock, that is of use.
    Found,
    /// There is one that is of no use; its soft expiry, where a lease can stand in it.
    Useless(Option<u64>),
    /// Somebody else loads, and nothing can be served.
    Held,
    /// The store did not answer, or refused.
    Failed,
}

/// What a caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Next {
    /// It serves what it has just seen.
    Serve,
    /// It serves what it had in hand before.
    ServeInHand,
    /// It claims the lease; over which soft expiry, where that matters.
    Claim(Force, Option<u64>),
    /// It loads, and stores by this right.
    Lead(Right),
    /// It loads, and stores nothing.
    Uncached,
    /// It pauses, and looks again.
    Wait,
    /// It looks at once.
    Look,
}

/// By what right a loaded value is stored: each is a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Right {
    /// The lease is still its own.
    Lease,
    /// What is there is still the same, byte by byte.
    Swap,
}

/// After a look.
#[inline]
pub(crate) fn looked(why: Why, view: View) -> Next {
    match (view.worth, why) {
        (Worth::Fresh, _) | (Worth::Due | Worth::Stale, Why::Poll | Why::Servable) => Next::Serve,
        (Worth::Due, Why::First) => Next::Claim(Force::Early, view.soft),
        (Worth::Stale, Why::First) => match view.hold {
            Hold::Held | Hold::Backoff => Next::Serve,
            Hold::Lapsed | Hold::Free => Next::Claim(Force::No, None),
        },
        (Worth::Nothing | Worth::Useless, _) => match (why, view.hold) {
            // Only the clock of the server says whether it has lapsed, and the server has been asked.
            (Why::Servable, Hold::Held | Hold::Lapsed) | (Why::Poll, Hold::Held) => Next::Wait,
            _ => want(view),
        },
    }
}

/// The claim of a caller with nothing in hand. What is of no use to it may be of use to others: so it is forced only
/// over the very entry that was seen.
fn want(view: View) -> Next {
    match view.soft {
        Some(soft) if view.worth == Worth::Useless => Next::Claim(Force::Useless, Some(soft)),
        _ => Next::Claim(Force::No, None),
    }
}

/// After a claim.
pub(crate) fn claimed(hand: Hand, heard: Heard) -> Next {
    match (heard, hand) {
        (Heard::Yours, _) => Next::Lead(Right::Lease),
        (Heard::Found, _) => Next::Serve,
        (_, Hand::Value) => Next::ServeInHand,
        (Heard::Stale, Hand::Nothing) => Next::Look,
        (Heard::Useless(Some(soft)), Hand::Nothing) => Next::Claim(Force::Useless, Some(soft)),
        (Heard::Useless(None), Hand::Nothing) => Next::Lead(Right::Swap),
        (Heard::Held, Hand::Nothing) => Next::Wait,
        (Heard::Failed, Hand::Nothing) => Next::Uncached,
    }
}

/// What became of a value that was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum End {
    Stored,
    /// The comparison failed, or it may have been stored and may have been removed again since.
    NotStored,
    /// The server said no: the lease is given back, so that nobody waits for it.
    Refused,
    /// Nobody knows.
    Unknown,
    /// The server did not answer before the load either.
    Away,
}

impl End {
    /// Whether those who joined the flight later than its loader began are given the value too. What they ask for may
    /// have been removed just before they asked.
    pub(crate) fn is_for_all(self) -> bool {
        match self {
            End::Stored | End::Away => true,
            End::NotStored | End::Refused | End::Unknown => false,
        }
    }

    /// Those who are given it: who asked before this moment, or all.
    pub(crate) fn before(self, since: Moment) -> Option<Moment> {
        (!self.is_for_all()).then_some(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(worth: Worth, hold: Hold, soft: Option<u64>) -> View {
        View { worth, hold, soft }
    }

    const ANY: Next = Next::Claim(Force::No, None);

    #[test]
    fn a_first_look_serves_or_claims() {
        let first = |worth, hold| looked(Why::First, view(worth, hold, Some(5)));
        for hold in [Hold::Free, Hold::Held, Hold::Lapsed, Hold::Backoff] {
            assert_eq!(first(Worth::Fresh, hold), Next::Serve);
            assert_eq!(
                first(Worth::Due, hold),
                Next::Claim(Force::Early, Some(5)),
                "over what was seen and nothing else"
            );
            assert_eq!(first(Worth::Nothing, hold), ANY);
            assert_eq!(
                first(Worth::Useless, hold),
                Next::Claim(Force::Useless, Some(5))
            );
        }
        assert_eq!(first(Worth::Stale, Hold::Held), Next::Serve);
        assert_eq!(first(Worth::Stale, Hold::Backoff), Next::Serve);
        assert_eq!(first(Worth::Stale, Hold::Lapsed), ANY);
        assert_eq!(first(Worth::Stale, Hold::Free), ANY);
    }

    /// A poll that took a back-off for a lease waited for nobody.
    #[test]
    fn only_a_lease_that_somebody_holds_is_waited_for() {
        for why in [Why::Poll, Why::Servable] {
            let after = |worth, hold| looked(why, view(worth, hold, Some(5)));
            assert_eq!(after(Worth::Nothing, Hold::Held), Next::Wait);
            assert_eq!(after(Worth::Nothing, Hold::Backoff), ANY);
            assert_eq!(after(Worth::Nothing, Hold::Free), ANY);
            assert_eq!(
                after(Worth::Useless, Hold::Backoff),
                Next::Claim(Force::Useless, Some(5))
            );
            assert_eq!(after(Worth::Stale, Hold::Free), Next::Serve);
        }
        let lapsed = view(Worth::Nothing, Hold::Lapsed, Some(5));
        assert_eq!(looked(Why::Poll, lapsed), ANY);
        assert_eq!(looked(Why::Servable, lapsed), Next::Wait);
    }

    #[test]
    fn no_answer_takes_a_value_in_hand_away() {
        for heard in [
            Heard::Stale,
            Heard::Held,
            Heard::Failed,
            Heard::Useless(None),
            Heard::Useless(Some(1)),
        ] {
            assert_eq!(claimed(Hand::Value, heard), Next::ServeInHand);
            assert_ne!(claimed(Hand::Nothing, heard), Next::ServeInHand);
        }
        assert_eq!(claimed(Hand::Nothing, Heard::Failed), Next::Uncached);
    }
}
