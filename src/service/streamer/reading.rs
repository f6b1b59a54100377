//! What makes a sample of what a row or a line says; the rules are the same whatever it is read from.

use crate::service::telemetry::message::{MAX_LABELS, MAX_TEXT, Sample, measured};

/// What a value says: a number, or nothing where an exporter says that it has none. Never zero instead.
///
/// # Errors
/// The reason, for the log.
pub fn value(text: &str) -> Result<Option<f64>, String> {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("n/a") {
        return Ok(None);
    }
    text.parse().map(measured).map_err(|_| "the value is not a number".to_owned())
}

/// That a collector will take the sample.
///
/// # Errors
/// The reason why not, for the log.
pub fn check(sample: &Sample<'_>) -> Result<(), String> {
    for (name, text) in [("uuid", &sample.uuid), ("metric_name", &sample.metric_name)] {
        if text.trim().is_empty() {
            return Err(format!("{name} is missing"));
        }
    }
    let texts = [
        ("metric_name", &sample.metric_name, MAX_TEXT),
        ("gpu_id", &sample.gpu_id, MAX_TEXT),
        ("device", &sample.device, MAX_TEXT),
        ("uuid", &sample.uuid, MAX_TEXT),
        ("model_name", &sample.model_name, MAX_TEXT),
        ("hostname", &sample.hostname, MAX_TEXT),
        ("container", &sample.container, MAX_TEXT),
        ("pod", &sample.pod, MAX_TEXT),
        ("namespace", &sample.namespace, MAX_TEXT),
        ("labels_raw", &sample.labels_raw, MAX_LABELS),
    ];
    for (name, text, most) in texts {
        if text.len() > most {
            return Err(format!("{name} has {} bytes, at most {most} are kept", text.len()));
        }
        if text.contains('\0') {
            return Err(format!("{name} has U+0000, which is no text"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_number_or_nothing_and_never_zero_instead() {
        for (text, number) in [("0", 0.0), (" 156.596 ", 156.596), ("-1e3", -1000.0), ("+7", 7.0)] {
            assert_eq!(value(text), Ok(Some(number)), "{text}");
        }
        for text in ["", "  ", "NaN", "nan", "N/A", "+Inf", "-inf", "9223372036854775792"] {
            assert_eq!(value(text), Ok(None), "{text}");
        }
        for text in ["12 W", "0x10", "1,5", "--1", "null", "true"] {
            assert!(value(text).is_err(), "{text}");
        }
    }
}
