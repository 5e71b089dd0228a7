//! The name of an entry on the wire: `prefix:version:key`, the same bytes Django's default key function makes.
//! A [`KeySpace`] belongs to one view of a cache (one version); it checks keys, writes wire keys and patterns, and
//! reads the caller's key back out of a wire key. Nothing here touches the network.

#[cfg(test)]
mod tests;

use sha2::{Digest, Sha256};

use crate::config::{Hooks, KeyCheck, KeyFn, Options, ReverseKeyFn};
use crate::error::{Error, ErrorKind, Result};

/// The longest key under `key_check=reject`.
const REJECT_LEN: usize = 64 * 1024;
/// The longest wire key of memcached, and the longest that `key_check=hash` leaves as it is.
const MEMCACHED_LEN: usize = 250;
/// What stands between the prefix and the name of a lock, where entries have their version.
const LOCK: &[u8] = b":lock:";
/// How a digest begins that stands for a key.
const DIGEST: &[u8] = b"sha256:";
/// How long it is with its hexadecimal digits.
const DIGEST_LEN: usize = DIGEST.len() + 64;

/// How keys of one version are written and read.
#[derive(Clone)]
pub(crate) struct KeySpace {
    prefix: Vec<u8>,
    version: u64,
    /// `prefix:version:`
    opening: Vec<u8>,
    /// Keys of so many bytes at most, and of one at least, just follow the opening: neither a function nor a check has to
    /// look at them.
    usual_len: usize,
    check: KeyCheck,
    function: Option<KeyFn>,
    reverse: Option<ReverseKeyFn>,
}

impl KeySpace {
    pub(crate) fn new(options: &Options, hooks: &Hooks) -> Self {
        let opening = opening(&options.prefix, options.version);
        KeySpace {
            usual_len: match options.key_check {
                _ if hooks.key.is_some() => 0,
                KeyCheck::Memcached => 0,
                KeyCheck::Hash => hash_usual_len(&opening),
                KeyCheck::Off | KeyCheck::Reject => MEMCACHED_LEN,
            },
            opening,
            prefix: options.prefix.clone(),
            version: options.version,
            check: options.key_check,
            function: hooks.key.clone(),
            reverse: hooks.reverse_key.clone(),
        }
    }

