//! PostgreSQL alone: a script of prepared statements, run by many clients of `pgbench` as fast as it goes.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// How often a second this many clients get through the script.
pub fn rate(program: &Path, folder: &Path, url: &str, script: &str, clients: usize, seconds: usize) -> Result<f64> {
    let path = folder.join("pgbench.sql");
    std::fs::write(&path, script)?;
    let mut command = Command::new(program);
    command.args(["--no-vacuum", "--protocol=prepared", "--jobs=2"]);
    command.arg(format!("--client={clients}")).arg(format!("--time={seconds}")).arg("--file").arg(&path).arg(url);
    let output = command.output().context("starting pgbench; PGBENCH says where it is")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "pgbench: {}", String::from_utf8_lossy(&output.stderr));
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
    rate.context("pgbench said no rate")?.parse().context("reading pgbench's rate")
}
