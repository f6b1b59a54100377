//! A small sample of GPU telemetry that the project makes up: the same bytes for the same numbers, on every machine.
//!
//! Each value is a hash of where it stands, so nothing depends on the order in which it is made, nor on a generator of
//! random numbers that may change.

use std::io::{self, Write};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Builder;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::service::time;

/// The columns of a DCGM exporter's file.
const HEADER: [&str; 12] = [
    "timestamp",
    "metric_name",
    "gpu_id",
    "device",
    "uuid",
    "modelName",
    "Hostname",
    "container",
    "pod",
    "namespace",
    "value",
    "labels_raw",
];

const MODEL: &str = "Yardstone T80 80GB";
const DRIVER: &str = "1.24.7";
/// MiB that a GPU has.
const MEMORY: u64 = 81_000;
/// 2026-01-01T00:00:00Z, in seconds since 1970.
const EPOCH: i64 = 1_767_225_600;
/// Between two looks at all GPUs.
const STEP: TimeDelta = TimeDelta::seconds(10);

/// What is looked at in each GPU, one after the other.
const METRICS: [Metric; 10] = [
    Metric::GpuUtil,
    Metric::MemCopyUtil,
    Metric::PowerUsage,
    Metric::GpuTemp,
    Metric::FbUsed,
    Metric::FbFree,
    Metric::DecUtil,
    Metric::EncUtil,
    Metric::SmClock,
    Metric::MemClock,
];

/// How large a sample is, and which one of its size.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// GPUs in all.
    pub gpus: u32,
    /// Hosts that share them.
    pub hosts: u32,
    /// Rows; nothing: one look at everything.
    pub rows: Option<u64>,
    /// Another seed, other values.
    pub seed: u64,
}

#[derive(Debug, Clone, Copy)]
enum Metric {
    GpuUtil,
    MemCopyUtil,
    PowerUsage,
    GpuTemp,
    FbUsed,
    FbFree,
    DecUtil,
    EncUtil,
    SmClock,
    MemClock,
}

impl Metric {
    fn name(self) -> &'static str {
        match self {
            Self::GpuUtil => "DCGM_FI_DEV_GPU_UTIL",
            Self::MemCopyUtil => "DCGM_FI_DEV_MEM_COPY_UTIL",
            Self::PowerUsage => "DCGM_FI_DEV_POWER_USAGE",
            Self::GpuTemp => "DCGM_FI_DEV_GPU_TEMP",
            Self::FbUsed => "DCGM_FI_DEV_FB_USED",
            Self::FbFree => "DCGM_FI_DEV_FB_FREE",
            Self::DecUtil => "DCGM_FI_DEV_DEC_UTIL",
            Self::EncUtil => "DCGM_FI_DEV_ENC_UTIL",
            Self::SmClock => "DCGM_FI_DEV_SM_CLOCK",
            Self::MemClock => "DCGM_FI_DEV_MEM_CLOCK",
        }
    }
}

/// Writes the sample as CSV.
///
/// # Errors
/// Those of where it is written to.
pub fn write(plan: Plan, out: impl Write) -> io::Result<()> {
    let gpus: Vec<Gpu> = (0..plan.gpus).map(|number| Gpu::new(plan, number)).collect();
    let looks = (0..).flat_map(|look| METRICS.iter().map(move |metric| (look, *metric)));
    let rows = looks.flat_map(|(look, metric)| gpus.iter().map(move |gpu| (look, metric, gpu)));
    let count = plan.rows.unwrap_or(METRICS.len() as u64 * u64::from(plan.gpus));
    let mut out = out;
    writeln!(out, "{}", HEADER.join(","))?;
    let mut csv = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(out);
    for (look, metric, gpu) in rows.take(usize::try_from(count).unwrap_or(usize::MAX)) {
        csv.write_record(gpu.row(look, metric)).map_err(cause)?;
    }
    csv.flush()
}

/// What went wrong below the CSV, so that a closed pipe is known as one.
fn cause(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// What a GPU is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    Idle,
    Serving,
    Training,
}

#[derive(Debug)]
struct Gpu {
    seed: u64,
    number: u32,
    /// Its number on its host.
    index: u32,
    uuid: String,
    host: String,
    load: Load,
}