    pub(crate) fn at_version(&self, version: u64) -> Self {
        let opening = opening(&self.prefix, version);
        KeySpace {
            usual_len: match self.is_hashing() {
                true => hash_usual_len(&opening),
                false => self.usual_len,
            },
            version,
            opening,
            ..self.clone()
        }
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The wire key of `key`, written to `place`.
    #[inline]
    pub(crate) fn wire<'a>(&self, key: &[u8], place: &'a mut WireKey) -> Result<&'a [u8]> {
        if self.is_usual(key) {
            return Ok(place.join(&self.opening, key));
        }
        self.wire_unusual(key, place)
    }

    #[cold]
    fn wire_unusual<'a>(&self, key: &[u8], place: &'a mut WireKey) -> Result<&'a [u8]> {
        let is_short = !key.is_empty() && self.opening.len() + key.len() <= MEMCACHED_LEN;
        if self.is_hashing() && is_short && !is_digest(key) {
            return Ok(place.join(&self.opening, key));
        }
        place.long = self.unusual(key)?;
        Ok(&place.long)
    }

    /// The wire key of `key` in two pieces; one that does not just follow the opening is written to `place`.
    #[inline(always)]
    pub(crate) fn pieces<'a>(
        &'a self,
        key: &'a [u8],
        place: &'a mut Vec<u8>,
    ) -> Result<(&'a [u8], &'a [u8])> {
        if self.is_usual(key) {
            return Ok((&self.opening, key));
        }
        *place = self.unusual(key)?;
        Ok((&[], place))
    }

    /// Whether the wire key is just the opening and `key`: no check minds so short a key.
    #[inline]
    fn is_usual(&self, key: &[u8]) -> bool {
        key.len().wrapping_sub(1) < self.usual_len
    }

    /// Whether nothing but `key_check=hash` keeps a key from following the opening.
    fn is_hashing(&self) -> bool {
        self.check == KeyCheck::Hash && self.function.is_none()
    }

    #[cold]
    fn unusual(&self, key: &[u8]) -> Result<Vec<u8>> {
        if key.is_empty() {
            return Err(refused("the key is empty: at least one byte is needed"));
        }
        if self.check == KeyCheck::Reject && key.len() > REJECT_LEN {
            let len = key.len();
            return Err(refused(format!(
                "the key has {len} bytes: at most {REJECT_LEN} are accepted by key_check=reject"
            )));
        }
        if self.check == KeyCheck::Hash {
            return self.hashed(key);
        }
        let wire = self.apply(&self.prefix, key)?;
        self.check_wire(&wire)?;
        Ok(wire)
    }

    /// A key whose wire key would be too long is written as its digest; so is one that looks like a digest, or it would be
    /// the entry of another key.
    fn hashed(&self, key: &[u8]) -> Result<Vec<u8>> {
        if !is_digest(key) && key.len() <= MEMCACHED_LEN {
            let wire = self.apply(&self.prefix, key)?;
            if wire.len() <= MEMCACHED_LEN {
                return Ok(wire);
            }
        }
        self.apply(&self.prefix, &digest(key))
    }

    /// The glob over wire keys that matches `pattern` in this version.
    pub(crate) fn pattern(&self, pattern: &[u8]) -> Result<Vec<u8>> {
        self.apply(&escape_glob(&self.prefix), pattern)
    }

    /// The glob over all entries of this cache, in every version. Under a key function, which may put the version
    /// anywhere, only this one.
    pub(crate) fn everything(&self) -> Result<Vec<u8>> {
        match self.function {
            Some(_) => self.pattern(b"*"),
            None => Ok([&escape_glob(&self.prefix), &b":[0-9]*:*"[..]].concat()),
        }
    }

    /// Whether `wire` really is `prefix:<digits>:...`: a glob cannot say "digits only".
    pub(crate) fn owns(&self, wire: &[u8]) -> bool {
        if self.function.is_some() {
            return true;
        }
        let Some([b':', rest @ ..]) = wire.strip_prefix(self.prefix.as_slice()) else {
            return false;
        };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        digits > 0 && rest.get(digits) == Some(&b':')
    }

    /// Whether `wire` is a lock of this cache: a pattern meets it only where a function makes the keys.
    pub(crate) fn is_lock(&self, wire: &[u8]) -> bool {
        self.function.is_some()
            && wire
                .strip_prefix(self.prefix.as_slice())
                .is_some_and(|rest| rest.starts_with(LOCK))
    }

    /// The key of the lock of that name.
    pub(crate) fn lock(&self, name: &[u8]) -> Vec<u8> {
        [&self.prefix, LOCK, name].concat()
    }

    /// The caller's key inside a wire key. Under a key function that is the wire key, unless a reverse function
    /// is configured too.
    pub(crate) fn user_key(&self, wire: &[u8]) -> Result<Vec<u8>> {
        match (&self.reverse, &self.function) {
            (Some(reverse), _) => reverse(wire).map_err(|text| {
                Error::new(
                    ErrorKind::Callback,
                    format!("the reverse key function failed: {text}"),
                )
            }),
            (None, Some(_)) => Ok(wire.to_vec()),
            (None, None) => Ok(wire
                .strip_prefix(self.opening.as_slice())
                .unwrap_or(wire)
                .to_vec()),
        }
    }

    fn apply(&self, prefix: &[u8], key: &[u8]) -> Result<Vec<u8>> {
        match &self.function {
            None => {
                let mut wire = opening(prefix, self.version);
                wire.try_reserve_exact(key.len())
                    .map_err(|_| Error::no_memory("a key", key.len()))?;
                wire.extend_from_slice(key);
                Ok(wire)
            }
            Some(function) => match function(prefix, self.version, key) {
                Ok(wire) if wire.is_empty() => Err(refused("the key function made an empty key")),
                Ok(wire) => Ok(wire),
                Err(text) => Err(Error::new(
                    ErrorKind::Callback,
                    format!("the key function failed: {text}"),
                )),
            },
        }
    }

    fn check_wire(&self, wire: &[u8]) -> Result<()> {
        if self.check != KeyCheck::Memcached {
            return Ok(());
        }
        if wire.len() > MEMCACHED_LEN {
            let len = wire.len();
            return Err(refused(format!(
                "the wire key has {len} bytes: at most {MEMCACHED_LEN} are accepted by key_check=memcached"
            )));
        }
        match wire.iter().find(|byte| **byte <= b' ' || **byte == 0x7f) {
            Some(byte) => Err(refused(format!(
                "the key holds the byte 0x{byte:02x}: spaces and control characters are refused by key_check=memcached"
            ))),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for KeySpace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySpace")
            .field("opening", &String::from_utf8_lossy(&self.opening))
            .finish_non_exhaustive()
    }
}

/// Memory for one wire key: on the stack, so that most calls allocate nothing for it.
pub(crate) struct WireKey {
    short: [u8; 192],
    /// Used when `short` is too short.
    long: Vec<u8>,
}

impl WireKey {
    #[inline]
    pub(crate) fn new() -> Self {
        WireKey {
            short: [0; 192],
            long: Vec::new(),
        }
    }

    #[inline]
    fn join(&mut self, opening: &[u8], key: &[u8]) -> &[u8] {
        let Some(place) = self.short.get_mut(..opening.len() + key.len()) else {
            self.long = [opening, key].concat();
            return &self.long;
        };
        let (front, back) = place.split_at_mut(opening.len());
        front.copy_from_slice(opening);
        back.copy_from_slice(key);
        place
    }
}

fn opening(prefix: &[u8], version: u64) -> Vec<u8> {
    let mut digits = itoa::Buffer::new();
    [prefix, b":", digits.format(version).as_bytes(), b":"].concat()
}

/// Makes every byte of `text` stand for itself in a Redis glob. `^` and `-` only mean something inside a class,
/// which an escaped `[` cannot open.
fn escape_glob(text: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len());
    for byte in text {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(*byte);
    }
    escaped
}

/// The longest keys that no digest can be and whose wire keys are not too long.
fn hash_usual_len(opening: &[u8]) -> usize {
    MEMCACHED_LEN
        .saturating_sub(opening.len())
        .min(DIGEST_LEN - 1)
}

/// What stands for `key` where that is too long.
fn digest(key: &[u8]) -> Vec<u8> {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0') as u8;
    let hex = Sha256::digest(key)
        .into_iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    DIGEST.iter().copied().chain(hex).collect()
}

/// Whether a key is what [`digest`] could have made.
fn is_digest(key: &[u8]) -> bool {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    key.len() == DIGEST_LEN
        && key
            .strip_prefix(DIGEST)
            .is_some_and(|hex| hex.iter().all(is_hex))
}

fn refused(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}
