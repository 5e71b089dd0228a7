//! How a value is written as text: durations, sizes, numbers, words. A [`Kind`] reads one, says which values fit,
//! and knows the words in which an error says what would have been accepted.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::duration::{duration, finite, show_duration};
use crate::expiry::Expiry;

/// One way to write values of type `T`.
pub(crate) struct Kind<T> {
    /// Ends the sentence "... is not accepted: ".
    pub(crate) accepted: &'static str,
    /// `None`: the text does not say such a value.
    pub(crate) read: fn(&str) -> Option<T>,
    /// Whether a value, however it came, may be used.
    pub(crate) fits: fn(&T) -> bool,
    /// The value as text; never a secret.
    pub(crate) show: fn(&T) -> String,
}

impl<T> Kind<T> {
    /// The value that `text` gives the option `name`.
    pub(crate) fn value(&self, name: &str, text: &str) -> Result<T, String> {
        match (self.read)(text) {
            Some(value) if (self.fits)(&value) => Ok(value),
            // Which does not show a secret.
            Some(value) => Err(refusal(name, &(self.show)(&value), self.accepted)),
            None => Err(refusal(name, text, self.accepted)),
        }
    }
}

/// The text about a value that an option does not accept.
pub(crate) fn refusal(name: &str, value: &str, accepted: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = value
        .chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    if value.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    format!("option `{name}`: `{shown}` is not accepted: {accepted}")
}

/// A duration of which nothing is no good: a timeout, a lease.
pub(crate) const SPAN: Kind<Duration> = Kind {
    accepted: "a duration above 0 with a unit (250ms, 5s, 2m, 1h30m), not `never`",
    read: duration,
    fits: |span| !span.is_zero() && *span != Duration::MAX,
    show: show_duration,
};

/// A duration of which nothing means "off" or "at once".
pub(crate) const SPAN_OR_ZERO: Kind<Duration> = Kind {
    accepted: "a duration with a unit (250ms, 5s, 2m, 1h30m) or `0s`, not `never`",
    fits: |span| *span != Duration::MAX,
    ..SPAN
};

/// How long something may be old: as its place in an entry's header holds it, in whole days.
pub(crate) const AGE: Kind<Duration> = Kind {
    accepted: "a duration of at most 49 days, with a unit (250ms, 5s, 2m, 1h30m, 7d), or `0s`",
    fits: |span| *span <= Duration::from_secs(49 * 86_400),
    ..SPAN
};

/// A bound in time that may be left away.
pub(crate) const SPAN_OR_NEVER: Kind<Option<Duration>> = Kind {
    accepted: "a duration above 0 with a unit (250ms, 5s, 2m, 1h30m) or `never`",
    read: |text| {
        if text == "never" {
            Some(None)
        } else {
            duration(text).map(finite)
        }
    },
    fits: |span| !span.is_some_and(|span| span.is_zero()),
    show: |span| {
        span.as_ref()
            .map_or_else(|| "never".to_owned(), show_duration)
    },
};

/// An expiry. Nothing means already expired.
pub(crate) const EXPIRY: Kind<Expiry> = Kind {
    accepted: "a duration with a unit (250ms, 5s, 2m, 1h30m) or `never`",
    read: |text| {
        if text == "never" {
            Some(Expiry::Never)
        } else {
            duration(text).map(finite).map(Expiry::from)
        }
    },
    fits: |expiry| *expiry != Expiry::Default,
    show: |expiry| match expiry {
        Expiry::Default => "the default".to_owned(),
        Expiry::Never => "never".to_owned(),
        Expiry::After(span) => show_duration(span),
    },
};

/// A number of bytes.
pub(crate) const SIZE_OR_ZERO: Kind<usize> = Kind {
    accepted: "a number of bytes, with `k`, `m` or `g` for powers of 1024 (512, 64k, 256m)",
    read: size,
    fits: |_| true,
    show: usize::to_string,
};

/// A number of bytes, at least one.
pub(crate) const SIZE: Kind<usize> = Kind {
    accepted: "a number of bytes above 0, with `k`, `m` or `g` for powers of 1024 (512, 64k, 256m)",
    fits: |bytes| *bytes > 0,
    ..SIZE_OR_ZERO
};

