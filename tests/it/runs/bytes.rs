//! Payloads come back as the bytes that were sent.

use std::io::Write;

use crate::runs::{TRACE, app, raw};

/// Objects that a parser and a printer in between would change.
fn awkward() -> Vec<String> {
    let deep = |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
    vec![
        r#"{}"#.to_owned(),
        "{ \t\r\n }".to_owned(),
        r#"{"nul":"a\u0000b","raw":"ünïcödé 😀 \u00e9\ud83d\ude00"}"#.to_owned(),
        r#"{"big":340282366920938463463374607431768211456000,"neg":-18446744073709551617}"#.to_owned(),
        r#"{"huge":1e400,"tiny":1E-400,"zero":-0,"long":0.10000000000000000000000000000001}"#.to_owned(),
        r#"{"twice":1,"twice":2,"b":0,"a":0}"#.to_owned(),
        "{\n  \"spaced\" :\t[ 1 ,2,\r\n3 ] ,\"x\":{ } }".to_owned(),
        r#"{"escapes":"\"\\\/\b\f\n\r\t\u0041\u00E9","lone":"\ud800 \udc00\udfff"}"#.to_owned(),
        r#"{"k\u0065y":true,"":null,"\\":"\\\\","nested":{"inputs":{"outputs":"\"}]"}}}"#.to_owned(),
        deep(100),
        deep(252),
        format!("{{\"long\":\"{}\"}}", "x\\n€".repeat(40_000)),
        "{\"del\":\"\u{7f}\u{80}\u{2028}\u{feff}\u{10ffff}\"}".to_owned(),
    ]
}

#[tokio::test]
async fn payloads_come_back_byte_for_byte_in_a_batch_and_alone() {
    let (_app, ada) = app().await;
    let objects = awkward();
    for shift in 0..3 {
        let runs: Vec<String> = (0..objects.len())
            .map(|index| {
                let pick = |offset: usize| &objects[(index + offset * (shift + 1)) % objects.len()];
                format!(
                    " {{\"name\" : \"n{index}\",\"metadata\":{},\n\"outputs\":{} ,\"trace_id\":\"{TRACE}\",\"inputs\":{}}}",
                    pick(2),
                    pick(1),
                    pick(0)
                )
            })
            .collect();
        let batch = format!("\n[{} ] ", runs.join(" ,\t"));
        let ids = ada.post_bytes("/runs", batch).await.ok(201);
        for (index, run) in runs.iter().enumerate() {
            let found = ada.get(&format!("/runs/{}", ids["ids"][index].as_str().unwrap())).await;
            assert_eq!(found.status, 200);
            for member in ["inputs", "outputs", "metadata"] {
                assert_eq!(raw(&found.text(), member), raw(run, member), "{member} of {index}");
            }
        }
        let alone = ada.post_bytes("/runs", runs[0].clone()).await.ok(201);
        let found = ada.get(&format!("/runs/{}", alone["ids"][0].as_str().unwrap())).await.text();
        assert_eq!(raw(&found, "inputs"), raw(&runs[0], "inputs"));
    }
}

#[tokio::test]
async fn compressed_bodies_are_kept_decoded() {
    let (_app, ada) = app().await;
    let run = format!("[{{\"trace_id\":\"{TRACE}\",\"name\":\"zip\",\"inputs\":{{ \"a\" : 1e400 }}}}]");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(run.as_bytes()).unwrap();
    let zstd = zstd::encode_all(run.as_bytes(), 3).unwrap();
    for (encoding, body) in [("gzip", gzip.finish().unwrap()), ("zstd", zstd), ("identity", run.into_bytes())] {
        let ids = ada.clone().with("content-encoding", encoding).post_bytes("/runs", body).await.ok(201);
        let found = ada.get(&format!("/runs/{}", ids["ids"][0].as_str().unwrap())).await.text();
        assert_eq!(raw(&found, "inputs"), "{ \"a\" : 1e400 }", "{encoding}");
    }
}

