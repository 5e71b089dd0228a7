//! The map of the house (see the crate's page): a folder imports only from its left. This reads the `use` lines and the
//! paths of all production files and fails with file and line. Test code may look anywhere. The documents are part of the
//! house too: what they link to is there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From left to right. Those that share a place and a `+` know each other; those with a `|` do not.
const HOUSE: &[&str] = &[
    "error + base",
    "codec",
    "expiry",
    "store",
    "config",
    "key + entry",
    "memory | redis",
    "near",
    "cache",
    "herd | groups",
    "lib + ffi",
];

const REDIS: &[&str] = &[
    "wire",
    "connection",
    "command",
    "node",
    "topology",
    "fleet",
    "store",
    "migrate",
    "values",
    "leases | walks",
    "mod",
];

/// What goes against the map, and why it may: file, target, reason.
const ALLOWED: &[(&str, &str, &str)] = &[];

/// Who names the `redis` crate: its own connections, the digests of scripts, what a login is to it, and the hooks of the
/// configuration.
const NAMES_REDIS: &[&str] = &[
    "config/hooks.rs",
    "config/mod.rs",
    "redis/command/script/mod.rs",
    "redis/connection/link.rs",
    "redis/connection/mod.rs",
    "redis/connection/redis_crate.rs",
    "redis/connection/redis_crate/values.rs",
    "redis/node/login.rs",
];

