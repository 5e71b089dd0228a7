//! What servers need to speak TLS, and clients to trust them: files that an authority of the tests has made, in a
//! directory that goes with the last server that uses them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::certs::{self, Authority};

/// The files of one authority and of the servers on this machine.
#[derive(Debug)]
pub(crate) struct Papers {
    directory: PathBuf,
}

impl Papers {
    pub(crate) fn issue() -> Arc<Papers> {
        static ISSUED: AtomicU32 = AtomicU32::new(0);
        let number = ISSUED.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("rcp-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory for certificates");
        let authority = Authority::new("an authority of the tests");
        certs::write(&directory, "ca.crt", &authority.pem());
        authority.local_server().write(&directory, "server");
        Arc::new(Papers { directory })
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
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

impl Drop for Papers {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}
