//! Collects the runs of a body and what is wrong with them: it knows in which run and in which member the scan is.
//!
//! What it holds is bounded by the number of runs, never by their size, and is dropped at the first problem.

use super::capture::{Capture, Payload};
use super::draft::{Draft, Problem};
use super::fields::Field;
use super::json::Kind;
use super::{FieldProblem, Form, PartField, Rejection, ScanLimits, ScannedRun};

/// The most problems that one answer tells.
const PROBLEMS: usize = 20;

/// The most bytes of texts that the rows of one body may have; payloads do not count, which are never held.
const ROWS: usize = 32 * 1024 * 1024;

/// What is done with the member of a run whose value is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taking {
    /// Nothing: it is unknown, null, or of a wrong kind.
    Nothing,
    /// Its bytes are captured.
    Scalar(Field),
    /// Its bytes are hashed, and for an error also captured.
    Payload(PartField),
    /// Its items are captured.
    Tags,
}

/// The collector between two pieces.
pub(super) struct Collector {
    limits: ScanLimits,
    /// Where in the body the piece in hand starts.
    pub(super) base: u64,
    pub(super) watched: usize,
    pub(super) form: Option<Form>,
    /// The level of run objects.
    pub(super) level: usize,
    count: usize,
    in_run: bool,
    pub(super) draft: Draft,
    /// The key of the member whose value is being read.
    pub(super) member: Option<String>,
    pub(super) taking: Taking,
    /// Whether the member of `extra` that is being read is its metadata.
    pub(super) in_extra_metadata: bool,
    pub(super) token: Capture,
    pub(super) payload: Payload,
    problems: Vec<FieldProblem>,
    /// A refusal after which nothing matters any more.
    pub(super) refusal: Option<Rejection>,
    runs: Vec<ScannedRun>,
    rows: usize,
}

impl Collector {
    pub(super) fn new(limits: ScanLimits) -> Self {
        Self {
            limits,
            base: 0,
            watched: 0,
            form: None,
            level: 0,
            count: 0,
            in_run: false,
            draft: Draft::default(),
            member: None,
            taking: Taking::Nothing,
            in_extra_metadata: false,
            token: Capture::default(),
            payload: Payload::default(),
            problems: Vec::new(),
            refusal: None,
            runs: Vec::new(),
            rows: 0,
        }
    }

    /// Whether the body can no longer be stored.
    pub(super) fn is_rejected(&self) -> bool {
        self.refusal.is_some() || !self.problems.is_empty()
    }

    /// The piece is over: keeps what an open token still needs of it.
    pub(super) fn end_piece(&mut self, piece: &[u8]) {
        self.token.flush(piece);
        self.payload.flush(piece);
        self.base += piece.len() as u64;
        self.check_size(self.base);
    }

    /// Refuses a run that has more bytes up to `end` than one may have.
    pub(super) fn check_size(&mut self, end: u64) {
        if self.refusal.is_none() && self.in_run && end - self.draft.start > self.limits.max_run {
            let message = format!("a run may be at most {} bytes long", self.limits.max_run);
            self.refusal = Some(Rejection::TooLarge { field: self.run_path(), message });
        }
    }

    /// Refuses the body as nested too deeply, with the problems that were found before.
    pub(super) fn refuse_depth(&mut self) {
        let message = format!("is nested more than {} levels deep", self.limits.max_depth);
        if self.in_run {
            let problems = std::mem::take(&mut self.draft.problems);
            self.add_run_problems(problems);
        }
        self.problem(self.place(), message);
        self.refusal = Some(Rejection::Invalid(std::mem::take(&mut self.problems)));
    }

    /// The runs, or why there are none.
    pub(super) fn finish(self) -> Result<(Form, Vec<ScannedRun>), Rejection> {
        match (self.refusal, self.form) {
            (Some(refusal), _) => Err(refusal),
            (None, Some(form)) if self.problems.is_empty() => Ok((form, self.runs)),
            _ => Err(Rejection::Invalid(self.problems)),
        }
    }

    /// Where in the runs the scan is, as a path: empty outside of them.
    pub(super) fn place(&self) -> String {
        match &self.member {
            Some(key) if self.in_run => self.member_path(key),
            _ if self.in_run => self.run_path(),
            _ => String::new(),
        }
    }

    fn run_path(&self) -> String {
        match self.form {
            Some(Form::Array) => format!("[{}]", self.count - 1),
            _ => String::new(),
        }
    }

    fn member_path(&self, key: &str) -> String {
        match self.form {
            Some(Form::Array) => format!("[{}].{key}", self.count - 1),
            _ => key.to_owned(),
        }
    }

    fn problem(&mut self, field: String, message: impl Into<String>) {
        if self.problems.len() < PROBLEMS {
            self.problems.push(FieldProblem { field, message: message.into() });
        }
        // Nothing will be stored, so what was collected is only weight.
        self.runs = Vec::new();
    }

    pub(super) fn begin_top(&mut self, kind: Kind, at: usize) {
        match kind {
            Kind::Array => {
                self.form = Some(Form::Array);
                self.level = 1;
                self.watched = 1;
            }
            Kind::Object => {
                self.form = Some(Form::Object);
                self.begin_run(kind, at);
            }
            _ => self.problem(String::new(), "must be an array of runs or one run"),
        }
    }

    pub(super) fn begin_run(&mut self, kind: Kind, at: usize) {
        self.count += 1;
        if self.form == Some(Form::Array) && self.count > self.limits.max_batch {
            let message = format!("at most {} runs may come in one request", self.limits.max_batch);
            self.refusal = Some(Rejection::TooLarge { field: String::new(), message });
        } else if kind == Kind::Object {
            self.in_run = true;
            self.member = None;
            self.draft = Draft::new(self.base + at as u64);
            self.watched = self.level + 1;
        } else {
            self.problem(self.run_path(), "must be an object");
        }
    }

    pub(super) fn end_run(&mut self, at: usize) {
        if !self.in_run {
            return;
        }
        let end = self.base + at as u64;
        self.check_size(end);
        self.in_run = false;
        self.watched = self.level;
        match std::mem::take(&mut self.draft).finish(end) {
            Ok(run) if !self.is_rejected() => self.keep(run),
            Ok(_) => {}
            Err(problems) => self.add_run_problems(problems),
        }
    }

    /// Keeps a run, unless the texts of all of them together are too much to hold.
    fn keep(&mut self, run: ScannedRun) {
        self.rows += run.row_size();
        self.runs.push(run);
        if self.rows > ROWS {
            let message = format!("names, tags and other texts of the runs have {ROWS} bytes at most; send fewer runs");
            self.refusal = Some(Rejection::TooLarge { field: String::new(), message });
            self.runs = Vec::new();
        }
    }

    fn add_run_problems(&mut self, problems: Vec<Problem>) {
        for (field, message) in problems {
            self.problem(self.member_path(field.key()), message);
        }
    }

    pub(super) fn end_top(&mut self) {
        if self.count == 0 && self.form == Some(Form::Array) {
            self.problem(String::new(), "must have at least one run");
        }
    }
}
