//! Man pages and completions, from what `args` says.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::ending::{Ending, Outcome};

/// `man1/*.1`, and `completions` as each shell looks for them.
pub(crate) fn write(folder: &Path) -> Outcome {
    let command = || Args::command().name("redis-cache");
    let pages = folder.join("man1");
    fs::create_dir_all(&pages)?;
    clap_mangen::generate_to(command(), &pages)?;
    for (shell, place) in [
        (Shell::Bash, "bash-completion/completions/redis-cache"),
        (Shell::Zsh, "zsh/site-functions/_redis-cache"),
        (Shell::Fish, "fish/vendor_completions.d/redis-cache.fish"),
    ] {
        let file = folder.join(place);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command(), "redis-cache", &mut text);
        fs::write(file, text)?;
    }
    Ok(Ending::Done)
}
