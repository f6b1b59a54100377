//! Property tests against serde_json, with a seeded generator: the same texts are JSON, and cuts never matter.
//!
//! A `RawValue` is parsed with the same strictness: lone surrogate escapes, `1e400` and repeated keys are legal to both.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::value::RawValue;

use super::{LIMITS, Rejection, ScanLimits, Scanned, Scanner, TRACE, scan_cut};

const DEEP: ScanLimits = ScanLimits { max_depth: 1024, ..LIMITS };

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(body).is_ok()
}

/// Scans a body in pieces of random lengths, many of them one byte or none.
fn scan_randomly(rng: &mut StdRng, body: &[u8]) -> Result<Scanned, Rejection> {
    let mut scanner = Scanner::new(DEEP);
    let longest = [1, 3, 40, 500][rng.random_range(0..4)];
    let mut rest = body;
    while !rest.is_empty() {
        let length = rng.random_range(0..=longest).min(rest.len());
        scanner.feed(&rest[..length]);
        rest = &rest[length..];
    }
    scanner.finish()
}

fn pick<'a>(rng: &mut StdRng, of: &[&'a str]) -> &'a str {
    of[rng.random_range(0..of.len())]
}

fn blank(rng: &mut StdRng) -> &'static str {
    pick(rng, &["", "", "", "", " ", "\n", "\t ", "\r\n", "\n          "])
}

fn text(rng: &mut StdRng) -> String {
    let parts = [
        "a",
        "Z9",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\u0000",
        "\\ud800",
        "\\ud83d\\ude00",
        "\\uDc00",
        "é",
        "日本",
        "😀",
        "\u{7f}",
        "{[,:",
    ];
    let mut text = String::from("\"");
    for _ in 0..rng.random_range(0..8) {
        text.push_str(pick(rng, &parts));
        if rng.random_bool(0.2) {
            text.push_str(&"x".repeat(rng.random_range(0..120)));
        }
    }
    text + "\""
}

fn value(rng: &mut StdRng, depth: usize) -> String {
    match rng.random_range(0..if depth > 5 { 4 } else { 8 }) {
        0 | 1 => text(rng),
        2 => pick(rng, &["0", "-0", "12", "-1.5", "1e400", "0.1E-7", "99999999999999999999", "1700000000000.25"])
            .to_owned(),
        3 => pick(rng, &["true", "false", "null"]).to_owned(),
        4 | 5 => list(rng, "[", "]", |rng| value(rng, depth + 1)),
        _ => list(rng, "{", "}", |rng| format!("{}{}:{}{}", text(rng), blank(rng), blank(rng), value(rng, depth + 1))),
    }
}

fn list(rng: &mut StdRng, open: &str, close: &str, mut item: impl FnMut(&mut StdRng) -> String) -> String {
    let mut list = format!("{open}{}", blank(rng));
    for number in 0..rng.random_range(0..5) {
        let comma = if number > 0 { "," } else { "" };
        list = format!("{list}{comma}{}{}{}", blank(rng), item(rng), blank(rng));
    }
    list + close
}

fn member(rng: &mut StdRng) -> String {
    let keys = [
        "id",
        "name",
        "inputs",
        "outputs",
        "metadata",
        "extra",
        "events",
        "error",
        "tags",
        "status",
        "start_time",
        "\\u006eame",
        "x",
    ];
    let key = pick(rng, &keys);
    let value = match key {
        "inputs" | "outputs" | "metadata" => list(rng, "{", "}", |rng| format!("{}:{}", text(rng), value(rng, 3))),
        "extra" => list(rng, "{", "}", |rng| format!("\"metadata\":{}", value(rng, 3))),
        "events" => list(rng, "[", "]", |rng| value(rng, 3)),
        "tags" => list(rng, "[", "]", text),
        "error" | "name" | "\\u006eame" => text(rng),
        _ => value(rng, 3),
    };
    format!("\"{key}\"{}:{}{value}", blank(rng), blank(rng))
}

fn runs(rng: &mut StdRng) -> String {
    list(rng, "[", "]", |rng| {
        let first = format!("{{\"trace_id\":\"{TRACE}\",\"name\":\"n\"");
        (0..rng.random_range(0..6)).fold(first, |run, _| format!("{run},{}", member(rng))) + "}"
    })
}

