//! A server that misbehaves on demand. It stands between the library and a real Redis, reads whole commands from
//! the one and whole replies from the other, and does to each reply what the test asked for. What it does at its
//! door, before the first command, can be broken as well: silence, HTTP, a slammed door.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::server::Server;

/// What becomes of one command and its reply.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// It is executed and answered.
    Pass,
    /// Executed; so many bytes of the reply arrive, then the connection is reset.
    Reset(usize),
    /// Executed; so many bytes of the reply arrive, then the connection is closed in good order.
    Close(usize),
    /// Executed; so many bytes of the reply arrive, then nothing more, ever.
    Stall(usize),
    /// Executed; the reply comes byte by byte, with a pause before each.
    Drip(Duration),
    /// Executed; the whole reply comes late.
    Late(Duration),
    /// Executed; after a pause the connection is reset without a reply.
    LateReset(Duration),
    /// Not executed; this is the answer.
    Answer(Vec<u8>),
    /// Executed and answered, with this behind the reply.
    Extra(Vec<u8>),
}

/// What happens to a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    /// Whatever is said is heard and never answered.
    Mute,
    /// A web server lives here.
    Http,
    /// Closed at once.
    Slammed,
}

type Rule = Box<dyn FnMut(&[Vec<u8>]) -> Fate + Send>;

struct Plan {
    rule: Mutex<Rule>,
    door: Mutex<Door>,
    callers: AtomicUsize,
    over: AtomicBool,
}

/// The misbehaving server, until it is dropped.
pub(crate) struct FaultServer {
    port: u16,
    plan: Arc<Plan>,
    behind: Arc<Server>,
}

impl FaultServer {
    /// In front of the server that other tests use as well.
    pub(crate) fn start() -> FaultServer {
        FaultServer::before(Server::shared())
    }

