//! What callers of the embedded store see: the seam's contracts here; time, sharing and walks beside it.

mod clocks;
mod sharing;
mod walks;

use std::sync::Arc;

use crate::base::budget::soon;
use crate::store::Room;

use super::*;
use crate::store::HEAD_LEN;

const ROOMY: usize = 64 << 20;

fn private(limit: usize) -> Arc<MemoryStore> {
    MemoryStore::open(None, None, limit)
}

fn plain(body: &[u8]) -> Value<'_> {
    Value { head: b"", body }
}

#[derive(Default)]
struct Bytes(Vec<u8>);

impl Sink for Bytes {
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        assert_eq!(head.len(), len);
        self.0 = head.to_vec();
        Ok(Room::Discard)
    }
}

fn get(store: &MemoryStore, key: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Bytes::default();
    store
        .get(key, Access::Read, &mut bytes, soon())
        .unwrap()
        .map(|_| bytes.0)
}

fn list<K: AsRef<[u8]>>(keys: impl IntoIterator<Item = K>) -> KeyList {
    let mut list = KeyList::default();
    for key in keys {
        list.push_bytes(key.as_ref());
    }
    list
}

#[test]
fn a_value_comes_back_whole_whatever_its_parts_and_size() {
    let store = private(ROOMY);
    let megabytes: Vec<u8> = (0..20u32 << 20).map(|i| (i % 251) as u8).collect();
    for (head, body) in [
        (&b""[..], &b""[..]),
        (b"", b"body"),
        (b"head", b""),
        (b"head", &megabytes[..]),
    ] {
        let value = Value { head, body };
        store.set(b"k", value, Life::Forever, soon()).unwrap();
        assert!(
            get(&store, b"k") == Some([value.head, value.body].concat()),
            "{} bytes",
            value.len()
        );
        let (short, _) = store.head(b"k", Access::Read, soon()).unwrap().unwrap();
        assert_eq!(
            &short[..],
            &[value.head, value.body].concat()[..value.len().min(HEAD_LEN)]
        );
    }
    assert_eq!(get(&store, b"missing"), None);
}

#[test]
fn a_reader_keeps_a_value_that_is_replaced_meanwhile() {
    let store = private(ROOMY);
    store
        .set(b"k", plain(b"old"), Life::Forever, soon())
        .unwrap();
    store.get_many(&list(["k"]), Access::Read, soon(), &mut |_, value, _| {
        store
            .set(b"k", plain(b"new"), Life::Forever, soon())
            .unwrap();
        assert_eq!(value.unwrap(), Some(&b"old"[..]));
    });
    assert_eq!(get(&store, b"k"), Some(b"new".to_vec()));
}

#[test]
fn many_keys_are_told_one_by_one_and_faults_are_left_out() {
    let store = private(1000);
    let mut keys = list(["a", "b"]);
    keys.push_fault(Error::new(ErrorKind::InvalidArgument, "no key"));
    keys.push_bytes(b"c");
    let mut done = Vec::new();
    let values = [plain(b"1"), plain(&[0; 2000]), plain(b"3"), plain(b"4")];
    let values = values.map(|value| (value, Life::Forever));
    store.set_many(&keys, &values, soon(), &mut |index, result| {
        done.push((index, result.is_ok()))
    });
    assert_eq!(done, [(0, true), (1, false), (3, true)]);

    let mut found = Vec::new();
    store.get_many(&keys, Access::Read, soon(), &mut |index, value, _| {
        found.push((index, value.unwrap().map(<[u8]>::to_vec)))
    });
    assert_eq!(
        found,
        [
            (0, Some(b"1".to_vec())),
            (1, None),
            (3, Some(b"4".to_vec()))
        ]
    );

    let mut removed = Vec::new();
    store.delete_many(&keys, soon(), &mut |index, there| {
        removed.push((index, there.unwrap()))
    });
    assert_eq!(removed, [(0, true), (1, false), (3, true)]);
}

#[test]
fn errors_name_the_store_and_the_command() {
    let store = MemoryStore::open(Some("errors"), None, 300);
    store
        .set(b"k", plain(b"text"), Life::Forever, soon())
        .unwrap();
    let error = store.incr(b"k", 1, soon()).unwrap_err();
    assert_eq!(
        (error.node(), error.command()),
        (Some("memory://errors"), Some("INCRBY"))
    );
    let error = store
        .set(b"k", plain(&[0; 500]), Life::Forever, soon())
        .unwrap_err();
    let text = "memory://errors: SET: OOM command not allowed: \
                the entry of 595 bytes is larger than memory_limit (300 bytes)";
    assert_eq!(error.to_string(), text);
}

#[test]
fn its_debug_form_shows_no_values() {
    let store = MemoryStore::open(Some("secrets"), None, ROOMY);
    store
        .set(b"k", plain(b"hush"), Life::Forever, soon())
        .unwrap();
    assert_eq!(format!("{store:?}"), "MemoryStore(\"memory://secrets\")");
}
