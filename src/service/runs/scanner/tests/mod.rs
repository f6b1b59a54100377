//! Tests of the scanner, through its public face only.

mod differential;
mod digest;
mod grammar;
mod metadata;
mod refusals;
mod rules;

use super::{Rejection, ScanLimits, Scanned, ScannedRun, Scanner};

const TRACE: &str = "0190f0c8-0000-7000-8000-000000000001";
const LIMITS: ScanLimits = ScanLimits { max_depth: 256, max_run: 1 << 20, max_batch: 100 };

/// Scans a body in pieces of so many bytes.
fn scan_cut(body: &[u8], limits: ScanLimits, length: usize) -> Result<Scanned, Rejection> {
    let mut scanner = Scanner::new(limits);
    for chunk in body.chunks(length) {
        scanner.feed(chunk);
    }
    scanner.finish()
}

/// Scans a body whole and in pieces, which must make no difference.
fn scan(body: impl AsRef<[u8]>) -> Result<Scanned, Rejection> {
    scan_with(body, LIMITS)
}

fn scan_with(body: impl AsRef<[u8]>, limits: ScanLimits) -> Result<Scanned, Rejection> {
    let whole = scan_cut(body.as_ref(), limits, usize::MAX);
    for length in [1, 2, 3, 7, 64] {
        assert_eq!(scan_cut(body.as_ref(), limits, length), whole, "in pieces of {length}");
    }
    whole
}

/// The only run of a batch, with the members that every run needs and these.
fn run_with(members: &str) -> ScannedRun {
    let scanned = scan(body_with(members)).unwrap();
    assert_eq!(scanned.runs.len(), 1);
    scanned.runs[0].clone()
}

fn body_with(members: &str) -> String {
    format!(r#"[{{"trace_id":"{TRACE}","name":"a",{members}}}]"#)
}

/// The problems of a body as `field: message`.
fn problems(body: impl AsRef<[u8]>) -> Vec<String> {
    problems_of(scan(body))
}

fn problems_of(scanned: Result<Scanned, Rejection>) -> Vec<String> {
    match scanned {
        Err(Rejection::Invalid(problems)) => {
            problems.iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect()
        }
        other => panic!("not invalid: {other:?}"),
    }
}

/// The problems of one run with the members that every run needs and these.
fn problems_with(members: &str) -> Vec<String> {
    problems(body_with(members))
}

/// Where a syntax error is: its offset and its field.
fn syntax(body: impl AsRef<[u8]>) -> (u64, String) {
    match scan(body) {
        Err(Rejection::Syntax { offset, field, .. }) => (offset, field),
        other => panic!("not a syntax error: {other:?}"),
    }
}