impl Gpu {
    fn new(plan: Plan, number: u32) -> Self {
        let (gpus, hosts) = (u64::from(plan.gpus), u64::from(plan.hosts.max(1)));
        let host = u64::from(number) * hosts / gpus;
        let first = (host * gpus).div_ceil(hosts);
        let uuid = Builder::from_random_bytes(xxh3_128(place(plan.seed, number, 0, "uuid").as_bytes()).to_be_bytes());
        let load = match xxh3_64(place(plan.seed, number, 0, "load").as_bytes()) % 10 {
            0..3 => Load::Idle,
            3..6 => Load::Serving,
            _ => Load::Training,
        };
        Self {
            seed: plan.seed,
            number,
            index: u32::try_from(u64::from(number) - first).unwrap_or_default(),
            uuid: format!("GPU-{}", uuid.into_uuid()),
            host: format!("yard-gpu-{:03}", host + 1),
            load,
        }
    }

    /// A number below `bound` that belongs to this GPU, this look and `what`.
    fn dice(&self, look: u64, what: &str, bound: u64) -> u64 {
        xxh3_64(place(self.seed, self.number, look, what).as_bytes()) % bound.max(1)
    }

    /// Percent of the time that it computes.
    fn busy(&self, look: u64) -> u64 {
        match self.load {
            Load::Idle => 0,
            Load::Serving => 15 + self.dice(look, "busy", 60),
            Load::Training => 92 + self.dice(look, "busy", 9),
        }
    }

    fn memory_used(&self, look: u64) -> u64 {
        match self.load {
            Load::Idle => self.dice(0, "memory", 9),
            _ => MEMORY / 4 + self.dice(0, "memory", MEMORY * 7 / 10) + self.dice(look, "batch", 400),
        }
    }

    fn value(&self, look: u64, metric: Metric) -> String {
        let busy = self.busy(look);
        let serves = self.load == Load::Serving;
        match metric {
            Metric::GpuUtil => busy.to_string(),
            Metric::MemCopyUtil => (busy * (40 + self.dice(look, "copy", 40)) / 100).to_string(),
            Metric::PowerUsage => {
                let milliwatts = 68_000 + busy * 5_900 + self.dice(look, "power", 12_000);
                format!("{}.{:03}", milliwatts / 1000, milliwatts % 1000)
            }
            Metric::GpuTemp => (27 + busy * 2 / 5 + self.dice(look, "temperature", 6)).to_string(),
            Metric::FbUsed => self.memory_used(look).to_string(),
            Metric::FbFree => (MEMORY - self.memory_used(look)).to_string(),
            Metric::DecUtil => (u64::from(serves) * self.dice(look, "decoder", 8)).to_string(),
            Metric::EncUtil => (u64::from(serves) * self.dice(look, "encoder", 5)).to_string(),
            Metric::SmClock => (if busy == 0 { 345 } else { 1_755 + 15 * self.dice(look, "clock", 10) }).to_string(),
            Metric::MemClock => "2400".to_owned(),
        }
    }

    /// Container, pod and namespace, when something that Kubernetes runs is on it.
    fn work(&self) -> [String; 3] {
        match self.load {
            Load::Serving => ["server".to_owned(), format!("chat-{}", self.number), "serving".to_owned()],
            _ => Default::default(),
        }
    }

    fn row(&self, look: u64, metric: Metric) -> [String; 12] {
        let place = METRICS.iter().position(|other| other.name() == metric.name()).unwrap_or_default();
        let since = STEP * i32::try_from(look).unwrap_or(i32::MAX) + TimeDelta::milliseconds(place as i64 * 300);
        let [container, pod, namespace] = self.work();
        [
            time::text(DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(EPOCH) + since),
            metric.name().to_owned(),
            self.index.to_string(),
            format!("nvidia{}", self.index),
            self.uuid.clone(),
            MODEL.to_owned(),
            self.host.clone(),
            container,
            pod,
            namespace,
            self.value(look, metric),
            self.labels(metric),
        ]
    }

