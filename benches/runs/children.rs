//! Child processes, which end with whoever holds them, and the server among them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::client::{Connection, Request};
use crate::options::Helper;
use crate::peaks::{Look, Peaks};
use crate::stores::{Kind, Stores};

const START: Duration = Duration::from_secs(30);
/// Ticks of a second, in what Linux tells of processes.
const TICKS: f64 = 100.0;
const PASSWORD: &str = "correct horse battery";

/// What a server is told that is under load for longer than a burst: a single client would come too often otherwise.
pub fn no_rates() -> [(&'static str, String); 2] {
    ["RATE_PER_KEY", "RATE_PER_ADDRESS"].map(|name| (name, "1000000".to_owned()))
}

/// A process that is killed when it is dropped.
#[derive(Debug)]
pub struct Child(process::Child);

impl Child {
    fn spawn(command: &mut Command) -> Result<Self> {
        command.spawn().map(Self).with_context(|| format!("starting {command:?}"))
    }

    /// This program as a helper over this folder, and the line with which it says that it is there.
    pub fn helper(helper: Helper, folder: &Path) -> Result<(Self, String)> {
        let name = helper.to_possible_value().ok_or_else(|| anyhow!("a helper without a name"))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--helper").arg(name.get_name()).arg("--folder").arg(folder);
        command.env_clear().env("TMPDIR", folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = Self::spawn(&mut command)?;
        let mut line = String::new();
        let output = child.0.stdout.take().ok_or_else(|| anyhow!("no output"))?;
        BufReader::new(output).read_line(&mut line)?;
        Ok((child, line.trim().to_owned()))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// In a helper: says that it is there, and ends when whoever started it has ended.
pub fn announce(line: &str) -> Result<()> {
    std::thread::spawn(|| {
        drop(io::stdin().read_to_end(&mut Vec::new()));
        process::exit(0);
    });
    writeln!(io::stdout(), "{line}").context("saying where it listens")
}

/// The release build over stores of its own.
pub struct Server {
    // The look ends before the process, which ends before its stores go.
    look: Option<Look>,
    process: Child,
    /// Its stores.
    pub stores: Stores,
    /// Where it listens.
    pub address: SocketAddr,
    /// How long it took to answer that it is ready.
    pub start: Duration,
}

impl Server {
    /// Starts one over fresh stores and waits until it is ready.
    pub async fn start(kind: &Kind, peaks: &Peaks) -> Result<Self> {
        Self::start_with(kind, peaks, &[]).await
    }

    /// The same, with a configuration that is not the default in these variables.
    pub async fn start_with(kind: &Kind, peaks: &Peaks, variables: &[(&str, String)]) -> Result<Self> {
        let stores = Stores::new(kind).await?;
        // It is asked for nothing else than to be free, and nothing else asks for it in this moment.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_runyard"));
        command.env_clear().current_dir(stores.folder()).stdin(Stdio::null()).stdout(Stdio::inherit());
        command.args(["serve", "--log-level=warn", "--log-format=text"]).arg(format!("--port={}", address.port()));
        command.args(stores.arguments()).envs(variables.iter().map(|(name, value)| (name, value)));
        let begun = Instant::now();
        let mut process = Child::spawn(&mut command)?;
        while !ready(address).await {
            if let Some(status) = process.0.try_wait()? {
                bail!("the server did not start: {status}");
            }
            if begun.elapsed() > START {
                bail!("the server was not ready within {START:?}");
            }
            sleep(Duration::from_millis(1)).await;
        }
        let start = begun.elapsed();
        let look = peaks.look_at(process.0.id(), kind.name()).await?;
        Ok(Self { look, process, stores, address, start })
    }

    /// An API key of a new user.
    pub async fn api_key(&self) -> Result<String> {
        let mut connection = Connection::open(self.address).await?;
        let user = json!({"email": "bench@example.com", "password": PASSWORD});
        connection.send(&Request::post("/signup", &[], user.to_string())).await?.expect(201)?;
        let tokens = connection.send(&Request::post("/login", &[], user.to_string())).await?.expect(200)?;
        let bearer = format!("Bearer {}", text(&tokens, "token")?);
        let name = json!({"name": "bench"}).to_string();
        let request = Request::post("/api/keys", &[("authorization", &bearer)], name);
        text(&connection.send(&request).await?.expect(201)?, "key")
    }

    /// A figure in MiB from `/proc/PID/status`, such as `VmRSS`.
    pub fn memory(&self, name: &str) -> Result<f64> {
        memory(self.id(), name)
    }

    /// The processors' time that it has taken until now, in seconds.
    pub fn processor_seconds(&self) -> Result<f64> {
        let line = std::fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        // The second field is a name in brackets, which may hold anything; user's and system's are the 14th and 15th.
        let fields = line.rsplit_once(')').map(|(_, fields)| fields.split_whitespace().skip(11).take(2));
        let ticks = fields.ok_or_else(|| anyhow!("no times in {line}"))?.map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / TICKS)
    }

    /// From here on `VmHWM` is the peak of what follows alone.
    pub fn forget_peak(&self) -> Result<()> {
        self.look.as_ref().map(Look::note).transpose()?;
        std::fs::write(format!("/proc/{}/clear_refs", self.id()), "5").context("forgetting the peak of a server")
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.0.id()
    }
}

/// A figure in MiB from the status of a process.
pub fn memory(process: u32, name: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()).ok_or_else(|| anyhow!("no {name}"))?;
    Ok(kilobytes.parse::<f64>()? / 1024.0)
}

async fn ready(address: SocketAddr) -> bool {
    let asked = async {
        let mut connection = Connection::open(address).await?;
        connection.send(&Request::get("/readyz", &[])).await?.expect(200)
    };
    asked.await.is_ok()
}

/// A text in a JSON object.
fn text(json: &[u8], name: &str) -> Result<String> {
    let value: Value = serde_json::from_slice(json)?;
    value[name].as_str().map(str::to_owned).ok_or_else(|| anyhow!("no {name} in {value}"))
}
