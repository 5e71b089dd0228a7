//! `on_error=miss` over several nodes: when none of them can be asked, every topology looks like an empty cache, and
//! the hook hears of every call.

use crate::common::fault::{Door, FaultServer};
use crate::common::server::free_port;
use crate::misses::{assert_everything_misses, assert_reported, open};

/// Every topology, over nodes that have these addresses.
fn topologies([a, b, c]: [&str; 3]) -> Vec<String> {
    vec![
        format!("redis://{a},redis://{b},redis://{c}"),
        format!("redis://{a}?primary={a},redis://{b},redis://{c}"),
        format!("redis://{a}?primary={a}&read_from=replica,redis://{b},redis://{c}"),
        format!("redis://{a}?topology=cluster,redis://{b},redis://{c}"),
        format!("redis://{a}?topology=cluster&read_from=any,redis://{b}"),
        format!("redis://{a}?topology=sentinel&sentinel_name=main,redis://{b},redis://{c}"),
        #[cfg(feature = "tls")]
        format!("rediss://{a}?tls_insecure=true"),
    ]
}

#[test]
fn nodes_that_are_all_down_are_an_empty_cache() {
    let nodes = [(); 3].map(|()| format!("127.0.0.1:{}", free_port()));
    for url in topologies(nodes.each_ref().map(String::as_str)) {
        let cache = open(&url, &[]);
        assert_everything_misses(&cache, &url);
        assert_reported(&cache, &url);
    }
}

#[test]
fn nodes_that_never_answer_are_an_empty_cache() {
    let servers = [(); 3].map(|()| FaultServer::start());
    servers.iter().for_each(|server| server.door(Door::Mute));
    let nodes = servers.each_ref().map(FaultServer::name);
    for url in topologies(nodes.each_ref().map(String::as_str)) {
        let cache = open(&url, &[]);
        assert_everything_misses(&cache, &url);
        assert_reported(&cache, &url);
    }
}

#[test]
fn nodes_that_speak_another_protocol_are_an_empty_cache() {
    let servers = [(); 3].map(|()| FaultServer::start());
    servers.iter().for_each(|server| server.door(Door::Http));
    let nodes = servers.each_ref().map(FaultServer::name);
    for url in topologies(nodes.each_ref().map(String::as_str)) {
        let cache = open(&url, &[("timeout", "2s")]);
        assert_everything_misses(&cache, &url);
        assert_reported(&cache, &url);
    }
}
