//! A command around one large piece, which is written from where it lies: it is not copied into the batch, whose memory
//! stays small.

use crate::base::budget::Budget;

use super::resp::{Apart, Encoder};
use super::{Connection, SendFault};

impl Connection {
    /// Sends what `pack` writes. `piece` is what lies at the back of one argument of it, and is asked for by nobody else.
    #[cold]
    pub(crate) fn send_around(
        &mut self,
        piece: &[u8],
        pack: &dyn Fn(&mut Encoder<'_>),
        budget: Budget,
    ) -> Result<(), SendFault> {
        self.aside.apart = Apart::Wanted;
        pack(&mut self.encoder());
        let Apart::At(place) = std::mem::take(&mut self.aside.apart) else {
            return self.send(budget);
        };
        let Some((front, back)) = self.outgoing.split_at_checked(place) else {
            return self.forget();
        };
        let parts = [front, piece, back];
        let sent = self.link.send_parts(parts, self.queued, budget);
        self.broken |= sent.is_err();
        self.owed += std::mem::take(&mut self.queued);
        self.outgoing.clear();
        sent
    }
}
