//! Lines that say nothing: each is counted, and the first ones are named.

/// Lines of one piece that are named; the others are counted.
const NAMED: usize = 20;

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, counted from 1.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// The bad lines of one piece.
#[derive(Debug, Default)]
pub struct Bad {
    named: Vec<BadLine>,
    count: i64,
}

impl Bad {
    /// One more.
    pub fn push(&mut self, line: BadLine) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(line);
        }
    }

    /// How many there are.
    pub fn count(&self) -> i64 {
        self.count
    }

    /// The first of them.
    pub fn named(&self) -> &[BadLine] {
        &self.named
    }
}
