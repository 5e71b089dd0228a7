//! Rewriting all entries: in the configured form, or by a function of the caller.

use std::ffi::c_void;

use crate::groups::reinsert::Rewrite;
use crate::groups::sweep::Sweep;

use super::boundary::*;
use super::callbacks::*;
use super::client::*;
use super::operation::*;
use super::sweep::{Plan, redis_cache_sweep};
use super::types::*;
use super::writer::redis_cache_writer;

/// Rewrites the entries of this cache, in all versions, whose codec, compressor or header is not the
/// configured one: what is left to do after one of these options was changed. JSON and MessagePack
/// become each other; other payloads stay what they are and are only compressed anew. With `fn` it
/// shows every live value to that function instead, which says what becomes of it. OK, or STOPPED
/// when `sweep` ended it; `*out_rewritten`, unless it is NULL, is how many were changed (or would
/// be, in a dry run).
///
/// Lifetimes are kept, and whoever writes at the same time wins. Passed over are values that cannot
/// be read, other data types, keys that are only leased and what is known to be absent; without
/// `fn` also integers and values of other programs. An error of `fn` ends the sweep; nodes
/// that fail are passed over, and named in the end. What was changed stays so: it can be run again.
/// Round trips: one for every `scan_count` keys, and two a batch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_reinsert_keys(
    cache: *const redis_cache,
    r#fn: redis_cache_rewrite_fn,
    user_data: *mut c_void,
    sweep: *const redis_cache_sweep,
    out_rewritten: *mut u64,
) -> redis_cache_status {
    operation_to_the_end(c"reinsert_keys", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, plan, cache) = unsafe {
            let out = optional_out(out_rewritten);
            (out, Plan::read(sweep)?, call.client_held(cache)?)
        };
        let all = cache.sweep_all();
        let Some(rewrite) = r#fn else {
            return plan.run(all, Sweep::reinsert, out);
        };
        let rewrite = |key: &[u8], value: &[u8]| {
            let (key, value) = (redis_cache_slice::from(key), redis_cache_slice::from(value));
            let mut writer = redis_cache_writer::of_rewrite();
            // SAFETY: the caller's function, with the data meant for it, during the call.
            let code =
                unsafe { rewrite(user_data, &raw const key, &raw const value, &raw mut writer) };
            match code {
                1 => Ok(Rewrite::Keep),
                2 => Ok(Rewrite::Delete),
                code => {
                    let written = writer.finish("rewrite", code)?;
                    Ok::<_, String>(written.into_value().map_or(Rewrite::Keep, Rewrite::Replace))
                }
            }
        };
        plan.run(all, |all| all.reinsert_with(rewrite), out)
    })
}
