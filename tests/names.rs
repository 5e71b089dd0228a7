//! Names as a program finds them: the files of the machine and the name server that they name. In a mount and network
//! namespace of its own, where that is permitted; a name server must stand at port 53, and `/etc` is the machine's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis_cache::{Cache, ErrorKind, Expiry};
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, QTYPE, ResourceRecord, TYPE};

use common::server::Server;
use common::{HOLD_UP, fault};

/// Set where the files and the network are a test's own.
const INSIDE: &str = "REDIS_CACHE_TEST_INSIDE";

/// Runs this very test again in namespaces of its own. False in there: it is to do its work.
fn runs_elsewhere(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return false;
    }
    let unshare = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command
            .args(["--map-root-user", "--mount", "--net"])
            .args(arguments);
        command
    };
    let permitted = unshare(&[
        "sh",
        "-c",
        "mount --bind /etc/hosts /etc/hosts && mount --bind /etc/resolv.conf /etc/resolv.conf",
    ]);
    let is_permitted = { permitted }
        .output()
        .is_ok_and(|output| output.status.success());
    if !is_permitted {
        eprintln!(
            "left out: {test} needs namespaces (unshare -rmn) and an /etc/resolv.conf, which are not to be had here"
        );
        return true;
    }
    let itself = std::env::current_exe().unwrap();
    let output = unshare(&[itself.to_str().unwrap(), "--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
    eprint!(
        "{}",
        text.lines()
            .filter(|line| line.starts_with("left out"))
            .collect::<String>()
    );
    true
}

/// The machine's files, in the namespace of this process.
struct Files(std::path::PathBuf);

impl Files {
    fn new() -> Files {
        let folder = std::env::temp_dir().join(format!("redis-cache-names-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let files = Files(folder);
        files.write("hosts", "127.0.0.1 hosted.test\n");
        files.write("resolv.conf", "nameserver 127.0.0.1\n");
        files.write("nsswitch.conf", "hosts: files dns\n");
        for name in ["hosts", "resolv.conf", "nsswitch.conf"] {
            let to = format!("/etc/{name}");
            let mounted = Command::new("mount")
                .arg("--bind")
                .arg(files.0.join(name))
                .arg(&to)
                .output();
            assert!(
                name == "nsswitch.conf" || mounted.unwrap().status.success(),
                "{to}"
            );
        }
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The loopback device of a fresh network is down.
fn bring_up_loopback() -> bool {
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .output();
    let _ = up;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(socket.local_addr().unwrap()).is_ok() && socket.send(b"1").is_ok()
}

#[test]
fn a_machine_whose_name_server_falls_silent() {
    if runs_elsewhere("a_machine_whose_name_server_falls_silent") {
        return;
    }
    if !bring_up_loopback() {
        eprintln!("left out: the loopback device of a new network cannot be brought up here");
        return;
    }
    let files = Files::new();
    let server = Server::start();
    let at = |host: &str| Cache::open(&format!("redis://{host}:{}", server.port())).unwrap();
    let numeric = at("127.0.0.1");
    let memory = Cache::open("memory://").unwrap();
    for cache in [&numeric, &memory] {
        cache.set("k", "v", Expiry::Default).unwrap();
    }
    let get = |cache: &Cache| cache.get::<String>("k");
    let has = |cache: &Cache| assert_eq!(get(cache).unwrap().as_deref(), Some("v"));
    has(&at("hosted.test"));
    has(&at("localhost"));

    // Bound, so that nothing is refused, and mute.
    let name_server = UdpSocket::bind("127.0.0.1:53").unwrap();
    let is_over = AtomicBool::new(false);
    let lookups = Barrier::new(9);
    thread::scope(|scope| {
        for number in 0..8 {
            let (lookups, is_over, at) = (&lookups, &is_over, &at);
            scope.spawn(move || {
                let cache = at(&format!("silent{number}.test"));
                lookups.wait();
                let begun = Instant::now();
                let error = fault(get(&cache));
                assert!(begun.elapsed() < Duration::from_secs(1) + HOLD_UP / 2);
                assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
                assert!(
                    error
                        .to_string()
                        .contains("no answer from the name server 127.0.0.1"),
                    "{error}"
                );
                is_over.store(true, Ordering::SeqCst);
            });
        }
        lookups.wait();
        // Until all wait for the name server: the first question has come.
        name_server.recv(&mut [0; 512]).unwrap();
        has(&numeric);
        has(&memory);
        has(&at("hosted.test"));
        // SAFETY: the child only uses its caches and ends by _exit.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: ends a child that hangs, and this one at once.
            unsafe {
                libc::alarm(20);
                let works = [&numeric, &memory, &at("hosted.test")]
                    .iter()
                    .all(|cache| get(cache).is_ok());
                let is_silent = get(&at("silent.test")).is_err_and(|error| error.is_timeout());
                libc::_exit(i32::from(!(works && is_silent)));
            }
        }
        assert!(
            !is_over.load(Ordering::SeqCst),
            "the fork waited for a lookup"
        );
        let mut status = 0;
        // SAFETY: waits for our own child.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(status, 0);
    });

    // Other services: the C library is asked on a thread that the call leaves behind, and that no fork waits for.
    files.write("nsswitch.conf", "hosts: files dns nothere\n");
    let left_behind = |cache: &Cache| fault(get(cache)).to_string();
    if left_behind(&at("left.test")).contains("no answer from the C library") {
        // SAFETY: as above.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: as above.
            unsafe {
                libc::alarm(20);
                let works = [&numeric, &memory, &at("hosted.test")]
                    .iter()
                    .all(|cache| get(cache).is_ok());
                let is_told =
                    left_behind(&at("left.test")).contains("when this process was forked");
                libc::_exit(i32::from(!(works && is_told)));
            }
        }
        let mut status = 0;
        // SAFETY: waits for our own child.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(status, 0);
        let again = left_behind(&at("left.test"));
        assert!(again.contains("no answer from the C library"), "{again}");
    } else {
        eprintln!("left out: there is no /etc/nsswitch.conf here");
    }
    files.write("nsswitch.conf", "hosts: files dns\n");

    // It speaks: what it says, and what the file says, holds from the next connect on.
    thread::spawn(move || {
        let mut bytes = [0; 512];
        while let Ok((len, from)) = name_server.recv_from(&mut bytes) {
            let query = Packet::parse(&bytes[..len]).unwrap();
            let mut answer = Packet::new_reply(query.id());
            answer.questions.clone_from(&query.questions);
            let name = query.questions[0].qname.clone();
            let ip = u32::from_be_bytes([127, 0, 0, 1]);
            if name.to_string() == "redis.found.test"
                && query.questions[0].qtype == QTYPE::TYPE(TYPE::A)
            {
                let data = RData::A(A { address: ip });
                answer
                    .answers
                    .push(ResourceRecord::new(name, CLASS::IN, 60, data));
            }
            name_server
                .send_to(&answer.build_bytes_vec().unwrap(), from)
                .unwrap();
        }
    });
    let short = at("redis");
    assert!(
        fault(get(&short))
            .to_string()
            .contains("there is no such name")
    );
    files.write("resolv.conf", "nameserver 127.0.0.1\nsearch found.test\n");
    has(&short);
    short.close();
    has(&short);
}
