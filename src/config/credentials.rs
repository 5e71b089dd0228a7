//! Who logs in: a user and a password, which show nowhere and are overwritten when they are no longer needed; and what
//! else may say them, anew at every connect, because it changes: a file, or a function of the caller.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};

use super::hooks::Running;

/// No password is longer.
const LONGEST: u64 = 64 * 1024;

/// User and password.
#[derive(Clone)]
pub(crate) struct Secrets {
    /// `None`: the default one.
    pub(crate) username: Option<Zeroizing<Vec<u8>>>,
    pub(crate) password: Zeroizing<Vec<u8>>,
    /// There was a user, and no password: the empty one is sent.
    pub(crate) is_bare: bool,
}

impl Secrets {
    /// `None` where there is neither a user nor a password.
    pub(crate) fn new(username: Vec<u8>, password: Option<Vec<u8>>) -> Option<Secrets> {
        let username = Some(Zeroizing::new(username)).filter(|user| !user.is_empty());
        let password = password
            .map(Zeroizing::new)
            .filter(|password| !password.is_empty());
        if username.is_none() && password.is_none() {
            return None;
        }
        Some(Secrets {
            username,
            is_bare: password.is_none(),
            password: password.unwrap_or_default(),
        })
    }
}

/// Shows nothing.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

/// Says who logs in at a node, whose location it is given; or why nobody can.
pub(crate) type CredentialsFn = Arc<dyn Fn(&str) -> Result<Option<Secrets>, String> + Send + Sync>;

/// The function of the caller, as one cache asks it.
#[derive(Clone)]
pub(crate) struct Asker {
    ask: CredentialsFn,
    /// Stands for the cache: its address is no other one's.
    cache: Arc<u8>,
}

impl Asker {
    pub(crate) fn new(ask: CredentialsFn) -> Self {
        Asker {
            ask,
            cache: Arc::new(0),
        }
    }

    /// The same function, as another cache asks it.
    pub(crate) fn of_another(self) -> Self {
        Asker::new(self.ask)
    }

    /// Whether the function runs on this thread for this cache: then nothing can be asked of it.
    #[cold]
    pub(crate) fn is_running(&self) -> bool {
        Running::is(self.address())
    }

    /// # Errors
    /// [`ErrorKind::Auth`] with what the function says; [`ErrorKind::Unsupported`] when it is running.
    pub(crate) fn ask(&self, location: &str) -> Result<Option<Secrets>> {
        let Some(_running) = Running::begin(self.address()) else {
            return Err(is_asked());
        };
        (self.ask)(location).map_err(|text| {
            let text = format!("the function for the credentials failed: {text}");
            Error::new(ErrorKind::Auth, text)
        })
    }

    fn address(&self) -> usize {
        Arc::as_ptr(&self.cache).addr()
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asker")
    }
}

/// A call on a cache from the function that is asked for its credentials.
#[cold]
pub(crate) fn is_asked() -> Error {
    let text = "the function that says the credentials of this cache cannot use it: it is running";
    Error::new(ErrorKind::Unsupported, text)
}

/// The password in a file, without its last line break.
///
/// # Errors
/// [`ErrorKind::Config`] names the file and what is wrong with it, and nothing that stands in it.
pub(crate) fn read_password(path: &Path) -> Result<Vec<u8>> {
    let mut password = Zeroizing::new(Vec::with_capacity(1024));
    match read(path, &mut password) {
        Ok(()) => {}
        Err(error) => {
            let text = format!("option `password_file`: {}: {error}", path.display());
            return Err(Error::new(ErrorKind::Config, text).caused_by(error));
        }
    }
    if password.last() == Some(&b'\n') {
        password.pop();
        if password.last() == Some(&b'\r') {
            password.pop();
        }
    }
    Ok(std::mem::take(&mut *password))
}

/// A pipe is not waited for.
fn read(path: &Path, password: &mut Vec<u8>) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if about.len() > LONGEST {
        return Err(io::Error::other("it is longer than 64 KiB"));
    }
    password.reserve_exact(about.len() as usize + 1);
    file.take(LONGEST).read_to_end(password).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_loses_its_last_line_break_and_nothing_else() {
        let path = std::env::temp_dir().join(format!("rct-password-{}", std::process::id()));
        for (text, expected) in [
            (&b"pw\n"[..], &b"pw"[..]),
            (b"pw\r\n", b"pw"),
            (b"pw", b"pw"),
            (b"pw\n\n", b"pw\n"),
            (b" pw \xff\n", b" pw \xff"),
            (b"pw\r", b"pw\r"),
            (b"", b""),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read_password(&path).unwrap(), expected);
        }
        std::fs::remove_file(&path).unwrap();
        for path in [path.as_path(), Path::new("/"), Path::new("/dev/null")] {
            let error = read_password(path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(
                error.to_string().contains(&path.display().to_string()),
                "{error}"
            );
        }
    }

    #[test]
    fn credentials_show_nowhere() {
        let secrets = Secrets::new(b"eve".to_vec(), Some(b"secret".to_vec()));
        assert_eq!(format!("{secrets:?}"), "Some(Secrets)");
        assert!(Secrets::new(Vec::new(), Some(Vec::new())).is_none());
        assert!(Secrets::new(b"eve".to_vec(), None).unwrap().is_bare);
    }
}
