//! The first words on a new connection, all in one pipeline: protocol and login, database, what the server may show of
//! this client, the server's time, and where that matters its role. What an old or locked-down server does not know or
//! permit of the last two kinds is done without. Where a function of the caller says the credentials, the login goes first
//! and alone, for it may have to be said in other words.

use std::sync::Arc;

use crate::base::budget::Budget;
use crate::base::clocks::uptime_us;
use crate::config::{Protocol, Secrets};
use crate::error::{Error, Result};
use crate::redis::connection::Connection;
use crate::redis::connection::ahead::ALONG;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::Token;

use super::along::Along;
use super::login::Login;
use super::refusals::{db_refused, login_refused, turned_away};
use super::time::{Offset, pack_time, read_time, read_told};
use super::words::{Said, Words, open, pack_role, present, read_replica};

/// The rest of it, for connections whose login is somebody else's affair: READONLY, the time, and the role.
pub(crate) fn ask_time(
    connection: &mut Connection,
    login: &Login,
    is_primary: bool,
    budget: Budget,
) -> Reply<Offset> {
    let asks_readonly = read_replica(&mut connection.encoder(), login);
    pack_time(&mut connection.encoder());
    pack_role(&mut connection.encoder(), is_primary);
    let sent_at = uptime_us();
    connection.send(budget).map_err(|fault| fault.error)?;
    let refusal = if asks_readonly {
        connection.skip(budget)?
    } else {
        None
    };
    let offset = read_time(&mut replies(connection, budget), sent_at)?;
    let role = read_role(&mut replies(connection, budget), is_primary)?;
    let refusal = refusal.map(|error| error.during("READONLY")).or(role);
    Ok(refusal.map_or(Ok(offset), Err))
}

/// Refuses a server that says it is a replica, in the words it would use itself. One that does not tell, because this
/// user has no right to ask, passes.
fn read_role(from: &mut Replies<'_>, is_primary: bool) -> Result<Option<Error>> {
    if !is_primary {
        return Ok(None);
    }
    let Ok(parts) = from.array()? else {
        return Ok(None);
    };
    let mut is_replica = false;
    for part in 0..parts {
        if part > 0 {
            from.skip()?;
        } else if let Token::Bulk(role) = from.next()? {
            is_replica = role == b"slave";
        } else {
            return Err(reply::unexpected("a role"));
        }
    }
    let text = b"READONLY the server is a replica, and was expected to be the primary";
    Ok(is_replica.then(|| Error::from_server(text)))
}

fn replies(connection: &mut Connection, budget: Budget) -> Replies<'_> {
    Replies::new(connection, budget, 0)
}

/// What the server said to the pipeline: refusals of what is not optional, and the time.
#[derive(Default)]
struct Answers {
    to_login: Option<Error>,
    to_select: Option<Error>,
    to_readonly: Option<Error>,
    /// That it serves nobody who has not logged in, where nothing else was asked that is not optional.
    to_time: Option<Error>,
    offset: Offset,
    /// That it is a replica, where it must not be one.
    to_role: Option<Error>,
}

/// A greeting under way, without waiting: what was said last, and when.
#[derive(Debug)]
pub(crate) struct Greeting {
    said: Said,
    secrets: Option<Arc<Secrets>>,
    sent_at: i64,
    /// Replies that come first and are nobody's any more.
    stray: usize,
    /// Replies to what was said last.
    own: usize,
    /// Replies to the commands behind that, which went along.
    along: usize,
    /// Nobody has listened for a while: when the server has answered says nothing about its clock.
    is_stale: bool,
    /// The function for the credentials was asked a second time.
    is_asked_again: bool,
    /// The server has answered something.
    is_heard: bool,
}

