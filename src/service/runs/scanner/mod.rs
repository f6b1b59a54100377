//! Scans a body of runs while it streams: it is strict about the JSON, and notes where each run and each payload lies.
//!
//! The body is read once and never kept: what a scanner holds grows with the number of runs, not with their size.

mod capture;
mod collector;
mod draft;
mod fields;
mod json;
mod lexeme;
mod members;
mod scanned;
mod skip;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod tokens;
mod utf8;

pub use scanned::{FieldProblem, Form, Part, PartField, Rejection, RunStatus, Scanned, ScannedRun};

use collector::Collector;
use json::{Fault, Reason, Validator};
use utf8::Utf8;

/// The bounds of a body that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimits {
    /// The deepest nesting, counted from the body's top value; more than 1024 levels are never followed.
    pub max_depth: usize,
    /// The longest run in bytes.
    pub max_run: u64,
    /// The most runs in one body.
    pub max_batch: usize,
}

/// Reads one body, piece by piece, cut anywhere.
pub struct Scanner {
    utf8: Utf8,
    validator: Validator,
    collector: Collector,
}

impl std::fmt::Debug for Scanner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Scanner").field("validator", &self.validator).finish_non_exhaustive()
    }
}

impl Scanner {
    /// A scanner of one body.
    pub fn new(limits: ScanLimits) -> Self {
        Self { utf8: Utf8::default(), validator: Validator::new(limits.max_depth), collector: Collector::new(limits) }
    }

    /// Takes the next bytes of the body.
    ///
    /// After a wrong shape it goes on, to tell of more of them or that the body is not JSON at all; after any other
    /// refusal it ignores what follows.
    pub fn feed(&mut self, chunk: &[u8]) {
        if self.collector.refusal.is_some() {
            return;
        }
        let checked = self.utf8.feed(chunk);
        // What stands before a bad character may have a fault that comes first.
        let valid = checked.map_or_else(|at| usize::try_from(at).unwrap_or(0), |()| chunk.len());
        let piece = &chunk[..valid];
        let scanned = self.validator.feed(piece, &mut self.collector);
        if self.collector.refusal.is_some() {
            return;
        }
        match (scanned, checked) {
            (Err(fault), _) => self.refuse(fault),
            (Ok(()), Err(at)) => self.refuse_syntax(self.collector.base.saturating_add_signed(at), "not UTF-8"),
            (Ok(()), Ok(())) => self.collector.end_piece(chunk),
        }
    }

    /// True as soon as nothing of this body can be stored any more.
    pub fn is_rejected(&self) -> bool {
        self.collector.is_rejected()
    }

    /// What the body holds, now that it is over.
    ///
    /// # Errors
    /// Why it cannot be taken: that it is not JSON counts more than that it has a wrong shape.
    pub fn finish(mut self) -> Result<Scanned, Rejection> {
        if self.collector.refusal.is_none() {
            let end = self.collector.base;
            if self.utf8.held() > 0 {
                self.refuse_syntax(end - self.utf8.held() as u64, "the body ends inside a character");
            } else if let Err(message) = self.validator.finish(&mut self.collector) {
                self.refuse_syntax(end, message);
            }
        }
        let (form, runs) = self.collector.finish()?;
        Ok(Scanned { form, runs })
    }

    fn refuse(&mut self, fault: Fault) {
        let offset = self.collector.base + fault.at as u64;
        match fault.reason {
            Reason::Syntax(message) => self.refuse_syntax(offset, message),
            Reason::TooDeep => {
                self.collector.check_size(offset);
                if self.collector.refusal.is_none() {
                    self.collector.refuse_depth();
                }
            }
        }
    }

    fn refuse_syntax(&mut self, offset: u64, message: &str) {
        // Whether the run was too long already must not depend on where the body was cut.
        self.collector.check_size(offset);
        if self.collector.refusal.is_none() {
            let field = self.collector.place();
            self.collector.refusal = Some(Rejection::Syntax { offset, field, message: message.to_owned() });
        }
    }
}
