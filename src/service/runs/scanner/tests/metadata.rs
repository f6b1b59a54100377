//! Tests of the small members of metadata.

use super::run_with;

fn members(of: &str) -> Vec<String> {
    run_with(of).metadata.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

#[test]
fn small_scalars_of_the_top_level_are_kept() {
    let found = members(
        r#""metadata":{"s":"\u0061\n","n":-1.50e3,"t":true,"f":false,"nul":null,"o":{"in":1},"a":["x",2],"\u006b":"escaped","":"empty"}"#,
    );
    assert_eq!(found, ["=empty", "f=false", "k=escaped", "n=-1.50e3", "s=a\n", "t=true"]);
}

#[test]
fn long_keys_and_values_are_left_out() {
    let (fits, long) = ("é".repeat(32), "é".repeat(33));
    let escaped = "\\u0041".repeat(64);
    let found = members(&format!(
        r#""metadata":{{"{fits}":1,"{long}":2,"v":"{fits}","w":"{long}","e":"{escaped}","f":"{escaped}a","n":1{}}}"#,
        "0".repeat(64)
    ));
    assert_eq!(found, [format!("e={}", "A".repeat(64)), format!("v={fits}"), format!("{fits}=1")]);
}

#[test]
fn only_the_first_32_members_are_kept() {
    let all: Vec<_> = (0..40).map(|number| format!("\"k{number:02}\":{number}")).collect();
    let found = members(&format!("\"metadata\":{{{}}}", all.join(",")));
    assert_eq!(found.len(), 32);
    assert_eq!(found[31], "k31=31");
}

#[test]
fn a_repeated_member_has_its_last_value() {
    assert_eq!(members(r#""metadata":{"a":1,"a":2,"b":1,"b":null,"c":{},"c":3}"#), ["a=2", "c=3"]);
}

#[test]
fn metadata_inside_of_extra_counts_only_without_own_metadata() {
    let extra =
        r#""extra":{"a":{"metadata":{"no":1}},"metadata":{"x":1,"y":{"z":2},"w":"v"},"metadat":{"no":2},"q":3}"#;
    assert_eq!(members(extra), ["w=v", "x=1"]);
    assert_eq!(members(&format!(r#"{extra},"metadata":null"#)), ["w=v", "x=1"]);
    assert_eq!(members(&format!(r#""metadata":{{"own":1}},{extra}"#)), ["own=1"]);
    assert!(members(&format!(r#""metadata":{{}},{extra}"#)).is_empty());
}

#[test]
fn the_last_metadata_of_the_last_extra_counts() {
    assert_eq!(members(r#""extra":{"metadata":{"a":1},"metadata":{"b":1}}"#), ["b=1"]);
    assert!(members(r#""extra":{"metadata":{"a":1},"metadata":[{"b":1}]}"#).is_empty());
    assert!(members(r#""extra":{"metadata":{"a":1}},"extra":{}"#).is_empty());
    assert_eq!(members(r#""metadata":{"a":1},"metadata":{"b":2}"#), ["b=2"]);
    assert_eq!(members(r#""extra":{"met\u0061data":{"a":"\"x"}}"#), ["a=\"x"]);
}
