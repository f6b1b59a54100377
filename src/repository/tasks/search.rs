//! What a search compares: every field of a task but its id, in the one case that is left of upper and lower.

use crate::repository::entity::task;

/// Stands between two fields: no character, so that nothing can be found across them.
const BETWEEN: char = '\u{10ffff}';

/// The text in one case. Upper first: some letters have several lower forms.
pub fn fold(text: &str) -> String {
    let folded = text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    folded.map(|character| if character == BETWEEN { char::REPLACEMENT_CHARACTER } else { character }).collect()
}

/// What is kept of a task to be searched.
pub fn searchable(task: &task::Model) -> String {
    let run = task.run_id.map(|run| run.to_string()).unwrap_or_default();
    let fields = [&task.title, &task.description, &task.status, &task.assignee_id.to_string(), &run];
    let fields: Vec<String> = fields.into_iter().map(|field| fold(field)).collect();
    fields.join(&BETWEEN.to_string())
}

/// A `LIKE` pattern for texts that contain this one, with `\` before what would mean more than itself.
pub fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in fold(text).chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_any_case_are_the_same() {
        for (one, other) in [("ΟΔΟΣ", "οδος"), ("ÄÖÜ", "äöü"), ("STRASSE", "straße"), ("ŁÓDŹ", "łódź")]
        {
            assert_eq!(fold(one), fold(other));
        }
    }

    #[test]
    fn a_pattern_means_nothing_but_its_text() {
        assert_eq!(containing("50%_\\A"), "%50\\%\\_\\\\a%");
        assert_eq!(containing("\u{10ffff}"), "%\u{fffd}%");
    }
}
