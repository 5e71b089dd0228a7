//! What forbids what, what follows from what, and what this version refuses.

use std::time::Duration;

use super::*;

/// What is wrong, before the question whether this version can do it.
fn clash(config: Config) -> String {
    config.settle().map(|_| ()).unwrap_err()
}

fn settled(config: Config) -> (Options, Vec<Location>) {
    config.settle().unwrap()
}

#[test]
fn there_must_be_a_location() {
    assert!(refusal(Ok(Config::new())).contains("there is no location"));
}

#[test]
fn the_topology_follows_from_the_locations() {
    let topology = |config| settled(config).0.topology;
    assert_eq!(topology(list("h")), Some(Topology::Single));
    assert_eq!(topology(list("memory://")), Some(Topology::Single));
    assert_eq!(topology(list("h1,h2")), Some(Topology::Ring));
    assert_eq!(
        topology(list("h1,h2").primary("h1")),
        Some(Topology::Primary)
    );
    assert_eq!(
        topology(list("h").topology(Topology::Ring)),
        Some(Topology::Ring)
    );
    assert_eq!(
        topology(list("h1?topology=cluster,h2")),
        Some(Topology::Cluster)
    );
}

#[test]
fn a_topology_must_fit_the_locations() {
    assert!(clash(list("h1,h2").topology(Topology::Single)).contains("`single` has one location"));
    assert!(
        clash(list("h1,h2").topology(Topology::Primary))
            .contains("options `topology` and `primary`")
    );
    assert!(
        clash(list("h1,h2").topology(Topology::Ring).primary("h1"))
            .contains("options `topology` and `primary`")
    );
    assert!(clash(list("h").topology(Topology::Sentinel)).contains("`sentinel_name`"));
    assert!(clash(list("h").sentinel_name("main")).contains("`sentinel_name`"));
    settled(list("h").topology(Topology::Sentinel).sentinel_name("main"));
    let error = clash(list("h").sentinel_password("s3cret"));
    assert!(
        error.contains("`sentinel_password`") && !error.contains("s3cret"),
        "{error}"
    );
    assert!(
        clash(list("memory://").topology(Topology::Cluster))
            .contains("a `memory://` store is `single`")
    );
}

#[test]
fn an_embedded_store_stands_alone() {
    for urls in ["memory://,h", "h,memory://a", "memory://a,memory://b"] {
        assert!(clash(list(urls)).contains("stands alone"), "{urls}");
    }
}

#[test]
fn an_embedded_store_ignores_what_only_servers_have() {
    let (_, locations) = settled(list("memory://").db(3).password("x"));
    assert_eq!(
        (locations[0].db, locations[0].password.as_deref()),
        (None, None)
    );
}

#[test]
fn nodes_have_different_names() {
    assert!(clash(list("h1?name=a,h2?name=a")).contains("two locations are named `a`"));
    assert!(clash(list("h1,redis://H1:6379/2")).contains("two locations are named `h1:6379`"));
    assert!(clash(list("h1,h2?name=h1:6379")).contains("two locations are named `h1:6379`"));
    settled(list("h1?name=a,redis://h1/2?name=b"));
}

#[test]
fn the_primary_is_named_in_any_spelling() {
    let primary = |urls, primary: &str| settled(list(urls).primary(primary)).0.primary.unwrap();
    for spelling in ["h1", "H1:6379", "redis://h1", "redis://u:p@h1/3"] {
        assert_eq!(primary("redis://h1,h2", spelling), "h1:6379", "{spelling}");
    }
    assert_eq!(primary("h1,h2?name=b", "b"), "b");
    assert_eq!(primary("h1,h2?name=b", "h2"), "b");
    assert_eq!(primary("[0::1],h2", "[::1]:6379"), "[::1]:6379");
    assert_eq!(primary("unix:///r.sock,h2", "/r.sock"), "/r.sock");
}

#[test]
fn a_primary_that_is_no_location_is_refused_with_the_locations() {
    let error = clash(list("redis://u:s3cret@h1/0,h2:1").primary("redis://u:s3cret@h3"));
    assert_eq!(
        error,
        "option `primary`: `redis://h3` is not one of the locations `redis://h1/0`, `h2:1`"
    );
    let twice = list("h1?name=a,redis://h1/1?name=b");
    assert!(clash(twice.primary("h1")).contains("is not one of the locations"));
}

