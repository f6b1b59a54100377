//! Imports: what an export gave comes back byte for byte; all of it or nothing, and the line that is wrong by name.

use serde_json::{Value, json};

use crate::favorites::{app, audience, chart, insight, keep, lines, listed, walk};
use crate::support::TestApp;

#[tokio::test]
async fn an_export_imported_elsewhere_exports_the_same_bytes() {
    let (app, ada) = app().await;
    for n in 0..20 {
        let id = keep(&ada, &[insight, chart, audience][n % 3](&format!("{n} \u{1f600} \"\\"))).await;
        if n % 4 == 0 {
            ada.call("PATCH", &format!("/favorites/{id}"), &json!({"description": "changed\n"})).await.ok(200);
        }
    }
    let spaced =
        "{\"type\":\"chart\",\"name\":\"n\",\"x_axis\":\"x\",\"data\":[ 1e400,\n\t\"\\ud800\\u0000\" ,\r\n {} ]}";
    assert_eq!(ada.post_bytes("/favorites", spaced).await.status, 201);
    let rules = json!({"social_hours_min": 23.99, "age_min": 1, "purchases_last_month_min": 3});
    keep(&ada, &json!({"type": "audience", "name": "n", "rules": rules})).await;
    let exported = lines(&ada, "/favorites/export").await;
    assert_eq!(exported.lines().count(), 22);

    let (bob, elsewhere) = (app.user("bob").await, TestApp::spawn().await);
    let eve = elsewhere.user("eve").await;
    for other in [&bob, &eve] {
        let done = other.post_bytes("/favorites/import", exported.clone()).await.ok(200);
        assert_eq!(done, json!({"created": 22, "unchanged": 0}));
        assert_eq!(lines(other, "/favorites/export").await, exported);
        let page = other.get("/favorites?limit=1").await.ok(200);
        let first: Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
        assert_eq!(page["items"][0], first);
    }
    // The same once more changes nothing, not where it came from either, and not packed.
    for client in [&ada, &bob] {
        let done = client.post_bytes("/favorites/import", exported.clone()).await.ok(200);
        assert_eq!(done, json!({"created": 0, "unchanged": 22}));
    }
    let packed = zstd::encode_all(format!("\n{exported}\n\n").as_bytes(), 3).unwrap();
    let done = ada.clone().with("content-encoding", "zstd").post_bytes("/favorites/import", packed).await.ok(200);
    assert_eq!(done["unchanged"], 22);
    assert_eq!(lines(&ada, "/favorites/export").await, exported);
}

#[tokio::test]
async fn what_an_import_brings_is_in_every_list_at_once() {
    let (_app, ada) = app().await;
    for n in 0..3 {
        keep(&ada, &insight(&format!("{n}"))).await;
    }
    for round in 0..3 {
        let before = walk(&ada, "limit=2").await;
        let line = json!({"type": "chart", "name": "old", "y_axis": "y", "created_at": "2020-01-01T00:00:00Z"});
        let absent = "01234567-89ab-4def-8123-456789abcde".to_owned() + &round.to_string();
        ada.get(&format!("/favorites/{absent}")).await.problem(404);
        let mut named = line.clone();
        named["id"] = absent.clone().into();
        ada.post_bytes("/favorites/import", format!("{line}\n{named}")).await.ok(200);
        let after = walk(&ada, "limit=2").await;
        assert_eq!(after.len(), before.len() + 2);
        assert_eq!(after[..before.len().min(3)], before[..before.len().min(3)]);
        let found = ada.get(&format!("/favorites/{absent}")).await.ok(200);
        assert_eq!(
            (&found["created_at"], &found["updated_at"]),
            (&"2020-01-01T00:00:00.000000Z".into(), &found["created_at"])
        );
    }
    assert_eq!(listed(&ada, "type=chart", "name").await.len(), 6);
}

