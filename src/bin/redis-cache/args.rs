//! What may be said on the command line. The texts here are the help, the man pages and the completions.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use redis_cache::Expiry;

use crate::ending::CODES;
use crate::target::TargetArgs;

const EXAMPLES: &str = "Where the cache is, in this order:
  --url LOCATION     as the library takes it: redis://host:6379/1?prefix=app, /run/redis.sock,
                     a comma list, rediss://, memory://, each with options in its query
  --cache NAME       a cache of the file (see below)
  REDIS_CACHE_URL    as --url; unlike it, nobody sees it in the list of processes
  the file           its cache `default`, if it names one

The file is --config, else REDIS_CACHE_CONFIG, else ~/.config/redis-cache.toml:
  default = \"web\"
  [caches.web]
  url = \"redis://10.0.0.5:6379/1\"       # or servers = [\"redis://h1\", \"redis://h2\"]
  prefix = \"app\"                         # any option of `redis-cache options`
  password_file = \"/etc/redis-cache.pw\"

Examples:
  redis-cache why user:7                   why does a read find what it finds?
  redis-cache doctor                       is anything wrong, and what is to be done?
  redis-cache delete-pattern 'user:*' --dry-run
  redis-cache clear --time 30s             prints the cursor for --resume
  redis-cache lock nightly -- ./job.sh     one at a time in the whole fleet";

