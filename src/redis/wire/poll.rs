//! Which of several things that wait for a socket can go on: one system call, bounded by the earliest of their times.

use std::io;
use std::os::fd::RawFd;

use crate::base::moment::Moment;

/// What something waits for that is not to block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wants {
    /// `None`: only for the time.
    pub(crate) socket: Option<RawFd>,
    pub(crate) events: libc::c_short,
    /// It wants to go on then, whatever has happened.
    pub(crate) until: Moment,
}

/// Waits until one of them can go on; tells which have something.
pub(crate) fn poll(wants: &[Wants]) -> Vec<bool> {
    let mut polls: Vec<_> = wants
        .iter()
        .map(|wants| libc::pollfd {
            // poll passes over what is negative.
            fd: wants.socket.unwrap_or(-1),
            events: wants.events,
            revents: 0,
        })
        .collect();
    let until = wants.iter().map(|wants| wants.until).min();
    loop {
        let left = until.map_or(0, |until| until.nanos_since(Moment::now()));
        let millis = i32::try_from(left.div_ceil(1_000_000)).unwrap_or(i32::MAX);
        // SAFETY: the pollfds are valid, as many as said, and outlive the call.
        let polled = unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, millis) };
        let is_interrupted =
            polled < 0 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
        if !is_interrupted {
            return polls.iter().map(|poll| poll.revents != 0).collect();
        }
    }
}
