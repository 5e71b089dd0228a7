//! A tour of the cache. Without an argument it runs on the embedded store and needs no server:
//!
//! ```text
//! cargo run --example tour                                   # memory://
//! cargo run --example tour redis://127.0.0.1:6379/1?prefix=tour
//! ```

#![allow(clippy::print_stdout)]

use std::time::Duration;

use redis_cache::{Cache, Expiry, Result};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct User {
    id: u32,
    name: String,
}

fn main() -> Result<()> {
    let location = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "memory://?prefix=tour".into());
    let cache = Cache::open(&location)?;
    println!(
        "redis_cache {} on {}",
        env!("CARGO_PKG_VERSION"),
        cache.where_is("user:7")?
    );

    let ada = User {
        id: 7,
        name: "Ada".into(),
    };
    cache.set("user:7", &ada, Expiry::Default)?;
    let found: Option<User> = cache.get("user:7")?;
    println!("set, get          {found:?}");
    println!(
        "the key on the wire  {}",
        String::from_utf8_lossy(&cache.make_key("user:7")?)
    );

    cache.set_int("visits", 41, Expiry::Never)?;
    println!("incr              {:?}", cache.incr("visits", 1)?);
    println!("incr, no such key {:?}", cache.incr("nobody", 1)?);

    cache.touch("user:7", Duration::from_secs(60))?;
    println!("ttl               {:?}", cache.ttl("user:7")?);
    println!(
        "add, it exists    {:?}",
        cache.add("user:7", &ada, Expiry::Default)?
    );

    let front = cache.get_or_set("front", Duration::from_secs(300), || {
        Ok::<_, String>("<h1>Hello</h1>".to_owned())
    })?;
    println!("get_or_set        {front}");

    cache.set_many_bytes(
        [("page:1", "one"), ("page:2", "two"), ("page:3", "three")],
        Expiry::Default,
    )?;
    println!(
        "get_many          {:?}",
        cache.get_many::<String>(["page:1", "page:9", "page:3"])?
    );

    println!("incr_version      {:?}", cache.incr_version("page:1", 1)?);
    println!(
        "version 1, 2      {:?} {:?}",
        cache.has_key("page:1")?,
        cache.version(2).has_key("page:1")?
    );

    println!("delete_pattern    {}", cache.delete_pattern("page:*")?);
    println!("clear             {}", cache.clear()?);
    let stats = cache.stats();
    println!(
        "stats             {} hits, {} misses, {} sets",
        stats.hits, stats.misses, stats.sets
    );
    Ok(())
}
