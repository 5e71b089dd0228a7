//! One exchange with one node: the commands go out, the replies come in. This is where a dead connection is replaced,
//! once and silently, and where the breaker hears how it went.

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::command::Command;
use crate::redis::command::verb::{Resend, Verb};
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::Reply;
use crate::redis::connection::resp::Encoder;
use crate::redis::connection::{Connection, SendFault};
use crate::redis::node::Node;

use super::along::Along;
use super::breaker::Admission;
use super::pool::Loan;
use super::trail::Trail;
use super::verdict::Verdict;

/// Why commands came to nothing.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// The server refused them or never got them, or doing them twice does no harm.
    pub(crate) may_resend: bool,
    /// Attempts that were sent and never answered.
    pub(crate) lost: u32,
}

impl Failed {
    /// The server did nothing, and said so; or nothing was sent.
    pub(crate) fn refused(error: Error) -> Self {
        Failed {
            error,
            may_resend: true,
            lost: 0,
        }
    }
}

/// Commands on their way to a node. Dropped unfinished, it closes the connection, for replies are still to come.
pub(crate) struct Call<'a> {
    pub(super) node: &'a Node,
    pub(super) loan: Loan<'a, Connection>,
    pub(super) verb: Verb,
    pub(super) budget: Budget,
    pub(super) admission: Admission,
    /// No connections of other nodes are held: this one's may be waited for.
    pub(super) is_alone: bool,
    pub(super) is_retried: bool,
    /// Attempts before this one that were sent and never answered.
    pub(super) lost: u32,
    /// Tells of it in the end.
    trail: Trail<'a>,
}

impl<'a> Call<'a> {
    /// A call in a slot of the node's pool, beside calls to others.
    pub(crate) fn new(
        node: &'a Node,
        loan: Loan<'a, Connection>,
        verb: Verb,
        budget: Budget,
        admission: Admission,
    ) -> Self {
        let budget = budget.later();
        Call {
            is_alone: false,
            ..Call::alone(node, loan, verb, budget, admission, 0)
        }
    }

    /// The only one of its thread, after so many attempts elsewhere that nothing was heard of.
    #[inline(always)]
    pub(crate) fn alone(
        node: &'a Node,
        loan: Loan<'a, Connection>,
        verb: Verb,
        budget: Budget,
        admission: Admission,
        lost: u32,
    ) -> Self {
        let budget = match loan.was_awaited() {
            true => budget.later(),
            false => budget,
        };
        Call {
            node,
            loan,
            verb,
            budget,
            admission,
            is_alone: true,
            is_retried: false,
            lost,
            trail: Trail::begin(node.address(), node.login().db, verb),
        }
    }

    /// Has the command read all the replies, and gives the connection back. It packs what was sent before.
    pub(crate) fn finish<C: Command>(mut self, mut command: C) -> Result<C::Answer, Failed> {
        self.receive(&mut command)
    }

    /// The same for a call that is dropped where it was made.
    #[inline]
    pub(crate) fn receive<C: Command + ?Sized>(
        &mut self,
        command: &mut C,
    ) -> Result<C::Answer, Failed> {
        loop {
            let Some(connection) = self.loan.connection() else {
                let error = Error::new(ErrorKind::Io, "the connection is closed");
                return Err(self.failed(error, self.is_safe()));
            };
            let read = command.read(&mut Replies::new(connection, self.budget, self.lost));
            if let Some(answer) = self.judge(read, command)? {
                return Ok(answer);
            }
            self.send(command)?;
        }
    }

