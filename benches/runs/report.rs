//! The table, and the file that keeps its numbers for the next time.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use chrono::{SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::figures::{Spread, number};
use crate::options::Options;

/// One line of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// What was measured.
    pub scenario: String,
    /// On which stores.
    pub stores: String,
    /// Unit of the numbers.
    pub unit: String,
    /// What was found.
    pub ours: Spread,
    /// What it is compared with.
    pub other: Option<Other>,
    /// Ours as a multiple of it, round by round.
    pub ratio: Option<Spread>,
}

/// Something measured in turns with ours.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Other {
    /// What it is.
    pub name: String,
    /// What was found.
    pub spread: Spread,
}

/// Everything that one run of the benchmark found.
#[derive(Debug, Serialize, Deserialize)]
struct Results {
    date: String,
    commit: String,
    machine: Machine,
    configuration: Configuration,
    rows: Vec<Row>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Machine {
    cpu: String,
    cores: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Configuration {
    profile: String,
    /// Rounds, where they were not the usual ones.
    rounds: Option<u16>,
    quick: bool,
}

/// What is being found, beside what was found before.
#[derive(Debug)]
pub struct Report {
    results: Results,
    /// Earlier ones of the same machine, the newest first.
    earlier: Vec<Results>,
}

impl Report {
    /// Nothing found yet.
    pub fn begin(options: &Options) -> Result<Self> {
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        let results = Results {
            date: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
            commit: commit(),
            machine: Machine::this()?,
            configuration: Configuration { profile: profile.to_owned(), rounds: options.rounds, quick: options.quick },
            rows: Vec::new(),
        };
        let earlier = earlier()?.into_iter().filter(|earlier| earlier.machine == results.machine).collect();
        Ok(Self { results, earlier })
    }

    /// Adds a line, and says so to whoever waits.
    pub fn add(&mut self, row: Row) {
        eprintln!("{}", self.line(&row));
        self.results.rows.push(row);
    }

    /// Prints the table and keeps the numbers.
    pub fn end(self) -> Result<()> {
        let Results { date, commit, machine, configuration, rows } = &self.results;
        println!("\n{date}, {commit}, {} build, {} × {}\n", configuration.profile, machine.cores, machine.cpu);
        println!("| scenario | stores | median (min..max) | beside | ratio (min..max) | previous | vs previous |");
        println!("|---|---|---|---|---|---|---|");
        for row in rows {
            println!("{}", self.line(row));
        }
        if configuration.quick || configuration.profile != "release" {
            println!("\nNot kept: only full measurements of a release build are.");
            return Ok(());
        }
        let path = folder().join(format!("{}-{commit}.json", date.replace(':', "-")));
        fs::create_dir_all(folder())?;
        fs::write(&path, serde_json::to_string_pretty(&self.results)? + "\n")?;
        println!("\nKept in {}", path.display());
        Ok(())
    }

    fn line(&self, row: &Row) -> String {
        let Row { scenario, stores, unit, ours, other, ratio } = row;
        let other = other.as_ref().map(|Other { name, spread }| format!("{name} {}", with_unit(spread, unit)));
        let ratio = ratio.as_ref().map(|ratio| with_unit(ratio, ""));
        let previous = self.previous(row);
        let change = previous.map(|previous| format!("{:+.0} %", (ours.median / previous - 1.0) * 100.0));
        let cells = [
            scenario.clone(),
            stores.clone(),
            with_unit(ours, unit),
            other.unwrap_or_default(),
            ratio.unwrap_or_default(),
            previous.map(|previous| format!("{} {unit}", number(previous)).trim_end().to_owned()).unwrap_or_default(),
            change.unwrap_or_default(),
        ];
        format!("| {} |", cells.join(" | "))
    }

    /// The median of the newest earlier line of the same kind.
    fn previous(&self, row: &Row) -> Option<f64> {
        let mut rows = self.earlier.iter().flat_map(|earlier| &earlier.rows);
        let same = rows.find(|earlier| earlier.scenario == row.scenario && earlier.stores == row.stores)?;
        Some(same.ours.median)
    }
}

fn with_unit(Spread { median, min, max }: &Spread, unit: &str) -> String {
    let median = format!("{} {unit}", number(*median));
    format!("{} ({}..{})", median.trim_end(), number(*min), number(*max))
}

impl Machine {
    fn this() -> Result<Self> {
        let facts = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = facts.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let cpu = cpu.map_or("unknown processor", |(_, name)| name.trim()).to_owned();
        Ok(Self { cpu, cores: std::thread::available_parallelism()?.get() })
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/results")
}

fn earlier() -> Result<Vec<Results>> {
    let Ok(entries) = fs::read_dir(folder()) else { return Ok(Vec::new()) };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    // Their names begin with their time.
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path)?;
        serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
    };
    paths.into_iter().rev().map(read).collect()
}

/// The commit that is measured, marked when the files are not quite what it says.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    // What earlier runs kept changes nothing that is measured.
    let changes = git(&["status", "--porcelain", "--", ".", ":!benches/results"]).unwrap_or_default();
    if changes.is_empty() { commit } else { format!("{commit}+dirty") }
}