impl Greeting {
    /// Says hello, to a server that is expected to be a primary or not, and what goes along. With `is_bare` in as few words
    /// as possible.
    pub(crate) fn begin(
        connection: &mut Connection,
        login: &Login,
        is_primary: bool,
        is_bare: bool,
        along: &mut Along<'_>,
        budget: Budget,
    ) -> Result<Greeting> {
        let secrets = login.secrets()?;
        let words = match login.protocol {
            Protocol::Resp2 => Words::Auth,
            _ => Words::Hello,
        };
        let said = match (is_bare, login.asker()) {
            (true, _) => Said::Bare,
            (false, Some(_)) if secrets.is_some() => Said::Login(words),
            _ => Said::All(words),
        };
        let mut greeting = Greeting {
            said,
            secrets,
            sent_at: 0,
            stray: 0,
            own: 0,
            along: 0,
            is_stale: false,
            is_asked_again: false,
            is_heard: false,
        };
        let along = matches!(said, Said::All(_)).then_some(along);
        greeting.say(said, connection, (login, is_primary), along, budget)?;
        Ok(greeting)
    }

    /// Replies to what went along before are nobody's then.
    fn say(
        &mut self,
        said: Said,
        connection: &mut Connection,
        (login, is_primary): (&Login, bool),
        along: Option<&mut Along<'_>>,
        budget: Budget,
    ) -> Result<()> {
        let secrets = self.secrets.as_deref();
        if let Some(secrets) = secrets {
            let user = secrets.username.as_ref().map_or(0, |user| user.len());
            connection.secret_room(1024 + ALONG + user + secrets.password.len());
        }
        let mut to = connection.encoder();
        if let Some(words) = said.login() {
            open(&mut to, secrets, words);
        }
        if said.has_needs() {
            if login.db != 0 {
                to.command(2).arg(b"SELECT").int(i64::from(login.db));
            }
            read_replica(&mut to, login);
        }
        if said.has_extras() {
            present(&mut to, login);
        }
        if said.has_extras() || said == Said::Time {
            pack_time(&mut to);
        }
        if said.has_needs() {
            pack_role(&mut to, is_primary);
        }
        self.stray = self.along;
        self.own = connection.encoder().commands();
        self.along = along.map_or(0, |along| along.go(connection));
        (self.said, self.sent_at, self.is_stale) = (said, uptime_us(), false);
        // A fresh socket takes so little at once.
        let sent = connection.send(budget).map_err(|fault| fault.error);
        connection.wipe();
        sent
    }

    /// It was put aside, and is taken up again.
    pub(crate) fn go_on(&mut self) {
        self.is_stale = true;
    }

    /// How many replies must be there before it is listened to.
    pub(crate) fn awaited(&self) -> usize {
        self.stray + self.own
    }

    /// Whether there are others among them, of any length.
    pub(crate) fn awaits_others(&self) -> bool {
        self.stray > 0
    }

    /// Whether the server has said nothing at all.
    pub(crate) fn is_unheard(&self) -> bool {
        !self.is_heard
    }

    /// When all replies are there: what came of it; `None` when something else has to be said first. Replies to what went
    /// along are left where they are, for whoever sent it; but for those of a call that has given up, and those from before
    /// a login that had to be said again.
    pub(crate) fn hear(
        &mut self,
        connection: &mut Connection,
        login: &Login,
        is_primary: bool,
        along: &mut Along<'_>,
        budget: Budget,
    ) -> Reply<Option<Offset>> {
        let mut is_refused = self.stray > 0;
        for _ in 0..std::mem::take(&mut self.stray) {
            is_refused &= connection.skip(budget)?.is_some();
        }
        along.is_out &= !is_refused;
        let mut answers = self.answers(connection, login, is_primary, budget)?;
        if self.needs_no_login(&answers, login) {
            answers.to_login = None;
        }
        let next = match (&answers.to_login, self.said) {
            (Some(refusal), said) => match self.in_other_words(said, refusal, login) {
                Ok(other) => other,
                Err(fault) => return Ok(Err(fault)),
            },
            (None, Said::Login(_)) => Some(Said::Rest),
            (None, _) => None,
        };
        if let Some(said) = next {
            self.say(said, connection, (login, is_primary), None, budget)?;
            return Ok(Ok(None));
        }
        let offset = self.judge(answers, login);
        if self.is_stale && matches!(offset, Ok(Some(_))) {
            self.say(Said::Time, connection, (login, is_primary), None, budget)?;
            return Ok(Ok(None));
        }
        Ok(offset.map(Some))
    }

