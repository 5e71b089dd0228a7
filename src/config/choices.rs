//! The options whose value is a word. Each enum here knows its words, so that the text of an option, its typed
//! setter and the error about a wrong word cannot drift apart.

use super::units::Kind;

/// Declares enums together with the words that stand for them in [`Config::set`](crate::Config::set) and in URLs.
macro_rules! choices {
    ($($(#[$about:meta])* enum $Choice:ident {
        $(#[$first_about:meta])* $First:ident = $first:literal,
        $($(#[$variant_about:meta])* $Variant:ident = $word:literal,)*
    })*) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[non_exhaustive]
        pub enum $Choice {
            $(#[$first_about])* #[default] $First,
            $($(#[$variant_about])* $Variant,)*
        }

        impl $Choice {
            pub(crate) const KIND: Kind<Self> = Kind {
                accepted: concat!("`", $first, "`", $(" or `", $word, "`",)*),
                read: |word| match word {
                    $first => Some($Choice::$First),
                    $($word => Some($Choice::$Variant),)*
                    _ => None,
                },
                fits: |_| true,
                show: |choice| choice.as_str().to_owned(),
            };

            /// The word that stands for it in `Config::set` and in URLs.
            pub fn as_str(self) -> &'static str {
                match self {
                    $Choice::$First => $first,
                    $($Choice::$Variant => $word,)*
                }
            }
        }
    )*};
}

choices! {
    /// Which keys are refused, and what becomes of long ones. The empty key is refused in every mode.
    enum KeyCheck {
        /// Keys over 64 KiB are refused: `reject`.
        Reject = "reject",
        /// Nothing is checked: `off`.
        Off = "off",
        /// What memcached refuses: wire keys over 250 bytes, control characters, spaces: `memcached`.
        Memcached = "memcached",
        /// The user's key becomes its lower-case hex SHA-256 when the wire key would be over 250 bytes; patterns
        /// and `keys` then see digests: `hash`.
        Hash = "hash",
    }

    /// How typed values are written. Every codec of the build is read, whatever is written; which one wrote a value
    /// stands in its header.
    enum Codec {
        /// Compact and quick, for Rust: `postcard`.
        Postcard = "postcard",
        /// Readable everywhere: `json`. Needs the cargo feature `json`, as all of the following their own; they are
        /// on by default.
        Json = "json",
        /// MessagePack, structs as maps with names: `msgpack`.
        Msgpack = "msgpack",
        /// The one that [`Config::custom_codec`](crate::Config::custom_codec) was given: `custom`.
        Custom = "custom",
    }

    /// How values of `compress_min` bytes or more are compressed, if that saves an eighth. Every compressor of the
    /// build is read.
    enum Compressor {
        /// They are not: `none`.
        None = "none",
        /// zlib, as Python's `ZLibCompressor`: `zlib`. Levels 0 to 9.
        Zlib = "zlib",
        /// Zstandard: `zstd`. Levels 1 to 22, and below 0 for speed.
        Zstd = "zstd",
        /// One LZ4 block behind its length in four bytes: `lz4`. The quickest; it has no levels.
        Lz4 = "lz4",
        /// The one that [`Config::custom_compressor`](crate::Config::custom_compressor) was given: `custom`.
        Custom = "custom",
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
