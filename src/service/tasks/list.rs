//! Lists of tasks: a page is cached as it is sent, under the generation that was current before it was read.

use bytes::Bytes;

use super::TaskService;
use super::forms::TaskQuery;
use super::vocabulary::{Meta, Task, TaskPage};
use crate::error::{Error, Result};
use crate::repository::tasks::{Sort, SortColumn, TaskFilter};
use crate::service::accounts::Caller;

/// Tasks on a page when the caller does not say.
const DEFAULT_PER_PAGE: u64 = 20;
/// Most tasks on a page.
const MAX_PER_PAGE: u64 = 100;
/// Longest `filter`, in characters.
const MAX_FILTER: usize = 1_000;
/// The name of the list in the cache.
pub(super) const LIST: &str = "tasks";

/// What can be sorted by, under its name on the wire.
const SORTABLE: [(&str, SortColumn); 7] = [
    ("id", SortColumn::Id),
    ("title", SortColumn::Title),
    ("description", SortColumn::Description),
    ("status", SortColumn::Status),
    ("assigneeID", SortColumn::AssigneeId),
    ("createdAt", SortColumn::CreatedAt),
    ("updatedAt", SortColumn::UpdatedAt),
];

/// One page of one list.
#[derive(Debug)]
struct Wanted {
    filter: TaskFilter,
    order: Vec<Sort>,
    page: u64,
    per_page: u64,
}

impl TaskService {
    /// A page of tasks as it is sent.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a parameter that is out of bounds.
    #[tracing::instrument(target = "otel", name = "tasks.list", skip_all)]
    pub async fn list(&self, caller: &Caller, query: TaskQuery) -> Result<Bytes> {
        let wanted = Wanted::new(query)?;
        let owner = caller.workspace_id;
        let load = || self.read_page(caller, &wanted);
        self.cache.get_page_or_load(owner, LIST, format!("{wanted:?}"), load).await
    }

    async fn read_page(&self, caller: &Caller, wanted: &Wanted) -> Result<Bytes> {
        let Wanted { filter, order, page, per_page } = wanted;
        // Beyond what the database can count there is nothing either.
        let offset = (page - 1).saturating_mul(*per_page).min(i64::MAX as u64);
        let (rows, total) = self.tasks.list(caller.workspace_id, filter, order, offset, *per_page).await?;
        let meta = Meta { page: *page, per_page: *per_page, total, total_pages: total.div_ceil(*per_page) };
        super::json(&TaskPage::new(rows.into_iter().map(Task::from).collect(), meta))
    }
}

impl Wanted {
    fn new(query: TaskQuery) -> Result<Self> {
        let page = query.page.unwrap_or(1);
        if page == 0 {
            return Err(Error::invalid("page", "must be 1 or more"));
        }
        let per_page = query.per_page.unwrap_or(DEFAULT_PER_PAGE);
        if !(1..=MAX_PER_PAGE).contains(&per_page) {
            return Err(Error::invalid("per_page", format!("must be 1 to {MAX_PER_PAGE}")));
        }
        for (field, text) in [("filter", &query.filter), ("title", &query.title)] {
            let text = text.as_deref().unwrap_or_default();
            if text.contains('\0') {
                return Err(Error::invalid(field, "must not have U+0000"));
            }
            if text.chars().count() > MAX_FILTER {
                return Err(Error::invalid(field, format!("must have at most {MAX_FILTER} characters")));
            }
        }
        let filter = TaskFilter {
            containing: query.filter.filter(|text| !text.is_empty()),
            status: query.status.map(|status| status.as_str().to_owned()),
            assignee_id: query.assignee_id,
            title: query.title,
            run_id: query.run_id,
        };
        Ok(Self { filter, order: order(query.sort.as_deref())?, page, per_page })
    }
}

/// The order that `sort` asks for; the id, in the direction of the last part, makes it a total one.
fn order(sort: Option<&str>) -> Result<Vec<Sort>> {
    let mut order: Vec<Sort> = Vec::new();
    for part in sort.unwrap_or("-createdAt").split(',').map(str::trim) {
        let (name, descending) = part.strip_prefix('-').map_or((part, false), |name| (name, true));
        let Some((_, column)) = SORTABLE.into_iter().find(|(known, _)| *known == name) else {
            let names = SORTABLE.map(|(name, _)| name).join(", ");
            return Err(Error::invalid("sort", format!("each part must be one of {names}, with `-` for descending")));
        };
        if order.iter().any(|sort| sort.column == column) {
            return Err(Error::invalid("sort", format!("must name `{name}` once")));
        }
        order.push(Sort { column, descending });
    }
    if !order.iter().any(|sort| sort.column == SortColumn::Id) {
        let descending = order.last().is_some_and(|sort| sort.descending);
        order.push(Sort { column: SortColumn::Id, descending });
    }
    Ok(order)
}
