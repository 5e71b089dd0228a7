//! A witness: every command that a server executes between two moments, in order, as MONITOR tells it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::server::Server;

/// Watches one server from its creation on.
#[derive(Debug)]
pub(crate) struct Monitor {
    lines: BufReader<UnixStream>,
    /// How lines begin that sentinels are the cause of.
    of_sentinels: Vec<String>,
}

impl Monitor {
    pub(crate) fn of(server: &Server) -> Monitor {
        let mut stream = UnixStream::connect(server.socket()).expect("a connection");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a socket option");
        stream.write_all(b"MONITOR\r\n").expect("a request");
        let mut monitor = Monitor {
            lines: BufReader::new(stream),
            of_sentinels: sentinels(server),
        };
        assert_eq!(monitor.line(), "+OK");
        monitor
    }

    /// The commands since the last look, each as its words; those that scripts run are left out.
    pub(crate) fn commands(&mut self, server: &Server) -> Vec<Vec<String>> {
        const END: &str = "the end of what this test did";
        let _: String = server.run(&["ECHO", END]);
        let mut seen = Vec::new();
        loop {
            let line = self.line();
            let Some((origin, command)) = line.split_once("] ") else {
                continue;
            };
            let words = words(command);
            if words.last().is_some_and(|word| word == END) {
                return seen;
            }
            let first = words
                .first()
                .map(|word| word.to_ascii_uppercase())
                .unwrap_or_default();
            let handshake = matches!(
                first.as_str(),
                "HELLO" | "AUTH" | "SELECT" | "CLIENT" | "TIME" | "ROLE"
            );
            let is_watching = self.of_sentinels.iter().any(|end| origin.ends_with(end));
            if !origin.ends_with(" lua") && !handshake && !is_watching {
                seen.push(words);
            }
        }
    }

    /// Only the names of the commands, in capitals.
    pub(crate) fn names(&mut self, server: &Server) -> Vec<String> {
        self.commands(server)
            .into_iter()
            .map(|words| words[0].to_ascii_uppercase())
            .collect()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line of MONITOR");
        assert!(!line.is_empty(), "the server closed the MONITOR connection");
        line.trim_end().to_owned()
    }
}

/// The ends of the origins of what sentinels ask the server.
fn sentinels(server: &Server) -> Vec<String> {
    let list: String = server.run(&["CLIENT", "LIST"]);
    let lines = list.lines().filter(|line| line.contains(" name=sentinel-"));
    let address = |line: &str| {
        line.split(' ')
            .find_map(|field| field.strip_prefix("addr=").map(str::to_owned))
    };
    lines
        .filter_map(address)
        .map(|address| format!(" {address}"))
        .collect()
}

/// The words of `"GET" "a \"key\""`; escapes stay as the server writes them.
fn words(command: &str) -> Vec<String> {
    let inner = command.trim().trim_start_matches('"').trim_end_matches('"');
    inner.split("\" \"").map(str::to_owned).collect()
}
