//! Both crates in one program.

/// What `redis` makes of a number that fits no integer, and a cache beside it.
pub fn both(cache: &redis_cache::Cache) -> redis::Value {
    drop(cache.clone());
    redis::Value::BigNumber(num())
}

fn num<T: std::str::FromStr<Err: std::fmt::Debug>>() -> T {
    "18446744073709551616".parse().expect("digits")
}
