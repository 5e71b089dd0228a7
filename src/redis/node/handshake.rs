//! The first words on a new connection, all in one pipeline: protocol and login, database, what the server may show
//! of this client, the server's time, and where that matters its role. What an old or locked-down server does not know or permit of the last two
//! kinds is done without.

use crate::base::budget::Budget;
use crate::base::clocks::uptime_us;
use crate::config::Protocol;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::connection::Connection;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::{Encoder, Token};

use super::along::Along;
use super::login::Login;
use super::time::{Offset, pack_time, read_time};

fn judge(answers: Answers, login: &Login) -> Result<Offset> {
    let refusal = answers.to_opening.map(|error| login_refused(error, login));
    let refusal = refusal.or_else(|| answers.to_select.map(|error| db_refused(error, login)));
    let refusal = refusal.or_else(|| answers.to_readonly.map(|error| error.during("READONLY")));
    let refusal = refusal.or(answers.to_role);
    refusal.map_or(Ok(answers.offset), Err)
}

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

/// Whoever is expected to be a primary is asked whether it is one.
fn pack_role(to: &mut Encoder<'_>, is_primary: bool) {
    if is_primary {
        to.command(1).arg(b"ROLE");
    }
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

/// How a greeting begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    /// HELLO 3, with the credentials in it.
    Hello,
    /// RESP2, with AUTH if there are credentials.
    Auth,
}

/// What the server said to the pipeline: refusals of what is not optional, and the time.
struct Answers {
    to_opening: Option<Error>,
    to_select: Option<Error>,
    to_readonly: Option<Error>,
    offset: Offset,
    /// That it is a replica, where it must not be one.
    to_role: Option<Error>,
}

/// A greeting under way, without waiting: what was said last, and when.
#[derive(Debug)]
pub(crate) struct Greeting {
    said: Said,
    sent_at: i64,
    /// Replies that come first and are nobody's any more.
    stray: usize,
    /// Replies to what was said last.
    own: usize,
    /// Replies to the commands behind that, which went along.
    along: usize,
    /// Nobody has listened for a while: when the server has answered says nothing about its clock.
    is_stale: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    All(Words),
    /// What time is it?
    Time,
}

impl Greeting {
    /// Says hello, to a server that is expected to be a primary or not, and what goes along.
    pub(crate) fn begin(
        connection: &mut Connection,
        login: &Login,
        is_primary: bool,
        along: &mut Along<'_>,
        budget: Budget,
    ) -> Result<Greeting> {
        let words = match login.protocol {
            Protocol::Resp2 => Words::Auth,
            _ => Words::Hello,
        };
        say(&mut connection.encoder(), login, words, is_primary);
        Greeting::send(connection, Said::All(words), 0, Some(along), budget)
    }

    fn send(
        connection: &mut Connection,
        said: Said,
        stray: usize,
        along: Option<&mut Along<'_>>,
        budget: Budget,
    ) -> Result<Greeting> {
        let own = connection.encoder().commands();
        let along = along.map_or(0, |along| along.go(connection));
        let sent_at = uptime_us();
        // A fresh socket takes so little at once.
        connection.send(budget).map_err(|fault| fault.error)?;
        Ok(Greeting {
            said,
            sent_at,
            stray,
            own,
            along,
            is_stale: false,
        })
    }

    /// It was put aside, and is taken up again.
    pub(crate) fn go_on(&mut self) {
        self.is_stale = true;
    }

    /// How many replies must be there before it is listened to.
    pub(crate) fn awaited(&self) -> usize {
        self.stray + self.own + if self.is_stale { self.along } else { 0 }
    }

    /// Whether there are others among them, of any length.
    pub(crate) fn awaits_others(&self) -> bool {
        self.awaited() > self.own
    }

    /// When all replies are there: what came of it; `None` when something else has to be said first. Replies to what went
    /// along are left where they are, for whoever sent it; but for those of a call that has given up, and those from
    /// before a login that had to be said again.
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
        let offset = match self.said {
            Said::Time => Ok(read_time(&mut replies(connection, budget), self.sent_at)?),
            Said::All(words) => {
                let mut answers = hear(connection, login, words, is_primary, self.sent_at, budget)?;
                let knows_not = answers.to_opening.as_ref().is_some_and(knows_no_resp3);
                if words == Words::Hello && login.protocol == Protocol::Auto && knows_not {
                    if login.password.is_some() {
                        // The pipeline ran without a login; all of it is said again.
                        let (words, stray) = (Words::Auth, self.along);
                        say(&mut connection.encoder(), login, words, is_primary);
                        let is_stale = self.is_stale;
                        *self = Greeting::send(connection, Said::All(words), stray, None, budget)?;
                        self.is_stale = is_stale;
                        return Ok(Ok(None));
                    }
                    // Nobody has to log in: it ran in RESP2, as it was meant to.
                    answers.to_opening = None;
                }
                judge(answers, login)
            }
        };
        if self.is_stale && matches!(offset, Ok(Some(_))) {
            for _ in 0..std::mem::take(&mut self.along) {
                connection.skip(budget)?;
            }
            pack_time(&mut connection.encoder());
            *self = Greeting::send(connection, Said::Time, 0, None, budget)?;
            return Ok(Ok(None));
        }
        Ok(offset.map(Some))
    }
}

