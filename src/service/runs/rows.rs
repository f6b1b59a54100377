//! Turns what the scanner saw of a run into its row, with ranges counted from the start of its own body.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::scanner::{PartField, RunStatus, ScannedRun};
use crate::repository::entity::run;
use crate::repository::entity::run::{PayloadRef, PayloadRefs};

/// The row of a run that arrived at `now`; its segment is not known yet and stands as nil.
///
/// A run that says nothing of time was over when it arrived. One that says when it began and not when it ended is
/// still going on.
pub fn row(now: DateTime<Utc>, workspace: Uuid, project: Uuid, run: ScannedRun) -> run::Model {
    let start_time = run.start_time.unwrap_or(now);
    let end_time = run.end_time.or_else(|| run.start_time.is_none().then_some(now));
    let status = run.status.unwrap_or(match (run.has_error, end_time) {
        (true, _) => RunStatus::Error,
        (false, Some(_)) => RunStatus::Success,
        (false, None) => RunStatus::Pending,
    });
    let parts = run
        .parts
        .into_iter()
        .map(|part| (field_name(part.field).to_owned(), PayloadRef(Uuid::nil(), part.range.start, part.range.end)));
    run::Model {
        workspace_id: workspace,
        id: run.id.unwrap_or_else(Uuid::now_v7),
        project_id: project,
        trace_id: run.trace_id,
        parent_run_id: run.parent_run_id,
        dotted_order: run.dotted_order,
        name: run.name,
        run_type: run.run_type.unwrap_or_else(|| "chain".to_owned()),
        status: status_name(status).to_owned(),
        has_error: run.has_error,
        start_time,
        end_time,
        reference_example_id: run.reference_example_id,
        tags: run.tags.into(),
        metadata: run.metadata.into_iter().map(|(key, value)| (key, Value::String(value))).collect(),
        error_preview: run.error_preview,
        inputs_preview: run.inputs_preview,
        outputs_preview: run.outputs_preview,
        payload: PayloadRefs(parts.collect::<BTreeMap<_, _>>()),
        digest: format!("{:032x}", run.digest),
        created_at: now,
    }
}

/// The row with its ranges moved to where its body came to lie.
pub fn place(mut run: run::Model, segment: Uuid, base: u64) -> run::Model {
    for part in run.payload.0.values_mut() {
        *part = PayloadRef(segment, part.1 + base, part.2 + base);
    }
    run
}

fn field_name(field: PartField) -> &'static str {
    match field {
        PartField::Inputs => "inputs",
        PartField::Outputs => "outputs",
        PartField::Metadata => "metadata",
        PartField::Extra => "extra",
        PartField::Events => "events",
        PartField::Serialized => "serialized",
        PartField::Error => "error",
    }
}

fn status_name(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Pending => "pending",
        RunStatus::Success => "success",
        RunStatus::Error => "error",
    }
}
