//! How a cache comes into being: its configuration is checked, and the store that its locations name is made. Nothing
//! connects before the first operation.

use std::sync::Arc;

use crate::base::flight::Flights;
use crate::cache::stats::Counters;
use crate::config::{Address, Config, Hooks, Location, Options};
use crate::error::Result;
use crate::key::KeySpace;
use crate::memory::MemoryStore;
use crate::memory::timed::TimedStore;
use crate::near::NearStore;
use crate::redis::RedisStore;
use crate::store::Store;

use super::{Cache, Shared};

impl Config {
    /// Makes the cache. It does not touch the network; connections are opened when they are needed.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when there is no location, when a value of a setter is not
    /// accepted, or when options and locations do not fit each other.
    pub fn connect(&self) -> Result<Cache> {
        let (options, locations, hooks) = self.resolve()?;
        let store: Arc<dyn Store> = match locations.as_slice() {
            [
                Location {
                    address: Address::Memory(name),
                    name: title,
                    ..
                },
            ] => {
                let title = title.as_deref();
                let store = MemoryStore::open(name.as_deref(), title, options.memory_limit);
                match options.latencies {
                    false => store,
                    true => Arc::new(TimedStore::new(store, title)),
                }
            }
            servers => {
                let far = RedisStore::new(&options, servers, &hooks)?;
                match options.near {
                    0 => Arc::new(far),
                    _ => Arc::new(NearStore::new(far, &options)),
                }
            }
        };
        Ok(Cache::assemble(self.clone(), options, hooks, store))
    }
}

impl Cache {
    /// Opens a cache on a location: `redis://host:port/db?prefix=app&ttl=5m`, `/path/to.sock`, `memory://`, ...
    /// Several locations are separated by commas. Every option can stand in the query.
    ///
    /// No network: connections are opened when they are needed.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) names the location or option, its value, and what would be accepted.
    pub fn open(url: &str) -> Result<Cache> {
        Config::parse(url)?.connect()
    }

    fn assemble(config: Config, options: Options, hooks: Hooks, store: Arc<dyn Store>) -> Cache {
        let keys = Arc::new(KeySpace::new(&options, &hooks));
        let shared = Shared {
            config,
            options,
            #[cfg(feature = "capi")]
            runs_functions: hooks.are_any(),
            hooks,
            store,
            counters: Counters::default(),
            flights: Flights::default(),
            late_flights: Flights::default(),
            decode_told: false.into(),
        };
        Cache {
            shared: Arc::new(shared),
            keys,
        }
    }
}
