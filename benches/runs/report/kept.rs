//! Results that are kept as files, each with the machine, the commit and the configuration that it was found with, and
//! which of them may be compared.
//!
//! **A kept row is compared with one that is being found** when both are of the same scenario, stores and unit, on a
//! machine with the same processor and as many cores, and of the same build profile. The server has its default
//! configuration in every scenario, unless the scenario's name says otherwise. How many rounds there were only changes
//! the spread; what else was measured in the same run changes nothing, since each scenario has a server and stores of
//! its own. So a part of the scenarios, which is marked as such, is compared row by row. *Previous* is the newest such
//! row; *best* is the one with the best median of a commit whose files were not changed, since nobody can go back to
//! others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use chrono::{SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::Row;
use crate::options::{Options, Scenario};
use crate::stores::Kind;

/// What marks a commit whose files were changed.
const DIRTY: &str = "+dirty";

/// Everything that one run of the benchmark found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Results {
    pub date: String,
    pub commit: String,
    pub machine: Machine,
    pub configuration: Configuration,
    pub rows: Vec<Row>,
}

/// What it ran on. What was not written down at first may be missing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    #[serde(default)]
    memory_mib: Option<u64>,
    #[serde(default)]
    system: Option<String>,
}

/// How it was measured. What was not written down at first may be missing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Configuration {
    pub profile: String,
    /// Rounds, where they were not the usual ones.
    rounds: Option<u16>,
    pub quick: bool,
    /// Whether the memory of the server was asked for, in place of everything else.
    #[serde(default)]
    memory: bool,
    /// The scenarios, where not all of them were measured.
    #[serde(default)]
    pub only: Option<Vec<String>>,
    /// The stores, with what they are.
    #[serde(default)]
    stores: Option<Vec<String>>,
    #[serde(default)]
    compiler: Option<String>,
}

impl Results {
    /// Without any rows.
    pub async fn begin(options: &Options, kinds: &[Kind]) -> Result<Self> {
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        let scenarios = options.scenarios();
        let is_whole = scenarios.len() == Scenario::all().len();
        let mut stores = Vec::new();
        for kind in kinds {
            stores.push(kind.description().await?);
        }
        Ok(Self {
            date: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
            commit: commit(),
            machine: Machine::this()?,
            configuration: Configuration {
                profile: profile.to_owned(),
                rounds: options.rounds,
                quick: options.quick,
                memory: options.memory,
                only: (!is_whole).then(|| scenarios.into_iter().map(Scenario::name).collect()),
                stores: Some(stores),
                compiler: said("rustc", &["--version"]),
            },
            rows: Vec::new(),
        })
    }

    /// Whether the files that were measured are not quite those of the commit.
    pub fn is_dirty(&self) -> bool {
        self.commit.ends_with(DIRTY)
    }

    /// The reason why these numbers are of no use to later runs, if there is one.
    pub fn why_not_kept(&self) -> Option<&'static str> {
        match &self.configuration {
            Configuration { profile, .. } if profile != "release" => Some("only a release build is"),
            Configuration { quick: true, .. } => Some("a quick look is not"),
            _ => None,
        }
    }

    /// Writes the file, and says where.
    pub fn keep(&self) -> Result<PathBuf> {
        let path = folder().join(format!("{}-{}.json", self.date.replace(':', "-"), self.commit));
        let write = || -> Result<()> {
            fs::create_dir_all(folder())?;
            Ok(fs::write(&path, serde_json::to_string_pretty(self)? + "\n")?)
        };
        write().with_context(|| format!("keeping the results in {}", path.display()))?;
        Ok(path)
    }
}

impl Machine {
    fn this() -> Result<Self> {
        let figure = |path: &str, name: &str, separator: &str| {
            let facts = fs::read_to_string(path).unwrap_or_default();
            let value = facts.lines().find_map(|line| line.strip_prefix(name)?.split_once(separator));
            value.map(|(_, value)| value.trim().to_owned())
        };
        let memory = figure("/proc/meminfo", "MemTotal", ":");
        let kilobytes = memory.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        Ok(Self {
            cpu: figure("/proc/cpuinfo", "model name", ": ").unwrap_or_else(|| "unknown processor".to_owned()),
            cores: std::thread::available_parallelism()?.get(),
            memory_mib: kilobytes.map(|kilobytes| kilobytes / 1024),
            system: said("uname", &["-sr"]),
        })
    }
}

/// What was kept before, and may be compared with what is being found.
#[derive(Debug)]
pub struct Earlier(Vec<Results>);

impl Earlier {
    /// All that may be, the newest first.
    pub fn comparable_with(present: &Results) -> Result<Self> {
        let mut all = kept()?;
        all.retain(|earlier| {
            earlier.machine.cpu == present.machine.cpu
                && earlier.machine.cores == present.machine.cores
                && earlier.configuration.profile == present.configuration.profile
        });
        Ok(Self(all))
    }

    fn same<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = (&'a Results, &'a Row)> {
        let rows = self.0.iter().flat_map(|results| results.rows.iter().map(move |row| (results, row)));
        rows.filter(move |(_, earlier)| {
            (&earlier.scenario, &earlier.stores, &earlier.unit) == (&row.scenario, &row.stores, &row.unit)
        })
    }

    /// The newest row of the same kind, with the commit that it is of.
    pub fn previous<'a>(&'a self, row: &'a Row) -> Option<(&'a str, &'a Row)> {
        self.same(row).next().map(|(results, row)| (results.commit.as_str(), row))
    }

    /// The best row of the same kind, if its unit says which is better: rates are when larger, what is taken when
    /// smaller.
    pub fn best<'a>(&'a self, row: &'a Row) -> Option<(&'a str, &'a Row)> {
        let sign = match row.unit.as_str() {
            "/s" => 1.0,
            "ms" | "µs" | "MiB" | "bytes each" => -1.0,
            _ => return None,
        };
        let clean = self.same(row).filter(|(results, _)| !results.is_dirty());
        let best = clean.max_by(|(_, one), (_, two)| (sign * one.ours.median).total_cmp(&(sign * two.ours.median)));
        best.map(|(results, row)| (results.commit.as_str(), row))
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results")
}

fn kept() -> Result<Vec<Results>> {
    let Ok(entries) = fs::read_dir(folder()) else { return Ok(Vec::new()) };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    // Their names begin with their time.
    paths.sort();
    let read = |path: PathBuf| {
        let read = || -> Result<_> { Ok(serde_json::from_str(&fs::read_to_string(&path)?)?) };
        read().with_context(|| format!("{} is no result; repair or remove it", path.display()))
    };
    paths.into_iter().rev().map(read).collect()
}

/// What a program says, if it is there.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The commit that is measured, marked when the files are not quite what it says.
pub fn commit() -> String {
    let commit = said("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    // What earlier runs kept changes nothing that is measured.
    let changes = said("git", &["status", "--porcelain", "--", ".", ":!benches/results"]).unwrap_or_default();
    if changes.is_empty() { commit } else { commit + DIRTY }
}
