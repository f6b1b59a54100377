//! The rules of the house that no compiler knows: layers, files, documents that are printed from the code.
//!
//! Each rule is a function over a file's path and text, and has a test that shows it something broken.

mod documents;
mod files;
mod layers;

use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file that must be there.
fn text_of(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every source file below these folders, with its path from the root.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut found);
    }
    assert!(found.len() > folders.len(), "{folders:?}");
    found.sort();
    let relative = |path: PathBuf| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    found.into_iter().map(relative).map(|path| (path.clone(), text_of(&path))).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The lines of code with their numbers: without comments, which may speak of anything.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line));
    lines.map(|(number, line)| (number, line.split_once("//").map_or(line, |(code, _)| code)))
}

/// Whether a line has this word as a word, or as the start of one when it ends in `_`.
fn names(line: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        !before.is_some_and(is_part) && (word.ends_with(['_', ':']) || !after.is_some_and(is_part))
    })
}

/// Runs a rule over files, and fails with everything that it finds.
fn hold(rule: impl Fn(&str, &str) -> Vec<String>, files: &[(String, String)]) {
    let problems: Vec<_> = files.iter().flat_map(|(path, text)| rule(path, text)).collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn a_word_is_found_as_a_word() {
    assert!(names("use sea_orm::Entity;", "sea_orm") && names("aws_sdk_s3::Client", "aws_"));
    assert!(names("crate::app::start()", "app::") && names("(poem::get)", "poem::"));
    assert!(
        !names("let rediscovered = 1;", "redis") && !names("let wrap::x", "app::") && !names("poem_openapi", "poem")
    );
    assert_eq!(code("a // b\n// c").collect::<Vec<_>>(), [(1, "a "), (2, "")]);
}