/// How many there may be.
pub(crate) const COUNT: Kind<u32> = Kind {
    accepted: "a whole number from 1 to 4294967295",
    read: whole,
    fits: |count| *count > 0,
    show: u32::to_string,
};

/// How many there may be, in memory.
pub(crate) const PLACES: Kind<usize> = Kind {
    accepted: "a whole number above 0",
    read: whole,
    fits: |count| *count > 0,
    show: usize::to_string,
};

/// The number of a database.
pub(crate) const DB: Kind<u32> = Kind {
    accepted: "the number of a database (0, 1, 2, ...)",
    fits: |_| true,
    ..COUNT
};

/// The version in a key.
pub(crate) const VERSION: Kind<u64> = Kind {
    accepted: "a whole number from 0 to 18446744073709551615",
    read: whole,
    fits: |_| true,
    show: u64::to_string,
};

/// How hard to compress; what it means is the compressor's affair.
pub(crate) const LEVEL: Kind<Option<i32>> = Kind {
    accepted: "a whole number, as the compressor counts its levels",
    read: |text| text.parse().ok().map(Some),
    fits: |_| true,
    show: |level| level.map_or_else(|| "none".to_owned(), |level| level.to_string()),
};

/// A factor.
pub(crate) const FACTOR: Kind<f64> = Kind {
    accepted: "a finite number, 0 or more (`0` turns it off)",
    read: |text| text.parse().ok(),
    fits: |factor| factor.is_finite() && *factor >= 0.0,
    show: f64::to_string,
};

/// A part of the whole.
pub(crate) const FRACTION: Kind<f64> = Kind {
    accepted: "a number from 0 to 1",
    fits: |part| (0.0..=1.0).contains(part),
    ..FACTOR
};

/// Yes or no; unsaid otherwise.
pub(crate) const FLAG: Kind<Option<bool>> = Kind {
    accepted: "`true` or `false`",
    read: |text| text.parse().ok().map(Some),
    fits: |_| true,
    show: |flag| flag.map_or_else(|| "none".to_owned(), |flag| flag.to_string()),
};

/// Yes or no.
pub(crate) const SWITCH: Kind<bool> = Kind {
    accepted: FLAG.accepted,
    read: |text| text.parse().ok(),
    fits: |_| true,
    show: bool::to_string,
};

/// Bytes that text can say.
pub(crate) const BYTES: Kind<Vec<u8>> = Kind {
    accepted: "any text without a NUL",
    read: |text| Some(text.as_bytes().to_vec()),
    fits: |bytes| !bytes.contains(&0),
    show: |bytes| String::from_utf8_lossy(bytes).into_owned(),
};

/// Text; the empty text is none.
pub(crate) const TEXT: Kind<Option<String>> = Kind {
    accepted: "any text without a NUL",
    read: |text| Some(some_text(text)),
    fits: |text| text.iter().all(|text| !text.contains('\0')),
    show: |text| text.clone().unwrap_or_else(|| "none".to_owned()),
};

/// Text that nobody is shown.
pub(crate) const SECRET: Kind<Option<String>> = Kind {
    show: |text| {
        if text.is_some() {
            "(hidden)".to_owned()
        } else {
            "none".to_owned()
        }
    },
    ..TEXT
};

/// Text that `CLIENT SETNAME` takes.
pub(crate) const CLIENT_NAME: Kind<Option<String>> = Kind {
    accepted: "printable ASCII without spaces",
    fits: |name| {
        name.iter()
            .all(|name| name.bytes().all(|byte| byte.is_ascii_graphic()))
    },
    ..TEXT
};

/// A file of any kind.
pub(crate) const PATH: Kind<Option<PathBuf>> = Kind {
    accepted: "the path of a file",
    ..FILE
};

/// A file of keys or certificates.
pub(crate) const FILE: Kind<Option<PathBuf>> = Kind {
    accepted: "the path of a PEM file, without a NUL",
    read: |text| Some(some_text(text).map(PathBuf::from)),
    fits: |path| {
        path.iter()
            .all(|path| !path.as_os_str().as_bytes().contains(&0))
    },
    show: |path| {
        path.as_ref()
            .map_or_else(|| "none".to_owned(), |path| path.display().to_string())
    },
};

