//! Forms of a profile for people: a table of functions, and a flame graph.

use std::fmt::Write;

use anyhow::Context;
use inferno::flamegraph::{self, Options};

use super::profile::Profile;
use crate::error::Result;

/// Functions that a table shows.
const ROWS: usize = 200;

/// The table of functions, most in itself first; or what the profile says in place of it.
pub fn text(profile: &Profile) -> String {
    if let Some(text) = &profile.text {
        return text.clone();
    }
    let (kind, unit) = profile.kinds.get(profile.shown).copied().unwrap_or_default();
    let total = profile.total();
    let mut page = format!("{}: {kind}, {} in all", profile.title, amount(total, unit));
    if !profile.duration.is_zero() {
        let _ = write!(page, ", in {:.1} s", profile.duration.as_secs_f64());
    }
    let _ = writeln!(page, "\n\n{:>12} {:>6}  {:>12} {:>6}  function, place", "flat", "", "cumulated", "");
    let percent = |value: i64| if total == 0 { 0.0 } else { value as f64 * 100.0 / total as f64 };
    for share in profile.shares().iter().take(ROWS) {
        let (flat, cumulated) = (amount(share.flat, unit), amount(share.cumulated, unit));
        let _ = writeln!(
            page,
            "{flat:>12} {:>5.1}%  {cumulated:>12} {:>5.1}%  {}  {}:{}",
            percent(share.flat),
            percent(share.cumulated),
            share.frame.function,
            share.frame.file,
            share.frame.line,
        );
    }
    page
}

fn amount(value: i64, unit: &str) -> String {
    match unit {
        "nanoseconds" => format!("{:.3} s", value as f64 / 1e9),
        "bytes" => bytesize::ByteSize(value.unsigned_abs()).to_string(),
        _ => value.to_string(),
    }
}

/// The flame graph, as an SVG that a browser shows.
///
/// # Errors
/// The stacks cannot be drawn.
pub fn flame_graph(profile: &Profile) -> Result<Vec<u8>> {
    let (kind, unit) = profile.kinds.get(profile.shown).copied().unwrap_or_default();
    let mut lines: Vec<String> = profile.stacks.iter().map(|stack| folded(profile, stack)).collect();
    // Of nothing there is no graph; a line says so.
    if profile.total() == 0 {
        lines.push("nothing was sampled 1".to_owned());
    }
    lines.sort();
    let mut options = Options::default();
    options.title = format!("runyard: {}", profile.title);
    options.subtitle = Some(format!("{kind}, {} in all", amount(profile.total(), unit)));
    options.count_name = unit.to_owned();
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut svg).context("drawing a profile")?;
    Ok(svg)
}

/// A stack as a line, the outermost first.
fn folded(profile: &Profile, stack: &super::profile::Stack) -> String {
    let mut line = stack.thread.clone().unwrap_or_default().replace(';', ":");
    for frame in stack.frames.iter().rev() {
        if !line.is_empty() {
            line.push(';');
        }
        line.push_str(&frame.function.replace(';', ":"));
    }
    let _ = write!(line, " {}", profile.value(stack));
    line
}
