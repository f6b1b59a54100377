//! Lists: the order, the filter, and pages that show each favorite once whatever comes and goes.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::favorites::{app, audience, chart, insight, keep, listed, walk};
use crate::support::Client;

#[tokio::test]
async fn a_list_is_newest_first_and_filtered_by_type() {
    let (_app, ada) = app().await;
    assert_eq!(ada.get("/favorites").await.ok(200), json!({"items": [], "next_cursor": null}));
    for n in 0..5 {
        keep(&ada, &insight(&format!("i{n}"))).await;
        keep(&ada, &chart(&format!("c{n}"))).await;
    }
    keep(&ada, &audience("a")).await;
    // The first look is at the database, and those after it at what it left in the cache.
    for _ in 0..3 {
        let names = listed(&ada, "", "name").await;
        assert_eq!(names, ["a", "c4", "i4", "c3", "i3", "c2", "i2", "c1", "i1", "c0"]);
        assert_eq!(listed(&ada, "limit=1000", "name").await.len(), 11);
        assert_eq!(listed(&ada, "type=chart", "name").await, ["c4", "c3", "c2", "c1", "c0"]);
        assert_eq!(listed(&ada, "type=insight&limit=2", "name").await, ["i4", "i3"]);
        assert_eq!(listed(&ada, "type=audience", "name").await, ["a"]);
        for limit in [1, 2, 3, 10, 11] {
            assert_eq!(walk(&ada, &format!("limit={limit}")).await, listed(&ada, "limit=1000", "id").await);
            let charts = listed(&ada, "type=chart&limit=1000", "id").await;
            assert_eq!(walk(&ada, &format!("limit={limit}&type=chart")).await, charts);
        }
    }
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_refused_by_name() {
    let (_app, ada) = app().await;
    keep(&ada, &insight("i")).await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=1;DROP%20TABLE%20favorites", "limit"),
        ("cursor=", "cursor"),
        ("cursor=abc", "cursor"),
        ("cursor='%20OR%201=1--", "cursor"),
        ("type=note", "type"),
        ("type=", "type"),
        ("type=insight'%20OR%20'1'='1", "type"),
        ("page=2", "page"),
        ("filter=x", "filter"),
        ("limit=1&sort=name", "sort"),
    ] {
        assert_eq!(ada.get(&format!("/favorites?{query}")).await.field(422), field, "{query}");
        // A stream has no pages, but a filter all the same.
        if field != "limit" && field != "cursor" {
            let lines = ada.clone().with("accept", "application/x-ndjson");
            assert_eq!(lines.get(&format!("/favorites?{query}")).await.field(422), field, "{query}");
        }
    }
    for id in ["x", "1%20OR%201=1", "944ce838-b5c5-4628-8f23"] {
        assert_eq!(ada.get(&format!("/favorites/{id}")).await.field(422), "id");
    }
    assert_eq!(listed(&ada, "", "name").await, ["i"]);
}

#[tokio::test]
async fn a_cursor_belongs_to_its_list_and_its_user_and_cannot_be_made_up() {
    let (app, ada) = app().await;
    let bob = app.user("bob").await;
    for n in 0..4 {
        keep(&ada, &insight(&format!("{n}"))).await;
        keep(&bob, &insight(&format!("{n}"))).await;
    }
    for _ in 0..2 {
        let cursor = ada.get("/favorites?limit=1").await.ok(200)["next_cursor"].as_str().unwrap().to_owned();
        assert_eq!(listed(&ada, &format!("limit=2&cursor={cursor}"), "name").await, ["2", "1"]);
        assert_eq!(bob.get(&format!("/favorites?cursor={cursor}")).await.field(422), "cursor");
        assert_eq!(ada.get(&format!("/favorites?type=insight&cursor={cursor}")).await.field(422), "cursor");
        assert_eq!(ada.get(&format!("/runs?cursor={cursor}")).await.field(422), "cursor");
        for cut in 0..cursor.len() {
            assert_eq!(ada.get(&format!("/favorites?cursor={}", &cursor[..cut])).await.field(422), "cursor");
        }
        for place in 0..cursor.len() {
            let mut forged = cursor.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(ada.get(&format!("/favorites?cursor={forged}")).await.field(422), "cursor", "{place}");
        }
    }
}

/// Stores this many insights of one moment, so that only ids tell them apart.
async fn import(ada: &Client, moment: &str, count: usize) {
    let line = json!({"type": "insight", "name": "n", "content": "c", "created_at": moment}).to_string() + "\n";
    assert_eq!(ada.post_bytes("/favorites/import", line.repeat(count)).await.ok(200)["created"], count);
}

#[tokio::test]
async fn pages_show_what_is_there_all_the_while_exactly_once_while_others_come_and_go() {
    let (_app, ada) = app().await;
    for second in 0..6 {
        import(&ada, &format!("2026-01-01T00:00:0{second}Z"), 20).await;
    }
    let mut rng = StdRng::seed_from_u64(7);
    for round in 0..12 {
        let before: BTreeSet<String> = walk(&ada, "limit=1000").await.into_iter().collect();
        let mut gone: BTreeSet<String> = BTreeSet::new();
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        let limit = rng.random_range(1..40);
        loop {
            let page = ada.get(&format!("/favorites?limit={limit}{cursor}")).await.ok(200);
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit);
            seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            for _ in 0..rng.random_range(0..3) {
                match rng.random_range(0..3) {
                    0 => drop(keep(&ada, &insight("new")).await),
                    1 => import(&ada, "2026-01-01T00:00:03Z", 1).await,
                    _ => {
                        let all: Vec<&String> = before.difference(&gone).collect();
                        let id = all[rng.random_range(0..all.len())].clone();
                        ada.delete(&format!("/favorites/{id}")).await.ok(204);
                        gone.insert(id);
                    }
                }
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let once: BTreeSet<String> = seen.iter().cloned().collect();
        assert_eq!(once.len(), seen.len(), "something twice in round {round} with pages of {limit}");
        let stayed: BTreeSet<String> = before.difference(&gone).cloned().collect();
        assert!(stayed.is_subset(&once), "something left out in round {round} with pages of {limit}");
        if gone.len() * 3 > before.len() {
            import(&ada, "2026-01-01T00:00:04Z", 40).await;
        }
    }
}

#[tokio::test]
async fn a_page_of_large_charts_is_as_long_as_was_asked() {
    let (_app, ada) = app().await;
    let data: Value = "x".repeat(900_000).into();
    for n in 0..6 {
        keep(&ada, &json!({"type": "chart", "name": format!("{n}"), "x_axis": "x", "data": data})).await;
    }
    for _ in 0..2 {
        assert_eq!(listed(&ada, "", "name").await, ["5", "4", "3", "2", "1", "0"]);
        let page = ada.get("/favorites?limit=4").await.ok(200);
        assert_eq!(page["items"].as_array().unwrap().len(), 4);
        assert!(page["items"].as_array().unwrap().iter().all(|item| item["data"] == data));
        let cursor = page["next_cursor"].as_str().unwrap();
        assert_eq!(listed(&ada, &format!("cursor={cursor}"), "name").await, ["1", "0"]);
    }
}
