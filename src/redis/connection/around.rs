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
        let around = match std::mem::take(&mut self.aside.apart) {
            // A batch for which there was no memory has no places.
            Apart::At(place) if self.aside.lacking == 0 => self.outgoing.split_at_checked(place),
            _ => None,
        };
        let Some((front, back)) = around else {
            return self.send(budget);
        };
        let parts = [front, piece, back];
        let sent = self.link.send_parts(parts, self.queued, budget);
        self.broken |= sent.is_err();
        self.owed += std::mem::take(&mut self.queued);
        self.outgoing.clear();
        sent
    }
}
