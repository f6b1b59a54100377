//! Bodies: those of the seeds' benchmarks, from random letters and digits that are the same every time.

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Characters of one string in a field.
const STRING: usize = 100;
const SEED: u64 = 7;

/// How many runs a body has, and how large each of the three fields of a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Runs in the body.
    pub runs: usize,
    /// Kilobytes of a field.
    pub kilobytes: usize,
}

impl Shape {
    /// The shapes that the seeds measure: 17.3, 17.4, 173.5 and 175.0 MB.
    pub const ALL: [Self; 4] = [
        Self { runs: 500, kilobytes: 10 },
        Self { runs: 50, kilobytes: 100 },
        Self { runs: 500, kilobytes: 100 },
        Self { runs: 50, kilobytes: 1000 },
    ];

    /// The largest of them.
    pub const LARGEST: Self = Self::ALL[3];

    /// The body: an array of runs without ids, so that it can be sent again and again.
    pub fn body(self) -> Bytes {
        let field = self.kilobytes * 1024;
        Generator::new().array(self.runs, field).into()
    }
}

/// A body of one run with this many random characters in all.
pub fn single(characters: usize) -> Bytes {
    Generator::new().array(1, characters / 3).into()
}

struct Generator {
    random: StdRng,
    json: Vec<u8>,
}

impl Generator {
    fn new() -> Self {
        Self { random: StdRng::seed_from_u64(SEED), json: Vec::new() }
    }

    fn array(mut self, runs: usize, field: usize) -> Vec<u8> {
        self.json.reserve(runs * (field * 7 / 2 + 1024));
        for index in 0..runs {
            self.json.push(if index == 0 { b'[' } else { b',' });
            self.run(field);
        }
        self.json.push(b']');
        self.json
    }

    fn run(&mut self, field: usize) {
        let (trace, name) = (self.uuid(), self.uuid());
        let head = format!("{{\"trace_id\":\"{trace}\",\"name\":\"Benchmark Run {name}\"");
        self.json.extend_from_slice(head.as_bytes());
        for name in ["inputs", "outputs", "metadata"] {
            self.json.extend_from_slice(format!(",\"{name}\":").as_bytes());
            self.object(field);
        }
        self.json.push(b'}');
    }

    fn object(&mut self, field: usize) {
        let mut bytes = [0; STRING];
        for index in 0..field.div_ceil(STRING) {
            let start = if index == 0 { '{' } else { ',' };
            self.json.extend_from_slice(format!("{start}\"key_{index}\":\"").as_bytes());
            let string = &mut bytes[..STRING.min(field - index * STRING)];
            self.random.fill_bytes(string);
            self.json.extend(string.iter().map(|byte| LETTERS[usize::from(*byte) % LETTERS.len()]));
            self.json.push(b'"');
        }
        self.json.push(b'}');
    }

    fn uuid(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        self.random.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}
