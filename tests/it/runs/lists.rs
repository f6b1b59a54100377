//! Lists of runs: every filter, the order, and pages that neither repeat nor skip.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::runs::{TRACE, app, id};
use crate::support::{Client, run};

async fn names(client: &Client, query: &str) -> Vec<String> {
    let page = client.get(&format!("/runs?{query}")).await.ok(200);
    page["items"].as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap().to_owned()).collect()
}

fn at(name: &str, second: u32, more: &Value) -> Value {
    let mut run = run(None, name);
    run["start_time"] = format!("2026-01-02T03:04:{second:02}.000001Z").into();
    run["end_time"] = format!("2026-01-02T03:05:{second:02}Z").into();
    for (key, value) in more.as_object().unwrap() {
        run[key] = value.clone();
    }
    run
}

#[tokio::test]
async fn every_filter_cuts_the_list_and_all_of_them_together() {
    let (_app, ada) = app().await;
    let other = id();
    let runs = json!([
        at(
            "one",
            1,
            &json!({"run_type": "llm", "tags": ["x", "y"], "metadata": {"user": "ada", "n": 7, "ok": true, "a.b": "dot"}})
        ),
        at("two", 2, &json!({"trace_id": other, "session_name": "proj", "tags": ["x"]})),
        at("three", 3, &json!({"error": "boom", "metadata": {"user": "bob", "n": 8}})),
        at("four", 4, &json!({"end_time": null, "metadata": {"q'\"": "%_'; DROP TABLE runs --"}})),
    ]);
    ada.create(&runs).await;
    for (query, expected) in [
        ("", vec!["four", "three", "two", "one"]),
        (&format!("trace_id={other}"), vec!["two"]),
        (&format!("trace_id={}", other.replace('-', "")), vec!["two"]),
        ("project=proj", vec!["two"]),
        ("project=default", vec!["four", "three", "one"]),
        ("project=nothing", vec![]),
        ("name=three", vec!["three"]),
        ("name=thre", vec![]),
        ("run_type=llm", vec!["one"]),
        ("status=error", vec!["three"]),
        ("status=pending", vec!["four"]),
        ("status=success", vec!["two", "one"]),
        ("tag=x", vec!["two", "one"]),
        ("tag=y", vec!["one"]),
        ("tag=", vec![]),
        ("metadata.user=ada", vec!["one"]),
        ("metadata.n=8", vec!["three"]),
        ("metadata.ok=true", vec!["one"]),
        ("metadata.a.b=dot", vec!["one"]),
        ("metadata.n=7&metadata.user=ada", vec!["one"]),
        ("metadata.n=7&metadata.user=bob", vec![]),
        ("metadata.q'%22=%25_'%3B%20DROP%20TABLE%20runs%20--", vec!["four"]),
        ("has_error=true", vec!["three"]),
        ("has_error=false", vec!["four", "two", "one"]),
        ("start_time=2026-01-02T03:04:03.000001Z", vec!["four", "three"]),
        ("end_time=2026-01-02T03:04:02.000001%2B00:00", vec!["two", "one"]),
        ("start_time=2026-01-02T04:04:02.000001+01:00&end_time=2026-01-02T03:04:03.000001Z", vec!["three", "two"]),
        ("status=success&tag=x&project=default", vec!["one"]),
    ] {
        assert_eq!(names(&ada, query).await, expected, "{query}");
    }
    let light = ada.get("/runs?name=one").await.ok(200)["items"][0].clone();
    assert_eq!(light["inputs_preview"], r#"{"query":"What is the weather in San Francisco?"}"#);
    assert_eq!(light["metadata"]["n"], "7");
    assert!(light.get("inputs").is_none(), "a list has no payload");
    let project = ada.get("/runs?name=two").await.ok(200)["items"][0]["project_id"].as_str().unwrap().to_owned();
    assert_eq!(names(&ada, &format!("project={project}")).await, ["two"]);
}

#[tokio::test]
async fn filters_that_make_no_sense_are_refused_by_name() {
    let (_app, ada) = app().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("cursor=abc", "cursor"),
        ("cursor=", "cursor"),
        ("status=done", "status"),
        ("trace_id=zz", "trace_id"),
        ("has_error=perhaps", "has_error"),
        ("start_time=yesterday", "start_time"),
        ("end_time=1", "end_time"),
        ("filter=x", "filter"),
        ("metadata.=x", "metadata."),
    ] {
        assert_eq!(ada.get(&format!("/runs?{query}")).await.field(422), field, "{query}");
    }
    let long = "x".repeat(65);
    assert_eq!(ada.get(&format!("/runs?metadata.k={long}")).await.field(422), "metadata.k");
}

#[tokio::test]
async fn pages_show_every_run_once_while_others_come_and_go() {
    let (_app, ada) = app().await;
    let mut stay = BTreeSet::new();
    let mut leave = Vec::new();
    for round in 0..6 {
        // Many runs of one moment: the id must break the tie.
        let runs: Vec<Value> = (0..9).map(|_| at("n", 10 + round, &json!({}))).collect();
        let ids = ada.create(&runs.into()).await;
        leave.push(ids[4].clone());
        stay.extend(ids.into_iter().enumerate().filter(|(index, _)| *index != 4).map(|(_, id)| id));
    }
    for limit in [1, 7, 20] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        for page in 0.. {
            let answer = ada.get(&format!("/runs?limit={limit}{cursor}")).await.ok(200);
            let items = answer["items"].as_array().unwrap();
            assert!(items.len() <= limit);
            seen.extend(items.iter().map(|run| run["id"].as_str().unwrap().to_owned()));
            if page % 3 == 1 {
                ada.create(&json!([at("new", 59, &json!({})), at("old", 1, &json!({"tags": ["late"]}))])).await;
                if let Some(id) = leave.pop() {
                    ada.delete(&format!("/runs/{id}")).await.ok(204);
                }
            }
            match answer["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let once: BTreeSet<String> = seen.iter().cloned().collect();
        assert_eq!(once.len(), seen.len(), "nothing twice with pages of {limit}");
        assert!(stay.is_subset(&once), "nothing left out with pages of {limit}");
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_its_list_and_its_workspace() {
    let (app, ada) = app().await;
    let bob = app.user("bob").await;
    let runs = json!([run(None, "A"), run(None, "A"), run(None, "A")]);
    ada.create(&runs).await;
    bob.create(&runs).await;
    let cursor = ada.get("/runs?limit=1").await.ok(200)["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(ada.get(&format!("/runs?limit=2&cursor={cursor}")).await.ok(200)["items"].as_array().unwrap().len(), 2);
    assert_eq!(ada.get(&format!("/runs?name=A&cursor={cursor}")).await.field(422), "cursor");
    assert_eq!(bob.get(&format!("/runs?cursor={cursor}")).await.field(422), "cursor");
    assert_eq!(ada.get(&format!("/runs?cursor={}", &cursor[1..])).await.field(422), "cursor");
    assert_eq!(ada.get(&format!("/traces/{TRACE}")).await.ok(200)["runs"].as_array().unwrap().len(), 3);
}
