//! Tests of the JSON grammar by hand, after the cases that JSON parsers most often get wrong.

use super::{LIMITS, Rejection, ScanLimits, body_with, scan, scan_with, syntax};

/// Values that are JSON, each tried as an unknown member of a run.
const LEGAL: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "10",
    "0.5",
    "-0.0",
    "1e400",
    "1E+2",
    "1e-2",
    "0e0",
    "123456789012345678901234567890",
    "1.25e+0009",
    "true",
    "false",
    "null",
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    " [ 1 , 2 ] ",
    "\t[\r\n1\n]\t",
    r#"{"a":1,"a":2}"#,
    r#"{"":0}"#,
    r#""""#,
    r#""\ud800""#,
    r#""\udc00\ud800""#,
    r#""\uD83D\uDE00""#,
    r#""\u0000""#,
    r#""\"\\\/\b\f\n\r\t""#,
    "\"\u{7f}\"",
    "\"\u{2028}\u{feff}\u{10ffff}é\"",
    r#""\uABCDabcdef""#,
    "                 1                 ",
];

/// Values that are not.
const ILLEGAL: &[&str] = &[
    "",
    "01",
    "-01",
    "00",
    "+1",
    ".5",
    "1.",
    "-",
    "-a",
    "1e",
    "1e+",
    "1e1.0",
    "1.e1",
    "0x1",
    "NaN",
    "Infinity",
    "-Infinity",
    "1_0",
    "1 2",
    "tru",
    "True",
    "nul",
    "nulll",
    "truefalse",
    "fals3",
    "[1,]",
    "[,1]",
    "[,]",
    "[1 2]",
    "[1",
    "]",
    "[}",
    "{]",
    "{,}",
    r#"{"a":1,}"#,
    r#"{"a"}"#,
    r#"{"a":}"#,
    r#"{"a" 1}"#,
    r#"{a:1}"#,
    "{1:1}",
    r#"{"a":1 "b":2}"#,
    r#"{"a":1;}"#,
    r#"{"a"::1}"#,
    "'a'",
    "\"a",
    "\"\t\"",
    "\"\n\"",
    "\"\u{1f}\"",
    "\"\0\"",
    r#""\a""#,
    r#""\x41""#,
    r#""\u12""#,
    r#""\u123""#,
    r#""\u12g4""#,
    r#""\U0041""#,
    r#""\""#,
    "\"\\\n\"",
    "\u{a0}1",
    "\u{b}1",
    "\u{c}1",
    "\u{feff}1",
    "// c\n1",
    "/* */1",
    "a",
    "\u{e9}",
    "\0",
    "\"a\"\"b\"",
    "--1",
    "- 1",
    "1,",
    "[\"a\",\n4\n,1,",
    r#"{"a":1,2}"#,
    r#"{"a":1, -2}"#,
    r#"{"a":"b","c"}"#,
    r#"{"a":"b" , "c"}"#,
    r#"["a":"b"]"#,
    r#"["a","b": "c"]"#,
    "[1,2:3]",
    "undefined",
];

#[test]
fn legal_values_are_taken() {
    for value in LEGAL {
        let scanned = scan(body_with(&format!("\"x\":{value}")));
        assert!(scanned.is_ok(), "{value}: {scanned:?}");
    }
}

#[test]
fn illegal_values_are_syntax_errors_inside_of_their_run() {
    for value in ILLEGAL {
        let (_, field) = syntax(body_with(&format!("\"x\":{value}")));
        assert!(["[0].x", "[0]"].contains(&field.as_str()), "{value}: {field}");
    }
}

#[test]
fn a_syntax_error_tells_where_it_is() {
    let body = body_with(r#""inputs":{"a":[01]}"#);
    let at = body.rfind("01").unwrap() as u64 + 1;
    assert_eq!(syntax(&body), (at, "[0].inputs".to_owned()));
    assert_eq!(syntax(r#"{"inputs":{"a":01}}"#), (16, "inputs".to_owned()));
    assert_eq!(syntax(r#"{"inputs":{"a":1}} {"#), (19, String::new()));
}

#[test]
fn nothing_may_follow_the_body() {
    let body = body_with(r#""x":1"#);
    assert!(scan(format!("{body} \r\n\t")).is_ok());
    for more in ["]", ",", "[]", "0", "\0", "\u{a0}", "x"] {
        assert_eq!(syntax(format!("{body}{more}")), (body.len() as u64, String::new()));
    }
}

#[test]
fn an_empty_or_blank_body_is_a_syntax_error() {
    assert_eq!(syntax(""), (0, String::new()));
    assert_eq!(syntax(" \n"), (2, String::new()));
}

#[test]
fn a_byte_order_mark_is_a_syntax_error() {
    let body = format!("\u{feff}{}", body_with(r#""x":1"#));
    assert_eq!(syntax(body), (0, String::new()));
}

#[test]
fn every_cut_off_body_is_a_syntax_error_at_its_end() {
    let body = body_with(r#""x":[1.5e3,true,null,"é\u00e9\n😀",{"a":{}}]"#);
    for end in 0..body.len() {
        let (offset, _) = syntax(&body.as_bytes()[..end]);
        assert!(offset <= end as u64 && offset + 4 > end as u64, "{offset} of {end}");
    }
    assert!(scan(&body).is_ok());
}

#[test]
fn bad_utf8_is_a_syntax_error_where_its_sequence_starts() {
    let bad: [&[u8]; 12] = [
        b"\x80",
        b"\xff",
        b"\xc0\xaf",
        b"\xc3",
        b"\xe2\x82",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x98",
        b"\xf0\x80\x80\x80",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xe2\x28\xa1",
    ];
    let (before, after) = (body_with(r#""inputs":{"a":"é_"#), "\"}}]");
    let before = before.trim_end_matches("}]").as_bytes();
    for bytes in bad {
        let body = [before, bytes, after.as_bytes()].concat();
        assert_eq!(syntax(&body), (before.len() as u64, "[0].inputs".to_owned()), "{bytes:?}");
        assert_eq!(syntax(&body[..before.len() + bytes.len()]).0, (before.len()) as u64, "{bytes:?} at the end");
    }
}

#[test]
fn the_deepest_legal_level_is_taken_and_the_next_is_refused() {
    for depth in [3, 64, 65, 128, 256] {
        let limits = ScanLimits { max_depth: depth, ..LIMITS };
        let nest =
            |levels: usize| body_with(&format!("\"inputs\":{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels)));
        // The batch, the run and the inputs are three levels.
        assert!(scan_with(nest(depth - 3), limits).is_ok(), "{depth}");
        let Err(Rejection::Invalid(problems)) = scan_with(nest(depth - 2), limits) else {
            panic!("{depth} is not refused")
        };
        assert_eq!(problems[0].field, "[0].inputs");
        assert!(problems[0].message.contains(&depth.to_string()));
    }
}

#[test]
fn mixed_nesting_remembers_which_bracket_closes_which_container() {
    let mut open = String::new();
    let mut close = String::new();
    for level in 0..250 {
        let object = (level * 7 + level / 3) % 5 < 2;
        open.push_str(if object { "{\"k\":" } else { "[" });
        close.insert(0, if object { '}' } else { ']' });
    }
    assert!(scan(body_with(&format!("\"inputs\":{{\"a\":{open}0{close}}}"))).is_ok());
    for at in 0..close.len() {
        let mut wrong = close.clone().into_bytes();
        wrong[at] ^= b'}' ^ b']';
        let wrong = String::from_utf8(wrong).unwrap();
        syntax(body_with(&format!("\"inputs\":{{\"a\":{open}0{wrong}}}")));
    }
}
