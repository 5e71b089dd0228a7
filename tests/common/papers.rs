//! What servers need to speak TLS, and clients to trust them: files that an authority of the tests has made, in a
//! directory that goes with the last server that uses them.

use std::sync::Arc;

use super::certs::{self, Authority};
use super::launcher::Folder;

/// The files of one authority and of the servers on this machine.
#[derive(Debug)]
pub(crate) struct Papers {
    folder: Folder,
}

impl Papers {
    pub(crate) fn issue() -> Arc<Papers> {
        let folder = Folder::new("papers");
        let authority = Authority::new("an authority of the tests");
        certs::write(folder.path(), "ca.crt", &authority.pem());
        authority.local_server().write(folder.path(), "server");
        Arc::new(Papers { folder })
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The certificate that clients have to trust.
    pub(crate) fn ca(&self) -> String {
        self.path("ca.crt")
    }

    /// Options of redis-server. Towards other servers it is a client that shows the same certificate.
    pub(crate) fn options(&self) -> Vec<(&'static str, String)> {
        vec![
            ("tls-cert-file", self.path("server.crt")),
            ("tls-key-file", self.path("server.key")),
            ("tls-ca-cert-file", self.ca()),
            ("tls-auth-clients", "no".to_owned()),
            ("tls-replication", "yes".to_owned()),
        ]
    }
}
