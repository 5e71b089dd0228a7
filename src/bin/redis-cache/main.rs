//! `redis-cache`, the operator's command: a look into a cache, and changes of it, from a shell. It stands on the crate's
//! public API alone, so whatever it does a program can do too.
//!
//! `args` is what may be said, `target` where the cache is, `say` how answers are written, `ending` how it ends; each other
//! file is a command or a few of a kind.

mod args;
mod bench;
mod doctor;
mod ending;
mod entries;
mod generate;
mod lock;
mod nodes;
mod options;
mod sample;
mod say;
mod show;
mod sweeps;
mod target;
mod why;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, What};
use ending::{Ending, Outcome};
use say::Say;

fn main() -> ExitCode {
    let args = Args::parse();
    let mut say = Say::new(args.json);
    match run(&args, &mut say).and_then(|ending| say.end(ending)) {
        Ok(ending) => ending.into(),
        Err(failure) => failure.tell(args.json),
    }
}

fn run(args: &Args, say: &mut Say) -> Outcome {
    match &args.what {
        What::Options { filter } => return options::table(filter.as_deref(), say),
        What::Generate { folder } => return generate::write(folder),
        _ => {}
    }
    let target = args.target.find()?;
    let cache = target.open()?;
    match &args.what {
        What::Get(get) => entries::get(&cache, get, say),
        What::Set(set) => entries::set(&cache, set, say),
        What::Ttl { key } => entries::ttl(&cache, key, say),
        What::Touch { key, ttl } => entries::touch(&cache, key, ttl.as_ref(), say),
        What::Delete { keys } => entries::delete(&cache, keys, say),
        What::Where { keys } => entries::place(&cache, keys, say),
        What::Why { key } => why::why(&cache, key, say),
        What::Keys(keys) => sweeps::keys(&cache, keys, say),
        What::DeletePattern { pattern, sweep } => sweeps::delete(&cache, pattern, sweep, say),
        What::Clear { only, sweep } => sweeps::clear(&cache, *only, sweep, say),
        What::Reinsert { pattern, sweep } => {
            sweeps::reinsert(&cache, pattern.as_deref(), sweep, say)
        }
        What::Rebalance { to, sweep } => sweeps::rebalance(&cache, to, sweep, say),
        What::Lock(lock) => lock::hold(&cache, lock),
        What::Ping { count } => nodes::ping(&cache, *count, say),
        What::Stats => nodes::stats(&cache, say),
        What::Hot(sample) => sample::hot(&cache, sample, say),
        What::Big(sample) => sample::big(&cache, sample, say),
        What::Doctor { strict } => doctor::examine(&target, &cache, *strict, say),
        What::Bench(bench) => bench::run(&cache, bench, say),
        What::Options { .. } | What::Generate { .. } => Ok(Ending::Done),
    }
}