    /// What to make of what was read: the answer, or `None` when the command is to be sent once more.
    #[inline(always)]
    pub(super) fn judge<C: Command + ?Sized>(
        &mut self,
        read: Reply<C::Answer>,
        command: &mut C,
    ) -> Result<Option<C::Answer>, Failed> {
        match read {
            Ok(Ok(answer)) => {
                self.trail.answered();
                match command.complaint() {
                    None => self.node.answered(),
                    Some(complaint) => drop(self.hear(complaint)),
                }
                return Ok(Some(answer));
            }
            Ok(Err(refusal)) => {
                if command.reword(&refusal) {
                    // An attempt that was lost stays lost: it may have run elsewhere, or be heard later.
                    self.node.answered();
                    self.budget = self.budget.later();
                    self.part()?;
                } else if !self.hear(&refusal) || !self.goes_on(self.refused_since()) {
                    return Err(self.refused(refusal));
                }
            }
            // That is no evidence against the node. Its reply was cut, so the connection is closed.
            Err(error) if error.kind() == ErrorKind::NoMemory => {
                self.node.answered();
                return Err(self.refused(error));
            }
            Err(error) => self.recover(SendFault {
                error,
                unsent: false,
            })?,
        }
        Ok(None)
    }

    /// Sends the command, on the connection at hand or on a fresh one.
    #[inline(always)]
    pub(crate) fn send<C: Command + ?Sized>(&mut self, command: &C) -> Result<(), Failed> {
        // Twice, so that the usual way is in line.
        let large = command.large();
        self.dispatch(large, |to| command.pack(to), &|to| command.pack(to))
    }

