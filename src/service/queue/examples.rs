//! What the documentation shows as examples of forms of the queue.

use poem_openapi::types::Example;
use serde_json::json;
use uuid::Uuid;

use super::forms::{
    AckRequest, ExtendRequest, LeaseRequest, NackRequest, PublishRequest, PublishedMessage, RedriveRequest,
    TopicRequest,
};

const MESSAGE: Uuid = Uuid::from_u128(0x7d5f_2c1e_0b6a_4f0e_9a53_0d2f_3c1b_4a59);

impl Example for PublishRequest {
    fn example() -> Self {
        let message = PublishedMessage {
            msg_uuid: MESSAGE,
            payload: json!({"to": "ada@example.com"}),
            delay_seconds: Some(0),
            priority: Some(5),
        };
        Self { messages: vec![message] }
    }
}

impl Example for LeaseRequest {
    fn example() -> Self {
        let consumer_id = "mailer-1".to_owned();
        Self { consumer_id, max: Some(10), lease_seconds: Some(30), wait_seconds: Some(0) }
    }
}

impl Example for AckRequest {
    fn example() -> Self {
        Self { msg_uuids: Some(vec![MESSAGE]) }
    }
}

impl Example for NackRequest {
    fn example() -> Self {
        Self { msg_uuids: Some(vec![MESSAGE]), delay_seconds: Some(0) }
    }
}

impl Example for ExtendRequest {
    fn example() -> Self {
        Self { msg_uuids: Some(vec![MESSAGE]), lease_seconds: 60 }
    }
}

impl Example for RedriveRequest {
    fn example() -> Self {
        Self { msg_uuids: Some(vec![MESSAGE]) }
    }
}

impl Example for TopicRequest {
    fn example() -> Self {
        Self { max_attempts: Some(3), retention_seconds: Some(86_400), ..Self::default() }
    }
}
