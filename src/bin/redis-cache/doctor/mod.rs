//! The doctor: what could be wrong with a cache and its servers, looked at one by one. Each finding says where, what, and
//! what to do. Whatever it tries leaves nothing behind.

mod certificate;
mod fleet;
mod machine;
mod rights;
mod server;

use redis_cache::Cache;
use serde_json::json;

use crate::ending::{Ending, Outcome};
use crate::say::Say;
use crate::target::Target;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grade {
    Good,
    /// Nothing is wrong, but somebody should know.
    Note,
    Warning,
    Broken,
}

/// One thing that was looked at.
#[derive(Debug)]
struct Finding {
    grade: Grade,
    place: String,
    topic: &'static str,
    text: String,
    /// What to do about it.
    advice: String,
}

/// All of them, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    fn add(
        &mut self,
        grade: Grade,
        place: &str,
        topic: &'static str,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.0.push(Finding {
            grade,
            place: place.to_owned(),
            topic,
            text: text.into(),
            advice: advice.into(),
        });
    }

    pub(crate) fn good(&mut self, place: &str, topic: &'static str, text: impl Into<String>) {
        self.add(Grade::Good, place, topic, text, "");
    }

    pub(crate) fn note(
        &mut self,
        place: &str,
        topic: &'static str,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(Grade::Note, place, topic, text, advice);
    }

    pub(crate) fn warn(
        &mut self,
        place: &str,
        topic: &'static str,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(Grade::Warning, place, topic, text, advice);
    }

    pub(crate) fn broken(
        &mut self,
        place: &str,
        topic: &'static str,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(Grade::Broken, place, topic, text, advice);
    }

    fn count(&self, grade: Grade) -> usize {
        self.0
            .iter()
            .filter(|finding| finding.grade == grade)
            .count()
    }
}

impl Grade {
    fn word(self) -> &'static str {
        match self {
            Grade::Good => "ok",
            Grade::Note => "note",
            Grade::Warning => "warning",
            Grade::Broken => "BROKEN",
        }
    }
}

/// Looks at everything. `is_strict`: a warning is no yes either.
pub(crate) fn examine(target: &Target, cache: &Cache, is_strict: bool, say: &mut Say) -> Outcome {
    let mut findings = Findings::default();
    match cache.nodes() {
        Ok(nodes) => {
            let mut offsets = Vec::new();
            for node in &nodes {
                offsets.extend(server::examine(cache, node, &mut findings));
            }
            fleet::clocks(&offsets, &mut findings);
            fleet::balance(cache, &nodes, &mut findings);
            fleet::tracking(target, &nodes, &mut findings);
            machine::examine(nodes.len(), &mut findings);
        }
        Err(error) => findings.broken("all", "nodes", error.to_string(), "the first location that answers tells the others: check that one is up, and its address"),
    }
    if target.is_in_the_clear() {
        findings.note(
            "all",
            "tls",
            "values and passwords travel in the clear",
            "rediss:// where the network is not yours alone",
        );
    }
    tell(&findings, say)?;
    let is_bad =
        findings.count(Grade::Broken) > 0 || (is_strict && findings.count(Grade::Warning) > 0);
    Ok(Ending::of(!is_bad))
}

fn tell(findings: &Findings, say: &mut Say) -> Outcome<()> {
    for Finding {
        grade,
        place,
        topic,
        text,
        advice,
    } in &findings.0
    {
        if say.is_json() {
            say.json(&json!({"grade": grade.word().to_lowercase(), "node": place, "topic": topic, "text": text, "advice": advice}))?;
            continue;
        }
        let advice = match advice.as_str() {
            "" => String::new(),
            advice => format!(" -> {advice}"),
        };
        say.line(format!(
            "{:8} {place} {topic}: {text}{advice}",
            grade.word()
        ))?;
    }
    if !say.is_json() {
        let (broken, warnings) = (
            findings.count(Grade::Broken),
            findings.count(Grade::Warning),
        );
        say.line(format!(
            "{} looked at: {broken} broken, {warnings} warnings",
            findings.0.len()
        ))?;
    }
    Ok(())
}
