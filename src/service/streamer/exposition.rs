//! The text that a DCGM exporter answers with, Prometheus' text format: read line by line while it arrives, strictly.
//!
//! A line that is not as the format says is a bad one, which is named and left out; a sample without a GPU's `UUID` is
//! another program's affair and passed over in silence.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::bad::{Bad, BadLine};
use super::reading::{check, value};
use crate::service::telemetry::message::Sample;

/// Bytes that a line may have.
const MAX_LINE: usize = 64 * 1024;

/// A text that is being read.
#[derive(Debug)]
pub struct Exposition {
    timestamp: DateTime<Utc>,
    /// The line that has not come to its end.
    rest: Vec<u8>,
    /// The rest of this line is passed over.
    too_long: bool,
    line: u64,
    /// What the GPUs said.
    pub samples: Vec<Sample<'static>>,
    /// Lines that said nothing.
    pub bad: Bad,
}

impl Exposition {
    /// A text that is true at this moment.
    pub fn new(timestamp: DateTime<Utc>) -> Self {
        let (rest, samples) = Default::default();
        Self { timestamp, rest, too_long: false, line: 0, samples, bad: Bad::default() }
    }

    /// Takes what has arrived, cut anywhere.
    pub fn push(&mut self, mut chunk: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            self.extend(&chunk[..end]);
            self.end_line();
            chunk = &chunk[end + 1..];
        }
        self.extend(chunk);
    }

    /// Takes the end: the last line need not be ended.
    pub fn finish(&mut self) {
        if !self.rest.is_empty() || self.too_long {
            self.end_line();
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.too_long |= self.rest.len() + bytes.len() > MAX_LINE;
        if self.too_long {
            self.rest.clear();
        } else {
            self.rest.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self) {
        self.line += 1;
        let bytes = std::mem::take(&mut self.rest);
        let read = match std::str::from_utf8(&bytes) {
            _ if std::mem::take(&mut self.too_long) => Err(format!("the line has more than {MAX_LINE} bytes")),
            Ok(line) => sample(line, self.timestamp),
            Err(_) => Err("the line is not UTF-8".to_owned()),
        };
        match read {
            Ok(sample) => self.samples.extend(sample),
            Err(reason) => self.bad.push(BadLine { line: self.line, reason }),
        }
        self.rest = bytes;
        self.rest.clear();
    }
}

/// What a line says of a GPU, if it does.
fn sample(line: &str, timestamp: DateTime<Utc>) -> Result<Option<Sample<'static>>, String> {
    let line = line.trim_matches([' ', '\t', '\r']);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, rest) = word(line, |letter| letter == ':');
    if name.is_empty() {
        return Err("a line starts with the name of a metric".to_owned());
    }
    let (mut labels, rest) = match rest.trim_start_matches(BLANK).strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None if rest.starts_with(BLANK) => (Vec::new(), rest),
        None => return Err("the name of the metric has a letter that none has".to_owned()),
    };
    let mut words = rest.split(BLANK).filter(|word| !word.is_empty());
    let number = words.next().ok_or("the value is missing")?;
    // The exporter's own time is read and not used: a sample is of the moment at which it was seen.
    let time = words.next().map_or(Ok(0), str::parse::<i64>);
    if time.is_err() || words.next().is_some() {
        return Err("after the value there is something else than a time".to_owned());
    }
    let value = value(number)?;
    let find = |wanted: &str| labels.iter().find(|(label, _)| *label == wanted).map(|(_, text)| text.clone());
    let Some(uuid) = find("UUID") else { return Ok(None) };
    let get = |wanted: &str| Cow::Owned(find(wanted).unwrap_or_default());
    // Prometheus puts what an exporter says of another pod than its own aside under these names.
    let of_pod = |exported: &str, own: &str| match find(exported) {
        Some(text) if !text.is_empty() => Cow::Owned(text),
        _ => get(own),
    };
    let sample = Sample {
        timestamp,
        metric_name: Cow::Owned(name.to_owned()),
        gpu_id: get("gpu"),
        device: get("device"),
        uuid: Cow::Owned(uuid),
        model_name: get("modelName"),
        hostname: get("Hostname"),
        container: of_pod("exported_container", "container"),
        pod: of_pod("exported_pod", "pod"),
        namespace: of_pod("exported_namespace", "namespace"),
        value,
        labels_raw: Cow::Owned(raw(name, &mut labels)),
    };
    check(&sample)?;
    Ok(Some(sample))
}

