//! The keys that are used most, and those that take most memory. A server that counts uses itself is asked (HOTKEYS, Redis
//! 8.6: <https://redis.io/docs/latest/commands/hotkeys-start/>); otherwise so many keys of each server are looked at, and the
//! answer is that of a sample.

use std::thread;

use redis_cache::{Answer, Cache, Error};
use serde_json::json;

use crate::args::Sample;
use crate::ending::{Ending, Failure, Outcome};
use crate::nodes::ask;
use crate::say::{self, Say, note};

/// Keys of one SCAN, and commands of one exchange.
const PAGE: usize = 500;

/// A key of the sample: its server, its name there, and the figure that it is ordered by.
struct Found {
    node: String,
    key: Vec<u8>,
    figure: i64,
}

/// What is asked of each key, and how the answer is shown.
struct Question {
    command: &'static [&'static str],
    title: &'static str,
    /// Small figures first.
    ascending: bool,
    show: fn(i64) -> String,
}

const MEMORY: Question = Question {
    command: &["MEMORY", "USAGE"],
    title: "bytes",
    ascending: false,
    show: |bytes| say::size(u64::try_from(bytes).unwrap_or_default()),
};
const FREQUENCY: Question = Question {
    command: &["OBJECT", "FREQ"],
    title: "frequency",
    ascending: false,
    show: |figure| figure.to_string(),
};
const IDLE: Question = Question {
    command: &["OBJECT", "IDLETIME"],
    title: "idle_seconds",
    ascending: true,
    show: |seconds| format!("{seconds} s"),
};

pub(crate) fn big(cache: &Cache, args: &Sample, say: &mut Say) -> Outcome {
    let mut found = Vec::new();
    for node in owners(cache)? {
        sample(cache, &node, &MEMORY, args, &mut found)?;
    }
    tell(found, &MEMORY, args.count, say)
}

pub(crate) fn hot(cache: &Cache, args: &Sample, say: &mut Say) -> Outcome {
    let nodes = owners(cache)?;
    let is_counted = start(cache, &nodes, args)?;
    if is_counted {
        return counted(cache, &nodes, args, say);
    }
    let (mut frequent, mut recent) = (Vec::new(), Vec::new());
    for node in &nodes {
        let policy = match ask(cache, node, ["CONFIG", "GET", "maxmemory-policy"]) {
            Ok(answer) => answer
                .list()
                .last()
                .and_then(Answer::text)
                .unwrap_or_default(),
            Err(_) => String::new(),
        };
        match policy.contains("lfu") {
            true => sample(cache, node, &FREQUENCY, args, &mut frequent)?,
            false => sample(cache, node, &IDLE, args, &mut recent)?,
        }
    }
    if !recent.is_empty() {
        note(
            "by a sample, and by when a key was used last: a server with maxmemory-policy allkeys-lfu counts uses, and one with HOTKEYS (Redis 8.6) watches",
        );
        tell(recent, &IDLE, args.count, say)?;
    }
    match frequent.is_empty() {
        true => Ok(Ending::Done),
        false => tell(frequent, &FREQUENCY, args.count, say),
    }
}

fn owners(cache: &Cache) -> Outcome<Vec<String>> {
    let nodes = cache.nodes()?.into_iter().filter(|node| node.owns_keys);
    Ok(nodes.map(|node| node.name).collect())
}

/// Whether every server has begun to count.
fn start(cache: &Cache, nodes: &[String], args: &Sample) -> Outcome<bool> {
    let (count, seconds) = (
        args.count.to_string(),
        args.time.as_secs().max(1).to_string(),
    );
    let command = [
        "HOTKEYS", "START", "METRICS", "2", "CPU", "NET", "COUNT", &count, "DURATION", &seconds,
    ];
    for (place, node) in nodes.iter().enumerate() {
        let Err(error) = ask(cache, node, command) else {
            continue;
        };
        // Those before it have begun.
        let begun = nodes.iter().take(place);
        begun.for_each(|node| drop(stop(cache, node)));
        match error {
            error if error.to_string().contains("in progress") => {
                return Err(Failure::other(format!(
                    "{node}: somebody else watches its keys now (HOTKEYS); try again when that is over"
                )));
            }
            error if error.code().is_some() => return Ok(false),
            error => return Err(error.into()),
        }
    }
    Ok(!nodes.is_empty())
}

fn stop(cache: &Cache, node: &str) -> Result<Answer, Error> {
    ask(cache, node, ["HOTKEYS", "STOP"])?;
    ask(cache, node, ["HOTKEYS", "RESET"])
}