#[test]
fn only_some_topologies_have_replicas_to_read_from() {
    assert!(clash(list("h").read_from(ReadFrom::Any)).contains("option `read_from`"));
    assert!(clash(list("h1,h2").read_from(ReadFrom::Replica)).contains("option `read_from`"));
    settled(list("h1,h2").primary("h1").read_from(ReadFrom::Replica));
    settled(
        list("h1")
            .topology(Topology::Cluster)
            .read_from(ReadFrom::Any),
    );
}

#[test]
fn the_locations_of_a_cluster_have_one_database() {
    let cluster = |urls| list(urls).topology(Topology::Cluster);
    settled(cluster("redis://h1/0,h2").db(0));
    settled(cluster("redis://h1/1,h2").db(1));
    assert!(clash(cluster("h1,redis://h2/1")).contains("option `db`"));
}

#[test]
fn plain_values_are_never_stale() {
    let plain = list("h").layout(Layout::Plain);
    assert!(clash(plain.clone().stale(Duration::from_secs(1))).contains("option `stale`"));
    settled(plain.stale(Duration::ZERO));
}

/// It was cut to what the header holds.
#[test]
fn nothing_is_stale_for_longer_than_49_days() {
    let days = |days: u64| Duration::from_secs(days * 86_400);
    settled(list("h").stale(days(49)));
    settled(list("h?stale=49d"));
    for config in [
        list("h").stale(days(49) + Duration::from_millis(1)),
        list("h").stale(days(50)),
        list("h").stale(Duration::MAX),
    ] {
        let text = clash(config);
        assert!(
            text.contains("`stale`") && text.contains("49 days"),
            "{text}"
        );
    }
    assert!(crate::Config::new().set("stale", "50d").is_err());
}

#[test]
fn a_back_off_does_not_shrink() {
    assert!(
        clash(list("h").breaker_backoff(Duration::from_secs(6))).contains("`breaker_backoff_max`")
    );
}

#[test]
fn the_legacy_rings_know_no_weights() {
    let weighted = || list("h1?weight=2,h2");
    assert!(clash(weighted().ring(Ring::DjangoRedisCache)).contains("option `weight`"));
    settled(weighted());
}

