//! The event of an exchange, told when it is over, under the names of OpenTelemetry's conventions for databases
//! (<https://opentelemetry.io/docs/specs/semconv/database/redis/>). It has no keys and no values. When nobody listens, an
//! exchange costs one look at that.

use std::cell::RefCell;

use tracing::Level;

use crate::base::moment::Moment;
use crate::config::Address;
use crate::error::{Error, ErrorKind};
use crate::redis::command::verb::Verb;

const TARGET: &str = "redis_cache::exchange";

/// An exchange that somebody wants to hear of.
pub(super) struct Trail<'a>(Option<Told<'a>>);

struct Told<'a> {
    address: &'a Address,
    db: u32,
    operation: &'static str,
    began: Moment,
    end: RefCell<End>,
}

enum End {
    /// It was given up by the call that it was a part of.
    Abandoned,
    Answered,
    Failed(ErrorKind, Option<String>),
}

impl<'a> Trail<'a> {
    #[inline]
    pub(super) fn begin(address: &'a Address, db: u32, verb: Verb) -> Self {
        let is_heard = tracing::enabled!(target: TARGET, Level::DEBUG);
        Trail(is_heard.then(|| Told {
            address,
            db,
            operation: verb.name,
            began: Moment::now(),
            end: RefCell::new(End::Abandoned),
        }))
    }

    #[inline]
    pub(super) fn answered(&self) {
        self.ends(|| End::Answered);
    }

    pub(super) fn failed(&self, error: &Error) {
        self.ends(|| End::Failed(error.kind(), error.code().map(str::to_owned)));
    }

    #[inline]
    fn ends(&self, end: impl FnOnce() -> End) {
        if let Some(told) = &self.0 {
            told.end.replace(end());
        }
    }
}

impl Drop for Trail<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(told) = self.0.take() {
            told.tell();
        }
    }
}

impl Told<'_> {
    #[cold]
    fn tell(self) {
        let (fault, code) = match self.end.into_inner() {
            End::Answered => (None, None),
            End::Failed(kind, code) => (Some(format!("{kind:?}")), code),
            End::Abandoned => (Some("Abandoned".to_owned()), None),
        };
        let (host, port) = match self.address {
            Address::Tcp { host, port } => (host.clone(), Some(*port)),
            other => (other.to_string(), None),
        };
        let took = Moment::now().since(self.began);
        tracing::event!(
            target: TARGET,
            Level::DEBUG,
            {
                "db.system.name" = "redis",
                "db.operation.name" = self.operation,
                "db.namespace" = self.db,
                "server.address" = host,
                "server.port" = port,
                "db.response.status_code" = code,
                "error.type" = fault,
                "duration_us" = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            },
            "exchange"
        );
    }
}
