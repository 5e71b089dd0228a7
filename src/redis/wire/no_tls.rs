//! Stands in for TLS in a build without the feature `tls`: the same names, of which nothing can ever be made.

use std::mem::MaybeUninit;

use crate::base::budget::Budget;
use crate::config::{Address, TlsOptions};
use crate::error::{Error, ErrorKind, Result};

use super::stream::{SendFault, Stream};

/// There are none.
#[derive(Debug, Clone)]
pub(crate) enum TlsSettings {}

/// Refuses: no location can be `rediss://`.
pub(crate) fn prepare(_options: &TlsOptions) -> Result<TlsSettings> {
    Err(Error::new(
        ErrorKind::Config,
        "`rediss://` and the options `tls_*` need a build with the cargo feature `tls`",
    ))
}

impl TlsSettings {
    pub(crate) fn caution(&self) -> Option<&'static str> {
        match *self {}
    }

    pub(crate) fn renew(&self) -> Option<Error> {
        match *self {}
    }

    pub(crate) fn check(&self, _address: &Address) -> Result<()> {
        match *self {}
    }
}

/// There is none.
#[derive(Debug)]
pub(crate) enum Secure {}

impl Secure {
    pub(crate) fn not_shaken(&self, _: Error, _: bool, _: Budget) -> Error {
        match *self {}
    }

    pub(crate) fn begin(
        _: &mut Stream,
        settings: &TlsSettings,
        _address: &Address,
    ) -> Result<Box<Secure>> {
        match *settings {}
    }

    pub(crate) fn shake_hands_at_once(&mut self, _: &mut Stream, _: Budget) -> Result<bool> {
        match *self {}
    }

    pub(crate) fn certificate(&self) -> Option<Vec<u8>> {
        match *self {}
    }

    pub(crate) fn wants_write(&self) -> bool {
        match *self {}
    }

    pub(crate) fn receive_at_once(
        &mut self,
        _: &mut Stream,
        _: &mut [MaybeUninit<u8>],
    ) -> Result<Option<usize>> {
        match *self {}
    }

    pub(crate) fn send(
        &mut self,
        _: &mut Stream,
        _bytes: &[u8],
        _budget: Budget,
    ) -> Result<(), SendFault> {
        match *self {}
    }

    pub(crate) fn send_part(&mut self, _: &mut Stream, _: &[u8]) -> Result<(usize, bool)> {
        match *self {}
    }

    pub(crate) fn receive(
        &mut self,
        _: &mut Stream,
        _room: &mut [MaybeUninit<u8>],
        _budget: Budget,
    ) -> Result<usize> {
        match *self {}
    }

    pub(crate) fn is_drained(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_quiet(&mut self, _: &mut Stream) -> bool {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_tls_names_the_feature_that_is_missing() {
        let error = prepare(&TlsOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("feature `tls`"), "{error}");
    }
}
