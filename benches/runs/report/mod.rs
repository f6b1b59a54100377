//! What a run of the benchmark finds: the table that it prints, and the file that it keeps for the next ones.

mod kept;
mod table;

use std::sync::mpsc::{self, Receiver};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::figures::Spread;
use crate::options::{Options, Scenario};
use crate::peaks::{Peak, Peaks};
use crate::stores::Kind;

use kept::{Earlier, Results};

pub use kept::commit;

/// One line of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// What was measured. Says all that matters of it, sizes and clients too: whoever changes one of them changes this.
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

/// What is being found, beside what was found before.
#[derive(Debug)]
pub struct Report {
    results: Results,
    earlier: Earlier,
    peaks: Peaks,
    told: Receiver<Peak>,
}

impl Report {
    /// Nothing found yet.
    pub async fn begin(options: &Options, kinds: &[Kind]) -> Result<Self> {
        let results = Results::begin(options, kinds).await?;
        if let Some(why) = results.why_not_kept() {
            eprintln!("this will not be kept: {why}");
        } else if results.is_dirty() {
            eprintln!("files differ from the commit: this will be kept with a mark, and never be the best");
        }
        let earlier = Earlier::comparable_with(&results)?;
        let (sender, told) = mpsc::channel();
        let peaks = if options.memory { Peaks::told_to(sender) } else { Peaks::unasked() };
        Ok(Self { results, earlier, peaks, told })
    }

    /// Whom servers tell how much memory they took.
    pub fn peaks(&self) -> &Peaks {
        &self.peaks
    }

    /// Adds a line, and says so to whoever waits. Where memory is what is asked for, nothing else is.
    pub fn add(&mut self, row: Row) {
        if !self.peaks.are_asked() {
            self.keep(row);
        }
    }

    /// Adds what the servers of a scenario took, if that is what is asked for.
    pub fn add_peaks(&mut self, scenario: Scenario, kinds: &[Kind]) {
        let peaks: Vec<Peak> = self.told.try_iter().collect();
        for stores in kinds.iter().map(Kind::name) {
            let of = |figure: fn(&Peak) -> f64| -> Vec<f64> {
                peaks.iter().filter(|peak| peak.stores == stores).map(figure).collect()
            };
            let figures =
                [("peak memory above rest", of(|peak| peak.most - peak.rest)), ("rest", of(|peak| peak.rest))];
            for (name, values) in figures.into_iter().filter(|(_, values)| !values.is_empty()) {
                self.keep(Row {
                    scenario: format!("memory of {}: {name}", scenario.name()),
                    stores: stores.to_owned(),
                    unit: "MiB".to_owned(),
                    ours: Spread::of(&values),
                    other: None,
                    ratio: None,
                });
            }
        }
    }

    fn keep(&mut self, row: Row) {
        eprintln!("{}", table::line(&row, &self.earlier));
        self.results.rows.push(row);
    }

    /// Prints the table and keeps the numbers.
    pub fn end(self) -> Result<()> {
        print!("{}", table::table(&self.results, &self.earlier));
        match self.results.why_not_kept() {
            Some(why) => println!("\nNot kept: {why}."),
            None => println!("\nKept in {}", self.results.keep()?.display()),
        }
        Ok(())
    }
}
