//! One entry: read, written, timed, removed, found.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

use redis_cache::{Cache, Expiry, Form as Stored};
use serde_json::{Value, json};

use crate::args::{Form, Get, Kind, Set};
use crate::ending::{Ending, Failure, Outcome};
use crate::say::{self, Say};
use crate::show;

pub(crate) fn get(cache: &Cache, get: &Get, say: &mut Say) -> Outcome {
    let key = get.key.as_bytes();
    let payload = match get.stale {
        true => cache.get_stale_bytes(key)?.value,
        false => cache.get_bytes(key)?,
    };
    let Some(payload) = payload else {
        if say.is_json() {
            say.json(&json!({"key": say::key(key), "found": false}))?;
        } else {
            say::note("there is no value; `redis-cache why` tells the reason");
        }
        return Ok(Ending::No);
    };
    match get.form {
        Form::Raw => say.bytes(&payload)?,
        Form::Hex => {
            let value = json!({"hex": say::hex(&payload)});
            let text = || show::dump(&payload, usize::MAX);
            answer(say, key, "bytes", text, &value)?;
        }
        Form::Auto => {
            let form = cache.inspect(key)?.stored.map(|stored| stored.form);
            let codec = match &form {
                Some(Stored::Labelled(label)) => Some(label.codec),
                _ => None,
            };
            let shown = show::payload(codec, &payload);
            answer(say, key, shown.kind, || shown.text.clone(), &shown.json)?;
        }
    }
    Ok(Ending::Done)
}

fn answer(
    say: &mut Say,
    key: &[u8],
    kind: &str,
    text: impl FnOnce() -> String,
    value: &Value,
) -> Outcome<()> {
    match say.is_json() {
        true => say.json(&json!({"key": say::key(key), "found": true, "as": kind, "value": value})),
        false => say.line(text()),
    }
}

pub(crate) fn set(cache: &Cache, set: &Set, say: &mut Say) -> Outcome {
    let key = set.key.as_bytes();
    let expiry = set.ttl.unwrap_or(Expiry::Default);
    let bytes = match set.value.as_deref() {
        Some(value) if value != OsStr::new("-") => value.as_bytes().to_vec(),
        _ => {
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes)?;
            bytes
        }
    };
    let text = || String::from_utf8_lossy(&bytes);
    let is_stored = match set.kind {
        Kind::Bytes if set.add => cache.add_bytes(key, &bytes, expiry)?,
        Kind::Bytes => cache.set_bytes(key, &bytes, expiry).map(|()| true)?,
        Kind::Int => {
            let number: i64 = text()
                .trim()
                .parse()
                .map_err(|_| Failure::usage("the value is no integer of 64 bits"))?;
            put(cache, set, &number, expiry)?
        }
        Kind::Json => {
            let value: Value = serde_json::from_slice(&bytes)
                .map_err(|error| Failure::usage(format!("the value is no JSON: {error}")))?;
            put(cache, set, &value, expiry)?
        }
    };
    let told = match is_stored {
        true => "stored",
        false => "there is a value already",
    };
    say.both(told, json!({"key": say::key(key), "stored": is_stored}))?;
    Ok(Ending::of(is_stored))
}

fn put<T: serde::Serialize>(cache: &Cache, set: &Set, value: &T, expiry: Expiry) -> Outcome<bool> {
    let key = set.key.as_bytes();
    Ok(match set.add {
        true => cache.add(key, value, expiry)?,
        false => cache.set(key, value, expiry).map(|()| true)?,
    })
}

pub(crate) fn ttl(cache: &Cache, key: &OsStr, say: &mut Say) -> Outcome {
    let key = key.as_bytes();
    let ttl = cache.ttl(key)?;
    let text = ttl.map_or_else(|| "there is no value".to_owned(), say::lifetime);
    let json = match ttl {
        None => json!({"key": say::key(key), "found": false}),
        Some(ttl) => {
            json!({"key": say::key(key), "found": true, "ttl_ms": say::lifetime_json(ttl)})
        }
    };
    say.both(text, json)?;
    Ok(Ending::of(ttl.is_some()))
}

pub(crate) fn touch(cache: &Cache, key: &OsStr, ttl: Option<&Expiry>, say: &mut Say) -> Outcome {
    let key = key.as_bytes();
    let is_there = cache.touch(key, ttl.copied().unwrap_or(Expiry::Default))?;
    let told = match is_there {
        true => "done",
        false => "there is no value",
    };
    say.both(told, json!({"key": say::key(key), "found": is_there}))?;
    Ok(Ending::of(is_there))
}

pub(crate) fn delete(cache: &Cache, keys: &[OsString], say: &mut Say) -> Outcome {
    let mut removed = 0_u64;
    for key in keys {
        let was_there = cache.delete(key.as_bytes())?;
        removed += u64::from(was_there);
        if say.is_json() {
            say.json(&json!({"key": say::key(key.as_bytes()), "removed": was_there}))?;
        }
    }
    if !say.is_json() {
        say.line(format!("removed {removed} of {}", keys.len()))?;
    }
    Ok(Ending::of(removed > 0))
}

pub(crate) fn place(cache: &Cache, keys: &[OsString], say: &mut Say) -> Outcome {
    let mut rows = Vec::new();
    for key in keys {
        let key = key.as_bytes();
        let (node, wire) = (cache.where_is(key)?, cache.make_key(key)?);
        match say.is_json() {
            true => {
                say.json(&json!({"key": say::key(key), "node": node, "wire_key": say::key(&wire)}))?
            }
            false => rows.push(vec![say::key(key), node, say::key(&wire)]),
        }
    }
    if !say.is_json() {
        say.table(&["key", "node", "wire key"], &rows)?;
    }
    Ok(Ending::Done)
}
