//! A body that is wrong anywhere leaves nothing anywhere, and its answer says where.

use crate::runs::{NOTHING, TRACE, app, stored};

fn good(index: usize) -> String {
    format!("{{\"trace_id\":\"{TRACE}\",\"name\":\"n{index}\",\"inputs\":{{\"i\":{index}}}}}")
}

fn batch(bad: &str, at: usize, of: usize) -> String {
    let runs: Vec<String> = (0..of).map(|index| if index == at { bad.to_owned() } else { good(index) }).collect();
    format!("[{}]", runs.join(","))
}

#[tokio::test]
async fn one_bad_run_among_five_hundred_is_named_and_nothing_is_stored() {
    let (app, ada) = app().await;
    let t = format!("\"trace_id\":\"{TRACE}\"");
    for (bad, field) in [
        (r#"{"name":"x"}"#.to_owned(), "[321].trace_id"),
        (r#"{"name":"x","trace_id":"nope"}"#.to_owned(), "[321].trace_id"),
        (r#"{"name":"x","trace_id":7}"#.to_owned(), "[321].trace_id"),
        (format!("{{{t}}}"), "[321].name"),
        (format!("{{{t},\"name\":null}}"), "[321].name"),
        (format!("{{{t},\"name\":\"\"}}"), "[321].name"),
        (format!("{{{t},\"name\":[]}}"), "[321].name"),
        (format!("{{{t},\"name\":\"x\",\"id\":\"1234\"}}"), "[321].id"),
        (format!("{{{t},\"name\":\"x\",\"inputs\":[]}}"), "[321].inputs"),
        (format!("{{{t},\"name\":\"x\",\"outputs\":\"text\"}}"), "[321].outputs"),
        (format!("{{{t},\"name\":\"x\",\"metadata\":3}}"), "[321].metadata"),
        (format!("{{{t},\"name\":\"x\",\"tags\":[1]}}"), "[321].tags"),
        (format!("{{{t},\"name\":\"x\",\"start_time\":\"yesterday\"}}"), "[321].start_time"),
        ("[]".to_owned(), "[321]"),
        ("17".to_owned(), "[321]"),
        ("null".to_owned(), "[321]"),
    ] {
        let answer = ada.post_bytes("/runs", batch(&bad, 321, 500)).await;
        assert_eq!(answer.field(422), field, "{bad}");
    }
    assert_eq!(stored(&app).await, NOTHING);
}

#[tokio::test]
async fn what_is_not_json_is_refused_wherever_it_breaks() {
    let (app, ada) = app().await;
    let whole = batch(&good(0), 0, 5);
    let mut bodies: Vec<Vec<u8>> = (0..whole.len()).step_by(7).map(|end| whole.as_bytes()[..end].to_vec()).collect();
    let inside = |text: &str| batch(&format!("{{\"trace_id\":\"{TRACE}\",\"name\":\"x\",\"inputs\":{text}}}"), 3, 5);
    for wrong in [
        "{\"a\":01}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":+1}",
        "{\"a\":NaN}",
        "{\"a\":tru}",
        "{\"a\" 1}",
        "{\"a\":1,}",
        "{'a':1}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\u{1}\"}",
        "{\"a\":\"\n\"}",
        "{a:1}",
        "{,}",
        "{\"a\":[1,]}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":[}",
        "{\"a\":1]",
    ] {
        bodies.push(inside(wrong).into_bytes());
    }
    bodies.push([whole.as_bytes(), b" x"].concat());
    bodies.push([whole.as_bytes(), whole.as_bytes()].concat());
    bodies.push([b"\xef\xbb\xbf", whole.as_bytes()].concat());
    for bytes in [b"\xff".as_slice(), b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\x80"] {
        bodies.push(
            [b"[{\"trace_id\":\"", TRACE.as_bytes(), b"\",\"name\":\"x\",\"inputs\":{\"a\":\"", bytes, b"\"}}]"]
                .concat(),
        );
    }
    for body in bodies {
        let text = String::from_utf8_lossy(&body).into_owned();
        let problem = ada.post_bytes("/runs", body).await.problem(400);
        assert_eq!(problem["code"], "malformed", "{text}");
    }
    let named = ada.post_bytes("/runs", inside("{\"a\":01}")).await;
    assert_eq!(named.field(400), "[3].inputs");
    assert_eq!(stored(&app).await, NOTHING);
}

#[tokio::test]
async fn nesting_is_legal_to_256_levels_and_costs_nothing_beyond() {
    let (app, ada) = app().await;
    // The array, the run and the payload field are the first three levels.
    let nested = |levels: usize| {
        let inner = format!("{}{}", "[".repeat(levels - 3), "]".repeat(levels - 3));
        format!("[{{\"trace_id\":\"{TRACE}\",\"name\":\"deep\",\"inputs\":{{\"a\":{inner}}}}}]")
    };
    for levels in [257, 1_000, 100_000] {
        assert_eq!(ada.post_bytes("/runs", nested(levels)).await.field(422), "[0].inputs", "{levels}");
    }
    let open = "[".repeat(100_000);
    let answer = ada.post_bytes("/runs", open).await;
    assert!([400, 422].contains(&answer.status), "{}", answer.text());
    assert_eq!(stored(&app).await, NOTHING);
    ada.post_bytes("/runs", nested(256)).await.ok(201);
}

#[tokio::test]
async fn bodies_of_the_wrong_shape_are_refused() {
    let (app, ada) = app().await;
    for wrong in ["[]", "17", "\"runs\"", "null", "true", " [ ] "] {
        ada.post_bytes("/runs", wrong).await.problem(422);
    }
    assert_eq!(ada.post_bytes("/runs", "{\"name\":\"x\"}").await.field(422), "trace_id");
    ada.post_bytes("/runs", "").await.problem(400);
    ada.post_bytes("/runs", "   ").await.problem(400);
    assert_eq!(stored(&app).await, NOTHING);
}

#[tokio::test]
async fn a_wrong_encoding_is_refused() {
    let (app, ada) = app().await;
    let plain = batch(&good(0), 0, 2);
    for encoding in ["gzip", "zstd"] {
        ada.clone().with("content-encoding", encoding).post_bytes("/runs", plain.clone()).await.problem(400);
    }
    let whole = zstd::encode_all(plain.as_bytes(), 3).unwrap();
    let cut = whole[..whole.len() - 3].to_vec();
    ada.clone().with("content-encoding", "zstd").post_bytes("/runs", cut).await.problem(400);
    for encoding in ["br", "deflate", "gzip, gzip"] {
        let problem =
            ada.clone().with("content-encoding", encoding).post_bytes("/runs", plain.clone()).await.problem(415);
        assert_eq!(problem["code"], "unsupported_encoding", "{encoding}");
    }
    assert_eq!(stored(&app).await, NOTHING);
}

#[tokio::test]
async fn several_problems_are_told_at_once() {
    let (_app, ada) = app().await;
    let body = format!("[{{\"name\":\"x\"}},{{\"trace_id\":\"{TRACE}\"}}]");
    let problem = ada.post_bytes("/runs", body).await.problem(422);
    let fields: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["[0].trace_id", "[1].name"]);
}

#[tokio::test]
async fn a_large_body_that_is_wrong_at_its_end_leaves_nothing() {
    let (app, ada) = app().await;
    let payload = "x".repeat(100_000);
    let run = format!("{{\"trace_id\":\"{TRACE}\",\"name\":\"n\",\"inputs\":{{\"a\":\"{payload}\"}}}}");
    let good = vec![run; 120].join(",");
    ada.post_bytes("/runs", format!("[{good},{{\"name\":\"x\"}}]")).await.problem(422);
    ada.post_bytes("/runs", format!("[{good}")).await.problem(400);
    ada.post_bytes("/runs", format!("[{good}] ]")).await.problem(400);
    assert_eq!(stored(&app).await, NOTHING);
}
