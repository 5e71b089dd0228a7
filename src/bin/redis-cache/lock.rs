//! A program under a lock of the fleet. The lock is extended while the program runs; when that fails, the program is told
//! of nothing and goes on, and this command says so in the end: what must not be done twice should look at the token.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use redis_cache::Cache;

use crate::args::Lock;
use crate::ending::{Ending, Failure, Outcome};
use crate::say::note;

/// How often the program is looked at.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) fn hold(cache: &Cache, args: &Lock) -> Outcome {
    let Some(lock) = cache.lock(args.name.as_bytes(), args.ttl, args.wait)? else {
        note("redis-cache: somebody else has the lock");
        return Ok(Ending::No);
    };
    let Some((program, arguments)) = args.program.split_first() else {
        return Err(Failure::usage("which program?"));
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env("REDIS_CACHE_LOCK_TOKEN", lock.token().to_string())
        .spawn()
        .map_err(|error| Failure::usage(format!("{}: {error}", program.display())))?;
    let mut extended = Instant::now();
    let mut fault = None;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // A try that fails for once is made up for by the next one.
        if extended.elapsed() >= args.ttl / 3 {
            extended = Instant::now();
            fault = lock.extend(args.ttl).err();
        }
        thread::sleep(PAUSE.min(args.ttl / 6));
    };
    let released = lock.release();
    if let Some(error) = released.err().or(fault) {
        return Err(Failure::other(format!(
            "the lock was lost while the program ran, and it ended with {status}: {error}"
        )));
    }
    let signal = status.signal().and_then(|signal| u8::try_from(signal).ok());
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(Ending::Code(
        code.or(signal.map(|signal| signal.saturating_add(128)))
            .unwrap_or(1),
    ))
}
