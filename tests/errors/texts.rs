//! What a fault says: the node, the command, what was expected; and the hook that hears of it.

use std::sync::{Arc, Mutex};

use redis_cache::{Cache, Config, ErrorKind, Expiry};

use crate::common::fault::{Door, Fate, FaultServer};
use crate::common::fixture::{Backend, Fixture, unique_name};
use crate::common::server::free_port;
use crate::common::{fault, kind};

fn open(url: &str) -> Cache {
    let config = Config::new()
        .server(url)
        .unwrap()
        .set("prefix", &unique_name())
        .unwrap();
    config
        .set("timeout", "300ms")
        .unwrap()
        .set("breaker_failures", "1000")
        .unwrap()
        .connect()
        .unwrap()
}

/// That the error names them, in its fields and in its text.
#[track_caller]
fn assert_names(error: &redis_cache::Error, node: &str, command: &str, expected: &str) {
    assert_eq!(
        (error.node(), error.command()),
        (Some(node), Some(command)),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.starts_with(&format!("{node}: {command}: ")), "{text}");
    assert!(text.contains(expected), "{expected:?} is not in {text:?}");
}

#[test]
fn a_wrong_type_names_node_command_and_what_was_expected() {
    let at = Fixture::new(Backend::Tcp);
    let cache = at.cache();
    let node = format!("127.0.0.1:{}", at.server().port());
    cache.set("k", "private text", Expiry::Default).unwrap();
    at.plant_list("list");
    let error = fault(cache.get_int("k"));
    assert_eq!(error.kind(), ErrorKind::WrongType);
    assert!(error.to_string().contains("integer"), "{error}");
    let error = fault(cache.incr("k", 1));
    assert_eq!(error.kind(), ErrorKind::WrongType);
    assert_eq!(error.node(), Some(&*node), "{error}");
    assert!(
        error.command().is_some() && error.to_string().contains("integer"),
        "{error}"
    );
    let error = fault(cache.get_bytes("list"));
    assert_names(&error, &node, "GET", "WRONGTYPE");
    for error in [fault(cache.get_int("k")), fault(cache.incr("k", 1))] {
        assert!(!error.to_string().contains("private"), "{error}");
    }
}

#[test]
fn transport_faults_name_node_and_command() {
    let server = FaultServer::start();
    let cache = open(&server.url());
    cache.set("k", &1, Expiry::Default).unwrap();
    server.always("GET", Fate::Stall(0));
    assert_names(&fault(cache.get_bytes("k")), &server.name(), "GET", "300ms");
    server.always("SET", Fate::Reset(0));
    let error = fault(cache.set("k", &1, Expiry::Default));
    assert_eq!(
        (error.node(), error.command()),
        (Some(&*server.name()), Some("SET")),
        "{error}"
    );
    server.always("MGET", Fate::Answer(b"nonsense\r\n".to_vec()));
    let error = cache.get_many_bytes(["k"]).unwrap_err().into();
    assert_names(&error, &server.name(), "MGET", "not a Redis server");
    server.always("UNLINK", Fate::Answer(b"-ERR not today\r\n".to_vec()));
    assert_names(
        &fault(cache.delete("k")),
        &server.name(),
        "UNLINK",
        "not today",
    );
    server.always("PING", Fate::Close(0));
    let error = fault(cache.ping());
    assert_eq!(
        (error.node(), error.command()),
        (Some(&*server.name()), Some("PING")),
        "{error}"
    );
}

#[test]
fn an_unreachable_node_is_named() {
    let port = free_port();
    let error = fault(open(&format!("redis://127.0.0.1:{port}")).get_bytes("k"));
    assert_eq!(
        (error.kind(), error.node()),
        (ErrorKind::Io, Some(&*format!("127.0.0.1:{port}"))),
        "{error}"
    );
    assert!(error.to_string().contains("refused"), "{error}");
    let named = Config::new()
        .server_with(&format!("redis://127.0.0.1:{port}"), Some("left"), 1)
        .unwrap();
    let error = fault(named.connect().unwrap().get_bytes("k"));
    assert_eq!(
        error.node(),
        Some("left"),
        "by its name, when it has one: {error}"
    );
    let server = FaultServer::start();
    server.door(Door::Http);
    let error = fault(open(&server.url()).get_bytes("k"));
    assert_eq!(error.node(), Some(&*server.name()));
    assert!(
        error.to_string().contains("HTTP") && error.to_string().contains("Redis"),
        "{error}"
    );
}

#[test]
fn a_refused_argument_says_what_would_be_accepted() {
    let cache = Cache::open("memory://").unwrap();
    let error = fault(cache.get_bytes(""));
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("empty"), "{error}");
    let error = fault(cache.get_bytes("k".repeat(70_000)));
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(
        error.to_string().contains("65536") && error.to_string().contains("key_check"),
        "{error}"
    );
    assert!(error.to_string().len() < 300, "the key itself is not in it");
    cache.set("k", &1, Expiry::Default).unwrap();
    assert_eq!(
        kind(cache.incr_version("k", -2)),
        ErrorKind::InvalidArgument
    );
}

