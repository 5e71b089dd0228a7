//! What C says in numbers and text, as values of the crate, and what the crate answers, as statuses and outputs.

use std::ffi::CStr;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Expiry, Ttl, millis_rounded_up};
use crate::ffi::types::*;
use crate::herd::Source;

use super::pointers::Out;

/// What `ttl_ms` means.
pub(crate) fn expiry(ttl_ms: i64) -> Expiry {
    match ttl_ms {
        REDIS_CACHE_TTL_DEFAULT => Expiry::Default,
        REDIS_CACHE_TTL_FOREVER => Expiry::Never,
        ms => Expiry::After(Duration::from_millis(u64::try_from(ms).unwrap_or(0))),
    }
}

/// What is left of a lifetime, as `ttl_ms` says it.
pub(crate) fn ttl_ms(ttl: Ttl) -> i64 {
    match ttl {
        Ttl::Forever => REDIS_CACHE_TTL_FOREVER,
        Ttl::Remaining(time) => {
            i64::try_from(millis_rounded_up(time)).unwrap_or(REDIS_CACHE_TTL_FOREVER)
        }
    }
}

/// Whether there was such a key.
pub(crate) fn found(found: bool) -> Status {
    if found {
        REDIS_CACHE_OK
    } else {
        REDIS_CACHE_NOT_FOUND
    }
}

/// What is below 0 is nothing: no time to live, none to wait.
pub(crate) fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// A location or an option is text; what is not UTF-8 cannot be right.
pub(crate) fn utf8<'a>(what: &str, text: &'a CStr) -> Result<&'a str> {
    text.to_str()
        .map_err(|_| Error::new(ErrorKind::Config, format!("{what} is not UTF-8 text")))
}

/// Hands out a value that may be stale.
pub(crate) fn store(
    value: Option<Vec<u8>>,
    source: Source,
    out: &Out<redis_cache_bytes>,
) -> Status {
    let Some(value) = value else {
        return REDIS_CACHE_NOT_FOUND;
    };
    out.set(value.into());
    match source {
        Source::Stale => REDIS_CACHE_STALE,
        Source::Fresh | Source::Computed => REDIS_CACHE_OK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lifetimes_are_special_and_the_rest_are_milliseconds() {
        assert_eq!(expiry(REDIS_CACHE_TTL_DEFAULT), Expiry::Default);
        assert_eq!(expiry(REDIS_CACHE_TTL_FOREVER), Expiry::Never);
        assert_eq!(expiry(1), Expiry::After(Duration::from_millis(1)));
        assert_eq!(
            expiry(i64::MAX - 1),
            Expiry::After(Duration::from_millis(i64::MAX as u64 - 1))
        );
        for passed in [0, -1, i64::MIN + 1] {
            assert_eq!(expiry(passed), Expiry::After(Duration::ZERO));
        }
    }

    #[test]
    fn what_is_left_is_told_in_milliseconds() {
        assert_eq!(ttl_ms(Ttl::Forever), REDIS_CACHE_TTL_FOREVER);
        assert_eq!(ttl_ms(Ttl::Remaining(Duration::from_millis(1500))), 1500);
        assert_eq!(
            ttl_ms(Ttl::Remaining(Duration::MAX)),
            REDIS_CACHE_TTL_FOREVER
        );
    }
}
