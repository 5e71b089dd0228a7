//! Which of several servers a key lives on. A [`Ring`] is made once from the list of servers and never changes; it
//! answers without the network, without allocating and without failing. Where it places a key is a contract with
//! other processes and other languages: the tests hold every kind of ring to fixed vectors.

pub(crate) mod django_redis;
pub(crate) mod django_redis_cache;
pub(crate) mod member;
pub(crate) mod points;
pub(crate) mod rendezvous;
pub(crate) mod shards;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::config;
use crate::error::{Error, ErrorKind, Result};

use django_redis::DjangoRedis;
use django_redis_cache::DjangoRedisCache;
use member::Member;
use rendezvous::Rendezvous;

/// Keys divided among servers.
#[derive(Debug)]
pub(crate) enum Ring {
    /// `ring=redis_cache`
    Rendezvous(Rendezvous),
    /// `ring=django-redis-cache`
    DjangoRedisCache(DjangoRedisCache),
    /// `ring=django-redis`
    DjangoRedis(DjangoRedis),
}

impl Ring {
    /// The ring of these servers, in any order. A legacy ring knows no weight but 1.
    pub(crate) fn new(kind: config::Ring, members: &[Member<'_>]) -> Result<Ring> {
        check(kind, members).map_err(|fault| Error::new(ErrorKind::Config, fault))?;
        Ok(match kind {
            config::Ring::RedisCache => Ring::Rendezvous(Rendezvous::new(members)),
            config::Ring::DjangoRedisCache => {
                let nodes = nodes(members, django_redis_cache::identity)?;
                Ring::DjangoRedisCache(DjangoRedisCache::new(&nodes))
            }
            config::Ring::DjangoRedis => {
                let nodes = nodes(members, django_redis::identity)?;
                Ring::DjangoRedis(DjangoRedis::new(&nodes))
            }
        })
    }

    /// The index of the member that `key`, a complete wire key, lives on. Costs one digest of the key, and then a
    /// few nanoseconds a member (`redis_cache`) or a binary search (the legacy rings).
    pub(crate) fn place(&self, key: &[u8]) -> usize {
        match self {
            Ring::Rendezvous(ring) => ring.place(key),
            Ring::DjangoRedisCache(ring) => ring.place(key),
            Ring::DjangoRedis(ring) => ring.place(key),
        }
    }
}

fn check(kind: config::Ring, members: &[Member<'_>]) -> Result<(), String> {
    if members.is_empty() {
        return Err("a ring has at least one server".to_owned());
    }
    let mut names = BTreeSet::new();
    for Member { name, weight, .. } in members {
        if !names.insert(name) {
            return Err(format!(
                "two servers of a ring are named `{name}`: each needs a `name` of its own"
            ));
        }
        if *weight == 0 {
            return Err(format!(
                "server `{name}`: option `weight`: 0 is not a whole number from 1 to 4294967295"
            ));
        }
        if *weight != 1 && kind != config::Ring::RedisCache {
            return Err(format!(
                "server `{name}`: option `weight`: `ring={}` knows no weight but 1; `ring=redis_cache` does",
                kind.as_str()
            ));
        }
    }
    Ok(())
}

/// What a legacy ring calls its nodes.
fn nodes(members: &[Member<'_>], identity: fn(&Member<'_>) -> String) -> Result<Vec<String>> {
    let mut seen = BTreeMap::new();
    for member in members {
        if let Some(twin) = seen.insert(identity(member), member.name) {
            let text = format!(
                "servers `{twin}` and `{}` are the same to this `ring`, which needs each once",
                member.name
            );
            return Err(Error::new(ErrorKind::Config, text));
        }
    }
    Ok(members.iter().map(identity).collect())
}
