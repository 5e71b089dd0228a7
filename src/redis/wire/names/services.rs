//! What neither the hosts file nor DNS knows, the C library may know from other services of the machine (mDNS, LDAP, what
//! `nsswitch.conf` names). It is asked on a thread of its own, for nothing can end its waiting: whoever has no more time
//! leaves it behind, and the next one who wants the same name finds it there.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::base::fork;
use crate::error::{Error, ErrorKind, Result};

use super::known;

/// So many threads at most.
const MOST: usize = 8;

/// A question that the C library is asked.
#[derive(Debug)]
pub(super) struct Lookup {
    /// The process that asks.
    generation: u32,
    /// `None` in it: nobody knows.
    outcome: Mutex<Option<Option<Vec<SocketAddr>>>>,
    /// Readable, and never read, when there is an outcome.
    ear: UnixStream,
    bell: UnixStream,
}

/// Touched at the gate of forks only.
static UNDER_WAY: Mutex<BTreeMap<String, Arc<Lookup>>> = Mutex::new(BTreeMap::new());

fn under_way<R>(work: impl FnOnce(&mut BTreeMap<String, Arc<Lookup>>) -> R) -> R {
    fork::at_the_gate(|| work(&mut UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)))
}

impl Lookup {
    /// Begins to ask, or joins somebody who does.
    pub(super) fn begin(host: &str) -> Result<Arc<Lookup>> {
        let cannot = |error| Error::from_io(error, "the C library cannot be asked");
        if fork::has_inherited_work() {
            let text = "the C library cannot be asked: it was at work when this process was forked";
            return Err(Error::new(ErrorKind::Io, text));
        }
        let (ear, bell) = UnixStream::pair().map_err(cannot)?;
        let own = Arc::new(Lookup {
            generation: fork::generation(),
            outcome: Mutex::new(None),
            ear,
            bell,
        });
        let joined = under_way(|lookups| {
            // The threads of a parent are not here.
            lookups.retain(|_, lookup| lookup.generation == own.generation);
            if let Some(other) = lookups.get(host) {
                return Ok(Some(Arc::clone(other)));
            }
            if lookups.len() >= MOST {
                let text = "the C library is being asked for too many names";
                return Err(Error::new(ErrorKind::Io, text));
            }
            lookups.insert(host.to_owned(), Arc::clone(&own));
            Ok(None)
        })?;
        if let Some(other) = joined {
            return Ok(other);
        }
        let lookup = Arc::clone(&own);
        let name = host.to_owned();
        let spawned = without_signals(|| {
            let thread = thread::Builder::new().name("redis-cache-name".to_owned());
            thread.spawn(move || lookup.ask(&name))
        });
        if let Err(error) = spawned {
            own.end(host, None);
            return Err(cannot(error));
        }
        Ok(own)
    }

    /// What came of it, when something has; `None` in it: nobody knows.
    pub(super) fn outcome(&self) -> Option<Option<Vec<SocketAddr>>> {
        let outcome = self.outcome.lock();
        outcome.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn ear(&self) -> RawFd {
        self.ear.as_raw_fd()
    }

    fn ask(&self, host: &str) {
        let found = fork::delicate(|| (host, 0).to_socket_addrs());
        let found = found.ok().map(Vec::from_iter);
        let found = found.filter(|addresses| !addresses.is_empty());
        if let Some(addresses) = &found {
            known::put(host, addresses);
        }
        self.end(host, found);
    }

    fn end(&self, host: &str, found: Option<Vec<SocketAddr>>) {
        under_way(|lookups| lookups.remove(host));
        let outcome = self.outcome.lock();
        *outcome.unwrap_or_else(PoisonError::into_inner) = Some(found);
        // It is empty, so there is room for a byte.
        let _ = (&self.bell).write(&[1]);
    }
}

/// What is spawned by `work` gets no signals: they are for the threads of the program.
fn without_signals<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: both sets are initialised before they are read, and only the mask of this thread changes.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        let is_set = libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before) == 0;
        let result = work();
        if is_set {
            libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        }
        result
    }
}