    /// Whether the server knows no HELLO, and nobody has to log in: the rest ran in RESP2, as it would when it was said
    /// again.
    fn needs_no_login(&self, answers: &Answers, login: &Login) -> bool {
        let is_hello = self.said == Said::All(Words::Hello);
        let is_wrong = answers.to_login.as_ref().and_then(Error::code) == Some("WRONGPASS");
        is_hello && !is_wrong && login.protocol == Protocol::Auto && self.secrets.is_none()
    }

    /// What else may be said to a server that refuses the login: it does not speak RESP3, or the credentials have changed.
    fn in_other_words(
        &mut self,
        said: Said,
        refusal: &Error,
        login: &Login,
    ) -> Result<Option<Said>> {
        let is_wrong = refusal.code() == Some("WRONGPASS");
        let is_hello = said.login() == Some(Words::Hello);
        if is_hello && !is_wrong && login.protocol == Protocol::Auto {
            // What was said without a login came to nothing; all of it is said again.
            return Ok(Some(match said {
                Said::Login(_) => Said::Login(Words::Auth),
                _ => Said::All(Words::Auth),
            }));
        }
        let is_unknown = is_wrong || refusal.code() == Some("NOAUTH");
        if login.asker().is_none() || !is_unknown || self.is_asked_again {
            return Ok(None);
        }
        self.is_asked_again = true;
        self.secrets = login.secrets()?;
        Ok(match (&self.secrets, said.login()) {
            (None, Some(words)) => Some(Said::All(words)),
            _ => Some(said),
        })
    }

    fn answers(
        &mut self,
        connection: &mut Connection,
        login: &Login,
        is_primary: bool,
        budget: Budget,
    ) -> Result<Answers> {
        let (said, sent_at) = (self.said, self.sent_at);
        let mut answers = Answers::default();
        let is_heard = &mut self.is_heard;
        // A server that hangs up may have said why in its first reply.
        let mut first = None;
        let mut answer = |connection: &mut Connection| match connection.skip(budget) {
            Ok(error) => {
                *is_heard = true;
                first.get_or_insert_with(|| error.clone());
                Ok(error)
            }
            Err(broken) => Err(first
                .clone()
                .flatten()
                .and_then(turned_away)
                .unwrap_or(broken)),
        };
        let has_login = match said.login() {
            Some(Words::Hello) => true,
            Some(Words::Auth) => self.secrets.is_some(),
            None => false,
        };
        if has_login {
            answers.to_login = answer(connection)?;
        }
        if said.has_needs() && login.db != 0 {
            answers.to_select = answer(connection)?;
        }
        if said.has_needs() && login.reads_replica {
            answers.to_readonly = answer(connection)?;
        }
        if said.has_extras() {
            for _ in 0..2 + usize::from(login.client_name.is_some()) {
                answer(connection)?;
            }
        }
        if said.has_extras() || said == Said::Time {
            match read_told(&mut replies(connection, budget), sent_at)? {
                Ok(told) => answers.offset = Some(told),
                Err(refusal) if refusal.code() == Some("NOAUTH") => {
                    answers.to_time = Some(refusal);
                }
                Err(_) => {}
            }
        }
        if said.has_needs() {
            answers.to_role = read_role(&mut replies(connection, budget), is_primary)?;
        }
        Ok(answers)
    }

    fn judge(&self, answers: Answers, login: &Login) -> Result<Offset> {
        let secrets = self.secrets.as_deref();
        let refused = |error| login_refused(error, login, secrets);
        let refusal = answers.to_login.map(refused);
        let refusal = refusal.or_else(|| {
            let to_select = answers.to_select?;
            Some(match to_select.code() {
                Some("NOAUTH") => refused(to_select),
                _ => db_refused(to_select, login),
            })
        });
        let refusal = refusal.or_else(|| answers.to_readonly.map(|error| error.during("READONLY")));
        let refusal = refusal.or_else(|| answers.to_time.map(refused));
        refusal.or(answers.to_role).map_or(Ok(answers.offset), Err)
    }
}