/// Changes a few bytes, so that the text is mostly not JSON any more.
fn mutate(rng: &mut StdRng, body: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..3) {
        let at = rng.random_range(0..body.len());
        let bytes = b"\"\\{}[],:0-+.eEtfnu \n\x00\x1f\x7f\x80\xc3\xe2\xf0\xff";
        let byte = bytes[rng.random_range(0..bytes.len())];
        match rng.random_range(0..4) {
            0 => body[at] = byte,
            1 => body.insert(at, byte),
            2 if body.len() > 1 => drop(body.remove(at)),
            _ => body.truncate(at.max(1)),
        }
    }
}

fn assert_agreement(rng: &mut StdRng, body: &[u8]) {
    let whole = scan_cut(body, DEEP, usize::MAX);
    let refused = matches!(whole, Err(Rejection::Syntax { .. }));
    assert_eq!(!refused, is_json(body), "{whole:?} of {}", String::from_utf8_lossy(body));
    for _ in 0..3 {
        let pieces = scan_randomly(rng, body);
        match (&whole, &pieces) {
            // The words may differ, because a cut decides which of two checks is first to see a bad character.
            (Err(Rejection::Syntax { offset, .. }), Err(Rejection::Syntax { offset: same, .. })) => {
                assert_eq!(offset, same);
            }
            _ => assert_eq!(whole, pieces),
        }
    }
}

#[test]
fn the_same_texts_are_json_as_for_serde_json() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut refused = 0;
    for _ in 0..1500 {
        let mut body = format!("{}{}{}", blank(&mut rng), value(&mut rng, 0), blank(&mut rng)).into_bytes();
        assert_agreement(&mut rng, &body);
        mutate(&mut rng, &mut body);
        refused += usize::from(!is_json(&body));
        assert_agreement(&mut rng, &body);
    }
    // The generator must make both kinds, or the test says nothing.
    assert!((500..1450).contains(&refused), "{refused}");
}

#[test]
fn runs_and_their_ranges_are_the_same_wherever_the_body_is_cut() {
    let mut rng = StdRng::seed_from_u64(2);
    let mut taken = 0;
    for _ in 0..800 {
        let mut body = runs(&mut rng).into_bytes();
        assert_agreement(&mut rng, &body);
        if let Ok(scanned) = scan_cut(&body, DEEP, usize::MAX) {
            taken += 1;
            assert_ranges(&body, &scanned);
        }
        mutate(&mut rng, &mut body);
        assert_agreement(&mut rng, &body);
    }
    assert!(taken > 150, "{taken}");
}

/// Every range must hold the bytes that serde_json finds under the same key; its last one, as here, wins.
fn assert_ranges(body: &[u8], scanned: &Scanned) {
    let runs: Vec<std::collections::HashMap<String, &RawValue>> = serde_json::from_slice(body).unwrap();
    assert_eq!(runs.len(), scanned.runs.len());
    for (run, scanned) in runs.iter().zip(&scanned.runs) {
        let keys = ["inputs", "outputs", "metadata", "extra", "events", "serialized", "error"];
        let given = keys.iter().filter(|key| run.get(**key).is_some_and(|value| value.get() != "null"));
        let found: Vec<_> = scanned
            .parts
            .iter()
            .map(|part| std::str::from_utf8(&body[part.range.start as usize..part.range.end as usize]).unwrap())
            .collect();
        assert_eq!(found, given.map(|key| run[*key].get()).collect::<Vec<_>>());
    }
}

#[test]
fn every_single_cut_of_a_body_gives_the_same() {
    let mut rng = StdRng::seed_from_u64(3);
    let mut tried = 0;
    while tried < 8 {
        let body = runs(&mut rng);
        let Ok(whole) = scan_cut(body.as_bytes(), DEEP, usize::MAX) else { continue };
        for cut in 0..body.len() {
            let mut scanner = Scanner::new(DEEP);
            scanner.feed(&body.as_bytes()[..cut]);
            scanner.feed(&body.as_bytes()[cut..]);
            assert_eq!(scanner.finish().as_ref(), Ok(&whole), "cut at {cut}");
        }
        tried += 1;
    }
}
