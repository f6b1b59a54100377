//! Tests of the digest, by which a repeated run is told from a different one.

use super::{TRACE, run_with, scan};

fn digest(members: &str) -> u128 {
    run_with(members).digest
}

#[test]
fn the_order_of_keys_the_id_and_the_white_space_between_members_do_not_count() {
    let base = digest(r#""id":"00000000000000000000000000000001","inputs":{"a":1},"tags":["x"],"run_type":"llm""#);
    assert_eq!(digest(r#""run_type" : "\u006clm", "tags":[ "x" ],"inputs" :{"a":1}, "unknown":1"#), base);
    let object = scan(format!(
        r#"{{"run_type":"llm","inputs":{{"a":1}},"name":"a","tags":["x"],"trace_id":"{}"}}"#,
        TRACE.replace('-', "")
    ));
    assert_eq!(object.unwrap().runs[0].digest, base);
}

#[test]
fn a_missing_payload_is_an_empty_object() {
    let none = digest(r#""x":0"#);
    assert_eq!(digest(r#""inputs":{},"outputs":null,"metadata":{}"#), none);
    assert_ne!(digest(r#""inputs":{ }"#), none);
    assert_ne!(digest(r#""extra":{}"#), none);
}

#[test]
fn every_value_counts() {
    let variants = [
        r#""x":0"#,
        r#""name":"b""#,
        r#""trace_id":"00000000000000000000000000000001""#,
        r#""parent_run_id":"00000000000000000000000000000001""#,
        r#""session_id":"00000000000000000000000000000001""#,
        r#""reference_example_id":"00000000000000000000000000000001""#,
        r#""run_type":"b""#,
        r#""dotted_order":"b""#,
        r#""session_name":"b""#,
        r#""session_name":"""#,
        r#""start_time":1"#,
        r#""end_time":1"#,
        r#""end_time":1.001"#,
        r#""status":"error""#,
        r#""status":"pending""#,
        r#""tags":["a","b"]"#,
        r#""tags":["ab"]"#,
        r#""tags":["b","a"]"#,
        r#""inputs":{"a":1}"#,
        r#""inputs":{"a": 1}"#,
        r#""inputs":{"a":1.0}"#,
        r#""outputs":{"a":1}"#,
        r#""metadata":{"a":1}"#,
        r#""extra":{"a":1}"#,
        r#""serialized":{"a":1}"#,
        r#""events":[]"#,
        r#""events":[1]"#,
        r#""error":"a""#,
        r#""error":"b""#,
    ];
    let mut digests: Vec<_> = variants.iter().map(|members| digest(members)).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), variants.len());
}

#[test]
fn the_digest_of_a_long_payload_is_that_of_its_bytes_wherever_it_is_cut() {
    // `scan` itself compares the digests of all cuts; here the last byte of a long one must count.
    let long = |last: char| format!("\"inputs\":{{\"a\":\"{}{last}\"}}", "x".repeat(3000));
    assert_eq!(digest(&long('y')), digest(&long('y')));
    assert_ne!(digest(&long('y')), digest(&long('z')));
}
