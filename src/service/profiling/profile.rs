//! A profile as it is before it takes a form: stacks of named frames, each with its values.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

/// One function on a stack, where it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The function's name, readable.
    pub function: String,
    /// The source file; empty when nobody knows.
    pub file: String,
    /// The line in it; 0 when nobody knows.
    pub line: u32,
}

/// A stack and what was counted there.
#[derive(Debug, Clone)]
pub struct Stack {
    /// The functions, the innermost first.
    pub frames: Vec<Arc<Frame>>,
    /// One value for each kind of the profile.
    pub values: Vec<i64>,
    /// The thread, where that says something.
    pub thread: Option<String>,
}

/// What is counted: its name and its unit, as pprof spells them.
pub type Kind = (&'static str, &'static str);

/// A profile.
#[derive(Debug, Clone)]
pub struct Profile {
    /// What it is of, for people.
    pub title: &'static str,
    /// What its values are.
    pub kinds: Vec<Kind>,
    /// Which of them is shown unless another one is asked for.
    pub shown: usize,
    /// The stacks.
    pub stacks: Vec<Stack>,
    /// When it was taken.
    pub taken_at: DateTime<Utc>,
    /// How long it took.
    pub duration: Duration,
    /// How much of which kind lies between two samples, when it was sampled.
    pub period: Option<(Kind, i64)>,
    /// What a page of text says in place of the table of functions.
    pub text: Option<String>,
}

/// What one function has of a profile.
#[derive(Debug)]
pub struct Share<'a> {
    /// The function; the line is that of the first sample.
    pub frame: &'a Frame,
    /// What was counted in it.
    pub flat: i64,
    /// What was counted in it and in all that it called.
    pub cumulated: i64,
}

impl Profile {
    /// The sum of what is shown.
    pub fn total(&self) -> i64 {
        self.stacks.iter().map(|stack| self.value(stack)).sum()
    }

    /// What is shown of a stack.
    pub fn value(&self, stack: &Stack) -> i64 {
        stack.values.get(self.shown).copied().unwrap_or_default()
    }

    /// What each function has, most in itself first.
    pub fn shares(&self) -> Vec<Share<'_>> {
        let mut shares: HashMap<(&str, &str), Share<'_>> = HashMap::new();
        for stack in &self.stacks {
            let value = self.value(stack);
            let mut seen: Vec<(&str, &str)> = Vec::new();
            for (depth, frame) in stack.frames.iter().enumerate() {
                let key = (frame.function.as_str(), frame.file.as_str());
                let share = shares.entry(key).or_insert(Share { frame, flat: 0, cumulated: 0 });
                if depth == 0 {
                    share.flat += value;
                }
                // A function that calls itself has its time once.
                if !seen.contains(&key) {
                    seen.push(key);
                    share.cumulated += value;
                }
            }
        }
        let mut shares: Vec<_> = shares.into_values().collect();
        shares.sort_by(|a, b| {
            (b.flat, b.cumulated).cmp(&(a.flat, a.cumulated)).then_with(|| a.frame.function.cmp(&b.frame.function))
        });
        shares
    }
}