#[tokio::test]
async fn an_import_is_taken_whole_or_not_at_all_and_names_the_line() {
    let (_app, ada) = app().await;
    let good = insight("good").to_string();
    let id = keep(&ada, &insight("mine")).await;
    let mut other = ada.get(&format!("/favorites/{id}")).await.ok(200);
    other["name"] = "another".into();
    let many = format!("{good}\n").repeat(1_500);
    let long = format!("{{\"type\":\"insight\",\"name\":\"{}\"}}", "x".repeat(2 * 1024 * 1024));
    let data = json!({"type": "chart", "name": "n", "x_axis": "x", "data": "x".repeat(1024 * 1024)});
    for (body, status, field) in [
        (format!("{good}\n{{\n"), 400, "[1]"),
        (format!("{good}\n\n{good},\n"), 400, "[2]"),
        (format!("{good}\n[]"), 422, "[1]"),
        (format!("{good}\n7"), 422, "[1]"),
        (format!("{good}\n{{\"type\":\"insight\",\"name\":\"\",\"content\":\"c\"}}"), 422, "[1].name"),
        (format!("{good}\n{{\"type\":\"insight\",\"name\":\"n\",\"x_axis\":\"c\"}}"), 422, "[1].x_axis"),
        (format!("{good}\n{{\"type\":\"note\"}}"), 422, "[1].type"),
        (format!("{good}\n{{\"type\":\"insight\",\"name\":\"n\",\"content\":\"c\",\"id\":\"x\"}}"), 422, "[1].id"),
        (
            format!(
                "{good}\n{{\"type\":\"insight\",\"name\":\"n\",\"content\":\"c\",\"created_at\":\"1969-12-31T23:59:59Z\"}}"
            ),
            422,
            "[1].created_at",
        ),
        (format!("{good}\n{data}"), 413, "[1].data"),
        (format!("{good}\n{long}"), 413, "[1]"),
        (format!("{good}\n{other}\n{good}"), 409, "[1].id"),
        (format!("{many}{other}\n{good}"), 409, "[1500].id"),
        (format!("{many}\u{0}"), 400, "[1500]"),
    ] {
        let reply = ada.post_bytes("/favorites/import", body).await;
        assert_eq!(reply.field(status), field, "{}", reply.text());
        let number = field[1..].split(']').next().unwrap().parse::<u64>().unwrap() + 1;
        assert!(reply.problem(status)["detail"].as_str().unwrap().contains(&format!("line {number}")));
        assert_eq!(listed(&ada, "limit=1000", "name").await, ["mine"]);
    }
    let twice = "01234567-89ab-4def-8123-456789abcdef";
    let line = |name: &str| {
        format!(
            "{{\"type\":\"insight\",\"name\":\"{name}\",\"content\":\"c\",\"id\":\"{twice}\",\"created_at\":\"2026-01-01T00:00:00Z\"}}"
        )
    };
    let reply = ada.post_bytes("/favorites/import", format!("{}\n{}", line("a"), line("b"))).await;
    assert_eq!(reply.field(409), "[1].id");
    let done = ada.post_bytes("/favorites/import", format!("{}\n{}", line("a"), line("a"))).await.ok(200);
    assert_eq!(done, json!({"created": 1, "unchanged": 1}));
    assert_eq!(ada.post_bytes("/favorites/import", "").await.ok(200), json!({"created": 0, "unchanged": 0}));
}

#[tokio::test]
async fn an_import_that_is_slow_to_arrive_keeps_nobody_from_writing() {
    let (app, ada) = app().await;
    let (tell, told) = tokio::sync::mpsc::unbounded_channel::<Result<bytes::Bytes, std::io::Error>>();
    let body = reqwest::Body::wrap_stream(futures_util::stream::unfold(told, |mut told| async {
        told.recv().await.map(|chunk| (chunk, told))
    }));
    let sender = ada.clone();
    let importing = tokio::spawn(async move { sender.post_bytes("/favorites/import", body).await });
    tell.send(Ok(format!("{}\n", insight("slow")).repeat(2_000).into())).unwrap();
    let bob = app.user("bob").await;
    for n in 0..5 {
        keep(&ada, &insight(&format!("{n}"))).await;
        keep(&bob, &insight(&format!("{n}"))).await;
    }
    assert_eq!(listed(&ada, "limit=1000", "name").await, ["4", "3", "2", "1", "0"]);
    tell.send(Ok(insight("last").to_string().into())).unwrap();
    drop(tell);
    assert_eq!(importing.await.unwrap().ok(200)["created"], 2_001);
    assert_eq!(walk(&ada, "limit=1000").await.len(), 2_006);
    // An import that goes away in the middle leaves nothing.
    let half = format!("{}\n{{\"type\":", insight("half"));
    let broken = futures_util::stream::iter([Ok(half), Err(std::io::Error::other("gone"))]);
    let sent =
        ada.request(reqwest::Method::POST, "/favorites/import").body(reqwest::Body::wrap_stream(broken)).send().await;
    assert!(sent.is_err());
    assert_eq!(walk(&ada, "limit=1000").await.len(), 2_006);
}
