//! What an error says of the node that it came from: the one place where the code words of error replies are read for
//! that. Whether a call goes on, whether another node is looked for, whether `on_error=miss` covers it: all of it
//! follows from here.

use super::{Error, ErrorKind};

/// What is known of a node after it failed a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It did not answer, or not in time: dead, hung, cut off, or only slow.
    Silent,
    /// It was not asked: this process has no connection to spare, which is no fault of the node.
    Crowded,
    /// It was not asked: its breaker refuses it, or there is nobody to ask.
    NotAsked,
    /// It is there, has done nothing, and may do it soon.
    NotNow,
    /// The same, because it follows another node: the wrong server was asked.
    NotPrimary,
    /// Another node has the key.
    Elsewhere,
    /// It is there and takes nothing in: it is full, cannot save, has too few replicas, or is busy with a script.
    Refusing,
    /// An answer, welcome or not: anybody would say it, and say it again.
    Answer,
}

impl Meaning {
    /// Whether the server refused the command for the moment only, and did nothing.
    pub(crate) fn passes(self) -> bool {
        matches!(self, Meaning::NotNow | Meaning::NotPrimary)
    }

    /// Whether the node could not be asked, rather than answered something.
    pub(crate) fn is_fault(self) -> bool {
        matches!(self, Meaning::Silent | Meaning::NotAsked)
    }
}

impl Error {
    pub(crate) fn meaning(&self) -> Meaning {
        match (self.kind(), self.code()) {
            (ErrorKind::Timeout, _) if self.0.is_crowded => Meaning::Crowded,
            (ErrorKind::Io | ErrorKind::Timeout, _) => Meaning::Silent,
            (ErrorKind::Unavailable, _) => Meaning::NotAsked,
            (ErrorKind::Server, Some(code)) => match code {
                "LOADING" | "CLUSTERDOWN" | "TRYAGAIN" => Meaning::NotNow,
                "READONLY" | "MASTERDOWN" => Meaning::NotPrimary,
                "MOVED" | "ASK" => Meaning::Elsewhere,
                "OOM" | "MISCONF" | "NOREPLICAS" | "BUSY" => Meaning::Refusing,
                _ => Meaning::Answer,
            },
            _ => Meaning::Answer,
        }
    }

    /// Whether the server has refused a write because it is full, and may hold what was to be written over.
    pub(crate) fn says_full(&self) -> bool {
        self.code() == Some("OOM")
    }

    /// True when the server could not be asked at all, or could not serve just now: the faults that
    /// `on_error=miss` turns into a miss.
    pub fn is_unavailable(&self) -> bool {
        match self.meaning() {
            Meaning::Silent | Meaning::Crowded | Meaning::NotAsked | Meaning::Refusing => true,
            Meaning::NotNow | Meaning::NotPrimary => true,
            Meaning::Elsewhere | Meaning::Answer => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_word_has_one_meaning_and_what_passes_is_covered_by_on_error() {
        for (reply, meaning, is_unavailable) in [
            ("LOADING the dataset", Meaning::NotNow, true),
            ("CLUSTERDOWN Hash slot not served", Meaning::NotNow, true),
            ("TRYAGAIN Multiple keys", Meaning::NotNow, true),
            ("READONLY You can't write", Meaning::NotPrimary, true),
            ("MASTERDOWN Link with MASTER", Meaning::NotPrimary, true),
            ("MOVED 1 127.0.0.1:1", Meaning::Elsewhere, false),
            ("ASK 1 127.0.0.1:1", Meaning::Elsewhere, false),
            ("OOM command not allowed", Meaning::Refusing, true),
            ("NOPERM no permissions", Meaning::Answer, false),
            ("NOAUTH Authentication required.", Meaning::Answer, false),
            ("MISCONF Errors writing", Meaning::Refusing, true),
            ("NOREPLICAS Not enough", Meaning::Refusing, true),
            ("BUSY Redis is busy", Meaning::Refusing, true),
            ("WRONGTYPE Operation", Meaning::Answer, false),
        ] {
            let error = Error::from_server(reply.as_bytes());
            assert_eq!(error.meaning(), meaning, "{reply}");
            assert_eq!(error.is_unavailable(), is_unavailable, "{reply}");
        }
        let crowded = Error::crowded("no connection became free".to_owned());
        assert_eq!(crowded.meaning(), Meaning::Crowded);
        assert!(crowded.is_unavailable() && !crowded.meaning().is_fault());
        for (kind, meaning) in [
            (ErrorKind::Io, Meaning::Silent),
            (ErrorKind::Timeout, Meaning::Silent),
            (ErrorKind::Unavailable, Meaning::NotAsked),
        ] {
            let error = Error::new(kind, "");
            assert_eq!((error.meaning(), error.is_unavailable()), (meaning, true));
        }
        assert!(!Error::new(ErrorKind::Busy, "").is_unavailable());
    }
}
