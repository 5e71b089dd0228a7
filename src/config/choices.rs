//! The options whose value is a word. Those of the codecs are the codecs' own.

use crate::base::words::words;

use super::units::Kind;

pub use crate::codec::choices::{Codec, Compressor};

/// What the table of options says of them.
macro_rules! kinds {
    ($($Choice:ident),* $(,)?) => {$(
        impl $Choice {
            pub(crate) const KIND: Kind<Self> = Kind {
                accepted: Self::WORDS,
                read: Self::of_word,
                fits: |_| true,
                show: |choice| choice.as_str().to_owned(),
            };
        }
    )*};
}

kinds!(
    KeyCheck,
    Codec,
    Compressor,
    Layout,
    OnDecodeError,
    OnError,
    Topology,
    ReadFrom,
    Ring,
    Protocol,
    Parser,
    Pipelining,
    OnWaitTimeout,
    NearUntracked,
);

words! {
    /// Which keys are refused, and what becomes of long ones. The empty key is refused in every mode.
    enum KeyCheck {
        /// Keys over 64 KiB are refused: `reject`.
        Reject = "reject",
        /// Nothing is checked: `off`.
        Off = "off",
        /// What memcached refuses: wire keys over 250 bytes, control characters, spaces: `memcached`.
        Memcached = "memcached",
        /// The user's key becomes `sha256:` and its lower-case hex SHA-256 when the wire key would be over 250 bytes, or
        /// when it looks like such a digest itself, so that no two keys share an entry. Patterns and `keys` then see
        /// digests, of which no key can be told: `hash`.
        Hash = "hash",
    }

    /// What stands in front of a stored value.
    enum Layout {
        /// A short header that says how the rest is written: `tagged`.
        Tagged = "tagged",
        /// Nothing, for sharing values with other programs, such as Python's django-redis-cache: `plain`. Every value
        /// is in the configured codec and, but for integers, in the configured compressor, however small it is.
        Plain = "plain",
    }

    /// What a stored value that cannot be decoded is.
    enum OnDecodeError {
        /// A miss, counted in the statistics: `miss`.
        Miss = "miss",
        /// An error of kind [`Decode`](crate::ErrorKind::Decode): `error`.
        Error = "error",
    }

    /// What an unreachable or failing server is.
    enum OnError {
        /// An error: `raise`.
        Raise = "raise",
        /// A miss, or a value that was not stored; counted, and told to the error hook: `miss`.
        Miss = "miss",
    }

    /// How the servers work together. Unless it is named, one location is `Single`, several are a `Ring`, and an
    /// option `primary` makes it `Primary`.
    enum Topology {
        /// One server: `single`.
        Single = "single",
        /// One takes the writes, the others are its replicas: `primary`.
        Primary = "primary",
        /// Each key lives on one of them: `ring`.
        Ring = "ring",
        /// Redis Cluster; the locations are where to ask first: `cluster`.
        Cluster = "cluster",
        /// The locations are sentinels, which know the master named `sentinel_name`: `sentinel`. The servers are
        /// reached by TLS when the first sentinel is.
        Sentinel = "sentinel",
    }

    /// Where plain reads (`get`, `get_many`, `has_key`) may go. A replica lags behind, so anything but `Primary` may
    /// miss the caller's own last write.
    enum ReadFrom {
        /// To the writer: `primary`.
        Primary = "primary",
        /// To a live replica, or to the writer when there is none: `replica`.
        Replica = "replica",
        /// To any of them: `any`.
        Any = "any",
    }

    /// How a ring places keys.
    enum Ring {
        /// Weighted rendezvous hashing over node names: `redis_cache`.
        RedisCache = "redis_cache",
        /// As Python's django-redis-cache does, to share its servers: `django-redis-cache`.
        DjangoRedisCache = "django-redis-cache",
        /// As Python's django-redis does, to share its servers: `django-redis`.
        DjangoRedis = "django-redis",
    }

    /// The version of the wire protocol.
    enum Protocol {
        /// 3 where the server knows it, else 2: `auto`.
        Auto = "auto",
        /// RESP2: `2`.
        Resp2 = "2",
        /// RESP3: `3`.
        Resp3 = "3",
    }

    /// Who decodes replies.
    enum Parser {
        /// This library: `native`.
        Native = "native",
        /// The `redis` crate's parser, on the same stream and under the same deadlines: `redis`.
        Redis = "redis",
    }

    /// Whether commands of several threads may share a connection.
    enum Pipelining {
        /// When it helps: `auto`.
        Auto = "auto",
        /// Never: `off`.
        Off = "off",
    }

    /// What a caller does whose `wait` for another's computation is over.
    enum OnWaitTimeout {
        /// It computes the value itself, without caching it: `compute`.
        Compute = "compute",
        /// It is told that another is busy: `busy`.
        Busy = "busy",
    }

    /// What the near cache does where the server refuses to announce changes.
    enum NearUntracked {
        /// Its entries live one second at most: `ttl`.
        Ttl = "ttl",
        /// It keeps nothing of that server: `off`.
        Off = "off",
    }
}
