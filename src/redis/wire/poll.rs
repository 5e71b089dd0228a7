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
    pub(crate) besides: Ears,
    /// It wants to go on then, whatever has happened.
    pub(crate) until: Moment,
}

/// Sockets that are waited for besides: those of name servers, each with a datagram and a connection at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ears([(RawFd, libc::c_short); 6]);

impl Ears {
    pub(crate) const NONE: Ears = Ears([(-1, 0); 6]);

    /// One more; what there is no room for is looked at when something else happens.
    pub(crate) fn add(&mut self, socket: RawFd, events: libc::c_short) {
        if let Some(place) = self.0.iter_mut().find(|ear| ear.0 < 0) {
            *place = (socket, events);
        }
    }

    fn iter(&self) -> impl Iterator<Item = (RawFd, libc::c_short)> {
        self.0.into_iter().take_while(|ear| ear.0 >= 0)
    }
}

/// Waits until one of them can go on; tells which have something.
pub(crate) fn poll(wants: &[Wants]) -> Vec<bool> {
    // poll passes over what is negative.
    let own = (wants.iter()).map(|wants| (wants.socket.unwrap_or(-1), wants.events));
    let besides = wants.iter().flat_map(|wants| wants.besides.iter());
    let mut polls: Vec<_> = (own.chain(besides))
        .map(|(fd, events)| libc::pollfd {
            fd,
            events,
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
            let own = polls.iter().take(wants.len());
            return own.map(|poll| poll.revents != 0).collect();
        }
    }
}
