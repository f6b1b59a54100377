//! What is counted of the queue, by topic. Callers choose the names of topics, so that only [`MOST_TOPICS`] of them
//! have series of their own and all others share one, however many there are.

use std::collections::{BTreeMap, BTreeSet};

use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGaugeVec};
use tokio::sync::watch;

use super::maker::Maker;

/// Names of topics that are told apart.
pub const MOST_TOPICS: usize = 50;
/// What the rest of them is called.
pub const OTHER: &str = "other";

/// What stands in the queue under one name.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Depth {
    /// Messages that a consumer gets who asks now.
    pub ready: i64,
    /// Those that nobody gets yet.
    pub delayed: i64,
    /// Those that somebody has.
    pub in_flight: i64,
    /// Dead letters.
    pub dead: i64,
    /// For how many seconds the oldest of the first kind could have been had.
    pub oldest_ready: f64,
}

impl Depth {
    /// Each state by its name.
    fn states(&self) -> [(&'static str, i64); 4] {
        [("ready", self.ready), ("delayed", self.delayed), ("in_flight", self.in_flight), ("dead", self.dead)]
    }

    fn add(&mut self, other: &Self) {
        self.ready += other.ready;
        self.delayed += other.delayed;
        self.in_flight += other.in_flight;
        self.dead += other.dead;
        self.oldest_ready = self.oldest_ready.max(other.oldest_ready);
    }
}

/// The counters of the queue.
#[derive(Debug)]
pub struct QueueCounters {
    messages: IntGaugeVec,
    oldest: GaugeVec,
    published: IntCounterVec,
    duplicates: IntCounterVec,
    delivered: IntCounterVec,
    redelivered: IntCounterVec,
    acked: IntCounter,
    nacked: IntCounter,
    /// The names that this process has met first.
    met: watch::Sender<BTreeSet<String>>,
    /// The names of which is said what stands under them.
    shown: watch::Sender<BTreeSet<String>>,
}

impl QueueCounters {
    pub(super) fn new(make: &Maker) -> anyhow::Result<Self> {
        Ok(Self {
            messages: make.gauges(
                "queue_messages",
                "Messages in the queue, counted at most every 30 seconds and to 100,000 a topic.",
                &["topic", "state"],
            )?,
            oldest: make.many_seconds(
                "queue_oldest_ready_seconds",
                "For how long the oldest ready message could have been had, looked at at most every 30 seconds.",
                &["topic"],
            )?,
            published: make.counters("queue_published_total", "Messages that were published.", &["topic"])?,
            duplicates: make.counters(
                "queue_duplicates_total",
                "Messages that were published again and left out.",
                &["topic"],
            )?,
            delivered: make.counters(
                "queue_delivered_total",
                "Messages that consumers got, each time they did.",
                &["topic"],
            )?,
            redelivered: make.counters(
                "queue_redelivered_total",
                "Messages that consumers got and that somebody had had before.",
                &["topic"],
            )?,
            acked: make.counter("queue_acked_total", "Messages that were acked.")?,
            nacked: make.counter("queue_nacked_total", "Messages that were given back.")?,
            met: watch::Sender::new(BTreeSet::new()),
            shown: watch::Sender::new(BTreeSet::new()),
        })
    }

    /// Counts what was published on a topic.
    pub fn published(&self, topic: &str, accepted: u64, duplicates: u64) {
        let topic = self.label(topic);
        self.published.with_label_values(&[topic]).inc_by(accepted);
        self.duplicates.with_label_values(&[topic]).inc_by(duplicates);
    }

    /// Counts messages of a topic that a consumer got, and those among them that somebody had had before.
    pub fn delivered(&self, topic: &str, messages: usize, again: usize) {
        let topic = self.label(topic);
        self.delivered.with_label_values(&[topic]).inc_by(messages as u64);
        self.redelivered.with_label_values(&[topic]).inc_by(again as u64);
    }

    /// Counts messages that were acked.
    pub fn acked(&self, messages: u64) {
        self.acked.inc_by(messages);
    }

    /// Counts messages that were given back.
    pub fn nacked(&self, messages: u64) {
        self.nacked.inc_by(messages);
    }

