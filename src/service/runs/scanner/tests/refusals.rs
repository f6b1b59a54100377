//! Tests of what is refused, under which name, and which refusal wins.

use super::{
    LIMITS, Rejection, ScanLimits, Scanner, TRACE, body_with, problems, problems_of, problems_with, scan_with, syntax,
};

fn run(name: &str) -> String {
    format!(r#"{{"trace_id":"{TRACE}","name":"{name}"}}"#)
}

fn too_large(body: &str, limits: ScanLimits) -> String {
    match scan_with(body, limits) {
        Err(Rejection::TooLarge { field, .. }) => field,
        other => panic!("not too large: {other:?}"),
    }
}

#[test]
fn trace_id_and_name_are_required_in_both_forms() {
    assert_eq!(problems("[{}]"), ["[0].trace_id: is required", "[0].name: is required"]);
    assert_eq!(problems(r#"{"id":null}"#), ["trace_id: is required", "name: is required"]);
    assert_eq!(problems(r#"{"name":"a","trace_id":null}"#), ["trace_id: is required"]);
    assert_eq!(problems(r#"{"name":"a","id":"00000000000000000000000000000001"}"#), ["trace_id: is required"]);
    assert_eq!(problems_with(r#""name":null"#), ["[0].name: is required"]);
    assert_eq!(problems_with(r#""name":"""#), ["[0].name: must not be empty"]);
    assert_eq!(problems_with(r#""name":1"#), ["[0].name: must be a string"]);
}

#[test]
fn an_id_in_any_other_spelling_is_refused() {
    for wrong in [
        "",
        "1",
        "{00000000-0000-0000-0000-000000000001}",
        "urn:uuid:00000000-0000-0000-0000-000000000001",
        "00000000-0000-0000-0000-00000000000g",
        "0000000-00000-0000-0000-000000000001",
        "00000000_0000_0000_0000_000000000001",
        "0000000000000000000000000000001",
        " 0000000000000000000000000000001",
        "{000000000000000000000000000000000}",
        "000000000000000000000000000000000000",
        "00000000-0000-0000-0000-000000000001\\u0000",
    ] {
        for field in ["id", "parent_run_id", "session_id", "reference_example_id"] {
            let found = problems_with(&format!("\"{field}\":\"{wrong}\""));
            assert_eq!(found, [format!("[0].{field}: must be a UUID or null")]);
        }
        assert_eq!(problems_with(&format!("\"trace_id\":\"{wrong}\"")), ["[0].trace_id: must be a UUID"]);
    }
    assert_eq!(problems_with(r#""id":1"#), ["[0].id: must be a UUID or null"]);
}

#[test]
fn payloads_of_another_kind_are_refused() {
    for field in ["inputs", "outputs", "metadata", "extra", "serialized"] {
        for wrong in ["[]", "1", "\"{}\"", "true"] {
            let found = problems_with(&format!("\"{field}\":{wrong}"));
            assert_eq!(found, [format!("[0].{field}: must be an object or null")]);
        }
    }
    assert_eq!(problems_with(r#""events":{}"#), ["[0].events: must be an array or null"]);
    for wrong in ["{}", "[]", "1", "false"] {
        assert_eq!(problems_with(&format!("\"error\":{wrong}")), ["[0].error: must be a string or null"]);
    }
    for field in ["run_type", "session_name", "dotted_order"] {
        assert_eq!(problems_with(&format!("\"{field}\":1")), [format!("[0].{field}: must be a string or null")]);
    }
}

#[test]
fn a_body_of_another_kind_is_refused_as_a_whole() {
    for body in ["1", "\"a\"", "true", "null", " 1.5 "] {
        assert_eq!(problems(body), [": must be an array of runs or one run"]);
    }
    assert_eq!(problems(" [ ] "), [": must have at least one run"]);
}

#[test]
fn several_problems_are_told_in_order() {
    let body = format!(r#"[1,{},{{"trace_id":"x","name":7}},[{{}}],"s",null,{{"name":"a"}}]"#, run("fine"));
    let found = problems(body);
    assert_eq!(
        found,
        [
            "[0]: must be an object",
            "[2].trace_id: must be a UUID",
            "[2].name: must be a string",
            "[3]: must be an object",
            "[4]: must be an object",
            "[5]: must be an object",
            "[6].trace_id: is required",
        ]
    );
}

#[test]
fn at_most_twenty_problems_are_told() {
    let found = problems(format!("[{}]", vec!["0"; 99].join(",")));
    assert_eq!(found.len(), 20);
    assert_eq!(found[19], "[19]: must be an object");
}

#[test]
fn a_syntax_error_wins_over_wrong_shapes_before_it() {
    assert_eq!(syntax(r#"[1,{"name":2},}"#), (14, String::new()));
    assert_eq!(syntax(r#"{"name":2"#), (9, "name".to_owned()));
}

#[test]
fn endless_nesting_is_refused_at_the_first_level_too_many_and_costs_nothing() {
    let deep = |open: &str| format!("{open}{}", "[".repeat(100_000));
    assert_eq!(problems(deep("")), ["[0]: must be an object", ": is nested more than 256 levels deep"]);
    let inside = |key: &str| deep(&format!("[{},{{\"name\":3,\"{key}\":{{\"a\":", run("a")));
    assert_eq!(
        problems(inside("inputs")),
        ["[1].name: must be a string", "[1].inputs: is nested more than 256 levels deep"]
    );
    assert_eq!(problems(inside("other"))[1], "[1].other: is nested more than 256 levels deep");
    let mut scanner = Scanner::new(LIMITS);
    scanner.feed(&deep("[{\"inputs\":{\"a\":").as_bytes()[..300]);
    assert!(scanner.is_rejected());
}

#[test]
fn a_run_that_is_too_long_is_refused_as_soon_as_it_is_known() {
    let limits = ScanLimits { max_run: 100, ..LIMITS };
    let fits = run(&"a".repeat(100 - run("").len()));
    assert!(scan_with(format!("[{fits},{fits}]"), limits).is_ok());
    assert!(scan_with(&fits, limits).is_ok());
    let long = run(&"a".repeat(101 - run("").len()));
    assert_eq!(too_large(&format!("[{fits},{long}]"), limits), "[1]");
    assert_eq!(too_large(&long, limits), "");
    // What comes behind the limit does not matter, and neither does where the body is cut.
    assert_eq!(too_large(&format!("[{fits},{}aa\t", long.trim_end_matches("\"}")), limits), "[1]");
    assert_eq!(too_large(&format!("[{fits},{}", format_args!("{{\"a\":{}", "[".repeat(300))), limits), "[1]");
    let mut scanner = Scanner::new(limits);
    scanner.feed(b"[{\"inputs\":{\"a\":\"");
    scanner.feed(&[b'a'; 84]);
    assert!(!scanner.is_rejected());
    scanner.feed(b"aaaaaaaaa");
    assert!(scanner.is_rejected());
}

#[test]
fn more_runs_than_a_batch_may_have_are_refused() {
    let limits = ScanLimits { max_batch: 3, ..LIMITS };
    let body = |count: usize| format!("[{}]", vec![run("a"); count].join(","));
    assert_eq!(scan_with(body(3), limits).unwrap().runs.len(), 3);
    assert_eq!(too_large(&body(4), limits), "");
    assert_eq!(too_large(&format!("[{0},{0},{0},{{\"na", run("a")), limits), "");
}

#[test]
fn a_refused_body_is_known_to_be_refused_before_its_end() {
    for body in ["[1", "{]", "\"a\"", "[{\"name\":1}", "\u{feff}", "[{\"a\":\"\u{1}"] {
        let mut scanner = Scanner::new(LIMITS);
        assert!(!scanner.is_rejected());
        scanner.feed(body.as_bytes());
        assert!(scanner.is_rejected(), "{body}");
        scanner.feed(b"\xff anything");
        assert!(scanner.finish().is_err());
    }
    let mut scanner = Scanner::new(LIMITS);
    scanner.feed(body_with("\"x\":1").as_bytes());
    assert!(!scanner.is_rejected());
    assert!(problems_of(scan_with("[2]", LIMITS)).len() == 1);
}
