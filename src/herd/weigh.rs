//! What an entry that was seen is worth to a caller: from bytes and options to the terms of `herd::step`.

use crate::cache::Cache;
use crate::entry::freshness::Hold;
use crate::entry::{Judge, Seen, Sight};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Clock;

use super::step::{Heard, View, Why, Worth};

/// What was seen, and the value where it is of use.
pub(crate) struct Weighed<V> {
    pub(crate) view: View,
    /// `None`: none, or known to be absent, as `view` says.
    pub(crate) value: Option<V>,
}

impl<V> Weighed<V> {
    /// There is no such key.
    pub(crate) const EMPTY: Self = Weighed {
        view: View {
            worth: Worth::Nothing,
            hold: Hold::Free,
            soft: None,
        },
        value: None,
    };

    /// What that is, when it was found by a claim.
    pub(crate) fn heard(&self) -> Heard {
        match self.view.worth {
            Worth::Fresh | Worth::Due => Heard::Found,
            Worth::Stale | Worth::Nothing | Worth::Useless => Heard::Useless(self.view.soft),
        }
    }
}

impl Cache {
    /// `may_be_absent`: whether the caller has a use for "known to be absent".
    ///
    /// # Errors
    /// Only for a value that cannot be decoded, of which the caller wants to hear; the hook has.
    #[inline]
    pub(crate) fn weigh<V>(&self, sight: Sight<V>, may_be_absent: bool) -> Result<Weighed<V>> {
        let lease = sight.header.and_then(|header| header.lease);
        let hold = match sight.header {
            Some(header) => header.hold(sight.now_ms),
            None => Hold::Free,
        };
        let (worth, value) = match self.or_undecodable(sight.seen.map(Some))? {
            Some(Seen::Fresh(value)) if value.is_some() || may_be_absent => (Worth::Fresh, value),
            Some(Seen::Stale(value)) if value.is_some() || may_be_absent => (Worth::Stale, value),
            Some(Seen::Nothing) => (Worth::Nothing, None),
            Some(Seen::Fresh(_) | Seen::Stale(_)) | None => (Worth::Useless, None),
        };
        let soft = lease.map(|lease| lease.soft_expire_ms);
        let view = View { worth, hold, soft };
        Ok(Weighed { view, value })
    }
}

impl Why {
    /// Who says how old the entry is that is looked at.
    pub(crate) fn judge(self, clock: Clock) -> Judge {
        match self {
            Why::Servable => Judge::Servable(clock),
            Why::First | Why::Poll => Judge::Clock(clock),
        }
    }
}

/// Misuse, and a value that the caller wants to hear of: no answer of a server.
pub(crate) fn is_the_callers(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidArgument | ErrorKind::Config | ErrorKind::Unsupported | ErrorKind::Decode
    )
}
