//! Certificates change while a program runs. The files of the TLS options are looked at again at every connect, by their
//! times and sizes, and read where something is new: a connection that is opened then goes by them. What cannot be read or
//! used leaves in force what was before.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use crate::base::fork::PerProcess;
use crate::base::moment::Moment;
use crate::config::TlsOptions;
use crate::error::{Error, Result};

use super::files::Files;
use super::shared::{Shared, prepared};

/// A file may change again so soon after it has changed without its time telling.
const SETTLES: Duration = Duration::from_secs(2);

/// Files, and what was last made of them.
pub(crate) struct Renewal {
    options: TlsOptions,
    first: Arc<Shared>,
    state: PerProcess<State>,
}

struct State {
    shared: Mutex<Arc<Shared>>,
    /// Held while the files are read; others go on with what there is.
    seen: Mutex<Seen>,
}

/// The files as they were when they were read.
#[derive(Clone)]
struct Seen {
    stamps: Stamps,
    /// When they were first like that.
    since: Moment,
    /// They were read after they had settled.
    is_settled: bool,
    /// As they were when they could not be used, which was told.
    unusable: Option<Stamps>,
}

impl Seen {
    /// Just now, for the first time.
    fn new(stamps: Stamps) -> Seen {
        Seen {
            stamps,
            since: Moment::now(),
            is_settled: false,
            unusable: None,
        }
    }
}

impl State {
    fn new(shared: Arc<Shared>, seen: Seen) -> State {
        State {
            shared: Mutex::new(shared),
            seen: Mutex::new(seen),
        }
    }
}

impl Renewal {
    /// Reads the files for the first time: everything that is wrong with them is an error then.
    pub(crate) fn begin(options: &TlsOptions) -> Result<Renewal> {
        let seen = Seen::new(Stamps::of(options));
        let shared = prepared(&Files::read(options)?)?;
        Ok(Renewal {
            options: options.clone(),
            first: Arc::clone(&shared),
            state: PerProcess::new(State::new(shared, seen)),
        })
    }

    /// What is in force.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        let shared = self.state().shared.lock();
        Arc::clone(&shared.unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the files; an error, once for each state they are in, when something is new and of no use.
    pub(crate) fn look(&self) -> Option<Error> {
        let state = self.state();
        let mut seen = match state.seen.try_lock() {
            Ok(seen) => seen,
            Err(TryLockError::Poisoned(seen)) => seen.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let stamps = Stamps::of(&self.options);
        if seen.is_settled && stamps == seen.stamps {
            return None;
        }
        let looked_at = Moment::now();
        match Files::read(&self.options).and_then(|files| prepared(&files)) {
            Ok(shared) => {
                seen.unusable = None;
                match stamps == seen.stamps {
                    true => seen.is_settled = looked_at.since(seen.since) >= SETTLES,
                    false => *seen = Seen::new(stamps),
                }
                *state.shared.lock().unwrap_or_else(PoisonError::into_inner) = shared;
                None
            }
            Err(error) => {
                let is_told = seen.unusable.replace(stamps.clone()) == Some(stamps);
                let text = format!("{}; what was read before stays in force", error.text());
                (!is_told).then(|| error.with_text(text))
            }
        }
    }

    fn state(&self) -> &State {
        self.state.get(|parents| {
            let shared = parents.shared.try_lock().map(|shared| Arc::clone(&shared));
            let seen = parents.seen.try_lock().map(|seen| seen.clone());
            let shared = shared.unwrap_or_else(|_| Arc::clone(&self.first));
            let seen = seen.unwrap_or_else(|_| Seen::new(Stamps::default()));
            State::new(shared, seen)
        })
    }
}

/// What tells one state of the files from another.
#[derive(Clone, Default, PartialEq, Eq)]
struct Stamps([Option<Stamp>; 3]);

#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamps {
    fn of(options: &TlsOptions) -> Stamps {
        let TlsOptions { ca, cert, key, .. } = options;
        Stamps([ca, cert, key].map(|path| Stamp::of(path.as_deref()?)))
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let about = fs::metadata(path).ok()?;
        Some(Stamp {
            file: (about.dev(), about.ino()),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        })
    }
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewal")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
