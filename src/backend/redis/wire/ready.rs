//! Which of several connections has something to read: one system call, bounded by a budget.

use std::io;
use std::os::fd::RawFd;

use super::super::budget::Budget;

/// The place of a socket that can be read from without waiting, or that is not known (`None`). There is no such place when
/// the budget ends before there is one.
pub(crate) fn first_readable(sockets: &[Option<RawFd>], budget: Budget) -> Option<usize> {
    let unknown = sockets.iter().position(Option::is_none);
    if unknown.is_some() {
        return unknown;
    }
    let mut polls: Vec<_> = sockets
        .iter()
        .flatten()
        .map(|fd| libc::pollfd {
            fd: *fd,
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    loop {
        // Rounded up: waking early would only mean to ask again.
        let millis = budget.left().map_or(0, |left| left.as_millis() + 1);
        let millis = i32::try_from(millis).unwrap_or(i32::MAX);
        // SAFETY: the pollfds are valid, as many as said, and outlive the call.
        let polled = unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, millis) };
        let is_interrupted =
            polled < 0 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
        if !is_interrupted {
            return polls.iter().position(|poll| poll.revents != 0);
        }
    }
}