    pub(crate) fn before(behind: Arc<Server>) -> FaultServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        let rule: Mutex<Rule> = Mutex::new(Box::new(|_: &[Vec<u8>]| Fate::Pass));
        let (door, callers, over) = (
            Mutex::new(Door::Open),
            AtomicUsize::new(0),
            AtomicBool::new(false),
        );
        let plan = Arc::new(Plan {
            rule,
            door,
            callers,
            over,
        });
        let (shared, socket) = (Arc::clone(&plan), behind.socket());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if shared.over.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(client), plan, socket) = (client, Arc::clone(&shared), socket.clone())
                else {
                    continue;
                };
                // An error here is one side hanging up: what these tests are about.
                plan.callers.fetch_add(1, Ordering::SeqCst);
                let door = *locked(&plan.door);
                std::thread::spawn(move || match door {
                    Door::Open => serve(&client, UnixStream::connect(socket)?, &plan),
                    Door::Mute => swallow(&client),
                    Door::Http => be_http(&client),
                    Door::Slammed => Ok(()),
                });
            }
        });
        FaultServer { port, plan, behind }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// How the library names this node in errors.
    pub(crate) fn name(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The sound server behind this one.
    pub(crate) fn behind(&self) -> &Server {
        &self.behind
    }

    /// Judges every command from now on; the first word is in capitals.
    pub(crate) fn judge(&self, rule: impl FnMut(&[Vec<u8>]) -> Fate + Send + 'static) {
        *locked(&self.plan.rule) = Box::new(rule);
    }

    /// This fate for every command of that name.
    pub(crate) fn always(&self, name: &'static str, fate: Fate) {
        self.judge(move |command| {
            if command[0] == name.as_bytes() {
                fate.clone()
            } else {
                Fate::Pass
            }
        });
    }

    /// This fate for the next command of that name.
    pub(crate) fn once(&self, name: &'static str, fate: Fate) {
        let mut left = Some(fate);
        self.judge(move |command| {
            if command[0] == name.as_bytes() {
                left.take().unwrap_or(Fate::Pass)
            } else {
                Fate::Pass
            }
        });
    }

    pub(crate) fn door(&self, door: Door) {
        *locked(&self.plan.door) = door;
    }

    /// How many connections were made so far.
    pub(crate) fn callers(&self) -> usize {
        self.plan.callers.load(Ordering::SeqCst)
    }

    /// Sound again.
    pub(crate) fn heal(&self) {
        self.judge(|_| Fate::Pass);
        self.door(Door::Open);
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.plan.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(client: &TcpStream, server: UnixStream, plan: &Plan) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut requests = BufReader::new(client);
    let mut replies = BufReader::new(&server);
    loop {
        let (command, bytes) = read_command(&mut requests)?;
        let fate = (locked(&plan.rule))(&command);
        if let Fate::Answer(answer) = fate {
            (&*client).write_all(&answer)?;
            continue;
        }
        (&server).write_all(&bytes)?;
        let mut reply = Vec::new();
        read_reply(&mut replies, &mut reply)?;
        let part = |length: usize| reply.get(..length).unwrap_or(&reply);
        match fate {
            Fate::Pass | Fate::Answer(_) => (&*client).write_all(&reply)?,
            Fate::Reset(length) => {
                (&*client).write_all(part(length))?;
                return reset(client);
            }
            Fate::Close(length) => return (&*client).write_all(part(length)),
            Fate::Stall(length) => {
                (&*client).write_all(part(length))?;
                return swallow(client);
            }
            Fate::Drip(pause) => {
                for byte in reply {
                    std::thread::sleep(pause);
                    (&*client).write_all(&[byte])?;
                }
            }
            Fate::Late(pause) => {
                std::thread::sleep(pause);
                (&*client).write_all(&reply)?;
            }
            Fate::LateReset(pause) => {
                std::thread::sleep(pause);
                return reset(client);
            }
            Fate::Extra(more) => (&*client).write_all(&[reply, more].concat())?,
        }
    }
}

/// Lets the closing that follows be a reset.
fn reset(client: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(client).set_linger(Some(Duration::ZERO))
}

fn swallow(client: &TcpStream) -> io::Result<()> {
    io::copy(&mut &*client, &mut io::sink()).map(|_| ())
}

fn be_http(client: &TcpStream) -> io::Result<()> {
    let _ = (&*client).read(&mut [0; 1024])?;
    (&*client)
        .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// One command: its words, the first in capitals, and its bytes.
fn read_command(from: &mut impl BufRead) -> io::Result<(Vec<Vec<u8>>, Vec<u8>)> {
    let mut bytes = Vec::new();
    let count = number(&read_line(from, &mut bytes)?);
    let mut words = Vec::new();
    for _ in 0..count {
        let length = number(&read_line(from, &mut bytes)?);
        words.push(read_block(from, length, &mut bytes)?);
    }
    if let Some(name) = words.first_mut() {
        name.make_ascii_uppercase();
    }
    Ok((words, bytes))
}

/// Exactly one reply, of either protocol version, nested ones whole.
fn read_reply(from: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<()> {
    let line = read_line(from, bytes)?;
    let children = match line[0] {
        _ if line[1..] == *b"-1" => 0,
        b'$' | b'=' | b'!' => return read_block(from, number(&line), bytes).map(|_| ()),
        b'*' | b'~' | b'>' => number(&line),
        b'%' => 2 * number(&line),
        _ => 0,
    };
    for _ in 0..children {
        read_reply(from, bytes)?;
    }
    Ok(())
}

fn read_line(from: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let start = bytes.len();
    from.read_until(b'\n', bytes)?;
    bytes[start..]
        .strip_suffix(b"\r\n")
        .map(<[u8]>::to_vec)
        .ok_or(io::ErrorKind::UnexpectedEof.into())
}

fn read_block(from: &mut impl BufRead, length: usize, bytes: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let start = bytes.len();
    bytes.resize(start + length + 2, 0);
    from.read_exact(&mut bytes[start..])?;
    Ok(bytes[start..start + length].to_vec())
}

fn number(line: &[u8]) -> usize {
    std::str::from_utf8(&line[1..])
        .ok()
        .and_then(|digits| digits.parse().ok())
        .expect("a length in RESP")
}

fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
