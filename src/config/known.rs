//! The options as a list, for programs that show them or ask for them.

use std::str::FromStr;

use super::options::Options;
use super::table::TABLE;
use super::units::EXPIRY;
use crate::error::{Error, ErrorKind};
use crate::expiry::Expiry;

/// An option that [`Config::set`](crate::Config::set) knows; from [`known_options`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownOption {
    /// Its name, in `Config::set`, in C, and in the query of a location.
    pub name: &'static str,
    /// The value that it has when nobody says one.
    pub default: String,
    /// Which values it takes, in words.
    pub accepted: &'static str,
}

/// Every option that counts for a whole cache, in the order of the documentation. No network.
pub fn known_options() -> Vec<KnownOption> {
    let defaults = Options::default();
    let known = |row: &super::table::Row| KnownOption {
        name: row.name,
        default: row.show(&defaults),
        accepted: row.accepted,
    };
    TABLE.iter().map(known).collect()
}

/// As the option `ttl` writes it: a duration with a unit (`250ms`, `5s`, `1h30m`), or `never`.
impl FromStr for Expiry {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let read = EXPIRY.value("ttl", text);
        read.map_err(|text| Error::new(ErrorKind::InvalidArgument, text))
    }
}
