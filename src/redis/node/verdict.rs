//! What an error reply proves, beyond that the command was refused: that the node cannot serve anybody now, or that this
//! connection is to the wrong server, or in the wrong state. One judge, whoever asked.

use crate::error::{Error, Meaning};

/// What to make of a node and a connection after a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The node serves; if not this command, then others.
    pub(crate) is_served: bool,
    /// The connection is not to be used again: where the next one leads is found out anew.
    pub(crate) ends: bool,
}

impl Verdict {
    /// `is_fresh` tells that the connection was opened for this very call.
    pub(crate) fn of(refusal: &Error, is_fresh: bool) -> Verdict {
        let code = refusal.code();
        let (is_served, ends) = match refusal.meaning() {
            // Two keys whose slot is on its way say nothing of the node.
            Meaning::NotNow => (code == Some("TRYAGAIN"), false),
            // It was a primary once, or its name led to another one; a replica without its primary serves nobody.
            Meaning::NotPrimary => (code == Some("READONLY"), true),
            // A fresh one has just logged in, as well as it could.
            _ if code == Some("NOAUTH") => (!is_fresh, true),
            _ => (true, false),
        };
        Verdict { is_served, ends }
    }

    /// Whether it proves more than that the command was refused.
    pub(crate) fn concerns_more(self) -> bool {
        !self.is_served || self.ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_proves_something_of_the_node_of_the_connection_or_of_neither() {
        let of = |text: &str, is_fresh| {
            let verdict = Verdict::of(&Error::from_server(text.as_bytes()), is_fresh);
            (verdict.is_served, verdict.ends)
        };
        assert_eq!(of("LOADING Redis is loading", false), (false, false));
        assert_eq!(of("CLUSTERDOWN Hash slot not served", true), (false, false));
        assert_eq!(
            of("MASTERDOWN Link with MASTER is down", false),
            (false, true)
        );
        assert_eq!(of("READONLY You can't write", true), (true, true));
        assert_eq!(of("NOAUTH Authentication required.", false), (true, true));
        assert_eq!(of("NOAUTH Authentication required.", true), (false, true));
        for text in [
            "OOM command not allowed",
            "MOVED 1 h:1",
            "TRYAGAIN",
            "ERR what",
        ] {
            assert_eq!(of(text, true), (true, false));
        }
    }
}