#[tokio::test]
async fn what_is_missing_or_null_is_an_empty_object() {
    let (_app, ada) = app().await;
    let run = format!("{{\"trace_id\":\"{TRACE}\",\"name\":\"bare\",\"inputs\":null}}");
    let ids = ada.post_bytes("/runs", run).await.ok(201);
    let found = ada.get(&format!("/runs/{}", ids["ids"][0].as_str().unwrap())).await.text();
    for member in ["inputs", "outputs", "metadata"] {
        assert_eq!(raw(&found, member), "{}", "{member}");
    }
}

#[tokio::test]
async fn any_text_can_be_a_name_and_be_searched_by() {
    let (_app, ada) = app().await;
    for (name, shown) in
        [("a\\u0000b", "a\0b"), ("\u{10ffff}0", "\u{10ffff}0"), ("\\ud800x", "\u{fffd}x"), ("q'\\\"%_;--", "q'\"%_;--")]
    {
        let run = format!("[{{\"trace_id\":\"{TRACE}\",\"name\":\"{name}\"}}]");
        let ids = ada.post_bytes("/runs", run).await.ok(201);
        let found = ada.get(&format!("/runs/{}", ids["ids"][0].as_str().unwrap())).await.ok(200);
        assert_eq!(found["name"], shown);
        let query = serde_urlencoded::to_string([("name", shown)]).unwrap();
        let listed = ada.get(&format!("/runs?{query}")).await.ok(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{name}");
        assert_eq!(listed["items"][0]["name"], shown);
    }
}

#[tokio::test]
async fn the_fields_of_the_langsmith_form_come_back() {
    let (_app, ada) = app().await;
    let run = r#"{"id":"0192F5C3A6B87C4D9E1F223344556677","trace_id":"944ce838b5c546288f23089fbda8b9e3","name":"call",
        "run_type":"llm","parent_run_id":"11111111-2222-1333-8444-555555555555","session_name":"proj é",
        "start_time":"2026-01-02T03:04:05.678901+02:00","end_time":1767323046500,"error":"boom\u0000 \n",
        "tags":["a","b"],"extra":{ "metadata" : {"x":1} },"events":[ {"name":"new_token"} ],"serialized":{"z":[]},
        "dotted_order":"20260102T010405678901Z944ce838-b5c5-4628-8f23-089fbda8b9e3","child_runs":[],"unknown":{"a":[1]}}"#;
    let ids = ada.post_bytes("/runs", run).await.ok(201);
    assert_eq!(ids["ids"][0], "0192f5c3-a6b8-7c4d-9e1f-223344556677");
    let found = ada.get("/runs/0192f5c3a6b87c4d9e1f223344556677").await;
    let text = found.text();
    let found = found.ok(200);
    assert_eq!(found["run_type"], "llm");
    assert_eq!(found["status"], "error");
    assert_eq!(found["error"], "boom\0 \n");
    assert_eq!(found["start_time"], "2026-01-02T01:04:05.678901Z");
    assert_eq!(found["end_time"], "2026-01-02T03:04:06.500000Z");
    assert_eq!(found["project"], "proj é");
    assert_eq!(found["tags"], serde_json::json!(["a", "b"]));
    assert_eq!(found["parent_run_id"], "11111111-2222-1333-8444-555555555555");
    assert_eq!(raw(&text, "extra"), "{ \"metadata\" : {\"x\":1} }");
    assert_eq!(raw(&text, "events"), "[ {\"name\":\"new_token\"} ]");
    assert_eq!(raw(&text, "serialized"), "{\"z\":[]}");
}

#[tokio::test]
async fn a_run_without_times_is_over_and_one_that_has_begun_is_pending() {
    let (_app, ada) = app().await;
    let begun = r#""start_time":"2026-01-02T03:04:05Z""#;
    for (times, status) in [
        (String::new(), "success"),
        (format!(",{begun}"), "pending"),
        (format!(",{begun},\"end_time\":\"2026-01-02T03:04:06\""), "success"),
        (format!(",{begun},\"error\":\"no\""), "error"),
    ] {
        let run = format!("{{\"trace_id\":\"{TRACE}\",\"name\":\"n\"{times}}}");
        let ids = ada.post_bytes("/runs", run).await.ok(201);
        let found = ada.get(&format!("/runs/{}", ids["ids"][0].as_str().unwrap())).await.ok(200);
        assert_eq!(found["status"], status, "{times}");
        assert_eq!(found["end_time"].is_null(), status != "success", "{times}");
    }
}
