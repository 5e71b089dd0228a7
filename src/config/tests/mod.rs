//! How the configuration behaves as a whole: `locations` reads where, `options` reads what, `together` what forbids
//! what.

pub(crate) mod locations;
pub(crate) mod options;
pub(crate) mod together;

use super::*;

/// What is wrong with a configuration that must not be accepted.
fn refusal(config: Result<Config>) -> String {
    let error = config
        .and_then(|config| config.resolve().map(|_| ()))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    error.to_string()
}

/// One location, as it is read.
fn location(text: &str) -> Location {
    Location::parse(text, None, None).unwrap().0
}

/// A configuration of several locations, as `open` takes them.
fn list(urls: &str) -> Config {
    Config::parse(urls).unwrap()
}
