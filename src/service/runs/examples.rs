//! What the documentation shows as an example of a run.

use poem_openapi::types::Example;
use serde_json::{Value, json};
use uuid::Uuid;

use super::vocabulary::NewRun;

impl Example for NewRun {
    fn example() -> Self {
        let object = |value: Value| serde_json::from_value(value).ok();
        Self {
            trace_id: Uuid::from_u128(0x944c_e838_b5c5_4628_8f23_089f_bda8_b9e3),
            name: "Weather Query".to_owned(),
            inputs: object(json!({"query": "What is the weather in San Francisco?"})),
            outputs: object(json!({"response": "It is currently 65°F and sunny in San Francisco."})),
            metadata: object(json!({"model": "gpt-4", "temperature": 0.7, "tokens": 42})),
            ..Self::default()
        }
    }
}
