//! The real program as a process: run to its end, or serving until a test has seen enough.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

use serde_json::Value;
use tokio::sync::oneshot;

use super::{Client, journal};

/// What a process that has ended leaves.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: i32,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl Ended {
    /// Its standard output; it must have ended well.
    pub fn ok(self) -> String {
        assert_eq!(self.status, 0, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Its standard error; it must have ended badly.
    pub fn failed(self) -> String {
        assert_ne!(self.status, 0, "{}{}", self.stdout, self.stderr);
        self.stderr
    }
}

/// The program in this folder, with nothing of the tests' own environment.
fn program(folder: &Path, environment: &[(&str, &str)], arguments: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runyard"));
    command.env_clear().envs(environment.iter().copied()).current_dir(folder).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end with this on its standard input.
pub fn run(folder: &Path, environment: &[(&str, &str)], arguments: &[String], input: &str) -> Ended {
    let mut child = program(folder, environment, arguments).spawn().unwrap();
    // A program that does not read its input closes it, which is its own affair.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ended {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The program while it serves; it is killed when it is dropped.
pub struct Serving {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Serving {
    /// Starts the program, with its log as JSON, and waits until it says where it listens.
    pub async fn start(folder: &Path, arguments: &[String]) -> Self {
        let mut command = program(folder, &[("LOG_FORMAT", "json")], arguments);
        let mut child = command.spawn().unwrap();
        let (found, address) = oneshot::channel();
        let mut stdout = child.stdout.take().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let stdout = thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap();
            text
        });
        let stderr = thread::spawn(move || {
            let (mut found, mut text) = (Some(found), String::new());
            for line in stderr.lines().map(Result::unwrap) {
                if let Some((found, address)) = listens_at(&line).and_then(|address| Some((found.take()?, address))) {
                    found.send(address).unwrap();
                }
                text.push_str(&line);
                text.push('\n');
            }
            text
        });
        match address.await {
            Ok(address) => Self { address, child, stdout: Some(stdout), stderr: Some(stderr) },
            Err(_) => panic!("the program ended before it listened: {}", stderr.join().unwrap()),
        }
    }

    /// Somebody without credentials.
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// Asks it to end, and gives what it left.
    pub fn stop(mut self) -> Ended {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
        let status = self.child.wait().unwrap().code().unwrap_or(-1);
        let [stdout, stderr] = [&mut self.stdout, &mut self.stderr].map(|text| text.take().unwrap().join().unwrap());
        journal::logged(&stderr);
        Ended { status, stdout, stderr }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listens_at(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    line["message"].as_str()?.starts_with("listening").then(|| line["address"].as_str()?.parse().ok())?
}
