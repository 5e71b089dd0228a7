//! Secrets that change: passwords in files, functions that say them, certificates.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use redis_cache::{Cache, Config, ErrorKind, Expiry};

use crate::common::fault;
use crate::common::fault::{Fate, FaultServer};
use crate::common::launcher::{Folder, lacks_tls};
use crate::common::papers::Papers;
use crate::common::sentinel::Watched;
use crate::common::server::Server;

fn eve_is(server: &Server, password: &str) {
    let password = format!(">{password}");
    let _: String = server.run(&[
        "ACL",
        "SETUSER",
        "eve",
        "on",
        "resetpass",
        &password,
        "~*",
        "&*",
        "+@all",
    ]);
    server.kill_clients();
}

fn config(server: &Server) -> Config {
    let config = Config::new().server(&server.tcp()).unwrap();
    config
        .set("timeout", "20s")
        .unwrap()
        .set("breaker_failures", "1000")
        .unwrap()
}

#[test]
fn a_password_file_is_read_at_every_connect() {
    let server = Server::start();
    let folder = Folder::new("password");
    let path = folder.path().join("password");
    let cache = config(&server)
        .username("eve")
        .password_file(&path)
        .connect()
        .unwrap();
    for (written, password) in [
        ("sesame\n", "sesame"),
        ("mustard\r\n", "mustard"),
        ("cress", "cress"),
    ] {
        fs::write(&path, written).unwrap();
        eve_is(&server, password);
        assert_eq!(cache.get_bytes("k").unwrap(), None, "{password}");
    }
    fs::write(&path, "guess\n").unwrap();
    server.kill_clients();
    let error = fault(cache.get_bytes("k"));
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Auth, Some("WRONGPASS"))
    );
    fs::remove_file(&path).unwrap();
    let error = fault(cache.get_bytes("k"));
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains(&path.display().to_string()),
        "{error}"
    );
    fs::write(&path, "cress").unwrap();
    assert_eq!(cache.get_bytes("k").unwrap(), None);
    // The location's own, in its query.
    let url = format!(
        "redis://eve@127.0.0.1:{}?password_file={}",
        server.port(),
        path.display()
    );
    let own = Config::new()
        .server(&url)
        .unwrap()
        .password("of all others")
        .connect()
        .unwrap();
    assert_eq!(own.get_bytes("k").unwrap(), None);
}

/// What it says, and how often it was asked.
fn asked(
    config: Config,
    say: impl Fn(usize) -> Result<(String, String), String> + Send + Sync + 'static,
) -> (Cache, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let config = config.credentials(move |node| {
        assert!(
            node.starts_with("redis://127.0.0.1:") && !node.contains('?'),
            "{node}"
        );
        say(counted.fetch_add(1, Ordering::SeqCst))
    });
    (config.connect().unwrap(), count)
}

fn eve(password: &str) -> Result<(String, String), String> {
    Ok(("eve".to_owned(), password.to_owned()))
}

#[test]
fn a_function_is_asked_at_every_connect_and_once_more_when_it_was_wrong() {
    let server = Server::start();
    eve_is(&server, "sesame");
    for options in [
        &[][..],
        &[("protocol", "2")],
        &[("protocol", "3")],
        &[("parser", "redis")],
    ] {
        let config = options
            .iter()
            .fold(config(&server), |config, (name, value)| {
                config.set(name, value).unwrap()
            });
        let (cache, count) = asked(config.clone(), |_| eve("sesame"));
        for connects in 1..=3 {
            assert_eq!(cache.get_bytes("k").unwrap(), None);
            assert_eq!(cache.get_bytes("k").unwrap(), None);
            assert_eq!(count.load(Ordering::SeqCst), connects, "{options:?}");
            cache.close();
        }
        let (cache, count) = asked(config.clone(), |turn| {
            eve(if turn == 0 { "stale" } else { "sesame" })
        });
        assert_eq!(cache.get_bytes("k").unwrap(), None);
        assert_eq!(count.load(Ordering::SeqCst), 2, "{options:?}");
        let (cache, count) = asked(config.clone(), |_| eve("guess"));
        let error = fault(cache.get_bytes("k"));
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Auth, Some("WRONGPASS"))
        );
        assert!(!error.to_string().contains("guess"), "{error}");
        assert_eq!(count.load(Ordering::SeqCst), 2, "{options:?}");
        let (cache, count) = asked(config, |_| Err("the vault is closed".to_owned()));
        let error = fault(cache.get_bytes("k"));
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert!(error.to_string().contains("the vault is closed"), "{error}");
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn what_a_function_says_goes_out_alone() {
    let door = FaultServer::start();
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&log);
    door.judge(move |command| {
        let name = String::from_utf8_lossy(&command[0]).into_owned();
        seen.lock().unwrap().push(name.clone());
        match name.as_str() {
            "HELLO" => Fate::Answer(b"-ERR unknown command\r\n".to_vec()),
            "AUTH" if command[2] == b"stale" => {
                Fate::Answer(b"-WRONGPASS invalid username-password pair\r\n".to_vec())
            }
            "AUTH" => Fate::Answer(b"+OK\r\n".to_vec()),
            _ => Fate::Pass,
        }
    });
    let config = Config::new()
        .server(&door.url())
        .unwrap()
        .set("timeout", "20s")
        .unwrap();
    let (cache, _) = asked(config, |turn| {
        eve(if turn == 0 { "stale" } else { "sesame" })
    });
    assert_eq!(cache.get_bytes("nothing-there").unwrap(), None);
    let log = log.lock().unwrap();
    // Had the rest been sent along, it would stand between them.
    assert_eq!(log[..4], ["HELLO", "AUTH", "AUTH", "CLIENT"], "{log:?}");
}

