//! Finding the primary: logins, sentinels that hang, and what is said when nobody knows.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use redis_cache::{Cache, Config, ErrorKind, Expiry};

use crate::common::sentinel::{NAME, Setup, Watched, named};
use crate::common::{fault, within};

const PART: Duration = Duration::from_millis(900);

/// With parts of [`PART`] for a sentinel.
fn connect(config: Config) -> Cache {
    let config = config.set("timeout", "6s").unwrap();
    config
        .set("connect_timeout", "900ms")
        .unwrap()
        .connect()
        .unwrap()
}

fn locations<'a>(urls: impl IntoIterator<Item = &'a String>) -> Config {
    let with = |config: Config, url: &String| config.server(url).unwrap();
    named(urls.into_iter().fold(Config::new(), with))
}

#[test]
fn an_unknown_name_is_told_with_the_sentinels_that_were_asked() {
    let watched = Watched::shared();
    let cache = connect(watched.config().set("sentinel_name", "nobody").unwrap());
    let error = fault(cache.get_bytes("k"));
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("`sentinel_name`") && text.contains("`nobody`"),
        "{text}"
    );
    for sentinel in watched.sentinels() {
        assert!(
            text.contains(&format!("127.0.0.1:{}", sentinel.port())),
            "{text}"
        );
    }
    assert_eq!(cache.get_many_bytes(["a", "b"]).unwrap_err().items.len(), 2);
}

#[test]
fn sentinels_that_are_all_down_are_told_one_by_one() {
    let mut watched = Watched::with(Setup {
        replicas: 0,
        ..Setup::default()
    });
    let cache = connect(watched.config());
    let known = connect(watched.config());
    known.set("k", &1, Expiry::Never).unwrap();
    watched
        .sentinels_mut()
        .iter_mut()
        .for_each(|sentinel| sentinel.kill());

    let error = within(PART, || fault(cache.get_bytes("k")));
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let text = error.to_string();
    assert!(text.contains(&format!("`{NAME}`")), "{text}");
    for sentinel in watched.sentinels() {
        let part = format!("sentinel 127.0.0.1:{}: ", sentinel.port());
        assert!(text.contains(&part), "{text}");
    }

    // Who knows the primary does not need them.
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(600));
        assert_eq!(known.get::<i64>("k").unwrap(), Some(1));
    }
    watched.first().kill_clients();
    assert_eq!(known.get::<i64>("k").unwrap(), Some(1));
}

#[test]
fn sentinels_and_servers_have_logins_of_their_own() {
    let watched = Watched::with(Setup {
        sentinels: 1,
        replicas: 1,
        password: Some("of-the-servers"),
        sentinel_password: Some("of-the-sentinels"),
        ..Setup::default()
    });
    let cache = |options: &[(&str, &str)]| {
        let set = |config: Config, (name, value): &(&str, &str)| config.set(name, value).unwrap();
        connect(options.iter().fold(watched.config(), set))
    };
    let both = [
        ("password", "of-the-servers"),
        ("sentinel_password", "of-the-sentinels"),
        ("db", "3"),
    ];
    let good = cache(&both);
    good.set("k", &1, Expiry::Never).unwrap();
    assert_eq!(good.get::<i64>("k").unwrap(), Some(1));
    let in_db: String = watched.first().run(&["INFO", "keyspace"]);
    assert!(in_db.contains("db3:keys=1"), "{in_db}");

    let node = format!("sentinel 127.0.0.1:{}", watched.sentinels()[0].port());
    for wrong in [
        &both[..1],
        &[both[0], ("sentinel_password", "of-the-servers")],
    ] {
        let error = fault(cache(wrong).get_bytes("k"));
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
        assert_eq!(error.node(), Some(node.as_str()), "{error}");
        assert!(!error.to_string().contains("of-the"), "{error}");
    }
    let error = fault(cache(&both[1..]).get_bytes("k"));
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert_eq!(
        error.node(),
        Some(watched.first().address().as_str()),
        "{error}"
    );
}

/// The time of the first call, and the shortest of later ones that look again: a busy machine may hold up the others.
fn times(cache: &Cache) -> (Duration, Duration) {
    let timed = || {
        let began = Instant::now();
        cache.get_bytes("k").unwrap();
        began.elapsed()
    };
    let first = timed();
    let later = (0..3).map(|_| {
        std::thread::sleep(Duration::from_millis(1100));
        timed()
    });
    (first, later.min().unwrap_or_default())
}

#[test]
fn a_sentinel_that_hangs_costs_its_part_once() {
    let watched = Watched::with(Setup {
        replicas: 0,
        ..Setup::default()
    });
    watched.sentinels()[0].freeze();
    let (first, later) = times(&connect(watched.config()));
    assert!(first >= PART && first < PART * 2, "{first:?}");
    assert!(later < PART / 2, "{later:?}");
}

#[test]
fn a_listener_that_never_answers_costs_its_part_once() {
    let watched = Watched::shared();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = format!("redis://{}", mute.local_addr().unwrap());
    let sound = watched.sentinels()[0].url();
    let (first, later) = times(&connect(locations([&mute, &sound])));
    assert!(first < PART * 2, "{first:?}");
    assert!(later < PART / 2, "{later:?}");
}

#[test]
fn a_sentinel_that_begins_to_hang_costs_a_call_its_part_once() {
    let watched = Watched::with(Setup {
        replicas: 0,
        ..Setup::default()
    });
    let cache = connect(watched.config());
    times(&cache);
    watched.sentinels()[0].freeze();
    let (_, later) = times(&cache);
    assert!(later < PART * 2, "{later:?}");
    let (_, later) = times(&cache);
    assert!(later < PART / 2, "{later:?}");
}

#[test]
fn nodes_are_named_by_their_addresses() {
    let watched = Watched::shared();
    let cache = connect(watched.config());
    assert_eq!(cache.where_is("k").unwrap(), watched.first().address());
}

#[test]
fn a_sentinel_has_no_database() {
    let config = named(Config::new().server("redis://127.0.0.1:26379/2").unwrap());
    let error = fault(config.connect());
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains("a sentinel has no databases"),
        "{error}"
    );
}
