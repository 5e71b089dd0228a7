//! What a sweep has done: on its way, in the end, and where nodes have failed it.

use std::fmt;

use crate::error::Error;

/// How far a [`Sweep`](crate::Sweep) has come.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Keys that the servers' scans have shown so far.
    pub scanned: u64,
    /// Those of them that were dealt with: they belong to the group.
    pub matched: u64,
    /// Those of them that were changed; stays 0 in a dry run.
    pub changed: u64,
    /// The part of all nodes' key space that has been walked, 0 to 1.
    pub fraction: f64,
}

/// The end of a [`Sweep`](crate::Sweep).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Keys that the servers' scans have shown.
    pub scanned: u64,
    /// Those of them that were dealt with: they belong to the group.
    pub matched: u64,
    /// Those of them that were changed; 0 in a dry run.
    pub changed: u64,
    /// Where to go on, when the sweep stopped before its end; for
    /// [`Sweep::resume`](crate::Sweep::resume).
    pub cursor: Option<String>,
}

/// What a sweep did although nodes failed it.
#[derive(Debug)]
struct Unfinished {
    swept: Swept,
    fault: Error,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.fault, f)
    }
}

impl std::error::Error for Unfinished {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.fault)
    }
}

impl Error {
    /// What a [`Sweep`](crate::Sweep) did that nodes have failed: its counts, and the cursor to go on with, which leads to what was missed
    /// and nowhere else. `None` for every other error.
    pub fn swept(&self) -> Option<&Swept> {
        let source = std::error::Error::source(self)?;
        let unfinished: &Unfinished = source.downcast_ref()?;
        Some(&unfinished.swept)
    }

    pub(super) fn with_swept(self, swept: Swept) -> Error {
        let fault = self.clone();
        self.caused_by(Unfinished { swept, fault })
    }
}