/// Text, unless there is none.
pub(crate) fn some_text(text: impl Into<String>) -> Option<String> {
    Some(text.into()).filter(|text| !text.is_empty())
}

fn size(text: &str) -> Option<usize> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'k' => (text.strip_suffix('k')?, 10),
        b'm' => (text.strip_suffix('m')?, 20),
        b'g' => (text.strip_suffix('g')?, 30),
        _ => (text, 0),
    };
    whole::<usize>(digits)?.checked_mul(1 << shift)
}

/// Digits only: `parse` alone would take a sign.
fn whole<T: FromStr>(text: &str) -> Option<T> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_and_nothing_are_accepted_only_where_they_make_sense() {
        for text in ["never", "0s", "0ms"] {
            assert!(SPAN.value("timeout", text).is_err(), "{text}");
        }
        assert!(SPAN_OR_ZERO.value("wait", "0s").is_ok());
        assert!(SPAN_OR_ZERO.value("wait", "never").is_err());
        assert!(SPAN_OR_NEVER.value("max_lifetime", "never").is_ok());
        assert!(SPAN_OR_NEVER.value("max_lifetime", "0s").is_err());
        assert_eq!(EXPIRY.value("ttl", "0s"), Ok(Expiry::After(Duration::ZERO)));
        assert_eq!(EXPIRY.value("ttl", "never"), Ok(Expiry::Never));
    }

    #[test]
    fn a_duration_that_ends_at_no_time_is_never() {
        let ages = "99999999999999999d";
        assert_eq!(EXPIRY.value("ttl", ages), Ok(Expiry::Never));
        assert_eq!(SPAN_OR_NEVER.value("max_lifetime", ages), Ok(None));
        assert!(SPAN.value("timeout", ages).is_err());
        assert!(SPAN_OR_ZERO.value("wait", ages).is_err());
        assert!(AGE.value("stale", ages).is_err());
    }

    #[test]
    fn sizes_count_in_powers_of_1024() {
        assert_eq!(size("0"), Some(0));
        assert_eq!(size("512"), Some(512));
        assert_eq!(size("1k"), Some(1024));
        assert_eq!(size("256m"), Some(256 << 20));
        assert_eq!(size("2g"), Some(2 << 30));
        for text in [
            "",
            "k",
            "1K",
            "1kb",
            "-1",
            "+1",
            "1.5k",
            "1 k",
            "99999999999g",
            "1t",
        ] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_stay_in_their_range() {
        assert_eq!(COUNT.value("scan_count", "1"), Ok(1));
        assert!(COUNT.value("scan_count", "0").is_err());
        assert!(COUNT.value("scan_count", "4294967296").is_err());
        assert!(DB.value("db", "+1").is_err());
        assert!(DB.value("db", "").is_err());
        assert_eq!(
            VERSION.value("version", "18446744073709551615"),
            Ok(u64::MAX)
        );
        assert_eq!(LEVEL.value("compress_level", "-3"), Ok(Some(-3)));
        for text in ["-0.1", "1.1", "nan", "inf", "x"] {
            assert!(FRACTION.value("ttl_jitter", text).is_err(), "{text}");
        }
        assert_eq!(FACTOR.value("early", "2.5"), Ok(2.5));
        for text in ["-1", "inf", "nan", ""] {
            assert!(FACTOR.value("early", text).is_err(), "{text}");
        }
    }

    #[test]
    fn booleans_are_true_or_false() {
        assert_eq!(FLAG.value("tls_insecure", "true"), Ok(Some(true)));
        for text in ["1", "yes", "True", ""] {
            assert!(FLAG.value("tls_insecure", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_refusal_names_option_value_and_what_is_accepted() {
        assert_eq!(
            EXPIRY.value("ttl", "5 minutes"),
            Err("option `ttl`: `5 minutes` is not accepted: a duration with a unit (250ms, 5s, 2m, 1h30m) or \
                 `never`"
                .to_owned())
        );
        let long = COUNT.value("scan_count", &"9\n".repeat(1000)).unwrap_err();
        assert!(long.len() < 200 && !long.contains('\n'), "{long}");
    }
}