fn counted(cache: &Cache, nodes: &[String], args: &Sample, say: &mut Say) -> Outcome {
    note(format!("watching for {}", say::span(args.time)));
    thread::sleep(args.time);
    let mut rows = Vec::new();
    for node in nodes {
        let answer = ask(cache, node, ["HOTKEYS", "GET"]);
        // What was begun here ends here, whatever came of it.
        let ended = stop(cache, node);
        let answer = answer?;
        for (name, title) in [("by-cpu-time-us", "cpu_us"), ("by-net-bytes", "net_bytes")] {
            let pairs = behind(&answer, name).map_or(&[][..], Answer::list);
            for pair in pairs.chunks(2) {
                let [Answer::Bytes(key), figure] = pair else {
                    continue;
                };
                let figure = figure.int().unwrap_or_default();
                match say.is_json() {
                    true => say.json(
                        &json!({"node": node, "key": say::key(key), "by": title, "figure": figure}),
                    )?,
                    false => rows.push(vec![
                        title.to_owned(),
                        figure.to_string(),
                        node.clone(),
                        say::key(key),
                    ]),
                }
            }
        }
        ended?;
    }
    if !say.is_json() {
        say.table(&["by", "figure", "node", "wire key"], &rows)?;
    }
    Ok(Ending::Done)
}

/// What stands behind a word, in a list or in the lists within.
fn behind<'a>(answer: &'a Answer, name: &str) -> Option<&'a Answer> {
    let elements = answer.list();
    let here = elements.windows(2).find_map(|pair| match pair {
        [word, value] if word.text().as_deref() == Some(name) => Some(value),
        _ => None,
    });
    here.or_else(|| elements.iter().find_map(|element| behind(element, name)))
}

/// Asks the question of keys of this cache's version on one server, as many as the sample may have.
fn sample(
    cache: &Cache,
    node: &str,
    question: &Question,
    args: &Sample,
    found: &mut Vec<Found>,
) -> Outcome<()> {
    let glob = cache.make_pattern("*")?;
    let page = PAGE.to_string();
    let mut cursor = "0".to_owned();
    let mut seen = 0;
    loop {
        let scan: [&[u8]; 6] = [
            b"SCAN",
            cursor.as_bytes(),
            b"MATCH",
            &glob,
            b"COUNT",
            page.as_bytes(),
        ];
        let answer = ask(cache, node, scan)?;
        let [next, keys] = answer.list() else {
            return Err(Failure::other(format!(
                "{node}: SCAN does not answer as it should"
            )));
        };
        let keys = keys.list().iter().filter_map(|key| match key {
            Answer::Bytes(key) => Some(key.clone()),
            _ => None,
        });
        let keys: Vec<Vec<u8>> = keys.take(args.sample - seen).collect();
        seen += keys.len();
        for part in keys.chunks(PAGE) {
            measure(cache, node, question, part, found)?;
        }
        keep(found, question, args.count);
        cursor = next.text().unwrap_or_default();
        if cursor == "0" || cursor.is_empty() || seen >= args.sample {
            return Ok(());
        }
    }
}

fn measure(
    cache: &Cache,
    node: &str,
    question: &Question,
    keys: &[Vec<u8>],
    found: &mut Vec<Found>,
) -> Outcome<()> {
    let command = |key: &Vec<u8>| {
        let words = question.command.iter().map(|word| word.as_bytes().to_vec());
        words.chain([key.clone()]).collect::<Vec<_>>()
    };
    let answers = cache.ask_node(node, keys.iter().map(command))?;
    for (key, answer) in keys.iter().zip(answers) {
        match answer {
            Answer::Refused(error) => return Err(error.into()),
            answer => found.extend(answer.int().map(|figure| Found {
                node: node.to_owned(),
                key: key.clone(),
                figure,
            })),
        }
    }
    Ok(())
}

/// Only the first ones matter.
fn keep(found: &mut Vec<Found>, question: &Question, count: usize) {
    found.sort_by_key(|found| match question.ascending {
        true => found.figure,
        false => -found.figure,
    });
    found.truncate(count);
}

fn tell(mut found: Vec<Found>, question: &Question, count: usize, say: &mut Say) -> Outcome {
    keep(&mut found, question, count);
    let mut rows = Vec::new();
    for Found { node, key, figure } in &found {
        match say.is_json() {
            true => say.json(&json!({"node": node, "key": say::key(key), "by": question.title, "figure": figure}))?,
            false => rows.push(vec![(question.show)(*figure), node.clone(), say::key(key)]),
        }
    }
    if !say.is_json() {
        say.table(&[question.title, "node", "wire key"], &rows)?;
    }
    Ok(Ending::of(!found.is_empty()))
}