#[test]
fn a_function_cannot_use_the_cache_that_asks_it() {
    let server = Server::start();
    eve_is(&server, "sesame");
    static CACHE: OnceLock<Cache> = OnceLock::new();
    static OTHER: OnceLock<Cache> = OnceLock::new();
    let (cache, count) = asked(config(&server).max_connections(1), move |turn| {
        if turn > 0 {
            let cache = CACHE.get().unwrap();
            let faults = [
                fault(cache.get_bytes("k")),
                fault(cache.set("k", &1, Expiry::Default)),
                fault(cache.ping()),
                fault(cache.get_or_set("k", Expiry::Default, || Ok::<_, String>(1))),
                fault(cache.delete_pattern("*")),
                cache.get_many_bytes(["k"]).unwrap_err().into(),
            ];
            for error in faults {
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            }
        }
        OTHER
            .get()
            .unwrap()
            .set("another cache", &1, Expiry::Default)
            .unwrap();
        eve("sesame")
    });
    OTHER.set(config(&server).connect().unwrap()).unwrap();
    CACHE.set(cache).unwrap();
    let cache = CACHE.get().unwrap();
    cache.set("k", &1, Expiry::Default).unwrap();
    cache.close();
    assert_eq!(cache.get_int("k").unwrap(), Some(1));
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn nothing_stands_beside_a_function() {
    let with = |config: Config| config.credentials(|_| Err(String::new())).connect();
    let server = |url: &str| Config::new().server(url).unwrap();
    let sentinel = |config: Config| {
        config
            .set("topology", "sentinel")
            .unwrap()
            .sentinel_name("m")
    };
    for config in [
        server("redis://eve@h"),
        server("redis://:pw@h"),
        server("redis://h?password_file=/pw"),
        server("h").username("eve"),
        server("h").password("pw"),
        server("h").password_file("/pw"),
        sentinel(server("redis://:pw@h")),
        sentinel(server("h")).sentinel_username("eve"),
    ] {
        let error = fault(with(config));
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("credentials"), "{error}");
    }
    with(sentinel(server("h")).sentinel_password("pw")).unwrap();
}

#[test]
fn sentinels_are_asked_for_too_unless_they_have_a_password() {
    let watched = Watched::alone();
    for own in [false, true] {
        let nodes: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = Arc::clone(&nodes);
        let config = watched.config().set("timeout", "20s").unwrap();
        // A sentinel that asks for no password takes any.
        let config = if own {
            config.sentinel_password("guess")
        } else {
            config
        };
        let cache = config.credentials(move |node| {
            told.lock().unwrap().push(node.to_owned());
            Ok((String::new(), String::new()))
        });
        assert_eq!(cache.connect().unwrap().get_bytes("k").unwrap(), None);
        let mut nodes = nodes.lock().unwrap().clone().into_iter();
        if !own {
            assert_eq!(nodes.next().unwrap(), watched.sentinels()[0].url());
        }
        assert!(nodes.next().unwrap().ends_with(&watched.first().address()));
        assert_eq!(nodes.next(), None);
    }
}

#[test]
fn pem_files_that_changed_are_read_again_and_those_of_no_use_are_told() {
    if lacks_tls() {
        return;
    }
    let (right, wrong) = (Papers::issue(), Papers::issue());
    let server = Server::secured(&right, &[]);
    let folder = Folder::new("renewal");
    let path = folder.path().join("ca.pem");
    let authority = |papers: &Papers| fs::read(papers.ca()).unwrap();
    fs::write(&path, authority(&wrong)).unwrap();
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let texts = Arc::clone(&heard);
    let config = Config::new()
        .server(&format!("rediss://127.0.0.1:{}", server.port()))
        .unwrap();
    let config = config.tls_ca(&path).error_hook(move |error| {
        if error.kind() == ErrorKind::Config {
            texts.lock().unwrap().push(error.to_string());
        }
    });
    let config = config
        .set("timeout", "20s")
        .unwrap()
        .set("connect_timeout", "20s")
        .unwrap();
    let cache = config
        .set("breaker_failures", "1000")
        .unwrap()
        .connect()
        .unwrap();
    assert_eq!(
        fault(cache.ping()).kind(),
        ErrorKind::Io,
        "signed by nobody whom it trusts"
    );
    fs::write(&path, authority(&right)).unwrap();
    cache.ping().unwrap();
    assert!(heard.lock().unwrap().is_empty());
    for (spoil, says) in [
        ("-----BEGIN CERTIFICATE-----\nabc", "PEM"),
        ("", "certificate"),
    ] {
        fs::write(&path, spoil).unwrap();
        for _ in 0..3 {
            cache.close();
            cache.ping().unwrap();
        }
        let mut heard = heard.lock().unwrap();
        assert_eq!(heard.len(), 1, "once: {heard:?}");
        let text = heard.pop().unwrap();
        assert!(
            text.contains("`tls_ca`") && text.contains(&path.display().to_string()),
            "{text}"
        );
        assert!(
            text.contains(says) && text.contains("stays in force"),
            "{text}"
        );
    }
    fs::remove_file(&path).unwrap();
    cache.close();
    cache.ping().unwrap();
    assert_eq!(heard.lock().unwrap().len(), 1);
    fs::write(&path, authority(&wrong)).unwrap();
    cache.close();
    assert_eq!(fault(cache.ping()).kind(), ErrorKind::Io);
}