/// Looks into a cache of redis_cache, and changes it: entries, sweeps, locks, and the health of its servers.
#[derive(Debug, Parser)]
#[command(name = "redis-cache", version, after_help = CODES,
    after_long_help = format!("{EXAMPLES}\n\n{CODES}"), disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// One JSON value a line instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) what: What,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// The value under a key, decoded: JSON, MessagePack, text, or a hex dump.
    Get(Get),
    /// Stores a value.
    Set(Set),
    /// How long a value will be fresh.
    Ttl { key: OsString },
    /// Gives an entry a new lifetime.
    Touch {
        key: OsString,
        /// 5m, 1h30m, never; the option `ttl` of the cache unless given.
        #[arg(long, value_parser = expiry)]
        ttl: Option<Expiry>,
    },
    /// Removes keys by name.
    Delete {
        #[arg(required = true)]
        keys: Vec<OsString>,
    },
    /// Which server has a key, and under which name.
    Where {
        #[arg(required = true)]
        keys: Vec<OsString>,
    },
    /// All about one key, and why a read finds what it finds.
    ///
    /// Wire key, server, slot, size, header, codec, freshness, the lease on it and its holder.
    Why { key: OsString },
    /// Lists the keys of this version, as they are found.
    Keys(Keys),
    /// Removes the keys of this version that match a glob.
    ///
    /// `*`, `?` and `[a-z]` mean something in the pattern, and nowhere else.
    DeletePattern {
        pattern: OsString,
        #[command(flatten)]
        sweep: SweepArgs,
    },
    /// Removes all keys of this cache, in every version. Other programs' keys stay.
    Clear {
        /// Only those of this version.
        #[arg(long, value_name = "VERSION")]
        only: Option<u64>,
        #[command(flatten)]
        sweep: SweepArgs,
    },
    /// Rewrites entries whose codec or compressor is not the configured one.
    ///
    /// Lifetimes stay, and whoever writes meanwhile wins.
    Reinsert {
        /// Only keys of this version that match; all keys of every version unless given.
        pattern: Option<OsString>,
        #[command(flatten)]
        sweep: SweepArgs,
    },
    /// Moves entries to where the ring wants them, after servers were added or left.
    Rebalance {
        /// The new list of locations, where it is not that of the cache; what is left out is emptied.
        #[arg(long, value_name = "LOCATION", value_delimiter = ',')]
        to: Vec<String>,
        #[command(flatten)]
        sweep: SweepArgs,
    },
    /// Runs a program under a lock that the whole fleet shares.
    ///
    /// As flock(1) does on one machine: redis-cache lock nightly -- ./job.sh
    Lock(Lock),
    /// Asks every server for a sign of life.
    Ping {
        /// How often.
        #[arg(long, short = 'n', default_value_t = 3)]
        count: u32,
    },
    /// What the servers count: keys, memory, hits, evictions, clients.
    Stats,
    /// The keys that are used most.
    ///
    /// By HOTKEYS where all servers have it (Redis 8.6), else of a sample: by uses under an LFU policy,
    /// by the time of the last use under others.
    Hot(Sample),
    /// The entries that take most memory, of a sample.
    Big(Sample),
    /// Looks for what is wrong with servers, rights, clocks and memory, and says what to do.
    ///
    /// Nothing is changed; one key is stored for a moment on each server, to try a near cache.
    Doctor {
        /// Warnings count as broken.
        #[arg(long)]
        strict: bool,
    },
    /// Reads and writes for a while, and tells how fast that was.
    ///
    /// Its keys, redis-cache-bench:*, are removed in the end.
    Bench(Bench),
    /// The options of a cache: name, default, and what is accepted.
    Options {
        /// Only those whose names hold this.
        filter: Option<String>,
    },
    /// Writes man pages and completions into a folder.
    #[command(hide = true)]
    Generate { folder: PathBuf },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    pub(crate) key: OsString,
    /// How to show it.
    #[arg(long = "as", value_enum, default_value_t = Form::Auto)]
    pub(crate) form: Form,
    /// Also what has expired, and may still be served.
    #[arg(long)]
    pub(crate) stale: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// By its codec, and by what it looks like.
    Auto,
    /// The bytes, as they are, and nothing else.
    Raw,
    /// All of it as a hex dump.
    Hex,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    pub(crate) key: OsString,
    /// The value; the standard input when it is left out or `-`.
    pub(crate) value: Option<OsString>,
    /// 5m, 1h30m, never; the option `ttl` of the cache unless given.
    #[arg(long, value_parser = expiry)]
    pub(crate) ttl: Option<Expiry>,
    /// What the value is.
    #[arg(long = "as", value_enum, default_value_t = Kind::Bytes)]
    pub(crate) kind: Kind,
    /// Only where there is none; exit code 1 when there was one.
    #[arg(long)]
    pub(crate) add: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Bytes as they are: what C programs and `set_bytes` write.
    Bytes,
    /// An integer, which servers can count with.
    Int,
    /// JSON, stored by the option `codec` (json or msgpack).
    Json,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Keys {
    /// A glob.
    #[arg(default_value = "*")]
    pub(crate) pattern: OsString,
    /// No more than so many.
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    pub(crate) limit: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SweepArgs {
    /// Counts what would be changed, and changes nothing.
    #[arg(long, short = 'n')]
    pub(crate) dry_run: bool,
    /// Stops after so many keys.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) limit: u64,
    /// Stops after so much time (30s, 5m).
    #[arg(long, value_parser = duration)]
    pub(crate) time: Option<Duration>,
    /// Goes on where an earlier one stopped.
    #[arg(long, value_name = "CURSOR")]
    pub(crate) resume: Option<String>,
    /// Keys that are changed at a time.
    #[arg(long, default_value_t = 1000)]
    pub(crate) batch: u32,
    /// Tells nothing of how far it has come.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Asks nothing, on a terminal either.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Lock {
    pub(crate) name: OsString,
    /// How long the lock outlives this command when it is killed.
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub(crate) ttl: Duration,
    /// How long to wait for it.
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub(crate) wait: Duration,
    /// The program and its arguments; its exit code is that of this command.
    ///
    /// REDIS_CACHE_LOCK_TOKEN in its environment is the fencing token.
    #[arg(required = true, last = true)]
    pub(crate) program: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Sample {
    /// How many to show.
    #[arg(long, short = 'n', default_value_t = 10)]
    pub(crate) count: usize,
    /// How many keys of each server to look at, at most.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) sample: usize,
    /// For how long HOTKEYS watches.
    #[arg(long, default_value = "5s", value_parser = duration)]
    pub(crate) time: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// For how long each part runs.
    #[arg(long, default_value = "2s", value_parser = duration)]
    pub(crate) time: Duration,
    /// Threads that call at once.
    #[arg(long, short, default_value_t = 4)]
    pub(crate) threads: usize,
    /// Bytes of a value.
    #[arg(long, default_value_t = 100)]
    pub(crate) size: usize,
    /// How many keys.
    #[arg(long, default_value_t = 1000)]
    pub(crate) keys: usize,
}

/// A time as options write it.
fn duration(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(Expiry::After(time)) => Ok(time),
        _ => Err("a duration with a unit is needed: 250ms, 5s, 2m, 1h30m".to_owned()),
    }
}

fn expiry(text: &str) -> Result<Expiry, String> {
    text.parse()
        .map_err(|error: redis_cache::Error| error.to_string())
}
