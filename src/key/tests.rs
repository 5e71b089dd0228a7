//! What becomes of a key on the wire, under every check.

use super::*;

fn space(prefix: &str, check: KeyCheck) -> KeySpace {
    let options = Options {
        prefix: prefix.into(),
        key_check: check,
        ..Options::default()
    };
    KeySpace::new(&options, &Hooks::default())
}

fn wire(space: &KeySpace, key: &[u8]) -> Result<Vec<u8>> {
    let mut place = WireKey::new();
    let wire = space.wire(key, &mut place).map(<[u8]>::to_vec);
    match space.pieces(key, &mut Vec::new()) {
        Ok((front, back)) => assert_eq!([front, back].concat(), wire.as_deref().unwrap()),
        Err(_) => assert!(wire.is_err()),
    }
    wire
}

#[test]
fn the_wire_key_is_prefix_version_key() {
    let space = space("app", KeyCheck::Reject);
    assert_eq!(wire(&space, b"k\0\xff").unwrap(), b"app:1:k\0\xff");
    assert_eq!(wire(&space.at_version(42), b"k").unwrap(), b"app:42:k");
    assert_eq!(space.user_key(b"app:1:a:b").unwrap(), b"a:b");
}

#[test]
fn only_the_callers_pattern_is_a_glob() {
    let space = space("a*[b]\\?", KeyCheck::Off);
    assert_eq!(space.pattern(b"u*").unwrap(), b"a\\*\\[b\\]\\\\\\?:1:u*");
    assert_eq!(space.everything().unwrap(), b"a\\*\\[b\\]\\\\\\?:[0-9]*:*");
}

#[test]
fn clear_owns_versions_of_digits_only() {
    let space = space("app", KeyCheck::Off);
    assert!(space.owns(b"app:12:x"));
    for foreign in [
        &b"app:1x:y"[..],
        b"app:lock:y",
        b"app::y",
        b"apps:1:y",
        b"app:1",
        b"app",
    ] {
        assert!(!space.owns(foreign), "{foreign:?}");
    }
}

#[test]
fn each_check_refuses_what_it_says() {
    let long = vec![b'k'; REJECT_LEN + 1];
    assert!(wire(&space("", KeyCheck::Reject), &long).is_err());
    assert!(wire(&space("", KeyCheck::Reject), &long[1..]).is_ok());
    assert!(wire(&space("", KeyCheck::Off), &long).is_ok());
    assert!(wire(&space("", KeyCheck::Memcached), &[b'k'; 247]).is_ok());
    assert!(wire(&space("", KeyCheck::Memcached), &[b'k'; 248]).is_err());
    assert!(wire(&space("", KeyCheck::Memcached), b"a b").is_err());
    for check in [
        KeyCheck::Off,
        KeyCheck::Reject,
        KeyCheck::Memcached,
        KeyCheck::Hash,
    ] {
        assert_eq!(
            wire(&space("p", check), b"").unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
    }
}

#[test]
fn a_key_that_is_too_long_on_the_wire_becomes_its_digest() {
    let hashing = space("p", KeyCheck::Hash);
    let opening = b"p:1:";
    let hashed = wire(&hashing, &[b'a'; 251]).unwrap();
    let digest = "772f911dd9d6692897188d0b03f718fb5fbd02020d0fce1374f1354a31205024";
    assert_eq!(hashed, format!("p:1:sha256:{digest}").as_bytes());
    for len in [1, 70, 71, 72, 188, 189, 245, 246] {
        let key = vec![b'k'; len];
        let expected = [&opening[..], &key].concat();
        assert_eq!(wire(&hashing, &key).unwrap(), expected, "{len}");
    }
    // What counts is the wire key: 250 bytes at most.
    for (space, longest) in [
        (hashing.clone(), 246),
        (hashing.at_version(1234), 243),
        (space("a prefix of some length", KeyCheck::Hash), 224),
    ] {
        assert_eq!(wire(&space, &vec![b'k'; longest]).unwrap().len(), 250);
        let hashed = wire(&space, &vec![b'k'; longest + 1]).unwrap();
        assert!(hashed.len() < 250 && hashed.windows(7).any(|part| part == DIGEST));
    }
}

/// A long key and its digest were one entry.
#[test]
fn no_key_shares_an_entry_with_the_key_that_it_looks_like() {
    let space = space("p", KeyCheck::Hash);
    let long = vec![b'a'; 300];
    let hashed = wire(&space, &long).unwrap();
    let alike = space.user_key(&hashed).unwrap();
    let twice = wire(&space, &alike).unwrap();
    assert_ne!(twice, hashed);
    assert_eq!(twice, [&b"p:1:"[..], &digest(&alike)].concat());
    // Nothing but exactly that is a digest.
    let upper = alike.to_ascii_uppercase();
    let longer = [&alike[..], b"0"].concat();
    for other in [&upper[..], &longer, &alike[..70], &alike[7..]] {
        assert_eq!(wire(&space, other).unwrap(), [b"p:1:", other].concat());
    }
}

#[test]
fn the_wire_key_of_a_function_is_measured_and_given_the_digest() {
    let options = Options {
        prefix: b"p".to_vec(),
        key_check: KeyCheck::Hash,
        ..Options::default()
    };
    let hooks = Hooks {
        key: Some(std::sync::Arc::new(|_: &[u8], _: u64, key: &[u8]| {
            Ok([key, key].concat())
        })),
        ..Hooks::default()
    };
    let space = KeySpace::new(&options, &hooks);
    assert_eq!(wire(&space, &[b'k'; 125]).unwrap(), [b'k'; 250]);
    let digest = digest(&[b'k'; 126]);
    let twice = [&digest[..], &digest].concat();
    assert_eq!(wire(&space, &[b'k'; 126]).unwrap(), twice);
}
