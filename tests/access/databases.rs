//! Databases of a cluster: Valkey 9 has them, Redis has one.

use redis_cache::{Cache, ErrorKind, Expiry};

use crate::common::fault;
use crate::common::launcher::knows;
use crate::common::server::Server;

/// A cluster of one, with as many databases as it may have.
fn cluster() -> (Server, bool) {
    let mut options = vec![
        "--cluster-enabled",
        "yes",
        "--cluster-config-file",
        "nodes.conf",
    ];
    if knows("cluster-databases", "4") {
        options.extend(["--cluster-databases", "4"]);
    }
    let server = Server::with(&options);
    let slots: Vec<String> = (0..16384).map(|slot| slot.to_string()).collect();
    let slots = slots.iter().map(String::as_str);
    let all: Vec<&str> = ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots).collect();
    let _: String = server.run(&all);
    crate::common::eventually("the cluster is well", || {
        let info: String = server.run(&["CLUSTER", "INFO"]);
        info.contains("cluster_state:ok")
    });
    let about: String = server.run(&["INFO", "server"]);
    let valkey = about
        .lines()
        .find_map(|line| line.strip_prefix("valkey_version:"));
    let major = valkey.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    (server, major.is_some_and(|major| major >= 9))
}

#[test]
fn a_cluster_has_databases_where_its_servers_have_them() {
    let (server, has_databases) = cluster();
    let open = |db: u32| {
        let url = format!(
            "redis://127.0.0.1:{}/{db}?topology=cluster&timeout=20s",
            server.port()
        );
        Cache::open(&url).unwrap()
    };
    open(0).set("k", "zero", Expiry::Default).unwrap();
    let third = open(3);
    if !has_databases {
        eprintln!(
            "databases of a cluster: skipped but for the refusal, this server has none (Valkey 9 does)"
        );
        for error in [
            fault(third.get_bytes("k")),
            fault(third.set("k", &1, Expiry::Default)),
        ] {
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.to_string().contains("`db`"), "{error}");
        }
        return;
    }
    third.set("k", "three", Expiry::Default).unwrap();
    assert_eq!(third.get::<String>("k").unwrap().as_deref(), Some("three"));
    assert_eq!(open(0).get::<String>("k").unwrap().as_deref(), Some("zero"));
    assert_eq!(
        third.get_many::<String>(["k", "l"]).unwrap(),
        [Some("three".to_owned()), None]
    );
    assert_eq!(third.delete_pattern("*").unwrap(), 1);
    assert!(open(0).has_key("k").unwrap());
    let error = fault(open(9).get_bytes("k"));
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}
