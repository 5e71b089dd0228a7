//! Which topology a cache has.

use crate::config::{Hooks, Location, Options, Topology as Kind};
use crate::error::{Error, ErrorKind, Result};

use super::Topology;
use super::cluster::Cluster;
use super::primary::Primary;
use super::ring::shards::Shards;
use super::sentinel::Sentinel;
use super::single::Single;

/// The topology that the options name, or that follows from the locations.
pub(crate) fn new(
    options: &Options,
    locations: &[Location],
    hooks: &Hooks,
) -> Result<Box<dyn Topology>> {
    let by_itself = match locations {
        [_] => Kind::Single,
        _ => Kind::Ring,
    };
    Ok(match (options.topology.unwrap_or(by_itself), locations) {
        (_, []) => {
            let text = "a cache needs a location: `redis://host:port`, or a path";
            return Err(Error::new(ErrorKind::Config, text));
        }
        (Kind::Single, [location]) => Box::new(Single::new(location, options, hooks)?),
        (Kind::Cluster, _) => Box::new(Cluster::new(options, locations, hooks)?),
        (Kind::Sentinel, _) => Box::new(Sentinel::new(options, locations, hooks)?),
        (Kind::Primary, _) => Box::new(Primary::new(options, locations, hooks)?),
        (Kind::Ring, _) => Box::new(Shards::new(options, locations, hooks)?),
        (kind, _) => {
            let text = format!(
                "topology `{}` does not serve {} locations",
                kind.as_str(),
                locations.len()
            );
            return Err(Error::new(ErrorKind::Config, text));
        }
    })
}
