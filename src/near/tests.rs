//! The order of replies and news in one segment, which a real server gives only by chance.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use crate::Cache;
use crate::redis::testing::fake::talker;

/// The value is the number of the GET. Keys that open with `before` change right before it is answered, those with
/// `after` right after, those with `later` right after the answer to PTTL; all goes out in one piece.
#[test]
fn replies_and_news_in_one_segment_count_in_their_order() {
    let asked = Arc::new(Mutex::new(BTreeMap::<Vec<u8>, u32>::new()));
    let counts = Arc::clone(&asked);
    let address = talker(move |command, to| {
        let [verb, key] = command else {
            return to.write_all(b"+PONG\r\n").unwrap_or_default();
        };
        let text = String::from_utf8_lossy(key);
        let news = format!(
            ">2\r\n$10\r\ninvalidate\r\n*1\r\n${}\r\n{text}\r\n",
            key.len()
        );
        if verb == b"PTTL" {
            let is_first = counts.lock().unwrap().get(key) == Some(&1);
            let is_late = is_first && text.contains("later");
            let said = format!(":-1\r\n{}", if is_late { &news } else { "" });
            return to.write_all(said.as_bytes()).unwrap_or_default();
        }
        assert_eq!(verb, b"GET");
        let number = {
            let mut counts = counts.lock().unwrap();
            let count = counts.entry(key.clone()).or_default();
            *count += 1;
            *count
        };
        let reply = format!("$1\r\n{number}\r\n");
        let said = match (number, text.contains("before"), text.contains("after")) {
            (1, true, _) => news + &reply,
            (1, _, true) => reply + &news,
            _ => reply,
        };
        to.write_all(said.as_bytes()).unwrap_or_default();
    });
    let cache = Cache::open(&format!(
        "redis://{address}?near=1m&near_max_lag=20s&timeout=20s"
    ))
    .unwrap();
    for number in 0..500 {
        let name = |kind: &str| format!("{kind}{number}");
        let kinds = [("before", b"1"), ("after", b"2"), ("later", b"2")];
        for (key, second) in kinds.map(|(kind, second)| (name(kind), second)) {
            assert_eq!(cache.get_bytes(&key).unwrap().unwrap(), b"1");
            assert_eq!(cache.get_bytes(&key).unwrap().unwrap(), second, "{key}");
            assert_eq!(cache.get_bytes(&key).unwrap().unwrap(), second, "{key}");
        }
    }
    let asked = asked.lock().unwrap();
    let times = |part: &str| {
        let of_part = |key: &[u8]| String::from_utf8_lossy(key).contains(part);
        let counts = asked.iter().filter(|(key, _)| of_part(key));
        counts.map(|(_, count)| count).sum::<u32>()
    };
    let times = ["before", "after", "later"].map(times);
    assert_eq!(times, [500, 1000, 1000]);
}
