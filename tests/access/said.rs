//! What servers say that they were sent: no key, value or token of it is in any text.

use std::sync::{Arc, Mutex};

use redis_cache::{Config, Expiry};

use crate::common::fault::{Fate, FaultServer};

#[test]
fn no_argument_that_a_server_repeats_is_in_any_text() {
    let door = FaultServer::start();
    door.judge(|command| {
        let name = String::from_utf8_lossy(&command[0]).into_owned();
        if matches!(
            name.as_str(),
            "HELLO" | "AUTH" | "SELECT" | "CLIENT" | "TIME"
        ) {
            return Fate::Pass;
        }
        let mut said = format!("-ERR unknown command `{name}`, with args beginning with: ");
        for argument in &command[1..] {
            said += &format!(
                "`{}`, ",
                String::from_utf8_lossy(argument).replace(['\r', '\n'], " ")
            );
        }
        Fate::Answer(format!("{said}\r\n").into_bytes())
    });
    let heard = Arc::new(Mutex::new(Vec::new()));
    let texts = Arc::clone(&heard);
    let config = Config::new().server(&door.url()).unwrap();
    for (name, value) in [("parser", "native"), ("parser", "redis")] {
        let config = config
            .clone()
            .set("timeout", "20s")
            .unwrap()
            .set(name, value)
            .unwrap();
        let texts = Arc::clone(&texts);
        let config = config.error_hook(move |error| {
            let source =
                std::error::Error::source(error).map(|source| format!("{source} {source:?}"));
            texts
                .lock()
                .unwrap()
                .push(format!("{error} {error:?} {source:?}"));
        });
        let cache = config.connect().unwrap();
        let key = "hunter2-key";
        let never = || Ok::<_, String>("hunter2-value".to_owned());
        let _ = cache.set(key, "hunter2-value", Expiry::Default);
        let _ = cache.set_many::<String>([(key, "hunter2-value".to_owned())], Expiry::Default);
        let _ = cache.add(key, "hunter2-value", Expiry::Default);
        let _ = cache.get_bytes(key);
        let _ = cache.get_many_bytes([key]);
        let _ = cache.incr(key, 1);
        let _ = cache.touch(key, Expiry::Default);
        let _ = cache.delete(key);
        let _ = cache.delete_pattern("hunter2-*");
        let _ = cache.get_or_set(key, Expiry::Default, never);
        let _ = cache.lock(
            "hunter2-lock",
            std::time::Duration::from_secs(9),
            std::time::Duration::ZERO,
        );
        let _ = cache.lease_bytes(key);
        let _ = cache.expire_soft(key);
        let _ = cache.incr_version(key, 1);
        let _ = cache.ttl(key);
    }
    let heard = heard.lock().unwrap();
    assert!(heard.len() >= 2 * 14, "{heard:?}");
    for text in heard.iter() {
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("unknown command"), "{text}");
        assert!(!text.contains("args"), "{text}");
    }
}