    /// The labels as the exporter gives them, ordered by their names.
    fn labels(&self, metric: Metric) -> String {
        let (host, name, index) = (&self.host, metric.name(), self.index);
        let [container, pod, namespace] = self.work();
        let mut labels = vec![
            ("DCGM_FI_DRIVER_VERSION", DRIVER.to_owned()),
            ("Hostname", host.clone()),
            ("UUID", self.uuid.clone()),
            ("__name__", name.to_owned()),
            ("container", container),
            ("device", format!("nvidia{index}")),
            ("gpu", index.to_string()),
            ("instance", format!("{host}:9400")),
            ("job", "dcgm-exporter".to_owned()),
            ("modelName", MODEL.to_owned()),
            ("namespace", namespace),
            ("pod", pod),
        ];
        labels.retain(|(_, value)| !value.is_empty());
        labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect::<Vec<_>>().join(",")
    }
}

/// What is hashed for a value.
fn place(seed: u64, gpu: u32, look: u64, what: &str) -> String {
    format!("{seed}/{gpu}/{look}/{what}")
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    const PLAN: Plan = Plan { gpus: 20, hosts: 3, rows: None, seed: 7 };

    fn text(plan: Plan) -> String {
        let mut bytes = Vec::new();
        write(plan, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn rows(plan: Plan) -> Vec<HashMap<String, String>> {
        csv::Reader::from_reader(text(plan).as_bytes()).deserialize().map(Result::unwrap).collect()
    }

    #[test]
    fn the_same_numbers_give_the_same_bytes_and_another_seed_others() {
        assert_eq!(text(PLAN), text(PLAN));
        assert_ne!(text(PLAN), text(Plan { seed: 8, ..PLAN }));
        // These bytes are what other machines and later versions must give as well.
        assert_eq!(format!("{:032x}", xxh3_128(text(PLAN).as_bytes())), "3f0314c9c1f193d14b2d0d4e330a7c4d");
    }

    #[test]
    fn a_longer_sample_begins_with_the_shorter_one() {
        let (all, half) = (text(Plan { rows: Some(450), ..PLAN }), text(Plan { rows: Some(225), ..PLAN }));
        assert_eq!((all.lines().count(), half.lines().count()), (451, 226));
        assert!(all.starts_with(&half));
    }

    #[test]
    fn one_look_has_every_metric_of_every_gpu_once() {
        let rows = rows(PLAN);
        let seen: HashSet<_> = rows.iter().map(|row| (&row["uuid"], &row["metric_name"])).collect();
        assert_eq!((rows.len(), seen.len()), (200, 200));
        let hosts: HashSet<_> = rows.iter().map(|row| (&row["Hostname"], &row["uuid"])).collect();
        let on = |host: &str| hosts.iter().filter(|(name, _)| *name == host).count();
        assert_eq!([on("yard-gpu-001"), on("yard-gpu-002"), on("yard-gpu-003")], [7, 7, 6]);
        let indexes: HashSet<_> = rows.iter().map(|row| (&row["Hostname"], &row["gpu_id"])).collect();
        assert_eq!(indexes.len(), 20);
    }

    #[test]
    fn the_values_are_plausible() {
        let rows = rows(Plan { rows: Some(2_000), ..PLAN });
        let mut memory: HashMap<_, f64> = HashMap::new();
        for row in &rows {
            let value: f64 = row["value"].parse().unwrap();
            let within = match row["metric_name"].as_str() {
                name if name.ends_with("_UTIL") => 0.0..=100.0,
                "DCGM_FI_DEV_POWER_USAGE" => 60.0..=700.0,
                "DCGM_FI_DEV_GPU_TEMP" => 20.0..=90.0,
                "DCGM_FI_DEV_SM_CLOCK" | "DCGM_FI_DEV_MEM_CLOCK" => 300.0..=2_500.0,
                "DCGM_FI_DEV_FB_USED" | "DCGM_FI_DEV_FB_FREE" => {
                    *memory.entry((&row["uuid"], &row["timestamp"][..18])).or_default() += value;
                    0.0..=81_000.0
                }
                name => panic!("{name}"),
            };
            assert!(within.contains(&value), "{row:?}");
            assert!(row["labels_raw"].contains(&format!("UUID=\"{}\"", row["uuid"])), "{row:?}");
        }
        assert_eq!(memory.len(), 200);
        assert!(memory.values().all(|together| *together == 81_000.0));
    }
}
