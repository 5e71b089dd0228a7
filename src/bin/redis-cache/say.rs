//! How answers are written: for people, or with `--json` one JSON value a line. Answers go to the standard output, all else
//! to the other one.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::time::Duration;

use redis_cache::Ttl;
use serde_json::Value;

use crate::ending::{Ending, Outcome};

/// The standard output.
pub(crate) struct Say {
    out: BufWriter<Stdout>,
    is_json: bool,
}

impl Say {
    pub(crate) fn new(is_json: bool) -> Say {
        Say {
            out: BufWriter::new(io::stdout()),
            is_json,
        }
    }

    /// Whether JSON is wanted.
    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    /// An answer in both forms.
    pub(crate) fn both(&mut self, text: impl AsRef<str>, json: Value) -> Outcome<()> {
        match self.is_json {
            true => self.json(&json),
            false => self.line(text),
        }
    }

    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> Outcome<()> {
        Ok(writeln!(self.out, "{}", text.as_ref())?)
    }

    pub(crate) fn json(&mut self, value: &Value) -> Outcome<()> {
        Ok(writeln!(self.out, "{value}")?)
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Outcome<()> {
        Ok(self.out.write_all(bytes)?)
    }

    /// Columns of the same width, under their titles; the last one is as wide as it is.
    pub(crate) fn table(&mut self, titles: &[&str], rows: &[Vec<String>]) -> Outcome<()> {
        let title_row: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
        let all = || std::iter::once(&title_row).chain(rows);
        let width = |column: usize| {
            let cells = all().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..titles.len()).map(width).collect();
        for row in all() {
            let cells = row.iter().zip(&widths);
            let line: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            self.line(line.join("  ").trim_end())?;
        }
        Ok(())
    }

    /// What was written is on its way.
    pub(crate) fn flush(&mut self) -> Outcome<()> {
        Ok(self.out.flush()?)
    }

    pub(crate) fn end(&mut self, ending: Ending) -> Outcome {
        self.flush()?;
        Ok(ending)
    }
}

/// A remark beside the answers.
pub(crate) fn note(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}

/// On a terminal somebody is asked before something is destroyed; a script has said what it wants.
pub(crate) fn confirm(question: &str, is_agreed: bool) -> Outcome<bool> {
    if is_agreed || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(true);
    }
    write!(io::stderr(), "{question} [y/N] ")?;
    let mut said = String::new();
    io::stdin().read_line(&mut said)?;
    Ok(matches!(
        said.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

/// A key as it can be shown: control characters and what is no UTF-8 are escaped.
pub(crate) fn key(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => key.escape_ascii().to_string(),
    }
}

pub(crate) fn span(span: Duration) -> String {
    let (seconds, ms) = (span.as_secs(), span.subsec_millis());
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let largest = units.iter().position(|(size, _)| seconds >= *size);
    let Some(largest) = largest else {
        return format!("{ms}ms");
    };
    let mut rest = seconds;
    let mut text = String::new();
    for (size, unit) in units.iter().skip(largest).take(2) {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    text
}

pub(crate) fn lifetime(ttl: Ttl) -> String {
    match ttl {
        Ttl::Forever => "for ever".to_owned(),
        Ttl::Remaining(left) => format!("{} ({} ms)", span(left), left.as_millis()),
    }
}

/// `null` is for ever.
pub(crate) fn lifetime_json(ttl: Ttl) -> Value {
    match ttl {
        Ttl::Forever => Value::Null,
        Ttl::Remaining(left) => millis(left),
    }
}

pub(crate) fn millis(span: Duration) -> Value {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).into()
}

pub(crate) fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{:.1} {unit}", bytes as f64 / *size as f64),
        None => format!("{bytes} B"),
    }
}

/// Hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
