//! A command that goes out with the greeting of the connection that is opened for it: one round trip less. What comes of
//! the greeting is not known by then, so it must be one that may be sent again, and nothing it depends on may still have
//! to be settled.

use crate::redis::connection::Connection;
use crate::redis::connection::resp::Encoder;

/// What goes out with a greeting, and whether it has.
pub(crate) struct Along<'p> {
    /// Nothing, where that must not be done.
    pub(crate) pack: Option<&'p dyn Fn(&mut Encoder<'_>)>,
    /// It went out, and was not refused since.
    pub(crate) is_out: bool,
}

impl Along<'_> {
    /// Adds it to a greeting; the number of its replies. Once only: the next one would be a repetition.
    pub(crate) fn go(&mut self, with: &mut Connection) -> usize {
        let Some(pack) = self.pack.filter(|_| !self.is_out) else {
            return 0;
        };
        let replies = with.take_along(pack);
        self.is_out = replies > 0;
        replies
    }
}
