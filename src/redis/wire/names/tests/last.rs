//! The last addresses of a name, while name servers are silent.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const ANSWERS: usize = 0;
const SILENT: usize = 1;
const SLOW: usize = 2;
const FAILS: usize = 3;
const GONE: usize = 4;

fn moody(mood: &Arc<AtomicUsize>) -> NameServer {
    let mood = Arc::clone(mood);
    NameServer::start(move |asked| match mood.load(Ordering::SeqCst) {
        ANSWERS => v4(asked, &["10.0.0.1"]),
        SLOW => Say::After(
            Duration::from_millis(600),
            Box::new(v4(asked, &["10.0.0.2"])),
        ),
        FAILS => Say::Code(RCODE::ServerFailure),
        GONE => Say::Code(RCODE::NameError),
        _ => Say::Nothing,
    })
}

fn told(host: &str, budget: Budget) -> Vec<Result<Told>> {
    let mut resolving = Resolving::begin(host, budget);
    let mut all = Vec::new();
    loop {
        all.push(next(&mut resolving));
        if !matches!(all.last(), Some(Ok(Told::Last(_)))) {
            return all;
        }
    }
}

fn at(ip: &str) -> Vec<SocketAddr> {
    vec![SocketAddr::new(ip.parse().unwrap(), 0)]
}

#[test]
fn they_are_told_while_nobody_answers_and_the_answer_counts_when_it_comes() {
    let mood = Arc::new(AtomicUsize::new(ANSWERS));
    let server = moody(&mood);
    let _machine = server.machine();
    let host = "Moody.last.test";
    let found = |ip| Told::Found(at(ip));
    assert_eq!(
        told(host, secs(30))[0].as_ref().unwrap(),
        &found("10.0.0.1")
    );
    for mood_now in [SILENT, FAILS] {
        mood.store(mood_now, Ordering::SeqCst);
        let all = told(host, Budget::new(Duration::from_millis(400)));
        assert_eq!(all[0].as_ref().unwrap(), &Told::Last(at("10.0.0.1")));
        assert!(all[1].is_err());
    }
    mood.store(SLOW, Ordering::SeqCst);
    let all = told(host, secs(30));
    assert_eq!(all[0].as_ref().unwrap(), &Told::Last(at("10.0.0.1")));
    assert_eq!(all[1].as_ref().unwrap(), &found("10.0.0.2"));
    assert_eq!(all.len(), 2);
}

/// After a connection proved wrong, an answer is worth waiting for.
#[test]
fn doubted_ones_are_told_only_after_half_of_the_time() {
    let mood = Arc::new(AtomicUsize::new(ANSWERS));
    let server = moody(&mood);
    let _machine = server.machine();
    let host = "doubted.last.test";
    told(host, secs(30));
    doubt(host);
    mood.store(SLOW, Ordering::SeqCst);
    let all = told(host, secs(30));
    assert_eq!(all[0].as_ref().unwrap(), &Told::Found(at("10.0.0.2")));
    doubt(host);
    mood.store(SILENT, Ordering::SeqCst);
    let budget = Budget::new(Duration::from_millis(400));
    let all = told(host, budget);
    assert_eq!(all[0].as_ref().unwrap(), &Told::Last(at("10.0.0.2")));
}

#[test]
fn a_name_that_is_gone_has_none() {
    let mood = Arc::new(AtomicUsize::new(ANSWERS));
    let server = moody(&mood);
    let _machine = server.machine();
    let host = "gone.last.test";
    told(host, secs(30));
    mood.store(GONE, Ordering::SeqCst);
    let all = told(host, secs(30));
    assert!(
        all[0]
            .as_ref()
            .unwrap_err()
            .text()
            .ends_with("there is no such name")
    );
    mood.store(SILENT, Ordering::SeqCst);
    let all = told(host, Budget::new(Duration::from_millis(200)));
    assert!(all[0].as_ref().unwrap_err().is_timeout());
}
