//! A connection that breaks in the middle of a train: whoever gets a reply gets his own, and nothing is sent too often.

use std::cell::Cell;
use std::net::Shutdown;
use std::sync::{Arc, Mutex};

use crate::error::ErrorKind;
use crate::store::Store;

use super::super::super::testing::{Cut, Server, Way, backend, talker};
use super::super::lane::few;
use super::{Call, count, in_one_train, is_there, read, read_all, write};

const LARGE: usize = 70_000;

/// Where the way breaks: at every byte but those in the middle of the large reply, of which every so many will do.
fn places(every: usize) -> impl Iterator<Item = usize> {
    let (front, back) = (0..200, LARGE..);
    front.chain((200..LARGE).step_by(every)).chain(back)
}

/// Breaks the connection at every byte of a train, of what is asked and of what is answered: everybody gets the reply to his
/// own command, or hears that the connection broke; what reads is sent once more, and what writes is not. `orders`: with the
/// large reply at the end, in the middle and in front, each at every byte or in turn.
fn cut_at_every_byte(all_orders: bool, every: usize) {
    let server = Server::start();
    let direct = server.backend();
    let way = Way::to(server.socket());
    let through = backend(way.address(), &few(1));
    write(&direct, "held", b"x").unwrap();
    write(&direct, "n", b"0").unwrap();
    // The script is known to the server from now on.
    count(&direct, "n").unwrap();
    let (rounds, lost) = (Cell::new(0), Cell::new([0; 2]));
    let round = |cut: Cut, order: usize| {
        let number = rounds.replace(rounds.get() + 1);
        let key = |name: &str| format!("{number}:{name}");
        let [small, large, counter, written] = ["small", "large", "n", "written"].map(key);
        let text = format!("value {number}").into_bytes();
        let long = vec![b'a' + (number % 26) as u8; LARGE];
        write(&direct, &small, &text).unwrap();
        write(&direct, &large, &long).unwrap();
        write(&direct, &counter, b"7").unwrap();
        let calls: [Call<'_>; 7] = [
            &|| read(&through, &small),
            &|| write(&through, &written, &text),
            &|| count(&through, &counter),
            &|| read(&through, &large),
            &|| is_there(&through, &small),
            &|| read(&through, "nothing"),
            &|| read_all(&through, &[&small, "nothing", &counter]),
        ];
        let order: [usize; 7] = match order % 3 {
            0 => [0, 1, 2, 3, 4, 5, 6],
            1 => [3, 2, 0, 4, 1, 5, 6],
            _ => [5, 2, 1, 4, 0, 3, 6],
        };
        let answers = in_one_train(&through, &order.map(|call| calls[call]), || way.arm(cut));
        let answer = |call: usize| {
            let place = order.iter().position(|other| *other == call).unwrap();
            &answers[place]
        };
        let is = |call: usize, expected: &[u8]| {
            let said = answer(call).as_ref().unwrap_or_else(|error| {
                panic!("{cut:?}, order {order:?}, call {call}: {error}");
            });
            assert!(said == expected, "{cut:?}, order {order:?}, call {call}");
        };
        is(0, &text);
        is(3, &long);
        is(4, b"true");
        is(5, b"");
        let counted = read(&direct, &counter).unwrap();
        // It may have been counted up before or after.
        let many = answer(6).as_ref().unwrap();
        let with = |counter: &[u8]| [&text, &b""[..], counter].join(&b'|');
        assert!(*many == with(b"7") || *many == with(b"8"), "{cut:?}");
        match answer(2) {
            Ok(said) => assert!(said == b"8" && counted == b"8", "{cut:?}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Io, "{error}");
                assert!(counted == b"7" || counted == b"8", "{cut:?}");
                lost.set([lost.get()[0] + 1, lost.get()[1]]);
            }
        }
        let there = read(&direct, &written).unwrap();
        match answer(1) {
            Ok(_) => assert_eq!(there, text),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Io, "{error}");
                assert!(there == text || there.is_empty());
                lost.set([lost.get()[0], lost.get()[1] + 1]);
            }
        }
        way.is_cut()
    };
    type Place = fn(usize) -> Cut;
    let ways: [(Place, usize); 2] = [(Cut::Request, 1), (Cut::Reply, every)];
    for (place, every) in ways {
        let orders = if all_orders { 0..3 } else { 0..1 };
        for order in orders {
            let mut turns = places(every).enumerate();
            while turns.next().is_some_and(|(turn, bytes)| {
                let order = if all_orders { order } else { turn };
                round(place(bytes), order)
            }) {}
        }
    }
    // None of them arrives later either.
    for number in 0..rounds.get() {
        let counted = read(&direct, &format!("{number}:n")).unwrap();
        assert!(counted == b"7" || counted == b"8");
    }
    let lost = lost.get();
    assert!(lost.iter().all(|lost| *lost > 20), "{lost:?} lost");
    println!("{} rounds, {lost:?} lost", rounds.get());
}

#[test]
fn a_train_that_is_cut_at_any_byte_costs_nobody_a_foreign_reply() {
    cut_at_every_byte(false, 9_973);
}

#[test]
#[ignore = "long: by make torture"]
fn long_a_train_that_is_cut_at_any_byte_costs_nobody_a_foreign_reply() {
    cut_at_every_byte(true, 97);
}

/// The server hears all of a train, answers none of it, and hangs up; and again at each command that it knows.
#[test]
fn what_was_lost_in_a_train_is_sent_once_more_or_not_at_all() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&heard);
    let address = talker(move |command, to| {
        let text = command.join(&b' ');
        let has = |word: &str| text.windows(word.len()).any(|part| part == word.as_bytes());
        if has("held") {
            return std::io::Write::write_all(to, b"$1\r\nx\r\n").unwrap();
        }
        let mut heard = told.lock().unwrap();
        let names = ["one", "two", "written", "counted", "last"];
        let name = names.into_iter().find(|name| has(name)).unwrap_or("other");
        if name == "last" || heard.contains(&name) {
            let _ = to.shutdown(Shutdown::Both);
        }
        heard.push(name);
    });
    let store = backend(address, &few(1));
    let calls: [Call<'_>; 5] = [
        &|| read(&store, "one"),
        &|| write(&store, "written", b"v"),
        &|| count(&store, "counted"),
        &|| read(&store, "two"),
        &|| read(&store, "last"),
    ];
    for answer in in_one_train(&store, &calls, || ()) {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Io);
    }
    let mut heard = std::mem::take(&mut *heard.lock().unwrap());
    heard.sort_unstable();
    let expected = [
        "counted", "last", "last", "one", "one", "two", "two", "written",
    ];
    assert_eq!(heard, expected);
    assert_eq!(store.traffic().retries, 3);
}
