//! Tests of the fields of a run: what is taken, and as what.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::super::{Form, Part, PartField, RunStatus, ScanLimits};
use super::{TRACE, body_with, problems_with, run_with, scan, scan_cut};

fn time(text: &str) -> Option<DateTime<Utc>> {
    Some(text.parse().unwrap())
}

#[test]
fn a_batch_yields_its_runs_in_order_with_their_ranges() {
    let one = format!(r#"{{"trace_id":"{TRACE}","name":"one"}}"#);
    let two = format!(r#"{{ "name" : "two", "trace_id" : "{}" }}"#, TRACE.replace('-', "").to_uppercase());
    let body = format!(" [ {one} , {two} ] ");
    let scanned = scan(&body).unwrap();
    assert_eq!(scanned.form, Form::Array);
    let texts: Vec<_> =
        scanned.runs.iter().map(|run| &body[run.range.start as usize..run.range.end as usize]).collect();
    assert_eq!(texts, [one, two]);
    assert_eq!(scanned.runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert!(scanned.runs.iter().all(|run| run.trace_id == TRACE.parse::<Uuid>().unwrap()));
}

#[test]
fn one_object_is_one_run() {
    let body = format!(r#" {{"trace_id":"{TRACE}","name":"one","tags":["x"],"extra":{{"metadata":{{"a":1}}}}}} "#);
    let scanned = scan(&body).unwrap();
    assert_eq!((scanned.form, scanned.runs.len()), (Form::Object, 1));
    assert_eq!(scanned.runs[0].range, 1..body.len() as u64 - 1);
    assert_eq!(scanned.runs[0].tags, ["x"]);
    assert_eq!(scanned.runs[0].metadata["a"], "1");
}

#[test]
fn ids_are_taken_in_both_spellings() {
    let run = run_with(
        r#""id":"00000000000000000000000000000001","parent_run_id":"A0000000-0000-0000-0000-00000000000b",
           "session_id":"\u00300000000-0000-0000-0000-000000000003","reference_example_id":"ffffffff-ffff-ffff-ffff-ffffffffffff""#,
    );
    assert_eq!(run.id, Some(Uuid::from_u128(1)));
    assert_eq!(run.parent_run_id, Some(Uuid::from_u128(0xa0000000_0000_0000_0000_00000000000b)));
    assert_eq!(run.session_id, Some(Uuid::from_u128(3)));
    assert_eq!(run.reference_example_id, Some(Uuid::max()));
}

#[test]
fn texts_are_decoded() {
    let run = run_with(
        r#""name":"a\u0000\ud83d\ude00\ud83d\n\udE00é\/\ud800\u0041","run_type":"chain\t","session_name":"","dotted_order":"\"\\""#,
    );
    assert_eq!(run.name, "a\0😀\u{fffd}\n\u{fffd}é/\u{fffd}A");
    assert_eq!(run.run_type.as_deref(), Some("chain\t"));
    assert_eq!(run.session_name.as_deref(), Some(""));
    assert_eq!(run.dotted_order.as_deref(), Some("\"\\"));
}

#[test]
fn a_text_may_be_as_long_as_its_limit_when_decoded_and_no_longer() {
    for (field, limit) in [("name", 4096), ("run_type", 255), ("session_name", 1024), ("dotted_order", 16_384)] {
        for unit in ["a", "\\u0061", "\\n"] {
            let text = unit.repeat(limit);
            // The chunks differ from those of `scan`, because of the length.
            let fits = body_with(&format!("\"{field}\":\"{text}\""));
            let limits = ScanLimits { max_depth: 9, max_run: 1 << 20, max_batch: 1 };
            for length in [100, usize::MAX] {
                assert!(scan_cut(fits.as_bytes(), limits, length).is_ok(), "{field} of {unit}");
            }
            let found = problems_with(&format!("\"{field}\":\"{text}{unit}\""));
            assert_eq!(found, [format!("[0].{field}: must be at most {limit} bytes long")]);
        }
    }
}

#[test]
fn a_status_is_one_of_three_words() {
    for (text, status) in
        [("pending", RunStatus::Pending), ("success", RunStatus::Success), ("\\u0065rror", RunStatus::Error)]
    {
        assert_eq!(run_with(&format!("\"status\":\"{text}\"")).status, Some(status));
    }
    for wrong in ["\"\"", "\"Success\"", "\"errors\"", "1", "[]", "\"success\\u0000\""] {
        assert_eq!(
            problems_with(&format!("\"status\":{wrong}")),
            ["[0].status: must be `pending`, `success`, `error` or null"]
        );
    }
}

#[test]
fn times_are_taken_in_every_spelling_and_kept_to_microseconds() {
    for (given, meant) in [
        (r#""2024-02-29T12:34:56Z""#, "2024-02-29T12:34:56Z"),
        (r#""2024-02-29t12:34:56.1z""#, "2024-02-29T12:34:56.1Z"),
        (r#""2024-02-29 12:34:56.123456789""#, "2024-02-29T12:34:56.123456Z"),
        (r#""2024-02-29T00:34:56.999999+05:30""#, "2024-02-28T19:04:56.999999Z"),
        (r#""2024-02-29T23:34:56-00:30""#, "2024-03-01T00:04:56Z"),
        (r#""2016-12-31T23:59:60Z""#, "2017-01-01T00:00:00Z"),
        (r#""0001-01-01T00:00:00Z""#, "0001-01-01T00:00:00Z"),
        (r#""9999-12-31T23:59:59.9999999999999999999999Z""#, "9999-12-31T23:59:59.999999Z"),
        ("0", "1970-01-01T00:00:00Z"),
        ("-1", "1969-12-31T23:59:59.999Z"),
        ("1700000000000", "2023-11-14T22:13:20Z"),
        ("1700000000000.7", "2023-11-14T22:13:20.000700Z"),
        ("1700000000123.4567", "2023-11-14T22:13:20.123457Z"),
        ("1.7e12", "2023-11-14T22:13:20Z"),
        ("253402300799999", "9999-12-31T23:59:59.999Z"),
    ] {
        let run = run_with(&format!("\"start_time\":{given},\"end_time\":{given}"));
        assert_eq!((run.start_time, run.end_time), (time(meant), time(meant)), "{given}");
    }
}

#[test]
fn what_is_no_time_is_refused() {
    for wrong in [
        r#""""#,
        r#""2024-02-30T00:00:00Z""#,
        r#""2024-02-29""#,
        r#""2024-02-29T12:34Z""#,
        r#""2024-02-29T24:00:00Z""#,
        r#""2024-02-29T12:34:61Z""#,
        r#""2024-02-29T12:34:56.Z""#,
        r#""2024-02-29T12:34:56+0530""#,
        r#""2024-02-29T12:34:56+24:00""#,
        r#""2024-02-29T12:34:56+05:60""#,
        r#""2024-02-29T12:34:56 Z""#,
        r#""0000-01-01T00:00:00Z""#,
        r#""0001-01-01T00:00:00+01:00""#,
        r#""9999-12-31T23:59:59-01:00""#,
        r#""2024/02/29T12:34:56Z""#,
        r#""2024-02-29_12:34:56Z""#,
        r#""+024-02-29T12:34:56Z""#,
        r#""2024-02-29T12:34:5é""#,
        r#""1700000000000""#,
        "253402300800000",
        "1e400",
        "-1e400",
        "1e18",
        "true",
        "[]",
        "{}",
    ] {
        assert_eq!(
            problems_with(&format!("\"end_time\":{wrong}")),
            ["[0].end_time: must be an RFC 3339 time, milliseconds since 1970, or null"],
            "{wrong}"
        );
    }
}

#[test]
fn tags_are_strings_and_bounded() {
    assert_eq!(run_with(r#""tags":["a","\u00e9", "a",""]"#).tags, ["a", "é", "a", ""]);
    assert!(run_with(r#""tags":[]"#).tags.is_empty());
    let many = |count: usize| format!("\"tags\":[{}]", vec!["\"t\""; count].join(","));
    assert_eq!(run_with(&many(100)).tags.len(), 100);
    assert_eq!(problems_with(&many(101)), ["[0].tags: must be at most 100 tags"]);
    assert_eq!(run_with(&format!("\"tags\":[\"{}\"]", "\\u0041".repeat(256))).tags[0].len(), 256);
    for long in ["a".repeat(257), "\\u0041".repeat(257), "a".repeat(3000)] {
        let found = problems_with(&format!("\"tags\":[\"{long}\"]"));
        assert_eq!(found, ["[0].tags: must be tags of at most 256 bytes"]);
    }
    for wrong in ["1", "\"a\"", "{}", "[1]", "[\"a\",null]", "[[\"a\"]]", "[{\"a\":\"b\"}]"] {
        assert_eq!(problems_with(&format!("\"tags\":{wrong}")), ["[0].tags: must be an array of strings or null"]);
    }
}

#[test]
fn parts_are_the_payloads_that_are_given_with_their_exact_ranges() {
    let values = [
        (PartField::Error, "error", r#""bo\u006fm""#),
        (PartField::Outputs, "outputs", r#"{ "b" : [1e400, "\ud800"] }"#),
        (PartField::Events, "events", "[ ]"),
        (PartField::Inputs, "inputs", "{}"),
        (PartField::Serialized, "serialized", r#"{"a":{"a":{}}}"#),
        (PartField::Extra, "extra", r#"{"runtime":{"metadata":{"no":1}}}"#),
        (PartField::Metadata, "metadata", r#"{"k":"v"}"#),
    ];
    let members: Vec<_> = values.iter().map(|(_, key, value)| format!("\"{key}\" : {value} ")).collect();
    let body = body_with(&members.join(","));
    let run = scan(&body).unwrap().runs.remove(0);
    let mut expected: Vec<_> = values
        .iter()
        .map(|(field, key, value)| {
            let start = (body.rfind(&format!("\"{key}\" :")).unwrap() + key.len() + 5) as u64;
            Part { field: *field, range: start..start + value.len() as u64 }
        })
        .collect();
    expected.sort_by_key(|part| part.field);
    assert_eq!(run.parts, expected);
    assert_eq!((run.inputs_preview.as_str(), run.outputs_preview.as_str()), ("{}", values[1].2));
    assert_eq!((run.has_error, run.error_preview.as_deref()), (true, Some("boom")));
}

#[test]
fn null_means_not_given() {
    let fields = "id parent_run_id run_type status dotted_order session_id session_name start_time end_time \
                  reference_example_id tags inputs outputs metadata extra events serialized error";
    let members: Vec<_> = fields.split_whitespace().map(|field| format!("\"{field}\":null")).collect();
    let mut with_nulls = run_with(&members.join(","));
    let without = run_with("\"x\":0");
    assert!(with_nulls.parts.is_empty() && !with_nulls.has_error);
    with_nulls.range = without.range.clone();
    assert_eq!(with_nulls, without);
}

#[test]
fn previews_are_cut_between_characters() {
    let run = run_with(&format!(
        "\"inputs\":{{\"é\":\"{}\"}},\"outputs\":{{\"a\":\"{}\"}},\"error\":\"{}\"",
        "é".repeat(300),
        "日".repeat(300),
        "\\u00e9日".repeat(3000)
    ));
    assert_eq!(run.inputs_preview, format!("{{\"é\":\"{}", "é".repeat(96)));
    assert_eq!(run.inputs_preview.len(), 199);
    assert_eq!(run.outputs_preview, format!("{{\"a\":\"{}", "日".repeat(64)));
    assert_eq!(run.error_preview, Some("é日".repeat(200)));
    let pairs = run_with(&format!("\"error\":\"{}\"", "\\ud83d\\ude00".repeat(3000)));
    assert_eq!(pairs.error_preview, Some("😀".repeat(250)));
}

#[test]
fn keys_are_recognised_decoded_and_the_last_of_several_wins() {
    let run = run_with(
        r#""n\u0061me":"b","\u0069nputs":{"a":1},"inputs":{"a":2},"tags":["a"],"tags":["b"],"outputs":{},"outputs":null,
           "status":7,"status":"error","error":"x","error":null,"run_type":"a","run_type":null,"NAME":"c","id ":1,
           "start_time":1,"start_time":null,"session_id":"x","session_id":null"#,
    );
    assert_eq!((run.name.as_str(), run.inputs_preview.as_str(), run.parts.len()), ("b", r#"{"a":2}"#, 1));
    assert_eq!((run.tags.as_slice(), run.status), (["b".to_owned()].as_slice(), Some(RunStatus::Error)));
    assert_eq!((run.run_type, run.has_error, run.start_time, run.session_id), (None, false, None, None));
}
