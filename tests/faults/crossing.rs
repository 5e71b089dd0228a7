//! A reply never reaches another caller, whatever happens to connections, and signals disturb nobody.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use redis_cache::{Cache, ErrorKind, Expiry};

use crate::Faulty;
use crate::common::fault::Fate;

dialects! {
    a_reply_never_reaches_another_caller,
    signals_do_not_disturb_a_call,
}

const BUDGET: Duration = Duration::from_millis(100);

/// Each value names its key, so a crossed reply shows.
fn value_of(key: usize) -> Vec<u8> {
    format!("value {key} ").into_bytes().repeat(1 + key * 3)
}

fn a_reply_never_reaches_another_caller(at: &Faulty) {
    const KEYS: usize = 24;
    let wide = at.cache_with(&[("timeout", "20s")]);
    for key in 0..KEYS {
        wide.set_bytes(format!("k{key}"), &value_of(key), Expiry::Never)
            .unwrap();
        wide.set_int(format!("n{key}"), key as i64, Expiry::Never)
            .unwrap();
    }
    let mut random = fastrand::Rng::with_seed(7);
    at.server.judge(move |command| {
        if !matches!(&*command[0], b"GET" | b"MGET" | b"EVALSHA") || random.u8(..) > 60 {
            return Fate::Pass;
        }
        match random.u8(..5) {
            0 => Fate::Late(BUDGET * 3 / 2),
            1 => Fate::Stall(random.usize(..40)),
            2 => Fate::Reset(random.usize(..40)),
            3 => Fate::Close(random.usize(..40)),
            _ => Fate::Late(BUDGET / 10),
        }
    });
    let cache = at.cache_with(&[("timeout", "100ms"), ("max_connections", "4")]);
    let (sound, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let count =
        |is_sound: bool| if is_sound { &sound } else { &failed }.fetch_add(1, Ordering::Relaxed);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (cache, count) = (&cache, &count);
            scope.spawn(move || {
                for round in 0..60 {
                    let key = (thread * 3 + round) % KEYS;
                    count(one_round(cache, key, (key + 1) % KEYS));
                }
            });
        }
    });
    let (sound, failed) = (sound.into_inner(), failed.into_inner());
    assert!(
        sound > 50 && failed > 10,
        "{sound} sound, {failed} failed: this run proves little"
    );
}

/// False when the call failed, as many must; a wrong value panics.
fn one_round(cache: &Cache, key: usize, next: usize) -> bool {
    let allowed = |kind| matches!(kind, ErrorKind::Io | ErrorKind::Timeout);
    match key % 3 {
        0 => match cache.get_bytes(format!("k{key}")) {
            Ok(value) => {
                assert!(value == Some(value_of(key)), "a reply for {key} crossed");
                true
            }
            Err(error) => {
                assert!(allowed(error.kind()), "{error}");
                false
            }
        },
        1 => match cache.get_many_bytes([format!("k{key}"), format!("k{next}")]) {
            Ok(values) => {
                assert!(
                    values == [Some(value_of(key)), Some(value_of(next))],
                    "a reply for {key} crossed"
                );
                true
            }
            Err(partial) => {
                assert!(
                    partial.cause().is_some_and(|error| allowed(error.kind())),
                    "{partial}"
                );
                false
            }
        },
        _ => match cache.incr(format!("n{key}"), 1000) {
            Ok(number) => {
                assert_eq!(
                    number.map(|number| number % 1000),
                    Some(key as i64),
                    "a reply for {key} crossed"
                );
                true
            }
            Err(error) => {
                assert!(allowed(error.kind()), "{error}");
                false
            }
        },
    }
}

extern "C" fn nothing(_: libc::c_int) {}

fn signals_do_not_disturb_a_call(at: &Faulty) {
    // SAFETY: the handler does nothing, so it may run anywhere; without SA_RESTART system calls return EINTR.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        assert_eq!(
            libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()),
            0
        );
    }
    at.warm();
    let cache = at.cache_with(&[("timeout", "5s"), ("connect_timeout", "5s")]);
    at.server.judge(|_| Fate::Late(Duration::from_millis(40)));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let caller = scope.spawn(|| {
            let sender = sender;
            // SAFETY: asks for this thread's own handle.
            sender.send(unsafe { libc::pthread_self() }).unwrap();
            // The first call connects, and shakes hands, among the signals too.
            for _ in 0..3 {
                assert_eq!(
                    cache.get_bytes("k").unwrap().as_deref(),
                    Some(&b"hello"[..])
                );
                cache.set_bytes("k", b"hello", Expiry::Default).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        let thread = receiver.recv().unwrap();
        while !done.load(Ordering::SeqCst) && !caller.is_finished() {
            // SAFETY: the thread is joined at the end of this scope, so its handle is valid here.
            unsafe { libc::pthread_kill(thread, libc::SIGUSR1) };
            std::thread::sleep(Duration::from_millis(3));
        }
        caller.join().unwrap();
    });
    assert_eq!(cache.stats().retries, 0, "a signal is no fault");
}
