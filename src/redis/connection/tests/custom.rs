//! Connections that a connector made, with one that says what the test wants.

use std::collections::VecDeque;

use super::super::redis_crate::Custom;
use super::*;

use redis::{ConnectionLike, RedisResult, Value};

struct Scripted {
    answers: VecDeque<RedisResult<Vec<Value>>>,
    pipelining: bool,
    seen: Vec<usize>,
}

impl ConnectionLike for Scripted {
    fn req_packed_command(&mut self, _: &[u8]) -> RedisResult<Value> {
        unreachable!("commands come in batches")
    }

    fn req_packed_commands(
        &mut self,
        packed: &[u8],
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        assert_eq!(offset, 0);
        assert_eq!(packed, b"*1\r\n$4\r\nPING\r\n".repeat(count));
        self.seen.push(count);
        self.answers
            .pop_front()
            .unwrap_or_else(|| Ok(vec![Value::Okay; count]))
    }

    fn get_db(&self) -> i64 {
        0
    }

    fn supports_pipelining(&self) -> bool {
        self.pipelining
    }

    fn check_connection(&mut self) -> bool {
        true
    }

    fn is_open(&self) -> bool {
        self.seen.len() < 2
    }
}

fn scripted(answers: Vec<RedisResult<Vec<Value>>>, pipelining: bool) -> Connection {
    let custom = Scripted {
        answers: answers.into(),
        pipelining,
        seen: Vec::new(),
    };
    Connection::over(Link::Custom(Box::new(Custom::over(Box::new(custom)))))
}

fn server_error(text: &str) -> redis::RedisError {
    redis::parse_redis_value(format!("-{text}\r\n").as_bytes())
        .and_then(Value::extract_error)
        .unwrap_err()
}

fn open(connector: Connector) -> Result<Connection> {
    let info = "redis://localhost"
        .parse::<redis::ConnectionInfo>()
        .unwrap_or_else(|_| panic!());
    let dial = Dial {
        address: Address::Memory(None),
        tls: None,
        parser: Parser::Native,
        connector: Some(connector),
        info,
    };
    Connection::open(&dial, millis(100))
}

#[test]
fn its_values_come_as_tokens() {
    let values = vec![
        Value::Okay,
        Value::Push {
            kind: redis::PushKind::Invalidate,
            data: vec![],
        },
        Value::Map(vec![(
            Value::SimpleString("a".into()),
            Value::Double(f64::INFINITY),
        )]),
        Value::Set(vec![Value::Boolean(true), Value::Nil]),
        Value::BulkString(vec![b'x'; 40]),
    ];
    let mut connection = scripted(vec![Ok(values)], true);
    ask(&mut connection, 4);
    assert_eq!(render(&mut connection, millis(100)).unwrap(), "+OK");
    assert_eq!(render(&mut connection, millis(100)).unwrap(), "[2] +a +inf");
    assert_eq!(render(&mut connection, millis(100)).unwrap(), "[2] 1 nil");
    let mut sink = Kept::default();
    assert!(matches!(
        connection.value(&mut sink, millis(100)),
        Ok(Found::Yes)
    ));
    assert_eq!(sink.bytes, [b'x'; 40]);
    assert!(connection.is_reusable() && connection.is_quiet());
    assert_eq!(connection.take_traffic(), (0, 4 * 14));
}

#[test]
fn a_server_error_is_a_reply_however_it_is_told() {
    for text in [
        "WRONGTYPE Operation against a key",
        "ERR",
        "OOM command not allowed",
        "NOSCRIPT No matching script.",
    ] {
        let value = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
        for answer in [Err(server_error(text)), Ok(vec![value])] {
            let mut connection = scripted(vec![answer], true);
            ask(&mut connection, 1);
            assert_eq!(
                connection.next(millis(100)).unwrap(),
                Token::Error(text.as_bytes())
            );
            assert!(connection.is_reusable());
        }
    }
}

#[test]
fn any_other_error_breaks_it() {
    let timeout = redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
    let dropped = redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
    let unreadable = redis::parse_redis_value(b"secret").unwrap_err();
    let cases = [
        (Err(timeout), ErrorKind::Timeout),
        (Err(dropped), ErrorKind::Io),
        (Err(unreadable), ErrorKind::Io),
        (
            Err(server_error("LOADING Redis is loading")),
            ErrorKind::Server,
        ),
        (Ok(vec![Value::Okay]), ErrorKind::Io),
    ];
    for (answer, kind) in cases {
        let mut connection = scripted(vec![answer], true);
        for _ in 0..2 {
            connection.encoder().command(1).arg(b"PING");
        }
        let fault = connection.send(millis(100)).unwrap_err();
        assert_eq!((fault.error.kind(), fault.unsent), (kind, false));
        assert!(!fault.error.to_string().contains("secret"));
        assert!(!connection.is_reusable());
    }
}

#[test]
fn without_pipelining_commands_go_one_by_one() {
    let error = Err(server_error("ERR second"));
    let mut connection = scripted(vec![Ok(vec![Value::Int(1)]), error], false);
    ask(&mut connection, 3);
    for reply in ["1", "-ERR second", "+OK"] {
        assert_eq!(render(&mut connection, millis(100)).unwrap(), reply);
    }
    assert!(connection.is_reusable());
    assert!(!connection.is_quiet(), "its own word is taken for it");
}

#[test]
fn a_connector_that_fails_tells_why() {
    let refused = Connector::new(|_| -> RedisResult<Scripted> {
        Err(server_error("WRONGPASS invalid username-password pair"))
    });
    assert_eq!(open(refused).unwrap_err().kind(), ErrorKind::Auth);
    let failing = Connector::new(|_| -> RedisResult<Scripted> {
        Err((redis::ErrorKind::InvalidClientConfig, "no such thing").into())
    });
    assert_eq!(open(failing).unwrap_err().kind(), ErrorKind::Config);
}
