//! The real program as a process of its own, which a test may kill, end, freeze and start again over the same stores.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use uuid::Uuid;

use super::{Client, TestStores, journal, until};

/// The line of the log that says where the server listens.
const LISTENING: &str = "listening; the API is described at /docs";

/// A server in a process of its own; it is killed when this is dropped.
pub struct Process {
    /// Its stores, which outlive it.
    pub stores: TestStores,
    /// Where it listens; another place after each start.
    pub address: SocketAddr,
    arguments: Vec<String>,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// A server over these stores, with these arguments as well.
    pub async fn start(stores: TestStores, more: &[&str]) -> Self {
        let arguments = stores.arguments(more);
        let (mut child, log) = spawn(&stores, &arguments);
        let address = listening(&mut child, &log).await;
        Self { stores, address, arguments, child, log }
    }

    /// The id that the system gave it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, on another port.
    pub async fn restart(&mut self) {
        assert!(self.child.try_wait().unwrap().is_some(), "the server still runs");
        (self.child, self.log) = spawn(&self.stores, &self.arguments);
        self.address = listening(&mut self.child, &self.log).await;
    }

    /// Asks it to stop, as a supervisor does.
    pub fn terminate(&self) {
        signal("-TERM", self.child.id());
    }

    /// Stops it from doing anything, with all of its connections open.
    pub fn freeze(&self) {
        signal("-STOP", self.child.id());
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        signal("-CONT", self.child.id());
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("the server ends", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    /// What it has logged since it was started last.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Somebody without credentials.
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// A user of this name, who signs up and logs in.
    pub async fn user(&self, name: &str) -> Client {
        self.client().signed_up(&format!("{name}@example.com")).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process that this test has started.
pub fn signal(name: &str, pid: u32) {
    let status = Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill {name}");
}

/// Starts the program with nothing of this process's environment and with its log in a file of its own, because a
/// pipe that nobody empties would stop it.
fn spawn(stores: &TestStores, arguments: &[String]) -> (Child, PathBuf) {
    let kept = journal::of_process();
    let level = if kept.is_some() { "debug" } else { "info" };
    let log = kept.unwrap_or_else(|| stores.folder().join(format!("log-{}", Uuid::now_v7())));
    let child = Command::new(env!("CARGO_BIN_EXE_runyard"))
        .arg("serve")
        .args(arguments)
        .env_clear()
        .env("LOG_FORMAT", "json")
        .env("LOG_LEVEL", level)
        .current_dir(stores.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    (child, log)
}

/// The address in the log, once it is there.
async fn listening(child: &mut Child, log: &PathBuf) -> SocketAddr {
    let mut address = None;
    until("the server listens", async || {
        let text = fs::read_to_string(log).unwrap();
        let lines = text.lines().filter(|line| line.contains(LISTENING));
        let values = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        address = values.filter_map(|line| line["address"].as_str()?.parse().ok()).next();
        assert!(address.is_some() || child.try_wait().unwrap().is_none(), "the server ended: {text}");
        address.is_some()
    })
    .await;
    address.unwrap()
}
