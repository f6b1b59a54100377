//! The log of the whole suite at `debug`, and beside it what it must not show; `scripts/test.sh` compares the two.
//!
//! Kept when `TEST_JOURNAL` names a folder. What must not be shown is everything that clients send or get as a
//! password, a token, a key or an e-mail, the queries of their paths, and whatever reads like a sentence in their
//! bodies.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, mpsc};
use std::thread;

use reqwest::Request;
use runyard::logging::SPANS;
use serde_json::Value;
use uuid::Uuid;

/// Members whose value is a secret, however short.
const SECRET: [&str; 5] = ["email", "password", "token", "refresh_token", "key"];
/// What is shorter may stand in the log by chance.
const LEAST: usize = 8;
/// A sentence of a payload has this many characters at least.
const SENTENCE: usize = 16;
/// Larger bodies repeat themselves.
const MOST: usize = 64 * 1024;

static JOURNAL: LazyLock<Option<Journal>> = LazyLock::new(Journal::open);

struct Journal {
    folder: PathBuf,
    secrets: mpsc::Sender<String>,
}

impl Journal {
    /// Starts the log of this process.
    fn open() -> Option<Self> {
        let folder = PathBuf::from(std::env::var_os("TEST_JOURNAL")?);
        let file = |name: &str| OpenOptions::new().create(true).append(true).open(folder.join(name)).unwrap();
        // As in the server: what is there for the exporter of traces alone is not seen by the log.
        let log = tracing_subscriber::fmt().with_ansi(false).with_env_filter(format!("debug,{SPANS}=off"));
        log.with_writer(Arc::new(file("suite.log"))).init();
        let (secrets, arriving) = mpsc::channel();
        let written = file("secrets");
        thread::spawn(move || write_once(written, arriving));
        Some(Self { folder, secrets })
    }

    fn secret(&self, text: &str) {
        if text.len() < LEAST || text.contains(['\n', '\r', '\0']) {
            return;
        }
        self.secrets.send(text.to_owned()).unwrap();
    }

    /// The secrets in a body, if it is JSON.
    fn body(&self, bytes: &[u8], sentences: bool) {
        if bytes.len() <= MOST
            && let Ok(body) = serde_json::from_slice(bytes)
        {
            self.value("", &body, sentences);
        }
    }

    fn value(&self, name: &str, value: &Value, sentences: bool) {
        match value {
            Value::String(text) if SECRET.contains(&name) => self.secret(text),
            Value::String(text) if sentences && text.len() >= SENTENCE && text.contains(' ') => self.secret(text),
            Value::Array(items) => items.iter().for_each(|item| self.value(name, item, sentences)),
            Value::Object(members) => {
                members.iter().for_each(|(name, member)| self.value(name, member, sentences));
            }
            _ => {}
        }
    }
}

/// Writes each text once.
fn write_once(mut file: File, arriving: mpsc::Receiver<String>) {
    let mut known = HashSet::new();
    for text in arriving {
        if known.insert(text.clone()) {
            writeln!(file, "{text}").unwrap();
        }
    }
}

/// Begins the log, if there is to be one.
pub fn begin() {
    LazyLock::force(&JOURNAL);
}

/// A request goes out.
pub fn sent(request: &Request) {
    let Some(journal) = JOURNAL.as_ref() else { return };
    for name in ["authorization", "x-api-key"] {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        // Without the scheme, which is none.
        journal.secret(value.map_or("", |value| value.rsplit(' ').next().unwrap_or(value)));
    }
    journal.secret(request.url().query().unwrap_or_default());
    journal.body(request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default(), true);
}

/// An answer came.
pub fn received(body: &[u8]) {
    if let Some(journal) = JOURNAL.as_ref() {
        journal.body(body, false);
    }
}

/// Where a process is to log, if that is to be kept.
pub fn of_process() -> Option<PathBuf> {
    JOURNAL.as_ref().map(|journal| journal.folder.join(format!("{}.log", Uuid::now_v7())))
}

/// Keeps what a process has logged.
pub fn logged(text: &str) {
    if let Some(path) = of_process() {
        std::fs::write(path, text).unwrap();
    }
}
