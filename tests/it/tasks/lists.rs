//! Lists of tasks: pages with true numbers in a stable order, by each of their parameters.

use serde_json::{Value, json};

use super::{app, create, page, titles};
use crate::support::{Client, run};

async fn numbered(client: &Client, count: usize) {
    let tasks: Vec<Value> = (1..=count).map(|n| json!({"title": format!("task {n:03}")})).collect();
    client.post("/api/tasks/bulk", &json!(tasks)).await.ok(200);
}

fn meta(page: u64, per_page: u64, total: u64, total_pages: u64) -> Value {
    json!({"page": page, "per_page": per_page, "total": total, "total_pages": total_pages})
}

#[tokio::test]
async fn an_empty_list_is_empty_and_has_no_pages() {
    let (_app, ada) = app().await;
    let empty = page(&ada, "").await;
    assert_eq!((&empty["data"], &empty["meta"]), (&json!([]), &meta(1, 20, 0, 0)));
    let beyond = page(&ada, "page=7&per_page=3").await;
    assert_eq!((&beyond["data"], &beyond["meta"]), (&json!([]), &meta(7, 3, 0, 0)));
}

#[tokio::test]
async fn every_task_is_on_exactly_one_page() {
    let (_app, ada) = app().await;
    numbered(&ada, 45).await;
    let first = page(&ada, "").await;
    assert_eq!(first["meta"], meta(1, 20, 45, 3));
    assert_eq!((first["data"].as_array().unwrap().len(), &first["data"][0]["title"]), (20, &json!("task 045")));
    for per_page in [1, 7, 20, 45, 100] {
        let (mut seen, pages) = (Vec::new(), 45_usize.div_ceil(per_page));
        for number in 1..=pages {
            let query = format!("page={number}&per_page={per_page}");
            assert_eq!(page(&ada, &query).await["meta"], meta(number as u64, per_page as u64, 45, pages as u64));
            seen.extend(titles(&ada, &query).await);
        }
        let newest_first: Vec<String> = (1..=45).rev().map(|n| format!("task {n:03}")).collect();
        assert_eq!(seen, newest_first, "{per_page}");
    }
    let beyond = page(&ada, "page=4").await;
    assert_eq!((&beyond["data"], &beyond["meta"]), (&json!([]), &meta(4, 20, 45, 3)));
    let far = page(&ada, "page=18446744073709551615&per_page=100").await;
    assert_eq!((&far["data"], &far["meta"]["total"]), (&json!([]), &json!(45)));
}

#[tokio::test]
async fn parameters_out_of_bounds_are_refused_by_name() {
    let (_app, ada) = app().await;
    let long = "x".repeat(1_001);
    for (query, field) in [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=one", "page"),
        ("page=18446744073709551616", "page"),
        ("per_page=0", "per_page"),
        ("per_page=101", "per_page"),
        ("per_page=", "per_page"),
        ("status=finished", "status"),
        ("status=done'--", "status"),
        ("assigneeID=me", "assigneeID"),
        ("run_id=7", "run_id"),
        ("filter=%00", "filter"),
        ("title=a%00b", "title"),
        (&format!("filter={long}"), "filter"),
        ("sort=", "sort"),
        ("sort=titel", "sort"),
        ("sort=title,,id", "sort"),
        ("sort=title,-title", "sort"),
        ("sort=--title", "sort"),
        ("sort=title%20desc", "sort"),
        ("sort=version", "sort"),
        ("sort=assignee_id", "sort"),
        ("sort=title;drop%20table%20tasks", "sort"),
        ("sort=(select%201)", "sort"),
        ("assignee_id=7", "assignee_id"),
        ("limit=7", "limit"),
        ("include=task_count", "include"),
    ] {
        assert_eq!(ada.get(&format!("/api/tasks?{query}")).await.field(422), field, "{query}");
    }
    ada.get("/api/tasks?per_page=100&page=1").await.ok(200);
}

#[tokio::test]
async fn each_condition_narrows_the_list_and_all_of_them_hold() {
    let (_app, ada) = app().await;
    let run = ada.create(&json!([run(None, "Weather Query")])).await.remove(0);
    create(&ada, &json!({"title": "one", "status": "done", "assigneeID": 7, "run_id": run})).await;
    create(&ada, &json!({"title": "two", "status": "in_progress", "assigneeID": 7})).await;
    create(&ada, &json!({"title": "three", "status": "canceled", "assigneeID": 8, "run_id": run})).await;
    create(&ada, &json!({"title": "one"})).await;
    for (query, expected) in [
        ("status=done", vec!["one"]),
        ("status=in_progress", vec!["two"]),
        ("status=canceled", vec!["three"]),
        ("status=pending", vec!["one"]),
        ("assigneeID=7", vec!["two", "one"]),
        ("assigneeID=0", vec!["one"]),
        ("assigneeID=9", vec![]),
        ("title=one", vec!["one", "one"]),
        ("title=One", vec![]),
        ("title=on", vec![]),
        ("title=", vec![]),
        (&format!("run_id={run}"), vec!["three", "one"]),
        (&format!("run_id={}", run.replace('-', "")), vec!["three", "one"]),
        ("run_id=00000000-0000-4000-8000-000000000000", vec![]),
        (&format!("run_id={run}&assigneeID=7&status=done&title=one&filter=ON"), vec!["one"]),
        (&format!("run_id={run}&status=pending"), vec![]),
    ] {
        assert_eq!(titles(&ada, query).await, expected, "{query}");
        let total = page(&ada, query).await["meta"]["total"].clone();
        assert_eq!(total, json!(expected.len()), "{query}");
    }
}

#[tokio::test]
async fn a_list_is_sorted_by_what_is_asked_for_and_then_by_id() {
    let (_app, ada) = app().await;
    for (title, status, assignee) in
        [("b", "done", 2), ("a", "pending", 1), ("B", "done", 10), ("ä", "canceled", 2), ("a", "in_progress", 3)]
    {
        create(&ada, &json!({"title": title, "status": status, "assigneeID": assignee, "description": title})).await;
    }
    ada.call("PATCH", "/api/tasks/2", &json!({"assigneeID": 11})).await.ok(200);
    let ids = async |query: &str| -> Vec<u64> {
        let page = page(&ada, query).await;
        page["data"].as_array().unwrap().iter().map(|task| task["id"].as_u64().unwrap()).collect()
    };
    for (sort, expected) in [
        ("id", [1, 2, 3, 4, 5]),
        ("-id", [5, 4, 3, 2, 1]),
        ("createdAt", [1, 2, 3, 4, 5]),
        ("-createdAt", [5, 4, 3, 2, 1]),
        ("updatedAt", [1, 3, 4, 5, 2]),
        ("-updatedAt", [2, 5, 4, 3, 1]),
        ("title", [3, 2, 5, 1, 4]),
        ("-title", [4, 1, 5, 2, 3]),
        ("title,-id", [3, 5, 2, 1, 4]),
        ("description", [3, 2, 5, 1, 4]),
        ("status", [4, 1, 3, 5, 2]),
        ("status,-title", [4, 1, 3, 5, 2]),
        ("status,title", [4, 3, 1, 5, 2]),
        ("assigneeID", [1, 4, 5, 3, 2]),
        ("assigneeID,%20-createdAt", [4, 1, 5, 3, 2]),
    ] {
        assert_eq!(ids(&format!("sort={sort}")).await, expected, "{sort}");
        let mut paged = Vec::new();
        for page in 1..=3 {
            paged.extend(ids(&format!("sort={sort}&per_page=2&page={page}")).await);
        }
        assert_eq!(paged, expected, "{sort}");
    }
}
