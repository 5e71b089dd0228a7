//! Name servers that say what a test wants, or nothing, and machines whose files name them.

mod answers;
mod asking;
mod last;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use simple_dns::rdata::{A, AAAA, CNAME, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};

use super::super::poll::{Wants, poll};
use super::super::tests::Scratch;
use super::machine::{Machine, pretended};
use super::*;

/// What a name server says to a question.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    /// These addresses, of the kind that was asked for.
    Ips(Vec<&'static str>),
    /// The name is another name for the next, and that one for the next; the last one has these addresses.
    Alias(Vec<&'static str>, Vec<&'static str>),
    Code(RCODE),
    /// Too long for a datagram.
    Cut,
    /// Later.
    After(Duration, Box<Say>),
    /// These bytes, with the number of the question in front of them; and then.
    Bytes(Vec<u8>, Box<Say>),
    /// The right answer with another number, for another name, as a question; and then.
    Astray(Box<Say>),
    Nothing,
}

/// What it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) kind: TYPE,
    pub(crate) by_tcp: bool,
    /// Among the questions of this name and kind.
    pub(crate) number: usize,
}

pub(crate) struct NameServer {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl NameServer {
    /// On 127.0.0.1. It lives in threads until the test process ends.
    pub(crate) fn start(say: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> NameServer {
        for _ in 0..100 {
            let port = UdpSocket::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            let sockets = (UdpSocket::bind(address), TcpListener::bind(address));
            if let (Ok(udp), Ok(tcp)) = sockets {
                return NameServer::over(udp, tcp, say);
            }
        }
        panic!("no port is free for both")
    }

    /// Another one, on another address with the same port.
    pub(crate) fn beside(
        &self,
        ip: &str,
        say: impl Fn(&Asked) -> Say + Send + Sync + 'static,
    ) -> NameServer {
        let address = SocketAddr::new(ip.parse().unwrap(), self.port);
        let (udp, tcp) = (UdpSocket::bind(address), TcpListener::bind(address));
        NameServer::over(udp.unwrap(), tcp.unwrap(), say)
    }

    fn over(
        udp: UdpSocket,
        tcp: TcpListener,
        say: impl Fn(&Asked) -> Say + Send + Sync + 'static,
    ) -> NameServer {
        let port = udp.local_addr().unwrap().port();
        let asked = <Arc<Mutex<Vec<Asked>>>>::default();
        let say: Arc<Hears> = Arc::new(say);
        let (log, hears) = (Arc::clone(&asked), Arc::clone(&say));
        thread::spawn(move || {
            let mut bytes = [0; 512];
            while let Ok((len, from)) = udp.recv_from(&mut bytes) {
                let question = bytes[..len].to_vec();
                let (said, udp) = (
                    heard(&question, false, &log, &*hears),
                    udp.try_clone().unwrap(),
                );
                thread::spawn(move || {
                    tell(&question, said, &mut |answer| {
                        drop(udp.send_to(answer, from))
                    });
                });
            }
        });
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in tcp.incoming() {
                let (mut stream, log, hears) =
                    (stream.unwrap(), Arc::clone(&log), Arc::clone(&say));
                thread::spawn(move || {
                    let mut len = [0; 2];
                    while stream.read_exact(&mut len).is_ok() {
                        let mut question = vec![0; u16::from_be_bytes(len).into()];
                        stream.read_exact(&mut question).unwrap();
                        let said = heard(&question, true, &log, &*hears);
                        tell(&question, said, &mut |answer| {
                            // In pieces: a message may come in several.
                            let _ = stream.write_all(&(answer.len() as u16).to_be_bytes());
                            for piece in answer.chunks(200) {
                                let _ = stream.write_all(piece);
                                thread::sleep(Duration::from_millis(2));
                            }
                        });
                    }
                });
            }
        });
        NameServer { port, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The names it was asked for, each once.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.asked().into_iter().map(|asked| asked.name).collect();
        names.dedup();
        names
    }

