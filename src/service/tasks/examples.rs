//! What the documentation shows as examples of forms of tasks.

use poem_openapi::types::Example;

use super::forms::{BulkStatusRequest, NewTask, PatchTaskRequest, PutTaskRequest};
use super::vocabulary::TaskStatus;

impl Example for NewTask {
    fn example() -> Self {
        Self {
            title: "Check the answer about San Francisco".to_owned(),
            description: "It names a temperature that the tool did not give.".to_owned(),
            status: TaskStatus::Pending,
            assignee_id: 7,
            run_id: None,
        }
    }
}

impl Example for PutTaskRequest {
    fn example() -> Self {
        let NewTask { title, description, assignee_id, run_id, .. } = NewTask::example();
        Self { title, description, status: TaskStatus::InProgress, assignee_id, run_id }
    }
}

impl Example for PatchTaskRequest {
    fn example() -> Self {
        Self { status: Some(TaskStatus::Done), ..Self::default() }
    }
}

impl Example for BulkStatusRequest {
    fn example() -> Self {
        Self { ids: vec![1, 2], status: TaskStatus::Done }
    }
}