#[test]
fn every_code_of_a_server_has_its_kind() {
    let server = FaultServer::start();
    let cache = open(&server.url());
    for (answer, kind) in [
        ("-NOAUTH Authentication required.", ErrorKind::Auth),
        ("-NOPERM this user has no permissions", ErrorKind::Auth),
        (
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
            ErrorKind::WrongType,
        ),
        ("-ERR unknown command 'GET'", ErrorKind::Server),
        (
            "-OOM command not allowed when used memory > 'maxmemory'.",
            ErrorKind::Server,
        ),
        (
            "-MISCONF Redis is configured to save RDB snapshots",
            ErrorKind::Server,
        ),
        ("-BUSY Redis is busy running a script.", ErrorKind::Server),
    ] {
        server.always("GET", Fate::Answer(format!("{answer}\r\n").into_bytes()));
        let error = fault(cache.get_bytes("k"));
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.code(), answer[1..].split(' ').next());
        assert_names(&error, &server.name(), "GET", &answer[1..]);
    }
}

#[test]
fn the_hook_hears_every_fault_and_nothing_else() {
    let at = Fixture::new(Backend::Tcp);
    let heard: Arc<Mutex<Vec<(ErrorKind, String)>>> = Arc::default();
    let ears = Arc::clone(&heard);
    let config = at
        .config()
        .error_hook(move |error| ears.lock().unwrap().push((error.kind(), error.to_string())));
    let cache = config.connect().unwrap();
    cache.set("k", "text", Expiry::Default).unwrap();
    cache.get_bytes("absent").unwrap();
    cache.delete("absent").unwrap();
    assert_eq!(cache.incr("absent", 1).unwrap(), None);
    assert!(!cache.add("k", "x", Expiry::Default).unwrap());
    assert_eq!(heard.lock().unwrap().as_slice(), [], "absence is no fault");

    let error = fault(cache.incr("k", 1));
    assert_eq!(
        heard.lock().unwrap().as_slice(),
        [(ErrorKind::WrongType, error.to_string())]
    );
    heard.lock().unwrap().clear();
    let error = fault(cache.get_bytes(""));
    assert_eq!(
        heard.lock().unwrap().as_slice(),
        [(ErrorKind::InvalidArgument, error.to_string())]
    );
    heard.lock().unwrap().clear();
    at.plant_list("list");
    fault(cache.get_bytes("list"));
    fault(cache.get_or_set("loaded", Expiry::Default, || Err::<i32, _>("no data")));
    let kinds: Vec<ErrorKind> = heard
        .lock()
        .unwrap()
        .iter()
        .map(|(kind, _)| *kind)
        .collect();
    assert_eq!(kinds, [ErrorKind::WrongType, ErrorKind::Callback]);
}

#[test]
fn a_hook_may_use_the_cache() {
    let at = Fixture::new(Backend::Memory);
    let (log, heard) = (at.cache(), Arc::new(Mutex::new(0)));
    let (inner, counter) = (log.clone(), Arc::clone(&heard));
    let config = at.config().error_hook(move |_| {
        *counter.lock().unwrap() += 1;
        inner
            .incr_or_create("faults", 1, 1, Expiry::Default)
            .unwrap();
    });
    let cache = config.connect().unwrap();
    fault(cache.get_bytes(""));
    fault(cache.get_bytes(""));
    assert_eq!(
        (*heard.lock().unwrap(), log.get_int("faults").unwrap()),
        (2, Some(2))
    );
}

/// Issue 7: the hook was called while the connection of the read was still out, so what it asked waited for itself.
#[test]
fn a_hook_that_hears_of_many_keys_may_use_the_only_connection() {
    let at = Fixture::new(Backend::Unix);
    at.plant("sound", b"1");
    at.plant("broken", b"no number");
    let slot: Arc<Mutex<Option<Cache>>> = Arc::default();
    let heard: Arc<Mutex<Vec<_>>> = Arc::default();
    let (inner, ears) = (Arc::clone(&slot), Arc::clone(&heard));
    let config = at.config().error_hook(move |error| {
        let Some(cache) = inner.lock().unwrap().take() else {
            return;
        };
        let found = cache.get_bytes("sound");
        ears.lock().unwrap().push((error.kind(), found));
    });
    let options = [("max_connections", "1"), ("on_decode_error", "error")];
    let config = options.iter().fold(config, |config, (name, value)| {
        config.set(name, value).unwrap()
    });
    let cache = config.connect().unwrap();
    let hear = |kind: ErrorKind| {
        let (told, found) = heard.lock().unwrap().pop().unwrap();
        assert_eq!(told, kind);
        assert_eq!(found.unwrap().as_deref(), Some(&b"1"[..]), "after {kind:?}");
    };
    *slot.lock().unwrap() = Some(cache.clone());
    let partial = cache.get_many::<u64>(["sound", "broken"]).unwrap_err();
    assert!(partial.items[0].is_ok() && partial.items[1].is_err());
    hear(ErrorKind::Decode);
    *slot.lock().unwrap() = Some(cache.clone());
    assert_eq!(kind(cache.get::<u64>("broken")), ErrorKind::Decode);
    hear(ErrorKind::Decode);
    assert_eq!(cache.stats().errors, 2);
}

#[test]
fn errors_are_ordinary_errors() {
    fn is_error<T: std::error::Error + Send + Sync + Clone + 'static>(_: &T) {}
    let cache = Cache::open("memory://").unwrap();
    let error = fault(cache.get_bytes(""));
    is_error(&error);
    assert!(!error.is_timeout() && !error.is_unavailable());
    assert!(format!("{error:?}").contains("InvalidArgument"));
    let asked = || -> redis_cache::Result<usize> { Ok(cache.get_many_bytes(["a", ""])?.len()) };
    assert_eq!(
        kind(asked()),
        ErrorKind::InvalidArgument,
        "`?` takes the cause out of a partial result"
    );
}
