//! Whole groups of keys: listed, removed, rewritten, moved. Each is a bounded sweep of the library, which tells how far it
//! has come, stops between two batches when it is interrupted, and says where to go on.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use redis_cache::{Cache, Progress, Result, Sweep, Swept};
use serde_json::json;

use crate::args::{Keys, SweepArgs};
use crate::ending::{Ending, Failure, Outcome};
use crate::say::{self, Say, confirm, note};

/// Steps of the bar.
const STEPS: u64 = 10_000;
/// Without a terminal a line comes so often.
const EVERY: Duration = Duration::from_secs(5);

pub(crate) fn keys(cache: &Cache, keys: &Keys, say: &mut Say) -> Outcome {
    let mut shown = 0;
    for key in cache.keys(keys.pattern.as_bytes())? {
        if shown >= keys.limit {
            break;
        }
        let key = say::key(&key?);
        say.both(&key, json!(key))?;
        shown += 1;
    }
    Ok(Ending::of(shown > 0))
}

pub(crate) fn delete(cache: &Cache, pattern: &OsStr, args: &SweepArgs, say: &mut Say) -> Outcome {
    let what = format!(
        "Remove all keys of version {} that match {}",
        cache.current_version(),
        say::key(pattern.as_bytes())
    );
    let sweep = cache.sweep(pattern.as_bytes());
    run(cache, &what, "removed", args, sweep, Sweep::delete, say)
}

pub(crate) fn clear(cache: &Cache, only: Option<u64>, args: &SweepArgs, say: &mut Say) -> Outcome {
    let (what, sweep) = match only {
        None => (
            "Remove all keys, in every version".to_owned(),
            cache.sweep_all(),
        ),
        Some(version) => (
            format!("Remove all keys of version {version}"),
            cache.sweep_version(version),
        ),
    };
    run(cache, &what, "removed", args, sweep, Sweep::delete, say)
}

pub(crate) fn reinsert(
    cache: &Cache,
    pattern: Option<&OsStr>,
    args: &SweepArgs,
    say: &mut Say,
) -> Outcome {
    let sweep = match pattern {
        None => cache.sweep_all(),
        Some(pattern) => cache.sweep(pattern.as_bytes()),
    };
    let what = "Rewrite entries that are not in the configured form";
    run(cache, what, "rewritten", args, sweep, Sweep::reinsert, say)
}

pub(crate) fn rebalance(cache: &Cache, to: &[String], args: &SweepArgs, say: &mut Say) -> Outcome {
    let target = match to {
        [] => None,
        locations => Some(cache.with_nodes(locations)?),
    };
    let what = "Move entries to where the ring wants them";
    let act = |sweep: Sweep<'_>| match &target {
        None => sweep.rebalance(),
        Some(target) => sweep.rebalance_to(target),
    };
    run(cache, what, "moved", args, cache.sweep_all(), act, say)
}

/// The sweep, with what every one of them has: a question, bounds, progress, and an account of it in the end.
fn run<'a>(
    cache: &Cache,
    what: &str,
    done: &str,
    args: &SweepArgs,
    sweep: Sweep<'a>,
    act: impl FnOnce(Sweep<'a>) -> Result<Swept>,
    say: &mut Say,
) -> Outcome {
    if !args.dry_run {
        let own = cache.make_key("x")?;
        let opening = own.strip_suffix(b"x").unwrap_or_default();
        let nodes: Vec<String> = cache
            .nodes()?
            .into_iter()
            .map(|node| node.location)
            .collect();
        let question = format!(
            "{what} (keys like {}...) on {}?",
            say::key(opening),
            nodes.join(", ")
        );
        if !confirm(&question, args.yes)? {
            note("nothing was done");
            return Ok(Ending::No);
        }
    }
    let stopped = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&stopped))?;
    let meter = Rc::new(RefCell::new(Meter::new(args.quiet)));
    let (shown, stop) = (Rc::clone(&meter), Arc::clone(&stopped));
    let mut sweep = sweep
        .limit(args.limit)
        .batch(args.batch)
        .dry_run(args.dry_run)
        .progress(move |progress| {
            shown.borrow_mut().show(&progress);
            match stop.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
    if let Some(time) = args.time {
        sweep = sweep.time(time);
    }
    if let Some(cursor) = &args.resume {
        sweep = sweep.resume(cursor.as_str());
    }
    let swept = act(sweep);
    meter.borrow().end();
    let (swept, fault) = match swept {
        Ok(swept) => (swept, None),
        Err(error) => match error.swept().cloned() {
            Some(swept) => (swept, Some(error)),
            None => return Err(error.into()),
        },
    };
    tell(&swept, done, args.dry_run, say)?;
    match fault {
        Some(error) => {
            say.flush()?;
            Err(Failure::other(error.to_string()))
        }
        None if stopped.load(Ordering::Relaxed) && swept.cursor.is_some() => {
            Ok(Ending::Interrupted)
        }
        None => Ok(Ending::Done),
    }
}

fn tell(swept: &Swept, done: &str, dry_run: bool, say: &mut Say) -> Outcome<()> {
    let text = match dry_run {
        true => format!(
            "{} would be {done}; {} scanned",
            swept.matched, swept.scanned
        ),
        false => format!(
            "{} {done} of {} that matched; {} scanned",
            swept.changed, swept.matched, swept.scanned
        ),
    };
    let json = json!({
        "scanned": swept.scanned,
        "matched": swept.matched,
        "changed": swept.changed,
        "dry_run": dry_run,
        "cursor": swept.cursor,
    });
    say.both(text, json)?;
    if let (Some(cursor), false) = (&swept.cursor, say.is_json()) {
        say.line(format!("not at its end; go on with --resume '{cursor}'"))?;
    }
    Ok(())
}

/// How far a sweep has come: a bar on a terminal, a line now and then elsewhere.
struct Meter {
    bar: Option<ProgressBar>,
    is_quiet: bool,
    began: Instant,
    told: Instant,
    /// Where it began: a sweep that goes on is not at nothing.
    first: Option<f64>,
}

impl Meter {
    fn new(is_quiet: bool) -> Meter {
        let is_bar = !is_quiet && io::stderr().is_terminal();
        let bar = is_bar.then(|| {
            let bar = ProgressBar::new(STEPS);
            let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}");
            style.into_iter().for_each(|style| bar.set_style(style));
            bar
        });
        let now = Instant::now();
        Meter {
            bar,
            is_quiet,
            began: now,
            told: now,
            first: None,
        }
    }

    fn show(&mut self, progress: &Progress) {
        let words = self.words(progress);
        if let Some(bar) = &self.bar {
            bar.set_position((progress.fraction * STEPS as f64) as u64);
            bar.set_message(words);
        } else if !self.is_quiet && self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            note(format!("{:.0} %  {words}", progress.fraction * 100.0));
        }
    }

    fn words(&mut self, progress: &Progress) -> String {
        let spent = self.began.elapsed().as_secs_f64().max(0.001);
        let rate = progress.scanned as f64 / spent;
        let first = *self.first.get_or_insert(progress.fraction.min(0.999));
        let part = progress.fraction - first;
        let left = match part > 0.001 {
            true => {
                let seconds = spent * (1.0 - progress.fraction) / part;
                format!("{} left", say::span(Duration::from_secs(seconds as u64)))
            }
            false => "time left unknown".to_owned(),
        };
        let Progress {
            scanned, matched, ..
        } = progress;
        format!("{scanned} scanned, {matched} matched, {rate:.0}/s, {left}")
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
