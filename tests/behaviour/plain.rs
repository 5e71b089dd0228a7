//! `layout=plain`: values without a header, for other programs. All sides are bound to one codec and one compressor, and
//! integers stay integers (design, section 4).

use redis_cache::Expiry;

use super::codecs::page;
use crate::common::fixture::Fixture;

behaviour! {
    stores: [
        plain_caches_share_values_that_are_all_compressed,
        a_plain_cache_keeps_integers_countable,
    ],
    keys: [
        a_plain_value_stands_without_a_header,
    ],
    servers: [],
}

fn plain_caches_share_values_that_are_all_compressed(at: &Fixture) {
    for (index, (codec, compressor)) in [("json", "zlib"), ("msgpack", "zstd"), ("json", "none")]
        .into_iter()
        .enumerate()
    {
        let space = format!("{}-{index}", at.space());
        let options = [
            ("layout", "plain"),
            ("codec", codec),
            ("compressor", compressor),
            ("prefix", &space),
        ];
        let (one, other) = (at.cache_with(&options), at.cache_with(&options));
        one.set("page", &page(), Expiry::Default).unwrap();
        one.set("tiny", &true, Expiry::Default).unwrap();
        one.set_bytes("bytes", b"12 bytes", Expiry::Default)
            .unwrap();
        assert_eq!(other.get("page").unwrap(), Some(page()));
        assert_eq!(other.get("tiny").unwrap(), Some(true));
        assert_eq!(
            other.get_bytes("bytes").unwrap().as_deref(),
            Some(&b"12 bytes"[..])
        );
        let many = other.get_many_bytes(["bytes", "absent"]).unwrap();
        assert_eq!(many, [Some(b"12 bytes".to_vec()), None]);
        let mut memory = [0; 8];
        assert_eq!(other.get_into("bytes", &mut memory).unwrap(), Some(8));
        assert_eq!(&memory, b"12 bytes");
    }
}

fn a_plain_cache_keeps_integers_countable(at: &Fixture) {
    for codec in ["json", "msgpack"] {
        let cache = at.cache_with(&[
            ("layout", "plain"),
            ("codec", codec),
            ("compressor", "zlib"),
        ]);
        cache.set("n", &48_u8, Expiry::Default).unwrap();
        assert_eq!(cache.incr("n", 2).unwrap(), Some(50));
        assert_eq!(cache.get::<u8>("n").unwrap(), Some(50));
        assert_eq!(cache.get_bytes("n").unwrap().as_deref(), Some(&b"50"[..]));
        for number in [0, 9, 48, 57, 58, 300] {
            cache.set("some", &Some(number), Expiry::Default).unwrap();
            assert_eq!(
                cache.get::<Option<i32>>("some").unwrap(),
                Some(Some(number))
            );
            assert_eq!(cache.get::<i32>("some").unwrap(), Some(number));
        }
        cache.set("none", &None::<i32>, Expiry::Default).unwrap();
        assert_eq!(cache.get::<Option<i32>>("none").unwrap(), Some(None));
    }
}

fn a_plain_value_stands_without_a_header(at: &Fixture) {
    let plain = at.cache_with(&[("layout", "plain"), ("codec", "json")]);
    plain
        .set("k", &("a", 1, None::<u8>), Expiry::Default)
        .unwrap();
    assert_eq!(at.stored("k").unwrap(), b"[\"a\",1,null]");
    plain.set("k", &12, Expiry::Default).unwrap();
    assert_eq!(at.stored("k").unwrap(), b"12");
    plain
        .set_bytes("k", b"\xC1 and more", Expiry::Default)
        .unwrap();
    assert_eq!(at.stored("k").unwrap(), b"\xC1 and more");
    assert_eq!(
        plain.get_bytes("k").unwrap().as_deref(),
        Some(&b"\xC1 and more"[..])
    );
    let packed = at.cache_with(&[
        ("layout", "plain"),
        ("codec", "msgpack"),
        ("compressor", "zlib"),
    ]);
    packed.set("k", &true, Expiry::Default).unwrap();
    assert_eq!(
        at.stored("k").unwrap()[0],
        b'x',
        "even one byte is a zlib stream"
    );
    assert_eq!(packed.get("k").unwrap(), Some(true));
    at.plant("k", b"\xc3");
    assert_eq!(
        packed.get("k").unwrap(),
        Some(true),
        "left uncompressed by another program"
    );
    at.plant("k", b"x\x9c\xc3");
    assert_eq!(packed.get::<bool>("k").unwrap(), None, "a broken stream");
}
