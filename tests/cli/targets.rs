//! Where the cache is, and what is never said of it.

use std::fs;

use crate::common::launcher::Folder;
use crate::common::server::Server;
use crate::{Said, command};

#[test]
fn a_cache_is_named_on_the_command_line_in_the_environment_or_in_a_file() {
    let server = Server::shared();
    let folder = Folder::new("caches");
    let file = folder.path().join("redis-cache.toml");
    let text = format!(
        "default = 'web'\n[caches.web]\nurl = '{url}'\nprefix = 'of-the-file'\nversion = 3\n\
         [caches.pair]\nservers = [{{ url = '{url}', name = 'a', weight = 2 }}, 'redis://127.0.0.1:1']\n[caches.bad]\nprefix = 1.5e3\n",
        url = server.tcp()
    );
    fs::write(&file, text).unwrap();
    let place = |args: &[&str], environment: &[(&str, &str)]| {
        let said = Said::of(
            command(&[args, &["where", "k"]].concat())
                .envs(environment.iter().copied())
                .output(),
        );
        said.out + &said.err
    };
    let config = file.to_str().unwrap();
    let home = folder.path().to_str().unwrap();
    let there = ("REDIS_CACHE_URL", "memory://?prefix=of-the-environment");
    assert!(place(&[], &[]).contains("which cache?"));
    assert!(place(&["-u", "memory://?prefix=said"], &[there]).contains("said:1:k"));
    assert!(place(&["-u", "memory://", "-o", "prefix=said"], &[]).contains("said:1:k"));
    assert!(place(&[], &[there]).contains("of-the-environment:1:k"));
    assert!(place(&["--config", config], &[]).contains("of-the-file:3:k"));
    assert!(place(&[], &[("REDIS_CACHE_CONFIG", config)]).contains("of-the-file:3:k"));
    assert!(place(&[], &[("XDG_CONFIG_HOME", home)]).contains("of-the-file:3:k"));
    assert!(place(&["--config", config, "-c", "web"], &[there]).contains("of-the-file:3:k"));
    assert!(place(&["--config", config, "-c", "pair"], &[]).contains(":1:k"));
    assert!(place(&["--config", config, "-c", "none"], &[]).contains("bad, pair, web"));
    assert!(place(&["--config", config, "-c", "bad"], &[]).contains("neither `url` nor `servers`"));
}

#[test]
fn what_cannot_be_used_is_said_with_code_2() {
    for args in [
        &["-u", "memory://", "-o", "ttl=5", "get", "k"][..],
        &["-u", "memory://", "-o", "no_such_option=5", "get", "k"],
        &["-u", "memory://", "-o", "ttl", "get", "k"],
        &["-u", "http://127.0.0.1", "get", "k"],
        &["-u", "memory://", "-c", "web", "get", "k"],
        &["--config", "/no/such/file", "get", "k"],
        &["-u", "memory://", "set", "k", "v", "--ttl", "5"],
        &["-u", "memory://", "get", ""],
    ] {
        let said = Said::of(command(args).output());
        assert_eq!(said.code, 2, "{args:?}: {}{}", said.out, said.err);
    }
}

#[test]
fn the_code_tells_a_server_that_is_away_from_one_that_refuses() {
    let server = Server::with(&["--requirepass", "s3cret"]);
    let get = |url: &str| Said::of(command(&["-u", url, "get", "k"]).output()).code;
    assert_eq!(get("redis://127.0.0.1:1"), 3);
    assert_eq!(get(&server.tcp()), 4);
    assert_eq!(
        get(&format!("redis://:s3cret@127.0.0.1:{}", server.port())),
        1
    );
}

#[test]
fn no_secret_is_ever_shown() {
    let server = Server::with(&["--requirepass", "s3cret"]);
    let folder = Folder::new("secrets");
    let file = folder.path().join("caches.toml");
    let port = server.port();
    fs::write(&file, format!("[caches.a]\nurl = 'redis://:s3cret@127.0.0.1:{port}'\n[caches.b]\npassword = 's3cret'x\n")).unwrap();
    let (good, wrong) = (
        format!("redis://:s3cret@127.0.0.1:{port}"),
        format!("redis://:s3cretx@127.0.0.1:{port}"),
    );
    let both = format!("{good},{wrong}");
    for args in [
        &["-u", &good, "doctor"][..],
        &["-u", &good, "where", "k"],
        &["-u", &good, "stats", "--json"],
        &["-u", &wrong, "doctor"],
        &["-u", &wrong, "get", "k"],
        &["-u", &both, "get", "k", "--json"],
        &["-u", &good, "-o", "password=s3cret-too", "get", "k"],
        &[
            "-u",
            "memory://",
            "-o",
            "password=s3cret",
            "-o",
            "tls_insecure=s",
            "get",
            "k",
        ],
        &["--config", file.to_str().unwrap(), "-c", "a", "get", "k"],
    ] {
        let said = Said::of(command(args).output());
        assert!(!(said.out + &said.err).contains("s3cret"), "{args:?}");
    }
}
