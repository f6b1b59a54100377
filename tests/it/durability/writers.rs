//! Writers who remember every byte that they sent, and whether the server said that it is stored.

use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use reqwest::Method;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use crate::support::Client;

/// One run as it was sent.
pub struct SentRun {
    /// The client's id, or the server's once it is known.
    pub id: Option<Uuid>,
    /// `inputs`, `outputs` and `metadata`, byte for byte.
    pub fields: [String; 3],
}

/// One request.
pub struct Sent {
    /// Nobody else's.
    pub trace_id: Uuid,
    /// All of it or none.
    pub runs: Vec<SentRun>,
    batch: bool,
}

/// What a writer sent in one life of the server.
#[derive(Default)]
pub struct Diary {
    /// Acknowledged.
    pub accepted: Vec<Sent>,
    /// Sent and not answered.
    pub unanswered: Option<Sent>,
}

/// Sends until the server dies, and tells of every acknowledged request.
pub async fn write(client: Client, project: String, mut rng: StdRng, told: UnboundedSender<()>) -> Diary {
    let mut diary = Diary::default();
    for _ in 0..100_000 {
        let mut sent = Sent::random(&mut rng);
        let Ok(answer) = client.request(Method::POST, "/runs").body(sent.body(&project)).send().await else {
            diary.unanswered = Some(sent);
            return diary;
        };
        assert_eq!(answer.status(), 201, "{:?}", answer.text().await);
        // It is acknowledged, also when the ids do not arrive any more.
        if let Ok(bytes) = answer.bytes().await {
            let created: Value = serde_json::from_slice(&bytes).unwrap();
            sent.learn(created["ids"].as_array().unwrap());
        }
        diary.accepted.push(sent);
        let _ = told.send(());
    }
    panic!("the server never died");
}

impl Sent {
    /// Mostly single runs, some batches, now and then one that is stored while it arrives.
    fn random(rng: &mut StdRng) -> Self {
        let (count, size, batch, ids) = match rng.random_range(0..100) {
            0..40 => (1, 2_000, rng.random(), true),
            40..70 => (1, 2_000, rng.random(), false),
            70..95 => (20, 4_000, true, true),
            // Together beyond what is held until its end; the last one beyond a part of S3, too.
            95..99 => (6, 600_000, true, true),
            _ => (10, 1_000_000, true, true),
        };
        let runs = (0..count).map(|_| SentRun {
            id: ids.then(|| Uuid::from_u128(rng.random())),
            fields: [size, size / 20, size / 50].map(|most| {
                let size = rng.random_range(most / 2..=most);
                object(rng, size)
            }),
        });
        let runs = runs.collect();
        Self { trace_id: Uuid::from_u128(rng.random()), runs, batch }
    }

    fn body(&self, project: &str) -> String {
        let runs: Vec<String> = self.runs.iter().map(|run| run.json(self.trace_id, project)).collect();
        if self.batch { format!("[{}]", runs.join(" ,\n")) } else { runs.concat() }
    }

    fn learn(&mut self, ids: &[Value]) {
        assert_eq!(ids.len(), self.runs.len());
        for (run, id) in self.runs.iter_mut().zip(ids) {
            let id: Uuid = id.as_str().unwrap().parse().unwrap();
            assert_eq!(*run.id.get_or_insert(id), id);
        }
    }
}

impl SentRun {
    fn json(&self, trace_id: Uuid, project: &str) -> String {
        let id = self.id.map(|id| format!("\"id\":\"{id}\",")).unwrap_or_default();
        let [inputs, outputs, metadata] = &self.fields;
        format!(
            "{{{id}\"trace_id\":\"{trace_id}\",\"name\":\"written\",\"session_name\":\"{project}\",\
             \"outputs\":{outputs},\"inputs\": {inputs} ,\"metadata\":{metadata}}}"
        )
    }
}

/// An object of about this size, with what a JSON library would not give back as it was.
fn object(rng: &mut StdRng, size: usize) -> String {
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    let mut bytes = [0; 4096];
    rng.fill_bytes(&mut bytes);
    let block: String = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 64)])).collect();
    let mut text = String::with_capacity(size + 256);
    while text.len() < size {
        // Numbered, so that no two stretches of it are alike.
        let piece = format!("{}:{block}", text.len());
        text.push_str(&piece[..piece.len().min(size - text.len())]);
    }
    let number: u128 = rng.random();
    format!(r#"{{"z" :"{text}",  "a":{number},"a":1e400,"odd":"\u0000\ud83d\ude00é","nested":[{{}} ,[]]}}"#)
}
