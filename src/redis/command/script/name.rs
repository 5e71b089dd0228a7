//! What each script is called in figures, where `EVALSHA` would say nothing. The embedded store calls by the same names
//! what it does in their place.

/// The name of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Add,
    Touch,
    Incr,
    IncrOrCreate,
    Move,
    Take,
    Copy,
    Drop,
    Replace,
    Acquire,
    Store,
    Swap,
    Release,
    Renew,
    ExpireSoft,
    Lock,
    Extend,
    Unlock,
}

impl Name {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Name::Add => "ADD",
            Name::Touch => "TOUCH",
            Name::Incr => "INCR",
            Name::IncrOrCreate => "INCR_OR_CREATE",
            Name::Move => "MOVE",
            Name::Take => "TAKE",
            Name::Copy => "COPY",
            Name::Drop => "DROP",
            Name::Replace => "REPLACE",
            Name::Acquire => "ACQUIRE",
            Name::Store => "STORE",
            Name::Swap => "SWAP",
            Name::Release => "RELEASE",
            Name::Renew => "RENEW",
            Name::ExpireSoft => "EXPIRE_SOFT",
            Name::Lock => "LOCK",
            Name::Extend => "EXTEND",
            Name::Unlock => "UNLOCK",
        }
    }
}
