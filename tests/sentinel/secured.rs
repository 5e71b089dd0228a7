//! Sentinels and servers that speak TLS only, with each other as well.

use redis_cache::{ErrorKind, Expiry};

use crate::common::launcher::lacks_tls;
use crate::common::papers::Papers;
use crate::common::sentinel::{Setup, Watched};
use crate::common::{eventually, fault};

#[test]
fn with_tls_everywhere_the_primary_is_found_and_found_again() {
    if lacks_tls() {
        return;
    }
    let mut watched = Watched::with(Setup {
        secured: true,
        ..Setup::default()
    });
    let config = || watched.config().set("timeout", "2s").unwrap();
    let cache = config().connect().unwrap();
    let from_replicas = config().set("read_from", "replica").unwrap();
    let from_replicas = from_replicas.connect().unwrap();
    cache.set("k", "before", Expiry::Never).unwrap();
    let before = Some("before".to_owned());
    assert_eq!(cache.get::<String>("k").unwrap(), before);
    eventually("the replicas have it", || {
        (0..20).all(|_| from_replicas.get::<String>("k").unwrap() == before)
    });

    // Who knows another authority trusts neither sentinels nor servers.
    let others = Papers::issue();
    let untrusting = watched.config().set("tls_ca", &others.ca()).unwrap();
    let error = fault(untrusting.connect().unwrap().get_bytes("k"));
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");

    let _: i64 = watched.first().run(&["WAIT", "2", "5000"]);
    watched.servers_mut()[0].stop();
    watched.await_another_primary();
    eventually("writes go there", || {
        cache.set("k", "after", Expiry::Never).is_ok()
    });
    let after = Some("after".to_owned());
    assert_eq!(cache.get::<String>("k").unwrap(), after);
    cache.ping().unwrap();
    eventually("reads go there or to its replica", || {
        (0..20).all(|_| {
            from_replicas
                .get::<String>("k")
                .is_ok_and(|value| value == after)
        })
    });
    assert_eq!(cache.clear().unwrap(), 1);
}