    /// A machine that asks it, and so do the calls of this thread while that is kept.
    pub(crate) fn machine(&self) -> Pretence {
        Pretence::new("nameserver 127.0.0.1\n", self.port)
    }
}

type Hears = dyn Fn(&Asked) -> Say + Send + Sync;

fn heard(question: &[u8], by_tcp: bool, log: &Mutex<Vec<Asked>>, say: &Hears) -> Say {
    let packet = Packet::parse(question).unwrap();
    assert!(packet.has_flags(PacketFlag::RECURSION_DESIRED));
    let QTYPE::TYPE(kind) = packet.questions[0].qtype else {
        panic!("{packet:?}")
    };
    let name = packet.questions[0].qname.to_string();
    let mut log = log.lock().unwrap();
    let is_same = |other: &&Asked| other.name == name && other.kind == kind;
    let number = log.iter().filter(is_same).count();
    let asked = Asked {
        name,
        kind,
        by_tcp,
        number,
    };
    log.push(asked.clone());
    drop(log);
    say(&asked)
}

fn tell(question: &[u8], said: Say, send: &mut dyn FnMut(&[u8])) {
    let query = Packet::parse(question).unwrap();
    match said {
        Say::Nothing => {}
        Say::After(time, then) => {
            thread::sleep(time);
            tell(question, *then, send);
        }
        Say::Bytes(bytes, then) => {
            send(&[&question[..2], &bytes].concat());
            tell(question, *then, send);
        }
        Say::Astray(then) => {
            let mut wrong = answer_to(&query, &Say::Ips(vec!["10.9.9.9", "fd99::9"]));
            let right = wrong.id();
            wrong.set_id(right.wrapping_add(1));
            send(&wrong.build_bytes_vec().unwrap());
            wrong.set_id(right);
            wrong.remove_flags(PacketFlag::RESPONSE);
            send(&wrong.build_bytes_vec().unwrap());
            wrong.set_flags(PacketFlag::RESPONSE);
            wrong.questions[0].qname = Name::new("another.test").unwrap();
            send(&wrong.build_bytes_vec().unwrap());
            tell(question, *then, send);
        }
        said => send(&answer_to(&query, &said).build_bytes_vec().unwrap()),
    }
}

fn answer_to<'q>(query: &Packet<'q>, say: &Say) -> Packet<'q> {
    let mut answer = Packet::new_reply(query.id());
    answer.questions.clone_from(&query.questions);
    let mut owner = query.questions[0].qname.clone();
    let (aliases, ips): (&[&str], &[&str]) = match say {
        Say::Ips(ips) => (&[], ips),
        Say::Alias(aliases, ips) => (aliases, ips),
        Say::Code(code) => {
            *answer.rcode_mut() = *code;
            return answer;
        }
        Say::Cut => {
            answer.set_flags(PacketFlag::TRUNCATION);
            return answer;
        }
        other => panic!("{other:?}"),
    };
    let record = |owner: &Name<'q>, data| ResourceRecord::new(owner.clone(), CLASS::IN, 60, data);
    for alias in aliases {
        let alias = Name::new(alias).unwrap().into_owned();
        answer
            .answers
            .insert(0, record(&owner, RData::CNAME(CNAME(alias.clone()))));
        owner = alias;
    }
    for ip in ips {
        let data = match (ip.parse().unwrap(), query.questions[0].qtype) {
            (IpAddr::V4(ip), QTYPE::TYPE(TYPE::A)) => RData::A(A { address: ip.into() }),
            (IpAddr::V6(ip), QTYPE::TYPE(TYPE::AAAA)) => RData::AAAA(AAAA { address: ip.into() }),
            _ => continue,
        };
        answer.answers.push(record(&owner, data));
    }
    answer
}

/// Another machine, as far as names go, for the calls of the thread that made it.
pub(crate) struct Pretence {
    scratch: Scratch,
    pub(crate) machine: Machine,
}

impl Pretence {
    pub(crate) fn new(resolv: &str, port: u16) -> Pretence {
        let scratch = Scratch::new();
        let file = |name: &str| scratch.0.join(name);
        let machine = Machine {
            hosts: file("hosts"),
            resolv: file("resolv.conf"),
            services: file("nsswitch.conf"),
            port,
        };
        let pretence = Pretence { scratch, machine };
        pretence
            .write("hosts", "")
            .write("resolv.conf", resolv)
            .write("nsswitch.conf", "hosts: files dns\n");
        pretended::set(Some(pretence.machine.clone()));
        pretence
    }

    pub(crate) fn write(&self, file: &str, text: &str) -> &Pretence {
        std::fs::write(self.scratch.0.join(file), text).unwrap();
        self
    }
}

impl Drop for Pretence {
    fn drop(&mut self) {
        pretended::set(None);
    }
}

pub(crate) fn secs(count: u64) -> Budget {
    Budget::new(Duration::from_secs(count))
}

/// What is told next, but for nothing.
fn next(resolving: &mut Resolving) -> Result<Told> {
    loop {
        match resolving.advance()? {
            Told::Nothing if resolving.budget.left().is_none() => return Err(resolving.late()),
            Told::Nothing => drop(poll(&[Wants {
                socket: None,
                events: 0,
                besides: resolving.ears(),
                until: resolving.until(),
            }])),
            told => return Ok(told),
        }
    }
}

fn shown(addresses: &[SocketAddr]) -> Vec<String> {
    addresses
        .iter()
        .map(|address| address.ip().to_string())
        .collect()
}

/// The addresses that are found, passing over what they were before.
fn resolve(host: &str, budget: Budget) -> Result<Vec<String>> {
    let mut resolving = Resolving::begin(host, budget);
    loop {
        if let Told::Found(addresses) = next(&mut resolving)? {
            return Ok(shown(&addresses));
        }
    }
}

/// Addresses of both kinds. The later kind is waited for only a moment, which on a busy machine may be too short: not always.
fn resolve_both(host: &str, count: usize) -> Vec<String> {
    let found = (0..100).map(|_| resolve(host, secs(9)).unwrap());
    let mut whole = found.into_iter().filter(|found| found.len() == count);
    whole.next().expect("all of them, some time")
}

fn v4(asked: &Asked, ips: &[&'static str]) -> Say {
    match asked.kind {
        TYPE::A => Say::Ips(ips.to_vec()),
        _ => Say::Ips(Vec::new()),
    }
}
