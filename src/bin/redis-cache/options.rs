//! The table of options, as the library knows them. What each means is said in one table, that of the README
//! and of the crate's documentation.

use redis_cache::config::known_options;
use serde_json::json;

use crate::ending::{Ending, Outcome};
use crate::say::Say;

const TABLE: &str = include_str!("../../config/options.md");

pub(crate) fn table(filter: Option<&str>, say: &mut Say) -> Outcome {
    let filter = filter.unwrap_or_default();
    let mut options = known_options();
    options.retain(|option| option.name.contains(filter));
    for option in &options {
        let (name, accepted) = (option.name, option.accepted);
        let default = match option.default.as_str() {
            "" => "empty",
            default => default,
        };
        let meaning = meaning(name).unwrap_or_default();
        match say.is_json() {
            true => say.json(&json!({"name": name, "default": option.default, "meaning": meaning, "accepted": accepted}))?,
            false => say.line(format!("{name} = {default}\n    {meaning}\n    takes {accepted}"))?,
        }
    }
    Ok(Ending::of(!options.is_empty()))
}

/// The last column of its row in the table.
fn meaning(name: &str) -> Option<&'static str> {
    let opening = format!("| `{name}` | ");
    let row = TABLE.lines().find_map(|line| line.strip_prefix(&opening))?;
    row.split_once(" | ")?.1.strip_suffix(" |")
}
