//! The configuration of a cache: where its servers are and what it does. Options and locations are read here from
//! text, from URLs and from typed setters, and checked against each other before anything connects.

mod choices;
mod hooks;
mod location;
mod options;

pub use choices::{
    Codec, Compressor, KeyCheck, Layout, NearUntracked, OnDecodeError, OnError, OnWaitTimeout,
    Parser, Pipelining, Protocol, ReadFrom, Ring, Topology,
};
pub(crate) use hooks::{Connector, ErrorFn, Hooks, KeyFn, ReverseKeyFn};
pub(crate) use location::{Address, Location};
pub(crate) use options::{Options, TlsOptions};
