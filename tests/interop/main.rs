//! Sharing one Redis with the real Python packages, django-redis-cache and django-redis: each side writes, the other
//! one reads, through `layout=plain`. The packages come from PyPI; `REDIS_CACHE_NO_PYPI=1` goes without these tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;

mod keys;
mod python;
mod rings;
mod values;

use redis_cache::{Cache, Config};
use serde_json::{Value, json};

use common::server::Server;

/// A package, by the names it gives to things.
#[derive(Debug)]
struct Package {
    single: &'static str,
    sharded: &'static str,
    /// What makes it a ring beyond the name of its class.
    ring_options: fn() -> Value,
    ring: &'static str,
    serializer: &'static str,
    compressor: &'static str,
    json: &'static str,
    msgpack: &'static str,
    zlib: &'static str,
}

const PACKAGES: [Package; 2] = [
    Package {
        single: "redis_cache.RedisCache",
        sharded: "redis_cache.ShardedRedisCache",
        ring_options: || json!({}),
        ring: "django-redis-cache",
        serializer: "SERIALIZER_CLASS",
        compressor: "COMPRESSOR_CLASS",
        json: "redis_cache.serializers.JSONSerializer",
        msgpack: "redis_cache.serializers.MSGPackSerializer",
        zlib: "redis_cache.compressors.ZLibCompressor",
    },
    Package {
        single: "django_redis.cache.RedisCache",
        sharded: "django_redis.cache.RedisCache",
        ring_options: || json!({"CLIENT_CLASS": "django_redis.client.ShardClient"}),
        ring: "django-redis",
        serializer: "SERIALIZER",
        compressor: "COMPRESSOR",
        json: "django_redis.serializers.json.JSONSerializer",
        msgpack: "django_redis.serializers.msgpack.MSGPackSerializer",
        zlib: "django_redis.compressors.zlib.ZlibCompressor",
    },
];

impl Package {
    /// Its options for a codec and a compressor of ours.
    fn options(&self, codec: &str, compressor: &str) -> Value {
        let mut options = json!({"DB": 0, "SOCKET_TIMEOUT": 20, "SOCKET_CONNECT_TIMEOUT": 20});
        let serializer = if codec == "json" {
            self.json
        } else {
            self.msgpack
        };
        options[self.serializer] = json!(serializer);
        if compressor == "zlib" {
            options[self.compressor] = json!(self.zlib);
        }
        options
    }
}

/// The location of a server as both sides take it.
fn location(server: &Server) -> String {
    format!("{}/0", server.tcp())
}

/// A cache of ours that shares values with Python.
fn plain(servers: &[&Server], options: &[(&str, &str)]) -> Cache {
    let at = |config: Config, server: &&Server| config.server(&location(server)).unwrap();
    let config = servers.iter().fold(Config::new(), at);
    let given = [
        ("prefix", "app"),
        ("layout", "plain"),
        ("on_decode_error", "error"),
        ("timeout", "20s"),
    ];
    let all = given.iter().chain(options);
    let set = |config: Config, (name, value): &(&str, &str)| config.set(name, value).unwrap();
    all.fold(config, set).connect().unwrap()
}
