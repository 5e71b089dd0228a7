//! All about one key, and what a read makes of it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use redis_cache::{Cache, Form, Freshness, Inspected, Label, LeaseHeld, Stored};
use serde_json::{Value, json};

use crate::ending::{Ending, Outcome};
use crate::say::{self, Say};

pub(crate) fn why(cache: &Cache, key: &OsStr, say: &mut Say) -> Outcome {
    let seen = cache.inspect(key.as_bytes())?;
    let (is_found, verdict) = verdict(&seen);
    match say.is_json() {
        true => say.json(&as_json(&seen, is_found, &verdict))?,
        false => as_text(&seen, &verdict, say)?,
    }
    Ok(Ending::of(is_found))
}

/// Whether a plain read finds a value, and why.
fn verdict(seen: &Inspected) -> (bool, String) {
    let Some(stored) = &seen.stored else {
        return (false, "get finds nothing: there is no such key; it was never stored, has expired, or was deleted or evicted".to_owned());
    };
    let label = match &stored.form {
        Form::Integer => return (true, "get finds an integer; INCRBY works on it".to_owned()),
        Form::OtherType => {
            let text = "get finds nothing it could read: another program stored a list, a hash or the like under this key";
            return (false, text.to_owned());
        }
        Form::Labelled(label) => label,
        _ => {
            return (
                true,
                "get finds bytes without a header, as other programs and layout=plain write them"
                    .to_owned(),
            );
        }
    };
    let is_led = label
        .lease
        .as_ref()
        .is_some_and(|lease| lease.token.is_some() && !lease.lapses_in.is_zero());
    if !label.has_value {
        let who = match is_led {
            true => "somebody computes it now",
            false => "whoever was to compute it is late, and the next get_or_set takes over",
        };
        return (
            false,
            format!("get finds nothing: there is a lease and no value yet; {who}"),
        );
    }
    if label.is_absent {
        return (false, "get finds nothing: it is known to be absent, as a loader said; get_or_set does not load it".to_owned());
    }
    match label.freshness {
        Freshness::Stale(left) => {
            let left = left.map_or_else(
                || "for as long as it is there".to_owned(),
                |left| format!("for {} more", say::span(left)),
            );
            let who = match is_led {
                true => "somebody renews it now",
                false => "the next get_or_set renews it",
            };
            (
                false,
                format!(
                    "get finds nothing: it has expired; get_or_set and get_stale serve it {left}, and {who}"
                ),
            )
        }
        Freshness::Over => (
            false,
            "get finds nothing: it has expired, and is too old to be served stale".to_owned(),
        ),
        _ => (true, "get finds the value".to_owned()),
    }
}

fn as_text(seen: &Inspected, verdict: &str, say: &mut Say) -> Outcome<()> {
    let mut lines = vec![
        ("wire key", say::key(&seen.wire_key)),
        ("node", seen.node.clone()),
    ];
    lines.extend(seen.slot.map(|slot| ("slot", slot.to_string())));
    if let Some(stored) = &seen.stored {
        lines.push((
            "size",
            format!("{} ({} bytes)", say::size(stored.len as u64), stored.len),
        ));
        lines.push(("kept", say::lifetime(stored.kept)));
        lines.push(("form", form(stored).to_owned()));
        if let Form::Labelled(label) = &stored.form {
            lines.push(("header", say::hex(&label.bytes)));
            lines.push(("codec", label.codec.to_owned()));
            lines.push(("compressor", label.compressor.to_owned()));
            lines.push(("freshness", freshness(label.freshness)));
            let took = label
                .load_took
                .map(|took| format!("about {}", say::span(took)));
            lines.extend(took.map(|took| ("load took", took)));
            lines.push((
                "lease",
                label
                    .lease
                    .as_ref()
                    .map_or_else(|| "none".to_owned(), lease),
            ));
        }
    }
    for (name, value) in lines {
        say.line(format!("{name:11}{value}"))?;
    }
    say.line(verdict)
}

fn form(stored: &Stored) -> &'static str {
    match &stored.form {
        Form::Integer => "integer",
        Form::Labelled(Label {
            has_value: false, ..
        }) => "lease without a value",
        Form::Labelled(Label {
            is_absent: true, ..
        }) => "known to be absent",
        Form::Labelled(_) => "value",
        Form::OtherType => "another data type",
        _ => "bytes without a header",
    }
}

fn freshness(freshness: Freshness) -> String {
    match freshness {
        Freshness::For(left) => format!("fresh for {}", say::span(left)),
        Freshness::Stale(Some(left)) => format!("stale, may be served for {}", say::span(left)),
        Freshness::Stale(None) => "stale, may be served for as long as it is there".to_owned(),
        Freshness::Over => "too old to be served".to_owned(),
        _ => "fresh for as long as it is there".to_owned(),
    }
}

fn lease(lease: &LeaseHeld) -> String {
    let left = say::span(lease.lapses_in);
    match &lease.token {
        Some(token) if lease.lapses_in.is_zero() => {
            format!("lapsed, was held by {}", say::hex(token))
        }
        Some(token) => format!("held by {}, lapses in {left}", say::hex(token)),
        None => format!("nobody; a load failed, none is tried for {left}"),
    }
}

fn as_json(seen: &Inspected, is_found: bool, verdict: &str) -> Value {
    let mut json = json!({
        "wire_key": say::key(&seen.wire_key),
        "node": seen.node,
        "slot": seen.slot,
        "found": is_found,
        "why": verdict,
        "stored": Value::Null,
    });
    let Some(stored) = &seen.stored else {
        return json;
    };
    let mut inner = json!({
        "form": form(stored),
        "bytes": stored.len,
        "kept_ms": say::lifetime_json(stored.kept),
    });
    if let (Form::Labelled(label), Some(inner)) = (&stored.form, inner.as_object_mut()) {
        let (state, left) = match label.freshness {
            Freshness::For(left) => ("fresh", Some(left)),
            Freshness::Stale(left) => ("stale", left),
            Freshness::Over => ("over", None),
            _ => ("fresh", None),
        };
        let lease = label.lease.as_ref().map(|lease| {
            json!({
                "holder": lease.token.map(|token| say::hex(&token)),
                "lapses_in_ms": say::millis(lease.lapses_in),
            })
        });
        inner.insert("header".to_owned(), say::hex(&label.bytes).into());
        inner.insert("codec".to_owned(), label.codec.into());
        inner.insert("compressor".to_owned(), label.compressor.into());
        inner.insert("freshness".to_owned(), state.into());
        inner.insert("freshness_left_ms".to_owned(), left.map(say::millis).into());
        inner.insert(
            "load_took_ms".to_owned(),
            label.load_took.map(say::millis).into(),
        );
        inner.insert("lease".to_owned(), lease.into());
    }
    if let Some(json) = json.as_object_mut() {
        json.insert("stored".to_owned(), inner);
    }
    json
}