#[test]
fn a_folder_imports_only_from_its_left() {
    let mut wrong = Vec::new();
    for (file, text) in production_files() {
        let here = module_of(&file);
        for (line, path) in paths(&text) {
            let Some(target) = resolve(&here, &path) else {
                continue;
            };
            if let Some(why) = against(&here, &target)
                && !ALLOWED
                    .iter()
                    .any(|(at, to, _)| *at == file && target.join("::").starts_with(to))
            {
                wrong.push(format!("src/{file}:{line}: {}: {why}", path.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn few_files_name_the_redis_crate() {
    let mut wrong = Vec::new();
    for (file, text) in production_files() {
        let names_it = |path: &[String]| path[0] == "redis" && file != "lib.rs";
        let found = paths(&text).into_iter().find(|(_, path)| names_it(path));
        if let Some((line, path)) = found
            && !NAMES_REDIS.contains(&file.as_str())
        {
            wrong.push(format!("src/{file}:{line}: {}", path.join("::")));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_path_is_seen() {
    let text = "use crate::{\n    cache::Cache,\n    store::{self, Value as V},\n};\nfn f() {\n    super::node::go()\n}\n";
    let seen: Vec<_> = paths(text)
        .into_iter()
        .map(|(line, path)| format!("{line} {}", path.join("::")))
        .collect();
    assert_eq!(
        seen,
        [
            "1 crate::cache::Cache",
            "1 crate::store",
            "1 crate::store::Value",
            "6 super::node::go"
        ]
    );
    let module = |path: &str| -> Vec<String> { path.split("::").map(str::to_owned).collect() };
    let wrong = |from: &str, to: &str| against(&module(from), &module(to)).is_some();
    assert!(wrong("store::values", "config::Options"));
    assert!(wrong("memory", "redis::node") && wrong("herd", "groups::walk"));
    assert!(wrong("redis::command", "redis::node::Node"));
    assert!(wrong("redis::leases", "redis::RedisStore"));
    assert!(wrong("cache::many", "Config") && wrong("cache", "attic::Box"));
    assert!(!wrong("redis::node::pool", "redis::wire") && !wrong("error", "base::fork"));
    assert_eq!(
        production("a\n#[cfg(test)]\nuse b;\nc // d\n")
            .lines()
            .count(),
        4
    );
}

/// Six doors a corridor, and no more.
#[test]
fn few_files_are_loose() {
    for folder in ["src", "src/redis"] {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let files: Vec<_> = names.filter(|name| name.ends_with(".rs")).collect();
        assert!(files.len() <= 6, "{folder}: {files:?}");
    }
}

/// Every relative link in the documents leads to a file, and every anchor to a heading of it.
#[test]
fn links_lead_somewhere() {
    let mut documents = vec![root().join("README.md")];
    for folder in ["docs", "src/guide"] {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        documents.extend(paths.filter(|path| path.extension().is_some_and(|name| name == "md")));
    }
    let mut wrong = Vec::new();
    let mut followed = 0;
    for document in &documents {
        let text = fs::read_to_string(document).unwrap();
        let prose = text.split("```").step_by(2);
        for link in prose.flat_map(|prose| prose.split("](").skip(1)) {
            let link = link.split(')').next().unwrap_or_default();
            if link.contains("://") || link.starts_with("crate::") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => document.clone(),
                _ => document.parent().unwrap().join(path),
            };
            followed += 1;
            let leads = target.exists()
                && (anchor.is_empty()
                    || anchors(&fs::read_to_string(&target).unwrap()).contains(anchor));
            if !leads {
                wrong.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(followed > 20, "{followed} links were found");
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// The headings of a document as anchors.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    let anchor = |heading: &str| {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter })
            .collect()
    };
    headings.map(anchor).collect()
}

/// What is wrong with a path from the one to the other.
fn against(here: &[String], target: &[String]) -> Option<String> {
    let (from, to) = (room(here), room(target));
    if from != to {
        return order(HOUSE, &from, &to);
    }
    if from != "redis" {
        return None;
    }
    order(REDIS, &redis_room(here), &redis_room(target))
}

fn order(map: &[&str], from: &str, to: &str) -> Option<String> {
    let place = |room: &str| {
        let is_there = |rooms: &&str| rooms.split([' ', '+', '|']).any(|name| name == room);
        map.iter().position(is_there)
    };
    let (Some(own), Some(other)) = (place(from), place(to)) else {
        let unknown = if place(from).is_none() { from } else { to };
        return Some(format!("`{unknown}` has no place on the map"));
    };
    let is_fine = from == to || other < own || other == own && map[own].contains('+');
    (!is_fine).then(|| format!("`{to}` is not to the left of `{from}`"))
}

/// The room of a module: its folder or file in `src`. What the crate shows at its root is `lib`.
fn room(module: &[String]) -> String {
    match module.first() {
        Some(first) if first.chars().all(|letter| !letter.is_uppercase()) => first.clone(),
        _ => "lib".to_owned(),
    }
}

fn redis_room(module: &[String]) -> String {
    match module.get(1) {
        Some(second) if second.chars().all(|letter| !letter.is_uppercase()) => second.clone(),
        _ => "mod".to_owned(),
    }
}

/// `redis/node/pool.rs` is the module `redis::node::pool`.
fn module_of(file: &str) -> Vec<String> {
    let mut parts: Vec<String> = file
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    if parts == ["lib"] {
        parts.clear();
    }
    parts
}

/// Where a path leads, from the root of the crate; `None`: into another crate, or to a child.
fn resolve(here: &[String], path: &[String]) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "super" => {
            let base = here.len().checked_sub(ups)?;
            Some([&here[..base], &path[ups..]].concat())
        }
        _ => None,
    }
}

/// Every path in production code with its line: those of `use`, one by one, and those in between.
fn paths(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut rest = text;
    let (mut line, mut counted) = (1, 0);
    while let Some(at) = rest.find(|letter: char| letter.is_alphabetic() || letter == '_') {
        let starts_path = !rest[..at].ends_with([':', '"', '.', '$']);
        rest = &rest[at..];
        let here = text.len() - rest.len();
        line += text[counted..here].matches('\n').count();
        counted = here;
        let end = rest
            .find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == ':'))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let before = &text[..text.len() - rest.len()];
        let line_before = before.rsplit('\n').next().unwrap_or_default().trim();
        if word == "use" && (line_before.is_empty() || line_before.starts_with("pub")) {
            let end = after.find(';').unwrap_or(after.len());
            let uses: String = after[..end]
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            expand("", &uses, &mut |path| found.push((line, split(path))));
            rest = &after[end..];
            continue;
        }
        if starts_path && word.contains("::") {
            found.push((line, split(word)));
        }
        rest = after;
    }
    found
}

/// `a::{b, c::{d, e}}` is three paths.
fn expand(before: &str, tree: &str, each: &mut impl FnMut(&str)) {
    let Some((head, body)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        return each(&format!("{before}{path}"));
    };
    let body = body.trim_end().strip_suffix('}').expect("a closed brace");
    let before = format!("{before}{}", head.trim());
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in body.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&before, &body[start..at], each);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !body[start..].trim().is_empty() {
        expand(&before, &body[start..], each);
    }
}

fn split(path: &str) -> Vec<String> {
    let path = path.trim().trim_start_matches("::");
    let parts = path.split("::").map(str::trim);
    let mut parts: Vec<String> = parts
        .filter(|part| !part.is_empty() && *part != "self")
        .map(str::to_owned)
        .collect();
    if parts.is_empty() {
        parts.push("self".to_owned());
    }
    parts
}

/// Names under `src` and texts, without comments and what is only there for tests.
fn production_files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    let named = files.iter().map(|path| {
        let name = path.strip_prefix(root().join("src")).unwrap();
        let name = name.to_str().unwrap().to_owned();
        (name, production(&fs::read_to_string(path).unwrap()))
    });
    let files: Vec<_> = named.collect();
    assert!(files.len() > 100, "{} files", files.len());
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    const TESTS: &[&str] = &["tests", "testing", "conformance", "bin", "tests.rs"];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if TESTS.contains(&name) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
}

/// Comments and what follows a `#[cfg(test)]` become empty lines, so that the others keep their numbers.
fn production(text: &str) -> String {
    let mut lines = Vec::new();
    let mut is_test = false;
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or_default();
        if is_test {
            if code.trim_start().starts_with("mod ") && code.ends_with('{') {
                break;
            }
            is_test = !code.trim_end().ends_with([';', '}']);
            lines.push("");
            continue;
        }
        is_test = code.trim() == "#[cfg(test)]";
        lines.push(code);
    }
    lines.join("\n")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
