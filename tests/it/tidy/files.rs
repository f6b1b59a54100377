//! Every file says what it is for and stays small enough to read; tests stay honest.

use super::{code, hold, sources, text_of};

const EVERYTHING: [&str; 4] = ["src", "migration", "tests", "benches"];
/// Lines that no file passes; beyond 300 it should be a folder.
const MAX_LINES: usize = 400;

fn has_a_header(path: &str, text: &str) -> Vec<String> {
    let says = text.lines().next().is_some_and(|line| line.strip_prefix("//! ").is_some_and(|said| said.len() > 3));
    if says { Vec::new() } else { vec![format!("{path}:1: must start with `//!` and what it is for")] }
}

fn is_small(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    if lines <= MAX_LINES { Vec::new() } else { vec![format!("{path}: {lines} lines; make it a folder")] }
}

#[test]
fn every_file_starts_with_what_it_is_for() {
    hold(has_a_header, &sources(&EVERYTHING));
}

#[test]
fn no_file_is_too_long_to_read() {
    hold(is_small, &sources(&EVERYTHING));
}

#[test]
fn a_file_without_a_header_or_without_an_end_is_noticed() {
    for text in ["", "use std::fs;\n", "\n//! Late.\n", "//!\n//! Late.\n", "// No header.\n"] {
        assert_eq!(has_a_header("src/x.rs", text).len(), 1, "{text:?}");
    }
    assert!(has_a_header("src/x.rs", "//! What it is for.\n").is_empty());
    assert!(is_small("src/x.rs", &"\n".repeat(MAX_LINES)).is_empty());
    assert_eq!(is_small("src/x.rs", &"\n".repeat(MAX_LINES + 1)).len(), 1);
}

/// A test that sleeps is slow or flaky, one that is ignored is none, and one that may panic anywhere proves little.
fn tests_are_honest(path: &str, text: &str) -> Vec<String> {
    // Spelled in two parts, so that this file is held to it as well.
    let banned =
        [concat!("#[ign", "ore"), concat!("should_", "panic"), concat!("sl", "eep("), concat!("sl", "eep_until(")];
    let mut problems = Vec::new();
    for (number, line) in code(text) {
        // A session of PostgreSQL that is kept busy is no test that waits.
        let line = line.replace("pg_sleep(", "");
        for word in banned.iter().filter(|word| line.contains(*word)) {
            problems.push(format!("{path}:{number}: no test has `{word}`"));
        }
    }
    problems
}

#[test]
fn no_test_sleeps_or_is_ignored() {
    hold(tests_are_honest, &sources(&["tests"]));
}

#[test]
fn a_test_that_sleeps_or_is_ignored_is_noticed() {
    let sleep = concat!("tokio::time::sl", "eep(Duration::from_secs(1)).await;");
    for line in [concat!("#[ign", "ore = \"flaky\"]"), concat!("#[should_", "panic]"), sleep] {
        assert_eq!(tests_are_honest("tests/it/runs.rs", line).len(), 1, "{line}");
    }
}

/// The modules that a file declares, in the order in which it does.
fn modules(text: &str) -> Vec<&str> {
    code(text).filter_map(|(_, line)| line.strip_prefix("mod ")?.strip_suffix(';')).collect()
}

/// Migrations are declared in the order in which they are applied, each once and none forgotten.
fn migrations_are_in_order(list: &str, files: &[&str]) -> Vec<String> {
    let declared = modules(list);
    let mut problems = Vec::new();
    if !declared.is_sorted() {
        problems.push(format!("declared out of order: {declared:?}"));
    }
    let applied = list
        .match_indices("Box::new(")
        .filter_map(|(start, head)| list[start + head.len()..].split_once("::Migration)").map(|(name, _)| name));
    let applied: Vec<_> = applied.collect();
    if applied != declared {
        problems.push(format!("declared {declared:?}, applied {applied:?}"));
    }
    if files != declared {
        problems.push(format!("declared {declared:?}, in the folder {files:?}"));
    }
    problems
}

#[test]
fn migrations_are_declared_and_applied_in_the_order_of_their_names() {
    let sources = sources(&["migration/src"]);
    let name = |path: &'_ str| path.rsplit('/').next().unwrap().trim_end_matches(".rs").to_owned();
    let files: Vec<_> = sources.iter().map(|(path, _)| name(path)).filter(|name| name.starts_with('m')).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    assert_eq!(
        migrations_are_in_order(&text_of("migration/src/lib.rs").replace("mod dialect;\n", ""), &files),
        Vec::<String>::new()
    );
}

#[test]
fn a_migration_out_of_order_or_forgotten_is_noticed() {
    let list = |names: [&str; 2], applied: [&str; 2]| {
        let [first, second] = applied;
        format!(
            "mod {};\nmod {};\nvec![Box::new({first}::Migration), Box::new({second}::Migration)]",
            names[0], names[1]
        )
    };
    let files = ["m1_a", "m2_b"];
    assert_eq!(migrations_are_in_order(&list(files, files), &files).len(), 0);
    assert_eq!(migrations_are_in_order(&list(files, ["m2_b", "m1_a"]), &files).len(), 1);
    assert_eq!(migrations_are_in_order(&list(["m2_b", "m1_a"], ["m2_b", "m1_a"]), &files).len(), 2);
    assert_eq!(migrations_are_in_order(&list(files, files), &["m1_a", "m2_b", "m3_c"]).len(), 1);
}

#[test]
fn the_modules_of_the_tests_are_sorted() {
    let text = text_of("tests/it/main.rs");
    let modules: Vec<_> = modules(&text).into_iter().filter(|module| *module != "support").collect();
    assert!(modules.is_sorted(), "{modules:?}");
}
