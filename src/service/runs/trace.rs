//! Streams the runs of a trace in the order of its tree: only the shape is held, rows are read a page at a time.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use super::RunService;
use crate::error::{Error, Result};
use crate::repository::entity::run;
use crate::repository::runs::TraceNode;
use crate::service::accounts::Caller;

/// Rows that are read at once.
const PAGE: usize = 200;

impl RunService {
    /// A trace as one JSON object, with the whole payload of each run or without any.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the workspace has no run of it. An error after the first byte breaks the stream off.
    #[tracing::instrument(target = "otel", name = "runs.trace", skip_all)]
    pub async fn trace(
        &self,
        caller: &Caller,
        trace: Uuid,
        payload: bool,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        let workspace = caller.workspace_id;
        let nodes = self.runs.trace_nodes(workspace, trace).await?;
        if nodes.is_empty() {
            return Err(Error::NotFound("trace"));
        }
        let pages: Vec<Vec<(Uuid, u32)>> = tree_order(&nodes).chunks(PAGE).map(<[_]>::to_vec).collect();
        let service = self.clone();
        let runs = stream::iter(pages)
            .then(move |page| {
                let service = service.clone();
                async move { service.page(workspace, page, payload).await }
            })
            .try_flatten();
        let mut first = true;
        let separated = runs.map_ok(move |piece| match piece {
            // A run starts with its own comma, but for the first of all.
            RunPiece::Start if std::mem::take(&mut first) => Bytes::new(),
            RunPiece::Start => Bytes::from_static(b","),
            RunPiece::Bytes(bytes) => bytes,
        });
        let head = Bytes::from(format!("{{\"trace_id\":\"{trace}\",\"runs\":["));
        let tail = stream::once(async { Ok(Bytes::from_static(b"]}")) });
        let whole = stream::once(async { Ok(head) }).chain(separated).chain(tail);
        Ok(whole.try_filter(|bytes| std::future::ready(!bytes.is_empty())).boxed())
    }

    async fn page(
        &self,
        workspace: Uuid,
        page: Vec<(Uuid, u32)>,
        payload: bool,
    ) -> Result<BoxStream<'static, Result<RunPiece>>> {
        let rows = self.runs.find_many(workspace, page.iter().map(|(id, _)| *id).collect()).await?;
        let mut rows: HashMap<Uuid, run::Model> = rows.into_iter().map(|row| (row.id, row)).collect();
        // A run that was deleted since the shape was read is left out.
        let rows: Vec<(run::Model, u32)> =
            page.into_iter().filter_map(|(id, depth)| rows.remove(&id).map(|row| (row, depth))).collect();
        let service = self.clone();
        let runs = stream::iter(rows).then(move |(row, depth)| {
            let service = service.clone();
            async move { service.pieces(row, depth, payload).await }
        });
        Ok(runs.try_flatten().boxed())
    }

    async fn pieces(&self, row: run::Model, depth: u32, payload: bool) -> Result<BoxStream<'static, Result<RunPiece>>> {
        let start = stream::once(async { Ok(RunPiece::Start) });
        let body = if payload {
            self.stream_run(&row, depth).await?.left_stream()
        } else {
            let light = serde_json::to_vec(&self.light(row, Some(depth)).await?);
            let light = light.map(Bytes::from).map_err(|error| Error::Internal(error.into()));
            stream::once(async { light }).right_stream()
        };
        Ok(start.chain(body.map_ok(RunPiece::Bytes)).boxed())
    }
}

enum RunPiece {
    Start,
    Bytes(Bytes),
}

/// The runs with their depth, each before those that it called, siblings as they began. A run whose parent is not
/// there is a root; so is, in the end, whatever is left of a ring.
fn tree_order(nodes: &[TraceNode]) -> Vec<(Uuid, u32)> {
    let known: HashSet<Uuid> = nodes.iter().map(|node| node.id).collect();
    let mut children: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    let mut roots = Vec::new();
    for node in nodes {
        match node.parent.filter(|parent| known.contains(parent) && *parent != node.id) {
            Some(parent) => children.entry(parent).or_default().push(node.id),
            None => roots.push(node.id),
        }
    }
    let mut seen = HashSet::with_capacity(nodes.len());
    let mut order = Vec::with_capacity(nodes.len());
    for root in roots.into_iter().chain(nodes.iter().map(|node| node.id)) {
        let mut stack = vec![(root, 0)];
        while let Some((id, depth)) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            order.push((id, depth));
            stack.extend(children.get(&id).into_iter().flatten().rev().map(|child| (*child, depth + 1)));
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u128, parent: Option<u128>) -> TraceNode {
        TraceNode { id: Uuid::from_u128(id), parent: parent.map(Uuid::from_u128) }
    }

    fn order(nodes: &[TraceNode]) -> Vec<(u128, u32)> {
        tree_order(nodes).into_iter().map(|(id, depth)| (id.as_u128(), depth)).collect()
    }

    #[test]
    fn a_run_comes_before_those_that_it_called_and_siblings_as_they_began() {
        let nodes = [node(3, Some(1)), node(1, None), node(4, Some(3)), node(2, Some(1)), node(9, Some(77))];
        assert_eq!(order(&nodes), [(1, 0), (3, 1), (4, 2), (2, 1), (9, 0)]);
    }

    #[test]
    fn rings_end_and_lose_nobody() {
        assert_eq!(order(&[node(1, Some(2)), node(2, Some(1)), node(3, Some(3))]), [(3, 0), (1, 0), (2, 1)]);
    }
}
