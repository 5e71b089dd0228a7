//! Clients whose idea of the server's time is wrong: by a second, by a minute, ahead and behind. Their server says so, and
//! everything that hangs on a lease is judged by the server all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis_cache::{Begun, Cache, Expiry};

use crate::common::eventually;
use crate::common::fault::{Fate, FaultServer};
use crate::common::server::Server;

type Never = std::convert::Infallible;

/// A server that misstates its time by so many seconds, and caches: one that is misled, one that asks the server itself.
struct Misled {
    door: FaultServer,
    misled: Cache,
    right: Cache,
}

fn misled(by_s: i64, options: &str) -> Misled {
    let server = Arc::new(Server::start());
    let door = FaultServer::before(server);
    let by = AtomicI64::new(by_s);
    door.judge(move |command| {
        if command[0] != b"TIME" {
            return Fate::Pass;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seconds = now.as_secs() as i64 + by.load(Ordering::Relaxed);
        let (seconds, micros) = (seconds.to_string(), now.subsec_micros().to_string());
        let part = |text: &str| format!("${}\r\n{text}\r\n", text.len());
        Fate::Answer(format!("*2\r\n{}{}", part(&seconds), part(&micros)).into_bytes())
    });
    let open = |url: &str| Cache::open(&format!("{url}?prefix=t&timeout=20s&{options}")).unwrap();
    let (misled, right) = (open(&door.url()), open(&door.behind().unix()));
    Misled {
        misled,
        right,
        door,
    }
}

fn load(cache: &Cache, key: &str, life: Duration, value: &str) -> String {
    let got = cache.get_or_set(key, life, || Ok::<_, Never>(value.to_owned()));
    got.unwrap()
}

/// Without end it was NOT_FOUND, or loaded again and written over by a plain SET.
#[test]
fn what_the_server_calls_fresh_is_served_by_a_client_that_is_ahead() {
    for ahead in [1, 60] {
        let at = misled(ahead, "stale=1s");
        // Fresh for less than the client is ahead, by the server's clock.
        let life = Duration::from_millis(900) * u32::try_from(ahead).unwrap();
        assert_eq!(load(&at.right, "k", life, "v"), "v");
        for _ in 0..3 {
            assert_eq!(load(&at.misled, "k", life, "needless"), "v");
            let got = at.misled.get_or_set_many(["k"], life, |_| {
                Ok::<_, Never>(vec![Some("needless".to_owned())])
            });
            assert_eq!(got.unwrap(), [Some("v".to_owned())]);
            assert!(matches!(
                at.misled.lease::<String>("k").unwrap(),
                Begun::Fresh(Some(value)) if value == "v"
            ));
        }
        assert_eq!(at.misled.stats().computes, 0, "ahead by {ahead} s");
    }
}

#[test]
fn nobody_loads_beside_a_lease_whatever_his_clock_says() {
    for by in [-60, -1, 1, 60] {
        // The lease is shorter than what the clock is wrong by.
        let at = misled(by, "wait=30s&lease=900ms");
        let Begun::Yours(lease) = at.right.lease::<String>("k").unwrap() else {
            panic!("nothing is there")
        };
        thread::scope(|scope| {
            let waiter = scope.spawn(|| load(&at.misled, "k", Duration::from_secs(600), "beside"));
            let many = scope.spawn(|| {
                let got = at
                    .misled
                    .get_or_set_many(["k"], Duration::from_secs(600), |_| {
                        Ok::<_, Never>(vec![Some("beside".to_owned())])
                    });
                got.unwrap()
            });
            eventually("they ask", || at.door.behind().calls("evalsha") >= 2);
            for _ in 0..10 {
                thread::sleep(Duration::from_millis(30));
                lease.renew().unwrap();
            }
            lease.fulfill("theirs", Duration::from_secs(600)).unwrap();
            assert_eq!(waiter.join().unwrap(), "theirs", "wrong by {by} s");
            assert_eq!(many.join().unwrap(), [Some("theirs".to_owned())]);
        });
        assert_eq!(at.misled.stats().computes, 0, "wrong by {by} s");
    }
}

/// A client that is behind polled until the lease had lapsed by its own clock.
#[test]
fn a_lapsed_lease_is_not_waited_for_by_a_client_that_is_behind() {
    let at = misled(-3600, "wait=20s&on_wait_timeout=busy&lease=300ms");
    for many in [false, true] {
        let Begun::Yours(lease) = at.right.lease::<String>("k").unwrap() else {
            panic!("nothing is there")
        };
        // Its process was killed.
        std::mem::forget(lease);
        let life = Duration::from_secs(600);
        let got = if many {
            let got = at.misled.get_or_set_many(["k"], life, |_| {
                Ok::<_, Never>(vec![Some("next".to_owned())])
            });
            got.unwrap().pop().flatten()
        } else {
            Some(load(&at.misled, "k", life, "next"))
        };
        assert_eq!(got.as_deref(), Some("next"));
        at.right.delete("k").unwrap();
    }
}

/// A deletion between the load and the store of a misled client.
#[test]
fn what_was_deleted_does_not_come_back_through_a_misled_client() {
    for by in [-1, 1] {
        let at = misled(by, "stale=100ms");
        let life = Duration::from_millis(200);
        let until = Instant::now() + Duration::from_secs(2);
        let mut round = 0_u64;
        while Instant::now() < until {
            round += 1;
            load(&at.right, "k", life, "before");
            let got = at.misled.get_or_set("k", life, || {
                at.right.delete("k").unwrap();
                Ok::<_, Never>("before".to_owned())
            });
            got.unwrap();
            if at.misled.stats().computes > 0 {
                // Its load was overtaken by a deletion: nothing of it may be there.
                assert_eq!(at.right.get::<String>("k").unwrap(), None, "round {round}");
                at.misled.reset_stats();
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Where the server does not tell its time, nothing can be said about a lease.
#[test]
fn without_the_servers_time_values_are_loaded_and_not_stored() {
    let door = FaultServer::start();
    let refused = b"-NOPERM this user has no permissions to run the 'time' command\r\n";
    door.always("TIME", Fate::Answer(refused.to_vec()));
    let url = format!("{}?prefix=without-time&timeout=20s", door.url());
    let cache = Cache::open(&url).unwrap();
    for value in ["first", "second"] {
        assert_eq!(load(&cache, "k", Duration::from_secs(60), value), value);
        let got = cache.get_or_set_many(["m"], Expiry::Default, |_| {
            Ok::<_, Never>(vec![Some(value.to_owned())])
        });
        assert_eq!(got.unwrap(), [Some(value.to_owned())]);
    }
    assert!(!cache.has_key("k").unwrap() && !cache.has_key("m").unwrap());
    assert!(!cache.delete("k").unwrap(), "no lease is left behind");
}
