//! DNS messages: the question for the addresses of a name, and what an answer says to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

/// More addresses than that are not tried.
const MOST: usize = 32;
/// A header of DNS, and the least that a record of its sections has.
const HEADER: usize = 12;
const QUESTION: usize = 5;
const RECORD: usize = 11;

/// Which addresses are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    V4,
    V6,
}

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// None, when the name exists and has none of this kind.
    Addresses(Vec<IpAddr>),
    NoSuchName,
    /// The answer was too long for a datagram.
    Cut,
    /// The server could not or would not say.
    Failure(RCODE),
}

/// Whether DNS could know it.
pub(super) fn is_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        let is_fit = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        (1..=63).contains(&label.len()) && label.bytes().all(is_fit)
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

/// The question; `None` when `name` is none.
pub(super) fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).ok()?;
    let class = QCLASS::CLASS(CLASS::IN);
    packet
        .questions
        .push(Question::new(name, QTYPE::TYPE(kind.into()), class, false));
    packet.build_bytes_vec().ok()
}

/// What `bytes` answer to that question; `None` when they do not.
pub(super) fn answer(bytes: &[u8], id: u16, name: &str, kind: Kind) -> Option<Heard> {
    if !is_plausible(bytes, id) {
        return None;
    }
    let Ok(packet) = Packet::parse(bytes) else {
        // What is cut may end anywhere.
        return is_cut(bytes).then_some(Heard::Cut);
    };
    let name = Name::new(name).ok()?;
    let is_ours =
        |asked: &Question<'_>| asked.qname == name && asked.qtype == QTYPE::TYPE(kind.into());
    // A server that could not read the question need not repeat it.
    let is_repeated = packet.questions.first().is_some_and(is_ours);
    let may_be_left_out = packet.questions.is_empty() && packet.rcode() != RCODE::NoError;
    if !is_repeated && !may_be_left_out {
        return None;
    }
    Some(match packet.rcode() {
        _ if is_cut(bytes) => Heard::Cut,
        RCODE::NoError => Heard::Addresses(addresses(&packet, name, kind)),
        RCODE::NameError if is_repeated => Heard::NoSuchName,
        code => Heard::Failure(code),
    })
}

/// An answer with this number, that claims no more records than it has room for.
fn is_plausible(bytes: &[u8], id: u16) -> bool {
    let word = |place: usize| {
        let pair = bytes.get(place..place + 2)?.try_into().ok()?;
        Some(usize::from(u16::from_be_bytes(pair)))
    };
    let mut counts = [4, 6, 8, 10].map(|place| word(place).unwrap_or(usize::MAX));
    let [questions, records @ ..] = &mut counts;
    let records: usize = records.iter().copied().fold(0, usize::saturating_add);
    let least = records
        .saturating_mul(RECORD)
        .saturating_add(questions.saturating_mul(QUESTION));
    let is_answer = bytes.get(2).is_some_and(|flags| flags & 0x80 != 0);
    let has_room = bytes.len().saturating_sub(HEADER) >= least || is_cut(bytes);
    word(0) == Some(id.into()) && is_answer && has_room && *questions <= 1
}

fn is_cut(bytes: &[u8]) -> bool {
    bytes.get(2).is_some_and(|flags| flags & 0x02 != 0)
}

/// The addresses of what the name is another name for, at last.
fn addresses<'p>(packet: &'p Packet<'p>, name: Name<'p>, kind: Kind) -> Vec<IpAddr> {
    let mut name = &name;
    for _ in 0..packet.answers.len() {
        let alias = packet
            .answers
            .iter()
            .find_map(|record| match &record.rdata {
                RData::CNAME(other) if record.name == *name => Some(&other.0),
                _ => None,
            });
        match alias {
            Some(other) => name = other,
            None => break,
        }
    }
    let of_it = packet.answers.iter().filter(|record| record.name == *name);
    let of_kind = of_it.filter_map(|record| match (&record.rdata, kind) {
        (RData::A(ip), Kind::V4) => Some(Ipv4Addr::from(ip.address).into()),
        (RData::AAAA(ip), Kind::V6) => Some(Ipv6Addr::from(ip.address).into()),
        _ => None,
    });
    of_kind.take(MOST).collect()
}

impl From<Kind> for TYPE {
    fn from(kind: Kind) -> TYPE {
        match kind {
            Kind::V4 => TYPE::A,
            Kind::V6 => TYPE::AAAA,
        }
    }
}