    /// Says what stands in the queue, by the names of its topics: those that come first are told apart. A name that
    /// does not come any longer has no gauge any longer.
    pub fn set_depths<'a>(&self, topics: impl IntoIterator<Item = (&'a str, Depth)>) {
        let mut sums: BTreeMap<&str, Depth> = BTreeMap::new();
        for (name, depth) in topics {
            let told = sums.contains_key(name) || sums.len() < MOST_TOPICS;
            sums.entry(if told { name } else { OTHER }).or_default().add(&depth);
        }
        for (topic, depth) in &sums {
            for (state, messages) in depth.states() {
                self.messages.with_label_values(&[topic, state]).set(messages);
            }
            self.oldest.with_label_values(&[topic]).set(depth.oldest_ready);
        }
        let before = self.shown.send_replace(sums.keys().map(|name| (*name).to_owned()).collect());
        for gone in before.iter().filter(|name| !sums.contains_key(name.as_str())) {
            for (state, _) in Depth::default().states() {
                let _ = self.messages.remove_label_values(&[gone, state]);
            }
            let _ = self.oldest.remove_label_values(&[gone]);
        }
    }

    /// What a topic is called in the counters: its name, if it is among the first that were met.
    fn label<'a>(&self, topic: &'a str) -> &'a str {
        let is_met = self.met.borrow().contains(topic);
        if is_met {
            return topic;
        }
        let mut told = false;
        self.met.send_if_modified(|met| {
            let room = met.len() < MOST_TOPICS;
            told = (room && met.insert(topic.to_owned())) || met.contains(topic);
            false
        });
        if told { topic } else { OTHER }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Registry, TextEncoder};

    use super::*;

    fn counters() -> (Maker, QueueCounters) {
        let make = Maker(Registry::new());
        let queue = QueueCounters::new(&make).unwrap();
        (make, queue)
    }

    fn lines(make: &Maker, start: &str) -> Vec<String> {
        let text = TextEncoder::new().encode_to_string(&make.0.gather()).unwrap();
        text.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
    }

    #[test]
    fn of_any_number_of_topics_the_first_are_told_apart_and_the_rest_is_summed_up() {
        let (make, queue) = counters();
        let names: Vec<String> = (0..1_000).map(|number| format!("t{number:04}")).collect();
        let depth = |place: usize| Depth { ready: 1, oldest_ready: place as f64, ..Depth::default() };
        queue.set_depths(names.iter().enumerate().map(|(place, name)| (name.as_str(), depth(place))));
        for name in names.iter().chain(&names) {
            queue.published(name, 1, 0);
        }
        for metric in ["queue_oldest_ready_seconds", "queue_published_total"] {
            let lines = lines(&make, metric);
            assert_eq!(lines.len(), MOST_TOPICS + 1, "{metric}");
            assert!(
                lines.iter().any(|line| line.contains("\"t0049\"")) && !lines.iter().any(|line| line.contains("t0050"))
            );
        }
        assert_eq!(
            lines(&make, "queue_published_total{topic=\"other\"}"),
            ["queue_published_total{topic=\"other\"} 1900"]
        );
        assert_eq!(
            lines(&make, "queue_messages{state=\"ready\",topic=\"other\"}"),
            ["queue_messages{state=\"ready\",topic=\"other\"} 950"]
        );
        assert_eq!(
            lines(&make, "queue_oldest_ready_seconds{topic=\"other\"}"),
            ["queue_oldest_ready_seconds{topic=\"other\"} 999"]
        );
    }

    #[test]
    fn topics_of_one_name_are_one_and_a_name_that_is_gone_has_no_gauge() {
        let (make, queue) = counters();
        let depth = |ready, oldest_ready| Depth { ready, oldest_ready, ..Depth::default() };
        queue.set_depths([("a", depth(1, 5.0)), ("b", depth(2, 1.0)), ("a", depth(3, 0.5))]);
        assert_eq!(
            lines(&make, "queue_oldest"),
            ["queue_oldest_ready_seconds{topic=\"a\"} 5", "queue_oldest_ready_seconds{topic=\"b\"} 1"]
        );
        assert_eq!(
            lines(&make, "queue_messages{state=\"ready\""),
            ["queue_messages{state=\"ready\",topic=\"a\"} 4", "queue_messages{state=\"ready\",topic=\"b\"} 2"]
        );
        queue.set_depths([("b", depth(0, 0.0))]);
        assert_eq!(lines(&make, "queue_oldest"), ["queue_oldest_ready_seconds{topic=\"b\"} 0"]);
        assert_eq!(lines(&make, "queue_messages").len(), 4);
    }
}