    /// Sends what `pack` writes, on the connection at hand or on a fresh one; `along` writes the same where it goes with a
    /// greeting, or around a large piece.
    #[inline(always)]
    pub(super) fn dispatch(
        &mut self,
        large: Option<&[u8]>,
        pack: impl Fn(&mut Encoder<'_>),
        along: &dyn Fn(&mut Encoder<'_>),
    ) -> Result<(), Failed> {
        loop {
            let Some(connection) = self.loan.connection() else {
                match self.connect(along)? {
                    Sent::Along => return Ok(()),
                    Sent::NotYet => continue,
                }
            };
            let sent = match large {
                None => {
                    pack(&mut connection.encoder().after(self.lost));
                    connection.send(self.budget)
                }
                Some(piece) => {
                    connection.send_around(piece, &with_lost(along, self.lost), self.budget)
                }
            };
            match sent {
                Ok(()) => return Ok(()),
                Err(fault) => self.recover(fault)?,
            }
        }
    }

    /// Opens a connection, and sends the commands with its greeting where that may be done.
    #[cold]
    fn connect(&mut self, pack: &dyn Fn(&mut Encoder<'_>)) -> Result<Sent, Failed> {
        let (node, budget, admission) = (self.node, self.budget, self.admission);
        self.budget = budget.later();
        let pack = with_lost(pack, self.lost);
        let mut along = self.along(&pack, false);
        let connect = || node.connect(budget, admission, &mut along);
        let opened = self.loan.connection_or(connect).map(drop);
        let is_out = along.is_out;
        self.opened(opened, is_out)
    }

    /// What may go out with the greeting of a new connection.
    pub(super) fn along<'p>(&self, pack: &'p dyn Fn(&mut Encoder<'_>), is_out: bool) -> Along<'p> {
        let may_go = self.is_safe() && takes_along(self.node);
        Along {
            pack: may_go.then_some(pack),
            is_out,
        }
    }

    /// A connection has been opened, or not: whether the commands are on their way. When they went out and nobody reads
    /// their replies, that is an attempt that was lost.
    pub(super) fn opened(&mut self, opened: Result<()>, is_out: bool) -> Result<Sent, Failed> {
        let connection = self.loan.connection();
        if opened.is_ok() && connection.is_some_and(|connection| connection.is_owed()) {
            return Ok(Sent::Along);
        }
        self.lost += u32::from(is_out);
        opened.map_err(|error| self.refused(error))?;
        Ok(Sent::NotYet)
    }

    /// After a fault of the connection: whether the commands may be sent once more, on another one.
    #[cold]
    pub(crate) fn recover(&mut self, fault: SendFault) -> Result<(), Failed> {
        let SendFault { error, unsent } = fault;
        if error.kind() == ErrorKind::NoMemory {
            return Err(self.refused(error));
        }
        // Replies that somebody else read are no fault of a connection.
        if !self.loan.is_nothing() {
            self.loan.explain(&error);
            self.node.pool().broken(&mut self.loan, error.is_timeout());
            self.node.forget_bare();
        }
        let may_resend = unsent || self.is_safe();
        self.lost += u32::from(!unsent);
        if !may_resend || error.is_timeout() || !self.goes_on(Some(Moment::now())) {
            return Err(self.failed(error, may_resend));
        }
        Ok(())
    }

    /// What the server said is told to the breaker, and ends the connection where it proves something of that: whether
    /// another connection may be told something else.
    #[cold]
    fn hear(&mut self, said: &Error) -> bool {
        let is_fresh = self.loan.is_fresh();
        let verdict = Verdict::of(said, is_fresh);
        match verdict.is_served {
            true => self.node.answered(),
            false => self.node.did_not_serve(self.admission, said),
        }
        if !verdict.ends {
            return false;
        }
        if !self.loan.part(true) {
            self.loan.end();
        }
        self.node.doubt_name();
        if !is_fresh {
            self.node.pool().doubt(self.budget.started());
        }
        !is_fresh
    }

    /// When a connection must have been opened that is told something else. Of many who are refused on one that they share,
    /// each takes what others have opened meanwhile.
    fn refused_since(&self) -> Option<Moment> {
        Some(match self.loan.is_nothing() {
            true => self.budget.started(),
            false => Moment::now(),
        })
    }

    /// Whether the commands may be sent once more, and if so, finds a connection that was opened at `since` or later, or the
    /// right to open one.
    pub(super) fn goes_on(&mut self, since: Option<Moment>) -> bool {
        if self.is_retried || self.budget.left().is_none() {
            return false;
        }
        self.is_retried = true;
        self.budget = self.budget.later();
        self.node.count_retry();
        if self.loan.is_nothing() {
            return self.lend(since).is_ok();
        }
        let patience = self.is_alone.then_some(self.budget);
        let filled = self.node.pool().refill(&mut self.loan, since, patience);
        // Whoever holds connections of other nodes does not wait.
        filled.is_ok() || !self.is_alone
    }

    pub(super) fn is_safe(&self) -> bool {
        self.verb.resend == Resend::Safe
    }

    pub(super) fn failed(&self, error: Error, may_resend: bool) -> Failed {
        self.node.did_not_serve(self.admission, &error);
        self.ended(error, may_resend)
    }

    pub(super) fn refused(&self, error: Error) -> Failed {
        self.ended(error, true)
    }

    /// The end of a call that came to nothing, for its caller. The breaker has heard what there is to hear of it.
    #[cold]
    #[inline(never)]
    pub(super) fn ended(&self, error: Error, may_resend: bool) -> Failed {
        self.trail.failed(&error);
        self.node.note_failure(self.verb);
        Failed {
            error: self.node.named(error, self.verb),
            may_resend,
            lost: self.lost,
        }
    }
}

/// Whether the commands are on their way when a connection has been opened.
pub(super) enum Sent {
    Along,
    NotYet,
}

pub(super) fn with_lost(pack: &dyn Fn(&mut Encoder<'_>), lost: u32) -> impl Fn(&mut Encoder<'_>) {
    move |to: &mut Encoder<'_>| {
        to.set_lost(lost);
        pack(to);
    }
}

/// Whether commands may go out with a greeting: this is the database they are for whatever the server answers, and it
/// does not have to say first that it is the primary, or that as a replica it serves reads. What a function or a file
/// says goes alone.
fn takes_along(node: &Node) -> bool {
    let login = node.login();
    login.db == 0 && !login.reads_replica && !node.is_primary() && login.is_settled()
}
