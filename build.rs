//! Makes `include/redis_cache.h` from `src/ffi` and names the shared library for the linker. The header is
//! committed: a checkout is kept up to date, while a package or a read-only tree is only compared with.

#![allow(clippy::print_stdout, reason = "how a build script talks to Cargo")]

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// In the order in which the header is to be read.
const SOURCES: [&str; 21] = [
    "types",
    "callbacks",
    "library",
    "config",
    "client",
    "cache",
    "counters",
    "many",
    "results",
    "ttl",
    "sweep",
    "groups",
    "reinsert",
    "writer",
    "compute",
    "compute_many",
    "stale",
    "lease",
    "near",
    "lock",
    "stats",
];

/// The table of options that the documentation of Rust has too.
const OPTIONS: &str = "src/config/options.md";

/// Cargo leaves one of these where it has unpacked somebody else's dependency.
const UNPACKED: [&str; 3] = ["Cargo.toml.orig", ".cargo-ok", ".cargo-checksum.json"];

fn main() -> Result<(), Box<dyn Error>> {
    for path in [
        "build.rs",
        "cbindgen.toml",
        "src/ffi",
        OPTIONS,
        "include/redis_cache.h",
    ] {
        println!("cargo:rerun-if-changed={path}");
    }
    if env::var_os("CARGO_FEATURE_CAPI").is_none() {
        return Ok(());
    }
    name_the_library()?;
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    publish(&root, &header(&root)?)
}

/// The soname changes when programs must be compiled again; the library stays loaded once it is, because threads
/// that end later may still have state of it.
fn name_the_library() -> Result<(), Box<dyn Error>> {
    let major = env::var("CARGO_PKG_VERSION_MAJOR")?;
    if matches!(
        env::var("CARGO_CFG_TARGET_OS")?.as_str(),
        "linux" | "android" | "freebsd" | "netbsd" | "openbsd"
    ) {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libredis_cache.so.{major}");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    Ok(())
}

fn header(root: &Path) -> Result<String, Box<dyn Error>> {
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    let options = options(&fs::read_to_string(root.join(OPTIONS))?);
    config.after_includes = Some(options + &preamble()?);
    let builder = cbindgen::Builder::new().with_config(config);
    let builder = SOURCES.iter().fold(builder, |builder, name| {
        builder.with_src(root.join("src/ffi").join(name).with_extension("rs"))
    });
    let mut text = Vec::new();
    builder.generate()?.write(&mut text);
    Ok(tidy(&String::from_utf8(text)?))
}

/// cbindgen gives a comment of one line three, separates some parts by two empty lines, and gives names to types but not
/// to the structs behind them, so that nobody could declare one without this header. The fences that tell rustdoc what is
/// C say nothing to readers of C.
fn tidy(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut opened = None;
    for line in text.lines() {
        if line.trim_start().starts_with("* ```") {
            continue;
        }
        let name = line
            .strip_prefix("} ")
            .and_then(|name| name.strip_suffix(';'));
        if line.starts_with("typedef ") && line.ends_with(" {") {
            opened = Some(lines.len());
        } else if let (Some(name), Some(open)) = (name, opened.and_then(|at| lines.get_mut(at))) {
            *open = open.replace(" {", &format!(" {name} {{"));
        } else if line.starts_with("#endif  /* REDIS_CACHE_H */") {
            lines.push("#ifdef __cplusplus\n}\n#endif\n".to_owned());
        }
        let indent = line.len() - line.trim_start().len();
        match lines.as_slice() {
            [.., open, body] if line.trim() == "*/" && open.trim() == "/**" && body.len() < 96 => {
                let body = body.trim_start().trim_start_matches('*').trim();
                let short = format!("{:indent$}/** {body} */", "", indent = indent - 1);
                lines.truncate(lines.len() - 2);
                lines.push(short);
            }
            [.., last] if line.is_empty() && last.is_empty() => {}
            _ => lines.push(line.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}

/// The options as a comment: the name, its default in brackets, and the meaning, without the marks of Markdown.
fn options(table: &str) -> String {
    const WIDTH: usize = 96;
    let mut text = "\n/*\n * The options by name, for redis_cache_config_set() and the queries of locations, each with its\n \
         * default in brackets. Durations need a unit (250ms, 5s, 2m, 1h30m), sizes take k, m or g.\n *"
        .to_owned();
    for row in table.lines().skip(2) {
        let plain = row.trim_matches('|').replace('`', "");
        let mut cells = plain.splitn(3, " | ").map(str::trim);
        let mut cell = || cells.next().unwrap_or_default();
        let entry = format!("{} [{}] {}.", cell(), cell(), cell());
        let mut used = WIDTH;
        for (place, word) in entry.split(' ').enumerate() {
            if place > 0 && used + 1 + word.len() <= WIDTH {
                text.push(' ');
                used += 1;
            } else {
                let start = if place == 0 { "\n * " } else { "\n *     " };
                text.push_str(start);
                used = start.len() - 1;
            }
            text.push_str(word);
            used += word.len();
        }
    }
    text + "\n */\n"
}

/// What stands before the first declaration.
fn preamble() -> Result<String, Box<dyn Error>> {
    let part = |name: &str| env::var(format!("CARGO_PKG_VERSION{name}"));
    let (major, minor, patch) = (part("_MAJOR")?, part("_MINOR")?, part("_PATCH")?);
    let number =
        major.parse::<u32>()? * 1_000_000 + minor.parse::<u32>()? * 1000 + patch.parse::<u32>()?;
    Ok(format!(
        "\n#include <stdbool.h>\n\
         #include <stdint.h>\n\
         #include <stddef.h>\n\
         \n\
         /** The version of this header; redis_cache_version() tells that of the library. */\n\
         #define REDIS_CACHE_VERSION \"{}\"\n\
         /** The first of its three numbers. */\n\
         #define REDIS_CACHE_VERSION_MAJOR {major}\n\
         /** The second. */\n\
         #define REDIS_CACHE_VERSION_MINOR {minor}\n\
         /** The third. */\n\
         #define REDIS_CACHE_VERSION_PATCH {patch}\n\
         /** All of them as one that grows: major * 1000000 + minor * 1000 + patch. */\n\
         #define REDIS_CACHE_VERSION_NUMBER {number}\n\
         \n\
         /** A string literal as two arguments of a call, its bytes and its length, NULs inside included:\n \
         * redis_cache_set(cache, REDIS_CACHE_STR(\"user:7\"), REDIS_CACHE_STR(\"Ada\"), 60000). */\n\
         #define REDIS_CACHE_STR(text) (\"\" text), (sizeof(text) - 1)\n\
         \n\
         #ifdef __cplusplus\n\
         extern \"C\" {{\n\
         #endif",
        part("")?
    ))
}

fn publish(root: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    let committed = root.join("include/redis_cache.h");
    if fs::read_to_string(&committed).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let ours = !UNPACKED.iter().any(|mark| root.join(mark).exists());
    if ours
        && fs::create_dir_all(root.join("include"))
            .and_then(|()| fs::write(&committed, text))
            .is_ok()
    {
        return Ok(());
    }
    let made = PathBuf::from(env::var("OUT_DIR")?).join("redis_cache.h");
    fs::write(&made, text)?;
    println!(
        "cargo:warning=include/redis_cache.h does not fit src/ffi; {} does",
        made.display()
    );
    Ok(())
}