#[test]
fn a_location_beats_the_options_and_takes_over_what_it_lacks() {
    let config = list("redis://a:b@h1/1,h2,redis://:c@h3");
    let (_, locations) = settled(config.db(5).username("user").password("pw"));
    let logins: Vec<_> = locations
        .iter()
        .map(|place| {
            (
                place.db,
                place.username.as_deref(),
                place.password.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        logins,
        [
            (Some(1), Some("a"), Some("b")),
            (Some(5), Some("user"), Some("pw")),
            (Some(5), Some("user"), Some("c"))
        ]
    );
}

#[test]
fn what_the_query_of_a_sentinel_says_is_for_the_servers() {
    let all = "sentinel_name=main&topology=sentinel&db=3&username=u&password=p&tls_ca=/ca";
    let list = |first: &str, second: &str| {
        Config::new()
            .server(first)
            .and_then(|config| config.server(second))
    };
    let config = list(
        &format!("rediss://h1?{all}&sentinel_username=s&sentinel_password=guard"),
        "rediss://h2",
    )
    .unwrap();
    let (options, locations) = settled(config);
    assert_eq!(options.db, 3);
    assert_eq!(options.username.as_deref(), Some("u"));
    assert_eq!(options.password.as_deref(), Some("p"));
    assert_eq!(options.tls.ca.as_deref(), Some("/ca".as_ref()));
    assert_eq!(locations[0].db, Some(0));
    assert_eq!(locations[0].username.as_deref(), Some("s"));
    assert_eq!(locations[0].password.as_deref(), Some("guard"));
    assert_eq!(locations[1].password.as_deref(), Some("guard"));
    assert_eq!(locations[1].tls_options, options.tls);

    let error = clash(list(&format!("rediss://h1?{all}"), "rediss://h2?password=q").unwrap());
    assert!(error.contains("`password`"), "{error}");
    let error = clash(list(&format!("rediss://h1?{all}"), "rediss://h2/3").unwrap());
    assert!(error.contains("a sentinel has no databases"), "{error}");
}

#[test]
fn sentinels_have_logins_of_their_own() {
    let config = list("h")
        .topology(Topology::Sentinel)
        .sentinel_name("main")
        .password("data");
    let (_, locations) = settled(config.sentinel_username("s").sentinel_password("guard"));
    assert_eq!(locations[0].username.as_deref(), Some("s"));
    assert_eq!(locations[0].password.as_deref(), Some("guard"));
}

#[test]
fn tls_options_are_taken_over_one_by_one() {
    let config = list("rediss://h1?tls_server_name=a,h2")
        .tls_ca("/ca.pem")
        .tls_server_name("b")
        .tls_insecure(true);
    let (_, locations) = settled(config.topology(Topology::Ring));
    let tls = &locations[0].tls_options;
    assert_eq!(tls.server_name.as_deref(), Some("a"));
    assert_eq!(tls.ca.as_deref(), Some("/ca.pem".as_ref()));
    assert_eq!(tls.insecure, Some(true));
    assert_eq!(locations[1].tls_options, TlsOptions::default());
    assert!(clash(list("rediss://h?tls_cert=/c.pem")).contains("`tls_cert` and `tls_key`"));
    settled(list("rediss://h?tls_cert=/c.pem").tls_key("/k.pem"));
}

#[test]
fn tls_options_need_a_location_that_uses_them() {
    assert!(clash(list("h").tls_insecure(true)).contains("no location is `rediss://`"));
    assert!(list("rediss://h").tls_insecure(true).resolve().is_ok());
}

#[cfg(feature = "tls")]
#[test]
fn nobody_gives_up_checking_certificates_without_hearing_of_it() {
    use std::sync::{Arc, Mutex};

    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    let config = list("rediss://h?tls_insecure=true")
        .error_hook(move |error| ears.lock().unwrap().push(error.to_string()));
    config.connect().unwrap();
    let heard = heard.lock().unwrap();
    assert!(
        heard.len() == 1 && heard[0].contains("`tls_insecure=true`"),
        "{heard:?}"
    );
}

#[test]
fn a_connector_may_bring_its_own_tls() {
    let own = |_: &redis::ConnectionInfo| redis::Client::open("redis://elsewhere");
    assert!(
        list("rediss://h?tls_insecure=true")
            .connector(own)
            .resolve()
            .is_ok()
    );
    let error = refusal(Ok(list("rediss://h?tls_ca=/ca.pem").connector(own)));
    assert!(
        error.starts_with("location `rediss://h`: of the TLS options"),
        "{error}"
    );
}

#[test]
fn what_this_version_can_do_is_accepted() {
    let url = "redis://u:p@h/1?prefix=app&version=2&ttl=5m&key_check=hash&layout=plain&max_value=1m\
               &on_decode_error=error&on_error=miss&topology=single&max_connections=4&timeout=2s&protocol=2\
               &parser=redis&pipelining=off&client_name=x&lease=1s&wait=1s&on_wait_timeout=busy&early=0\
               &ttl_jitter=0.5&idle_check=0s&max_lifetime=1h&breaker_failures=1&scan_count=10&memory_limit=1m";
    assert!(list(url).resolve().is_ok());
    for urls in [
        "h1,h2",
        "h1,h2?ring=django-redis",
        "h1?topology=ring",
        "h1?primary=h1:6379&read_from=replica,h2",
        "h?stale=1h",
    ] {
        assert!(list(urls).resolve().is_ok(), "{urls}");
    }
}

#[test]
fn a_configuration_is_only_read_by_connect() {
    let config = list("memory://config-test?prefix=a");
    config.connect().unwrap();
    config.connect().unwrap();
}

#[cfg(all(feature = "zlib", feature = "zstd", feature = "lz4"))]
#[test]
fn a_level_is_one_that_the_compressor_has() {
    for wrong in ["compress_level=1", "compressor=lz4&compress_level=1"] {
        let error = clash(list(&format!("h?{wrong}")));
        assert!(error.contains("has no levels"), "{error}");
    }
    for (wrong, range) in [
        ("compressor=zlib&compress_level=10", "0 to 9"),
        ("compressor=zlib&compress_level=-1", "0 to 9"),
        ("compressor=zstd&compress_level=23", "to 22"),
    ] {
        let error = clash(list(&format!("h?{wrong}")));
        assert!(error.contains("option `compress_level`: `"), "{error}");
        assert!(error.contains(range), "{error}");
    }
    for right in [
        "zlib&compress_level=0",
        "zlib&compress_level=9",
        "zstd&compress_level=-7",
    ] {
        settled(list(&format!("h?compressor={right}")));
    }
}

#[test]
fn what_is_the_callers_own_must_be_given() {
    for (option, setter) in [
        ("codec", "custom_codec"),
        ("compressor", "custom_compressor"),
    ] {
        let error = clash(list(&format!("h?{option}=custom")));
        assert!(error.contains(&format!("`Config::{setter}`")), "{error}");
    }
}
