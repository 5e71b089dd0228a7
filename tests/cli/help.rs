//! What the command says about itself.

use std::fs;

use crate::common::launcher::Folder;
use crate::{Said, Shell, command};

#[test]
fn help_has_examples_and_the_exit_codes() {
    let said = Said::of(command(&["--help"]).output());
    assert_eq!(said.code, 0);
    for text in ["REDIS_CACHE_URL", "[caches.web]", "Exit codes:", "130"] {
        assert!(said.out.contains(text), "{text}");
    }
    assert_eq!(Said::of(command(&["no-such-command"]).output()).code, 2);
}

#[test]
fn the_options_are_those_of_the_library() {
    let known = redis_cache::config::known_options();
    let lines = Shell::at("").json(&["options"]);
    assert_eq!(lines.len(), known.len());
    for (line, option) in lines.iter().zip(known) {
        assert_eq!(line["name"], option.name);
        assert_eq!(line["default"], option.default.as_str());
        let meaning = line["meaning"].as_str().unwrap();
        assert!(
            meaning.len() > 10,
            "the README says nothing of {}",
            option.name
        );
    }
    let said = Shell::at("").ok(&["options", "near_"]);
    assert!(
        said.contains("near_untracked") && !said.contains("prefix"),
        "{said}"
    );
}

#[test]
fn man_pages_and_completions_are_made() {
    let folder = Folder::new("man");
    let path = folder.path().to_str().unwrap();
    Shell::at("").ok(&["generate", path]);
    let read = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap();
    assert!(read("man1/redis-cache.1").contains("redis\\-cache\\-why"));
    assert!(read("man1/redis-cache-clear.1").contains("dry\\-run"));
    assert!(read("bash-completion/completions/redis-cache").contains("delete-pattern"));
    assert!(read("zsh/site-functions/_redis-cache").contains("delete-pattern"));
    assert!(read("fish/vendor_completions.d/redis-cache.fish").contains("delete-pattern"));
}
