//! Where the cache is: on the command line, in the environment, or by name in a file. What a location or an option may be
//! is the library's to judge; here they are only found.

use std::env;
use std::fs;
use std::path::PathBuf;

use redis_cache::{Cache, Config, ErrorKind};
use toml::{Table, Value};

use crate::ending::{Failure, Outcome};
use crate::say::note;

/// What the command line says about it.
#[derive(Debug, clap::Args)]
pub(crate) struct TargetArgs {
    /// Where the cache is; several locations are joined by commas.
    ///
    /// Secrets are better in the environment or in a file:
    /// everybody on this machine can see a command line.
    #[arg(long, short, global = true, value_name = "LOCATION")]
    url: Vec<String>,
    /// A cache of the file, by its name.
    #[arg(
        long,
        short,
        global = true,
        value_name = "NAME",
        conflicts_with = "url"
    )]
    cache: Option<String>,
    /// The file of named caches (TOML).
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// An option of the cache, such as prefix=app; `redis-cache options` lists them.
    #[arg(long = "option", short, global = true, value_name = "NAME=VALUE")]
    options: Vec<String>,
}

/// Where the cache is, and its options.
#[derive(Debug, Default)]
pub(crate) struct Target {
    servers: Vec<Server>,
    options: Vec<(String, String)>,
}

#[derive(Debug)]
struct Server {
    url: String,
    name: Option<String>,
    weight: u32,
}

impl TargetArgs {
    /// The cache that is meant.
    pub(crate) fn find(&self) -> Outcome<Target> {
        let environment = env::var("REDIS_CACHE_URL").ok();
        let mut target = match (&self.cache, environment) {
            _ if !self.url.is_empty() => Target::at(self.url.iter().map(String::as_str)),
            (None, Some(url)) if !url.is_empty() => Target::at([url.as_str()]),
            (name, _) => self.named(name.as_deref())?,
        };
        for option in &self.options {
            let (name, value) = option.split_once('=').ok_or_else(|| {
                Failure::usage(format!("`-o {option}` is no option: -o NAME=VALUE is one"))
            })?;
            target.options.push((name.to_owned(), value.to_owned()));
        }
        Ok(target)
    }

    /// A cache of the file.
    fn named(&self, name: Option<&str>) -> Outcome<Target> {
        let Some((path, text)) = self.file()? else {
            return Err(Failure::usage(match name {
                Some(name) => format!("there is no file that could name the cache `{name}`: --config FILE, REDIS_CACHE_CONFIG or ~/.config/redis-cache.toml"),
                None => "which cache? --url LOCATION, --cache NAME or REDIS_CACHE_URL says it; `redis-cache --help` has examples".to_owned(),
            }));
        };
        let fault = |text: String| Failure::usage(format!("{}: {text}", path.display()));
        let file: Table = text
            .parse()
            // The message alone: what it quotes may be a password.
            .map_err(|error: toml::de::Error| fault(error.message().to_owned()))?;
        let default = file.get("default").and_then(Value::as_str);
        let name = name
            .or(default)
            .ok_or_else(|| fault("it names no `default`, so --cache NAME is needed".to_owned()))?;
        let caches = file.get("caches").and_then(Value::as_table);
        let cache = caches.and_then(|caches| caches.get(name)?.as_table());
        let cache = cache.ok_or_else(|| {
            let known: Vec<&str> = caches
                .iter()
                .flat_map(|all| all.keys())
                .map(String::as_str)
                .collect();
            fault(format!(
                "there is no cache `{name}`; it has: {}",
                known.join(", ")
            ))
        })?;
        Target::of_table(cache).map_err(|text| fault(format!("cache `{name}`: {text}")))
    }

    /// The path and the text of the file. One that nobody has asked for need not be there.
    fn file(&self) -> Outcome<Option<(PathBuf, String)>> {
        let asked = self
            .config
            .clone()
            .or_else(|| env::var_os("REDIS_CACHE_CONFIG").map(PathBuf::from));
        let usual = || {
            let folder = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
            let folder =
                folder.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".config")));
            folder
                .map(|folder| folder.join("redis-cache.toml"))
                .filter(|path| path.exists())
        };
        let Some(path) = asked.or_else(usual) else {
            return Ok(None);
        };
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some((path, text))),
            Err(error) => Err(Failure::usage(format!("{}: {error}", path.display()))),
        }
    }
}

impl Target {
    fn at<'a>(urls: impl IntoIterator<Item = &'a str>) -> Target {
        let urls = urls.into_iter().flat_map(|urls| urls.split(','));
        Target {
            servers: urls.map(Server::at).collect(),
            options: Vec::new(),
        }
    }

    fn of_table(table: &Table) -> Result<Target, String> {
        let mut target = Target::default();
        for (name, value) in table {
            match (name.as_str(), value) {
                ("url", Value::String(url)) => {
                    target.servers.extend(Target::at([url.as_str()]).servers)
                }
                ("servers", Value::Array(servers)) => {
                    for server in servers {
                        target.servers.push(Server::of(server)?);
                    }
                }
                (name, value) => {
                    let text = word(value).ok_or_else(|| {
                        format!("`{name}` must be text, a number or true or false")
                    })?;
                    target.options.push((name.to_owned(), text));
                }
            }
        }
        match target.servers.is_empty() {
            true => Err("it has neither `url` nor `servers`".to_owned()),
            false => Ok(target),
        }
    }

    /// The cache. Its faults are told, never taken for misses.
    pub(crate) fn open(&self) -> Outcome<Cache> {
        self.open_with(&[])
    }

    /// The same with other options beside.
    pub(crate) fn open_with(&self, more: &[(&str, &str)]) -> Outcome<Cache> {
        let mut config = Config::new();
        for server in &self.servers {
            config = config.server_with(&server.url, server.name.as_deref(), server.weight)?;
        }
        let own = self
            .options
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(more.iter().copied()) {
            config = config.set(name, value)?;
        }
        let config = config.error_hook(|error| {
            if error.kind() == ErrorKind::Config {
                note(format!("redis-cache: warning: {error}"));
            }
        });
        Ok(config.connect()?)
    }

    /// Whether any location is spoken to over the network without TLS.
    pub(crate) fn is_in_the_clear(&self) -> bool {
        self.servers.iter().any(|server| {
            let url = server.url.as_str();
            let is_elsewhere = !["localhost", "127.0.0.1", "[::1]"]
                .iter()
                .any(|here| url.contains(here));
            let schemes = [
                "rediss:",
                "valkeys:",
                "unix:",
                "redis+unix:",
                "memory:",
                "/",
            ];
            is_elsewhere && !schemes.iter().any(|scheme| url.starts_with(scheme))
        })
    }
}

impl Server {
    fn at(url: &str) -> Server {
        Server {
            url: url.to_owned(),
            name: None,
            weight: 1,
        }
    }

    fn of(value: &Value) -> Result<Server, String> {
        let table = match value {
            Value::String(url) => return Ok(Server::at(url)),
            Value::Table(table) => table,
            _ => return Err(
                "each of `servers` must be a location, or a table with `url`, `name` and `weight`"
                    .to_owned(),
            ),
        };
        let text = |name: &str| table.get(name).and_then(Value::as_str).map(str::to_owned);
        let weight = table.get("weight").map_or(Some(1), Value::as_integer);
        Ok(Server {
            url: text("url").ok_or("a table of `servers` has no `url`")?,
            name: text("name"),
            weight: weight
                .and_then(|weight| u32::try_from(weight).ok())
                .ok_or("`weight` must be a whole number from 1 on")?,
        })
    }
}

/// A value of the file as an option is written.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}
