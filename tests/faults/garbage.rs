//! Replies that no Redis gives: noise, other protocols, lengths that lie. They are an I/O error, they cost the
//! connection, and they never panic, hang, or make the process reserve memory for bytes that do not come.

use redis_cache::{ErrorKind, Expiry};

use crate::common::fault::Fate;
use crate::common::{fault, within};
use crate::{Faulty, TIMEOUT};

dialects! {
    garbage_is_an_io_error_and_the_next_call_works,
    a_reply_of_the_wrong_form_is_an_io_error,
    a_length_that_lies_reserves_no_memory,
    bytes_behind_a_reply_cost_the_connection_and_no_caller,
    pushes_and_attributes_are_passed_over,
    an_error_reply_keeps_the_connection,
    a_long_error_reply_is_read_like_any_other,
}

fn garbage_is_an_io_error_and_the_next_call_works(at: &Faulty) {
    let cache = at.warm();
    let deep = [&b"*1\r\n".repeat(50_000)[..], b":1\r\n"].concat();
    let garbage: [&[u8]; 14] = [
        b"garbage\r\n",
        b"\r\n",
        b"\0\0\0\0\0\0\0\0",
        b"\xff\xfe\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
        b"<html>\r\n",
        b"$five\r\nhello\r\n",
        b"$-7\r\n",
        b"$5\r\nhelloXX",
        b"$ 5\r\nhello\r\n",
        b"$5\nhello\n",
        b"*-7\r\n",
        &deep,
        &[b'+'; 200_000],
    ];
    for bytes in garbage {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(30)]).into_owned();
        at.server.always("GET", Fate::Answer(bytes.to_vec()));
        let error = fault(within(TIMEOUT, || cache.get_bytes("k")));
        assert_eq!(error.kind(), ErrorKind::Io, "{shown:?}: {error}");
        assert_eq!(error.node(), Some(&*at.server.name()), "{error}");
        assert!(error.to_string().len() < 500, "a flood of text: {error}");
        at.server.always("EVALSHA", Fate::Answer(bytes.to_vec()));
        assert_eq!(
            fault(within(TIMEOUT, || cache.incr("n", 1))).kind(),
            ErrorKind::Io,
            "{shown:?}"
        );
        at.server.heal();
        assert_eq!(
            cache.get_bytes("k").unwrap().as_deref(),
            Some(&b"hello"[..]),
            "after {shown:?}"
        );
        assert_eq!(cache.get_int("n").unwrap(), Some(0), "after {shown:?}");
    }
}

fn a_reply_of_the_wrong_form_is_an_io_error(at: &Faulty) {
    let cache = at.warm();
    for bytes in [&b":5\r\n"[..], b"*1\r\n$1\r\na\r\n", b"*0\r\n"] {
        at.server.always("GET", Fate::Answer(bytes.to_vec()));
        let error = fault(within(TIMEOUT, || cache.get_bytes("k")));
        assert_eq!(error.kind(), ErrorKind::Io, "{bytes:?}: {error}");
        at.server.always("SET", Fate::Answer(bytes.to_vec()));
        assert_eq!(
            fault(within(TIMEOUT, || cache.set("k", &1, Expiry::Default))).kind(),
            ErrorKind::Io,
            "{bytes:?}"
        );
        at.server.heal();
        assert_eq!(
            cache.get_bytes("k").unwrap().as_deref(),
            Some(&b"hello"[..])
        );
    }
}

fn a_length_that_lies_reserves_no_memory(at: &Faulty) {
    let cache = at.warm();
    for bytes in [
        &b"$99999999999999\r\nab"[..],
        b"$9223372036854775807\r\nab",
        b"$99999999999999999999999999\r\nab",
        b"*99999999999999\r\n:1\r\n",
        b"*9223372036854775807\r\n",
    ] {
        at.server.always("GET", Fate::Answer(bytes.to_vec()));
        at.server.always("MGET", Fate::Answer(bytes.to_vec()));
        // Refused at sight, or waited for until the budget ends: both are sound.
        let error = fault(within(TIMEOUT, || {
            cache
                .get_many_bytes(["k"])
                .map_err(redis_cache::Error::from)
        }));
        assert!(
            matches!(error.kind(), ErrorKind::Io | ErrorKind::Timeout),
            "{bytes:?}: {error}"
        );
        at.server.always("GET", Fate::Answer(bytes.to_vec()));
        let error = fault(within(TIMEOUT, || cache.get_bytes("k")));
        assert!(
            matches!(error.kind(), ErrorKind::Io | ErrorKind::Timeout),
            "{bytes:?}: {error}"
        );
        at.server.heal();
        assert_eq!(
            cache.get_bytes("k").unwrap().as_deref(),
            Some(&b"hello"[..])
        );
    }
}

fn bytes_behind_a_reply_cost_the_connection_and_no_caller(at: &Faulty) {
    let cache = at.warm();
    for extra in [&b"+OK\r\n"[..], b"$5\r\nwrong\r\n", b"$", b"\r\n"] {
        at.server.always("GET", Fate::Extra(extra.to_vec()));
        for _ in 0..20 {
            assert_eq!(
                cache.get_bytes("k").unwrap().as_deref(),
                Some(&b"hello"[..]),
                "{extra:?}"
            );
            assert_eq!(
                cache.get_bytes("other").unwrap().as_deref(),
                Some(&b"world"[..]),
                "{extra:?}"
            );
        }
    }
}

fn pushes_and_attributes_are_passed_over(at: &Faulty) {
    if !at.speaks_resp3() {
        return;
    }
    let cache = at.warm();
    let push = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nx\r\n";
    let attribute = b"|1\r\n+ttl\r\n:3600\r\n";
    for before in [&push[..], attribute, &[&push[..], push, attribute].concat()] {
        at.server
            .always("GET", Fate::Answer([before, b"$2\r\n42\r\n"].concat()));
        assert_eq!(cache.get_int("n").unwrap(), Some(42));
        assert_eq!(cache.get_int("n").unwrap(), Some(42));
    }
    at.server.heal();
    assert_eq!(
        cache.get_bytes("k").unwrap().as_deref(),
        Some(&b"hello"[..])
    );
}

fn an_error_reply_keeps_the_connection(at: &Faulty) {
    let cache = at.warm();
    let callers = at.server.callers();
    at.server.always(
        "GET",
        Fate::Answer(b"-ERR something is wrong here\r\n".to_vec()),
    );
    for _ in 0..10 {
        let error = fault(cache.get_bytes("k"));
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Server, Some("ERR")),
            "{error}"
        );
        assert!(
            error.to_string().contains("something is wrong here"),
            "{error}"
        );
    }
    at.server.heal();
    assert_eq!(
        cache.get_bytes("k").unwrap().as_deref(),
        Some(&b"hello"[..])
    );
    assert_eq!(
        at.server.callers(),
        callers,
        "an answer is no broken connection"
    );
}

fn a_long_error_reply_is_read_like_any_other(at: &Faulty) {
    let cache = at.warm();
    let callers = at.server.callers();
    let answer = [&b"-ERR "[..], &[b'x'; 50_000], b"\r\n"].concat();
    at.server.always("GET", Fate::Answer(answer));
    let error = fault(within(TIMEOUT, || cache.get_bytes("k")));
    assert_eq!(error.kind(), ErrorKind::Server);
    at.server.heal();
    assert_eq!(
        cache.get_bytes("k").unwrap().as_deref(),
        Some(&b"hello"[..])
    );
    assert_eq!(at.server.callers(), callers);
}
