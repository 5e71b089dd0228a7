//! How the nodes of one cache speak TLS: the files are read when the cache is made, and again when they have changed. A
//! node that is met later gets what the others have.

use crate::config::{Hooks, Location, Options, TlsOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::redis::node::Node;
use crate::redis::wire::tls::{self, TlsSettings};

/// What every set of options comes to.
pub(crate) struct SharedTls {
    known: Vec<(TlsOptions, TlsSettings)>,
}

impl SharedTls {
    /// Reads what the locations name.
    pub(crate) fn read<'a>(
        locations: impl IntoIterator<Item = &'a Location>,
        hooks: &Hooks,
    ) -> Result<Self> {
        let mut shared = SharedTls { known: Vec::new() };
        // A connector brings its own.
        let secured = |location: &&Location| location.tls && hooks.connector.is_none();
        for location in locations.into_iter().filter(secured) {
            if shared.of(&location.tls_options).is_none() {
                let settings = tls::prepare(&location.tls_options)?;
                shared.known.push((location.tls_options.clone(), settings));
            }
        }
        Ok(shared)
    }

    fn of(&self, options: &TlsOptions) -> Option<&TlsSettings> {
        let same = |(known, _): &&(TlsOptions, TlsSettings)| known == options;
        self.known.iter().find(same).map(|(_, settings)| settings)
    }

    /// A node at one of those locations, or at one like them.
    pub(crate) fn node(
        &self,
        location: &Location,
        options: &Options,
        hooks: &Hooks,
    ) -> Result<Node> {
        let settings = match location.tls && hooks.connector.is_none() {
            true => Some(self.of(&location.tls_options).cloned().ok_or_else(|| {
                let text = "no location of this cache has these options of TLS";
                Error::new(ErrorKind::Config, text)
            })?),
            false => None,
        };
        Node::with_tls(location, options, hooks, settings)
    }
}
