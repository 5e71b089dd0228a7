//! The door through which a test puts any bytes into a store, and looks at them: a compressor that changes nothing. What
//! one has made under `layout=plain` has no header and is not taken for one.

use redis_cache::{Config, CustomCompressor};

type Fault = Box<dyn std::error::Error + Send + Sync>;

struct AsItIs;

impl CustomCompressor for AsItIs {
    fn compress(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        out.extend_from_slice(payload);
        Ok(())
    }

    fn decompress(&self, packed: &[u8], _: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.extend_from_slice(packed);
        Ok(())
    }
}

/// This configuration for values that are stored and shown byte for byte.
pub(crate) fn as_it_is(config: Config) -> Config {
    let plain = config.set("layout", "plain").expect("an option");
    plain.custom_compressor(AsItIs)
}
