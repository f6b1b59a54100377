//! The table: each row beside what it was measured in turns with, beside the previous run, and beside the best one.

use std::fmt::Write;

use super::kept::{Earlier, Results};
use super::{Other, Row};
use crate::figures::{Spread, number};

/// The whole table, with what it is of.
pub fn table(results: &Results, earlier: &Earlier) -> String {
    let Results { date, commit, machine, configuration, rows } = results;
    let mut text =
        format!("\n{date}, {commit}, {} build, {} × {}\n", configuration.profile, machine.cores, machine.cpu);
    if let Some(only) = &configuration.only {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "Only a part: {}", only.join(", "));
    }
    text += "\n| scenario | stores | median (min..max) | beside | ratio (min..max) ";
    text += "| previous | ratio to it | best | ratio to it |\n|---|---|---|---|---|---|---|---|---|\n";
    for row in rows {
        text += &line(row, earlier);
        text.push('\n');
    }
    text
}

/// One row of it.
pub fn line(row: &Row, earlier: &Earlier) -> String {
    let Row { scenario, stores, unit, ours, other, ratio } = row;
    let other = other.as_ref().map(|Other { name, spread }| format!("{name} {}", with_unit(spread, unit)));
    let ratio = ratio.as_ref().map(|ratio| with_unit(ratio, ""));
    let [previous, to_previous] = beside(earlier.previous(row), row);
    let [best, to_best] = beside(earlier.best(row), row);
    let cells = [
        scenario.clone(),
        stores.clone(),
        with_unit(ours, unit),
        other.unwrap_or_default(),
        ratio.unwrap_or_default(),
        previous,
        to_previous,
        best,
        to_best,
    ];
    format!("| {} |", cells.join(" | "))
}

/// What was found before, of which commit, and how many times that is what is found now.
fn beside(before: Option<(&str, &Row)>, row: &Row) -> [String; 2] {
    let Some((commit, before)) = before else { return Default::default() };
    let then = format!("{} of {commit}", with_unit(&before.ours, &before.unit));
    [then, with_unit(&row.ours.over(&before.ours), "")]
}

fn with_unit(Spread { median, min, max }: &Spread, unit: &str) -> String {
    let median = format!("{} {unit}", number(*median));
    format!("{} ({}..{})", median.trim_end(), number(*min), number(*max))
}
