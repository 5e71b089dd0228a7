//! A server that misbehaves: every fault gives the right kind of error within its time budget, harms nobody else,
//! and the next call works once the cause is gone (design, section 8; c-api.md, "Which error"). Each case runs in
//! both protocol versions and with the `redis` crate's parser.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

/// Every case listed becomes one test in each dialect, named `<dialect>::<case>`.
macro_rules! dialects {
    ($($case:ident),* $(,)?) => {
        dialects!(@ native "auto" "native" $($case)*);
        dialects!(@ resp2 "2" "native" $($case)*);
        dialects!(@ redis_parser "auto" "redis" $($case)*);
    };
    (@ $module:ident $protocol:literal $parser:literal $($case:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $case() {
                    super::$case(&crate::Faulty::new($protocol, $parser));
                }
            )*
        }
    };
}

#[path = "../common/mod.rs"]
mod common;

mod breaker;
mod crossing;
mod doors;
mod garbage;
mod many;
mod replies;

use std::time::Duration;

use redis_cache::{Cache, Config, Expiry};

use common::fault::FaultServer;
use common::fixture::unique_name;

/// The time budget of every call here, unless a test says otherwise.
const TIMEOUT: Duration = Duration::from_millis(400);

/// A cache whose server can be told to misbehave.
struct Faulty {
    server: FaultServer,
    options: Vec<(&'static str, String)>,
}

impl Faulty {
    fn new(protocol: &str, parser: &str) -> Faulty {
        let budget = format!("{}ms", TIMEOUT.as_millis());
        let options = vec![
            ("prefix", unique_name()),
            ("protocol", protocol.to_owned()),
            ("parser", parser.to_owned()),
            ("timeout", budget.clone()),
            ("connect_timeout", budget.clone()),
            ("pool_timeout", budget),
            // Far away: only the breaker's own tests are about it.
            ("breaker_failures", "100000".to_owned()),
        ];
        Faulty {
            server: FaultServer::start(),
            options,
        }
    }

    /// A cache with these options instead of the usual ones.
    fn cache_with(&self, others: &[(&'static str, &str)]) -> Cache {
        let mut options = self.options.clone();
        for (name, value) in others {
            options.retain(|(usual, _)| usual != name);
            options.push((*name, (*value).to_owned()));
        }
        let config = Config::new().server(&self.server.url()).unwrap();
        let config = options.iter().fold(config, |config, (name, value)| {
            config.set(name, value).unwrap()
        });
        config.connect().unwrap()
    }

    /// A cache that has a connection and knows all scripts, with `hello` under `k`, `world` under `other` and 0
    /// under `n`.
    fn warm(&self) -> Cache {
        let cache = self.cache_with(&[]);
        cache.set_bytes("k", b"hello", Expiry::Default).unwrap();
        cache.set_bytes("other", b"world", Expiry::Default).unwrap();
        cache.set_int("n", 0, Expiry::Default).unwrap();
        assert_eq!(cache.incr("n", 0).unwrap(), Some(0));
        cache
    }

    fn speaks_resp3(&self) -> bool {
        !self.options.contains(&("protocol", "2".to_owned()))
    }
}
