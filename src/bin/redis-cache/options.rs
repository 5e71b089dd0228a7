//! The table of options, as the library knows them.

use redis_cache::config::known_options;
use serde_json::json;

use crate::ending::{Ending, Outcome};
use crate::say::Say;

pub(crate) fn table(filter: Option<&str>, say: &mut Say) -> Outcome {
    let filter = filter.unwrap_or_default();
    let mut options = known_options();
    options.retain(|option| option.name.contains(filter));
    let is_any = !options.is_empty();
    if say.is_json() {
        for option in options {
            say.json(&json!({"name": option.name, "default": option.default, "accepted": option.accepted}))?;
        }
    } else {
        let row = |option: &redis_cache::config::KnownOption| {
            let default = match option.default.as_str() {
                "" => "empty".to_owned(),
                default => default.to_owned(),
            };
            vec![option.name.to_owned(), default, option.accepted.to_owned()]
        };
        let rows: Vec<_> = options.iter().map(row).collect();
        say.table(&["option", "default", "accepted"], &rows)?;
    }
    Ok(Ending::of(is_any))
}