const BLANK: [char; 2] = [' ', '\t'];

/// The name at the start, and what is after it.
fn word(text: &str, also: impl Fn(char) -> bool) -> (&str, &str) {
    let is_part = |letter: char| letter == '_' || letter.is_ascii_alphanumeric() || also(letter);
    let end = text.find(|letter| !is_part(letter)).unwrap_or(text.len());
    if text.starts_with(|letter: char| letter.is_ascii_digit()) { ("", text) } else { text.split_at(end) }
}

type Labels<'a> = Vec<(&'a str, String)>;

/// The labels of a sample, from after the brace on, and what is after them.
fn labels(mut rest: &str) -> Result<(Labels<'_>, &str), String> {
    let mut labels: Labels<'_> = Vec::new();
    loop {
        rest = rest.trim_start_matches(BLANK);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (name, after) = word(rest, |_| false);
        if name.is_empty() {
            return Err("a label has no name".to_owned());
        }
        if labels.iter().any(|(known, _)| *known == name) {
            return Err("a label stands there twice".to_owned());
        }
        let after = after.trim_start_matches(BLANK).strip_prefix('=').ok_or("a label has no value")?;
        let quoted = after.trim_start_matches(BLANK).strip_prefix('"').ok_or("a label's value is not quoted")?;
        let (text, after) = unquoted(quoted)?;
        labels.push((name, text));
        rest = after.trim_start_matches(BLANK);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return Err("the labels have no end".to_owned()),
        }
    }
}

/// A label's value up to its closing mark, and what is after it.
fn unquoted(quoted: &str) -> Result<(String, &str), String> {
    let (mut text, mut letters) = (String::new(), quoted.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((text, &quoted[at + 1..])),
            '\\' => match letters.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, letter @ ('"' | '\\'))) => text.push(letter),
                _ => return Err("a label's value has an escape that there is not".to_owned()),
            },
            letter => text.push(letter),
        }
    }
    Err("a label's value has no end".to_owned())
}

