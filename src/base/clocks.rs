//! The machine's two clocks: the one that counts sleep, which nobody can set and by which a [`Moment`](super::moment::Moment) is
//! told too, and the one on the wall, which anybody can. The latter is read here and nowhere else.

use std::time::{SystemTime, UNIX_EPOCH};

/// The clock that goes on while the machine sleeps. (That of macOS does so under this name.)
#[cfg(any(target_os = "linux", target_os = "android"))]
const UPTIME: libc::clockid_t = libc::CLOCK_BOOTTIME;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const UPTIME: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// Nanoseconds since the machine started, with the time it slept. They only go forward, and nobody sets them.
#[inline]
pub(super) fn uptime_nanos() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` may be written. The only failure is an unknown clock, and every system since 2011 has this one.
    unsafe { libc::clock_gettime(UPTIME, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The same in microseconds.
#[inline]
pub(crate) fn uptime_us() -> i64 {
    (uptime_nanos() / 1000) as i64
}

/// Unix time by the wall clock, in microseconds; 0 where that stands before 1970. It may be wrong, and may be right
/// again a moment later: no time that is kept is measured by it.
pub(crate) fn wall_us() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let wall = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    #[cfg(test)]
    let wall = wall.saturating_add(STEP.get());
    wall
}

#[cfg(test)]
thread_local! { static STEP: std::cell::Cell<i64> = const { std::cell::Cell::new(0) } }

/// Sets the wall clock forward, or back, for this thread.
#[cfg(test)]
pub(crate) fn step_wall(by: i64, unit_us: i64) {
    STEP.set(STEP.get() + by * unit_us);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clock_on_the_wall_can_be_set() {
        let (up, wall) = (uptime_us(), wall_us());
        step_wall(-10, 60_000_000);
        assert!(wall_us() < wall);
        step_wall(20, 60_000_000);
        assert!(wall_us() > wall + 500_000_000);
        assert!((0..100_000_000).contains(&(uptime_us() - up)));
    }

    /// The files of the library that may ask what the wall clock says: here it is read; a node that does not tell the time is judged
    /// by it as of the connect, and so is this process as of its start; a Unix time of a caller is turned into ours.
    const MAY_ASK: [&str; 3] = ["base/clocks.rs", "expiry.rs", "memory/mod.rs"];

    #[test]
    fn the_wall_clock_is_asked_where_it_must_be_and_nowhere_else() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                // The command compares the clocks of others with this machine's.
                if path == root.join("bin") {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path
                    .strip_prefix(&root)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                let text = std::fs::read_to_string(&path).unwrap();
                let is_asked = text.contains("SystemTime") || text.contains("wall_us");
                let may = MAY_ASK.contains(&name.as_str()) || name.contains("tests");
                assert!(may || !is_asked, "{name} asks the wall clock");
            }
        }
    }
}