fn say(to: &mut Encoder<'_>, login: &Login, words: Words, is_primary: bool) {
    open(to, login, words);
    if login.db != 0 {
        to.command(2).arg(b"SELECT").int(i64::from(login.db));
    }
    read_replica(to, login);
    present(to, login);
    pack_time(to);
    pack_role(to, is_primary);
}

fn hear(
    connection: &mut Connection,
    login: &Login,
    words: Words,
    is_primary: bool,
    sent_at: i64,
    budget: Budget,
) -> Result<Answers> {
    let has_opening = words == Words::Hello || login.password.is_some();
    let has_db = login.db != 0;
    let asks_readonly = login.reads_replica;
    let optional = 2 + usize::from(login.client_name.is_some());

    // A server that hangs up may have said why in its first reply.
    let mut first = None;
    let mut answer = |connection: &mut Connection| match connection.skip(budget) {
        Ok(error) => {
            first.get_or_insert_with(|| error.clone());
            Ok(error)
        }
        Err(broken) => Err(first
            .clone()
            .flatten()
            .and_then(turned_away)
            .unwrap_or(broken)),
    };
    let to_opening = if has_opening {
        answer(connection)?
    } else {
        None
    };
    let to_select = if has_db { answer(connection)? } else { None };
    let to_readonly = if asks_readonly {
        answer(connection)?
    } else {
        None
    };
    for _ in 0..optional {
        answer(connection)?;
    }
    let offset = read_time(&mut replies(connection, budget), sent_at)?;
    let to_role = read_role(&mut replies(connection, budget), is_primary)?;
    Ok(Answers {
        to_opening,
        to_select,
        to_readonly,
        offset,
        to_role,
    })
}

/// The command that must come first; false when none must.
fn open(to: &mut Encoder<'_>, login: &Login, words: Words) -> bool {
    let username = login.username.as_deref().map(str::as_bytes);
    let password = login.password.as_deref().map(str::as_bytes);
    match (words, username, password) {
        (Words::Hello, _, None) => {
            to.command(2).arg(b"HELLO").arg(b"3");
        }
        (Words::Hello, username, Some(password)) => {
            let username = username.unwrap_or(b"default");
            to.command(5)
                .arg(b"HELLO")
                .arg(b"3")
                .arg(b"AUTH")
                .arg(username)
                .arg(password);
        }
        (Words::Auth, _, None) => return false,
        (Words::Auth, None, Some(password)) => {
            to.command(2).arg(b"AUTH").arg(password);
        }
        (Words::Auth, Some(username), Some(password)) => {
            to.command(3).arg(b"AUTH").arg(username).arg(password);
        }
    }
    true
}

/// Asks a replica of a cluster to serve reads; false when that is not wanted.
fn read_replica(to: &mut Encoder<'_>, login: &Login) -> bool {
    if login.reads_replica {
        to.command(1).arg(b"READONLY");
    }
    login.reads_replica
}

/// What CLIENT LIST shows of this client (<https://redis.io/docs/latest/commands/client-setinfo/>); the number of
/// commands.
fn present(to: &mut Encoder<'_>, login: &Login) -> usize {
    to.command(4)
        .arg(b"CLIENT")
        .arg(b"SETINFO")
        .arg(b"LIB-NAME")
        .arg(b"redis_cache");
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    to.command(4)
        .arg(b"CLIENT")
        .arg(b"SETINFO")
        .arg(b"LIB-VER")
        .arg(version);
    let Some(name) = &login.client_name else {
        return 2;
    };
    to.command(3)
        .arg(b"CLIENT")
        .arg(b"SETNAME")
        .arg(name.as_bytes());
    3
}

/// What a server says that takes nobody, before it hangs up: too many clients, or protected mode.
fn turned_away(error: Error) -> Option<Error> {
    let text = error.to_string();
    if text.contains("max number of clients") {
        let text = format!("the server takes no more clients ({text})");
        return Some(Error::new(ErrorKind::Unavailable, text));
    }
    (error.code() == Some("DENIED")).then_some(error)
}

/// Servers before 6.0 and many proxies do not know HELLO; a user may lack the right to it.
fn knows_no_resp3(error: &Error) -> bool {
    matches!(error.code(), Some("ERR" | "NOPROTO" | "NOPERM"))
}

/// Says it in fewer words than the server; an unknown command is told with its arguments, and they are secret.
fn login_refused(error: Error, login: &Login) -> Error {
    match error.code() {
        Some("NOAUTH") if login.password.is_none() => {
            Error::from_server(b"NOAUTH the server asks for a password, and none is configured")
        }
        Some("ERR" | "NOPROTO") if login.protocol == Protocol::Resp3 => Error::from_server(
            b"NOPROTO the server does not speak RESP3: `protocol` must be `2` or `auto`",
        ),
        _ => error.during("AUTH"),
    }
}

fn db_refused(error: Error, login: &Login) -> Error {
    match error.code() {
        Some("ERR") => {
            let text = format!("ERR the server has no database {} ({error})", login.db);
            Error::from_server(text.as_bytes()).during("SELECT")
        }
        Some("NOAUTH") => login_refused(error, login),
        _ => error.during("SELECT"),
    }
}
