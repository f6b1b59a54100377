//! Reads the messages of a body; payloads stay the text that they came as.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{MAX_DELAY, Problems};
use crate::error::{Error, Result};
use crate::repository::queue::{MAX_PRIORITY, NewMessage};
use crate::service::json::{Named, depth, parse_object};

/// Most messages in one request.
pub const MAX_MESSAGES: usize = 1_000;
/// Most levels of a payload.
const MAX_DEPTH: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishForm<'a> {
    #[serde(borrow)]
    messages: Vec<Named<MessageForm<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageForm<'a> {
    msg_uuid: Uuid,
    #[serde(borrow)]
    payload: &'a RawValue,
    delay_seconds: Option<i64>,
    priority: Option<i64>,
}

/// The messages in a body, each payload of at most so many bytes.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Invalid`] with every field that is wrong, and [`Error::TooLarge`].
pub fn read_messages(bytes: &[u8], max_payload: u64) -> Result<Vec<NewMessage>> {
    // Keeping track of the place costs more than everything else, and is needed only where something is wrong.
    let form: Named<PublishForm> = match serde_json::from_slice(bytes) {
        Ok(form) => form,
        Err(_) => parse_object("the body", bytes)?,
    };
    let forms = form.0.messages;
    let mut problems = Problems::default();
    if !(1..=MAX_MESSAGES).contains(&forms.len()) {
        problems.add("messages", format!("must have 1 to {MAX_MESSAGES} messages, not {}", forms.len()));
        return problems.none(Vec::new());
    }
    let mut messages = Vec::with_capacity(forms.len());
    for (place, Named(MessageForm { msg_uuid, payload, delay_seconds, priority })) in forms.into_iter().enumerate() {
        let field = |name: &str| format!("messages[{place}].{name}");
        let (delay, priority, text) = (delay_seconds.unwrap_or(0), priority.unwrap_or(0), payload.get());
        if msg_uuid.is_nil() {
            problems.add(field("msg_uuid"), "must not be the nil UUID");
        }
        if text.len() as u64 > max_payload {
            return Err(Error::too_large(field("payload"), format!("has at most {max_payload} bytes")));
        }
        // Not even this many brackets in all is not too deep.
        let brackets = text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
        if brackets > MAX_DEPTH && depth(text) > MAX_DEPTH {
            problems.add(field("payload"), format!("has at most {MAX_DEPTH} levels"));
        }
        problems.within(|| field("delay_seconds"), delay, 0, MAX_DELAY);
        problems.within(|| field("priority"), priority, -i64::from(MAX_PRIORITY), i64::from(MAX_PRIORITY));
        messages.push(NewMessage {
            msg_uuid,
            payload: text.to_owned(),
            delay: Duration::from_secs(delay.unsigned_abs()),
            priority: i16::try_from(priority).unwrap_or(0),
        });
    }
    problems.none(messages)
}