/// All labels with the name of the metric, as they stand in files: ordered by name, each value quoted.
fn raw(name: &str, labels: &mut Labels<'_>) -> String {
    if !labels.iter().any(|(label, _)| *label == "__name__") {
        labels.push(("__name__", name.to_owned()));
    }
    labels.sort_unstable_by_key(|(label, _)| *label);
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn read(text: impl AsRef<[u8]>) -> Exposition {
        let mut exposition = Exposition::new(NOW);
        exposition.push(text.as_ref());
        exposition.finish();
        exposition
    }

    const TEXT: &str = r#"# HELP DCGM_FI_DEV_GPU_TEMP GPU temperature (in C).
# TYPE DCGM_FI_DEV_GPU_TEMP gauge
DCGM_FI_DEV_GPU_TEMP{gpu="0",UUID="GPU-1",pci_bus_id="00000000:1B:00.0",device="nvidia0",modelName="Yardstone T80",Hostname="yard-1",container="",namespace="",pod=""} 41
DCGM_FI_DEV_GPU_TEMP { gpu = "1", UUID="GPU-2",device="nvidia1",modelName="Yardstone T80",Hostname="yard-1",exported_container="c",exported_namespace="n",exported_pod="p",container="exporter",namespace="monitoring",pod="exporter-1", }  4.25e1 1767225600000

DCGM_FI_DEV_POWER_USAGE{gpu="1",UUID="GPU-2",note="a \"b\" \\ c\nd, } é"} NaN
go_goroutines 17
process_open_fds{x="y"} 1.5
"#;

    #[test]
    fn samples_of_gpus_are_read_with_their_labels() {
        let read = read(TEXT);
        assert_eq!(read.bad.named(), []);
        let [one, two, three] = &read.samples[..] else { panic!("{:?}", read.samples) };
        assert_eq!((one.gpu_id.as_ref(), one.device.as_ref(), one.uuid.as_ref()), ("0", "nvidia0", "GPU-1"));
        assert_eq!((one.model_name.as_ref(), one.hostname.as_ref(), one.pod.as_ref()), ("Yardstone T80", "yard-1", ""));
        assert_eq!((one.metric_name.as_ref(), one.value, one.timestamp), ("DCGM_FI_DEV_GPU_TEMP", Some(41.0), NOW));
        assert_eq!([&two.container, &two.pod, &two.namespace].map(AsRef::as_ref), ["c", "p", "n"]);
        assert_eq!(two.value, Some(42.5));
        assert_eq!(three.value, None);
        let labels = r#"UUID="GPU-2",__name__="DCGM_FI_DEV_POWER_USAGE",gpu="1",note="a \"b\" \\ c\nd, } é""#;
        assert_eq!(three.labels_raw, labels);
    }

    #[test]
    fn a_text_may_be_cut_anywhere() {
        let whole = read(TEXT).samples;
        for size in [1, 2, 3, 7, 50] {
            let mut exposition = Exposition::new(NOW);
            TEXT.as_bytes().chunks(size).for_each(|chunk| exposition.push(chunk));
            exposition.finish();
            assert_eq!(exposition.samples, whole, "pieces of {size}");
        }
        assert_eq!(read(TEXT.replace('\n', "\r\n")).samples, whole);
        assert_eq!(read(TEXT.trim_end().trim_end_matches("process_open_fds{x=\"y\"} 1.5")).samples, whole);
    }

    #[test]
    fn bad_lines_are_named_and_the_lines_beside_them_are_read() {
        let good = "power{UUID=\"GPU-1\"} 1\n";
        let long = format!("power{{UUID=\"{}\"}} 1", "x".repeat(MAX_LINE));
        let long_label = format!("power{{UUID=\"{}\"}} 1", "x".repeat(MAX_TEXT + 1));
        let wrong = [
            "power{UUID=\"GPU-1\"}",
            "power{UUID=\"GPU-1\"} many",
            "power{UUID=\"GPU-1\"} 1 soon",
            "power{UUID=\"GPU-1\"} 1 2 3",
            "power{UUID=\"GPU-1\"",
            "power{UUID=\"GPU-1} 1",
            "power{UUID=GPU-1} 1",
            "power{UUID} 1",
            "power{UUID=\"a\" gpu=\"1\"} 1",
            "power{UUID=\"a\",,gpu=\"1\"} 1",
            "power{UUID=\"a\",UUID=\"b\"} 1",
            "power{=\"a\"} 1",
            "power{UUID=\"\\t\"} 1",
            "power{UUID=\"\"} 1",
            "{UUID=\"a\"} 1",
            "1power{UUID=\"a\"} 1",
            "po-wer 1",
            "power",
            "<html><body>404</body></html>",
            "power{UUID=\"a\0\"} 1",
            &long,
            &long_label,
        ];
        for wrong in wrong {
            let read = read(format!("{good}{wrong}\n{good}"));
            let lines: Vec<_> = read.bad.named().iter().map(|bad| bad.line).collect();
            assert_eq!((read.samples.len(), lines), (2, vec![2]), "{:.60}", wrong);
        }
        let mut bytes = good.as_bytes().to_vec();
        bytes.extend_from_slice(b"power{UUID=\"\xff\"} 1\n");
        assert_eq!(read(bytes).bad.count(), 1);
    }

    use crate::service::telemetry::message::MAX_TEXT;

    /// Any label comes back as it was, and rubbish never costs more than its own lines.
    #[test]
    fn any_label_is_read_as_it_was_written_and_rubbish_costs_only_its_lines() {
        const LETTERS: [char; 14] = ['"', '\\', '\n', '{', '}', ',', '=', ' ', '#', 'n', 'a', 'é', '\u{1F600}', '\t'];
        for seed in 0..500 {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut random = |most: usize| -> String {
                (0..rng.random_range(1..most)).map(|_| LETTERS[rng.random_range(0..LETTERS.len())]).collect()
            };
            let (value, rubbish) = (random(20), random(40));
            let mut labels = vec![("UUID", "GPU-1".to_owned()), ("odd", value.clone())];
            let line = format!("power{{{}}} 1", raw("power", &mut labels));
            let read = read(format!("{line}\n{rubbish}\n{line}\n"));
            let [one, .., last] = &read.samples[..] else { panic!("seed {seed}: {rubbish:?}") };
            assert_eq!(one, last);
            assert!(line.contains(&*one.labels_raw), "seed {seed}: {}", one.labels_raw);
            assert!(read.bad.count() <= rubbish.split('\n').count() as i64);
            let (found, _) = super::labels(line.split_once('{').unwrap().1).unwrap();
            assert_eq!(found.iter().find(|(name, _)| *name == "odd").unwrap().1, value, "seed {seed}");
        }
    }
}
