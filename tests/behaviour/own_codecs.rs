//! Codecs and compressors of the caller's own: used for writing, remembered by the header, and asked for when they are
//! missing.

use redis_cache::{CustomCodec, CustomCompressor, Expiry, erased_serde};

use super::codecs::{Page, page};
use crate::common::fault;
use crate::common::fixture::Fixture;

behaviour! {
    stores: [
        a_codec_and_a_compressor_of_ones_own_are_used_and_remembered,
    ],
    keys: [
        the_header_tells_that_they_are_ones_own,
    ],
    servers: [],
}

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// JSON with a mark in front, so that nobody else takes it for his own.
struct Marked;

impl CustomCodec for Marked {
    fn encode(&self, value: &dyn erased_serde::Serialize, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.push(b'#');
        Ok(serde_json::to_writer(out, value)?)
    }

    fn decode(
        &self,
        payload: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> erased_serde::Result<()>,
    ) -> Result<(), Fault> {
        let json = payload.strip_prefix(b"#").ok_or("there is no mark")?;
        let mut json = serde_json::Deserializer::from_slice(json);
        read(&mut <dyn erased_serde::Deserializer>::erase(&mut json))?;
        Ok(json.end()?)
    }
}

/// Knows one trick: a payload that is all one byte.
struct OneByte;

impl CustomCompressor for OneByte {
    fn compress(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match payload.first() {
            Some(first) if payload.iter().all(|byte| byte == first) => {
                out.extend((payload.len() as u64).to_le_bytes());
                out.push(*first);
            }
            _ => out.extend([&[0; 9], payload].concat()),
        }
        Ok(())
    }

    fn decompress(&self, packed: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        let (len, rest) = packed.split_first_chunk::<8>().ok_or("cut off")?;
        match (usize::try_from(u64::from_le_bytes(*len))?, rest) {
            (0, [_, payload @ ..]) => out.extend_from_slice(payload),
            (len, [byte]) if len <= most => out.resize(len, *byte),
            _ => return Err("too long, or no single byte".into()),
        }
        Ok(())
    }
}

fn a_codec_and_a_compressor_of_ones_own_are_used_and_remembered(at: &Fixture) {
    let own = at.config().custom_codec(Marked).custom_compressor(OneByte);
    let cache = own.connect().unwrap();
    cache.set("page", &page(), Expiry::Default).unwrap();
    cache
        .set_bytes("ones", &[1; 100_000], Expiry::Default)
        .unwrap();
    cache.set("n", &7, Expiry::Default).unwrap();
    assert_eq!(cache.get("page").unwrap(), Some(page()));
    assert_eq!(cache.get_bytes("page").unwrap().unwrap()[..2], *b"#{");
    assert_eq!(cache.get_bytes("ones").unwrap(), Some(vec![1; 100_000]));
    assert_eq!(cache.incr("n", 1).unwrap(), Some(8));
    assert_eq!(
        cache.get::<Vec<u8>>("page").unwrap(),
        None,
        "not of that type"
    );

    let json = own
        .clone()
        .set("codec", "json")
        .unwrap()
        .set("compressor", "zlib")
        .unwrap();
    let json = json.connect().unwrap();
    assert_eq!(
        json.get("page").unwrap(),
        Some(page()),
        "it still reads its own"
    );
    assert_eq!(json.get_bytes("ones").unwrap(), Some(vec![1; 100_000]));
    json.set("page", &page(), Expiry::Default).unwrap();
    assert_eq!(json.get_bytes("page").unwrap().unwrap()[..2], *b"{\"");

    cache.set("page", &page(), Expiry::Default).unwrap();
    let stranger = at.cache_with(&[("on_decode_error", "error")]);
    let text = fault(stranger.get::<Page>("page")).to_string();
    assert!(text.contains("`Config::custom_codec`"), "{text}");
    let text = fault(stranger.get_bytes("ones")).to_string();
    assert!(text.contains("`Config::custom_compressor`"), "{text}");
    let narrow = own.clone().max_value(99_999).connect().unwrap();
    assert_eq!(
        narrow.get_bytes("ones").unwrap(),
        None,
        "larger than it accepts"
    );
}

fn the_header_tells_that_they_are_ones_own(at: &Fixture) {
    let own = at
        .config()
        .custom_codec(Marked)
        .custom_compressor(OneByte)
        .connect()
        .unwrap();
    own.set("k", &true, Expiry::Default).unwrap();
    assert_eq!(at.stored("k").unwrap(), b"\xC1\x11\xF0\0#true");
    own.set_bytes("k", &[9; 2000], Expiry::Default).unwrap();
    assert_eq!(
        at.stored("k").unwrap(),
        b"\xC1\x11\x0F\0\xD0\x07\0\0\0\0\0\0\x09"
    );
}
