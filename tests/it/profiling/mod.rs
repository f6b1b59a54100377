//! Profiles: for the operator alone, one at a time, in the form that pprof's tools read, with our functions' names.
//!
//! What samples is one for a whole process, so each test that samples has a server in a process of its own.

mod pprof;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::program::Serving;
use crate::support::{Client, Reply, TestApp, TestStores, run};
use pprof::Profile;

const PATHS: [&str; 13] = [
    "/debug/pprof",
    "/debug/pprof/profile?seconds=1",
    "/debug/pprof/heap?seconds=1",
    "/debug/pprof/heap/sampling",
    "/debug/pprof/allocs?seconds=1",
    "/debug/pprof/tasks",
    "/debug/pprof/goroutine",
    "/debug/pprof/block",
    "/debug/pprof/mutex",
    "/debug/pprof/threadcreate",
    "/debug/pprof/cmdline",
    "/debug/pprof/symbol",
    "/debug/log-level",
];
const CREDENTIALS: [&str; 2] = ["--metrics-username=prometheus", "--metrics-password=of the operator"];
/// `prometheus:of the operator`.
const OPERATOR: &str = "Basic cHJvbWV0aGV1czpvZiB0aGUgb3BlcmF0b3I=";

/// The same as the operator.
fn operator(client: Client) -> Client {
    client.with("authorization", OPERATOR)
}

/// A server in a process of its own, and its operator.
async fn serving(stores: &TestStores, more: &[&str]) -> (Serving, Client) {
    let arguments: Vec<&str> = CREDENTIALS.iter().chain(more).copied().collect();
    let server = Serving::start(stores.folder(), &stores.arguments(&arguments)).await;
    let operator = operator(server.client());
    (server, operator)
}

/// What `work` answers while a user writes and reads runs all the time.
async fn under_load<T>(server: &Serving, work: impl Future<Output = T>) -> T {
    let ada = server.client().signed_up("ada@example.com").await;
    let done = CancellationToken::new();
    let load = async {
        let text = "What is the weather in San Francisco? ".repeat(2_000);
        while !done.is_cancelled() {
            let mut weather = run(None, "Weather Query");
            weather["inputs"] = json!({"query": text});
            let ids = ada.create(&json!([weather, weather])).await;
            ada.get(&format!("/runs/{}", ids[0])).await.ok(200);
        }
    };
    let work = async {
        let answer = work.await;
        done.cancel();
        answer
    };
    tokio::join!(load, work).1
}

fn profile(reply: &Reply) -> Profile {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), "application/octet-stream");
    assert_eq!(reply.header("content-encoding"), "");
    Profile::read(&reply.bytes)
}

#[tokio::test]
async fn a_server_without_an_operator_has_nothing_to_profile() {
    let app = TestApp::spawn().await;
    for path in PATHS {
        for client in [app.client(), operator(app.client())] {
            assert_eq!(client.get(path).await.problem(404)["code"], "not_found", "{path}");
            client.call("PUT", path, &json!({"active": true})).await.problem(404);
        }
    }
}

#[tokio::test]
async fn nobody_but_the_operator_may_take_a_profile() {
    let app = TestApp::with(&CREDENTIALS).await;
    let ada = app.user("ada").await;
    let wrong = app.client().with("authorization", "Basic cHJvbWV0aGV1czp3cm9uZw==");
    for path in PATHS {
        for client in [app.client(), wrong.clone(), ada.clone()] {
            let reply = client.get(path).await;
            assert_eq!(reply.problem(401)["code"], "unauthenticated", "{path}");
            assert_eq!(reply.header("www-authenticate"), "Basic realm=\"operator\"");
            client.call("PUT", path, &json!({"active": true})).await.problem(401);
        }
    }
}

#[tokio::test]
async fn what_is_beyond_the_bounds_is_refused_before_anything_is_sampled() {
    let app = TestApp::with(&CREDENTIALS).await;
    let operator = operator(app.client());
    for (query, field) in [
        ("profile?seconds=0", "seconds"),
        ("profile?seconds=61", "seconds"),
        ("profile?seconds=soon", "seconds"),
        ("profile?seconds=1&hz=0", "hz"),
        ("profile?seconds=1&hz=1001", "hz"),
        ("profile?seconds=1&hz=-1", "hz"),
        ("profile?seconds=1&format=png", "format"),
        ("heap?seconds=0", "seconds"),
        ("allocs?seconds=61", "seconds"),
        ("tasks?debug=yes", "debug"),
    ] {
        let reply = operator.get(&format!("/debug/pprof/{query}")).await;
        assert_eq!(reply.field(422), field, "{query}");
    }
    let sampling = "/debug/pprof/heap/sampling";
    assert_eq!(operator.call("PUT", sampling, &json!({"active": "yes"})).await.field(422), "active");
    assert_eq!(operator.call("PUT", sampling, &json!({"active": true, "more": 1})).await.field(422), "more");
    assert_eq!(operator.call("DELETE", sampling, &Value::Null).await.header("allow"), "GET, PUT");
}

#[tokio::test]
async fn a_cpu_profile_under_load_names_our_functions_and_their_lines() {
    let stores = TestStores::new().await;
    let (server, operator) = serving(&stores, &[]).await;
    let reply = under_load(&server, operator.get("/debug/pprof/profile?seconds=2&hz=500")).await;
    let profile = profile(&reply);
    assert_eq!(profile.kinds(), ["samples/count", "cpu/nanoseconds"]);
    assert_eq!((profile.shown(), profile.period), ("cpu", 2_000_000));
    assert_eq!(profile.duration_nanos, 2_000_000_000);
    assert_eq!(profile.total(1), profile.total(0) * 2_000_000);
    let frames = profile.all_frames();
    let ours = |part: &str| {
        frames.iter().any(|frame| frame.function.contains(part) && frame.file.ends_with(".rs") && frame.line > 0)
    };
    for part in
        ["runyard::service::runs::scanner", "runyard::service::runs::ingest", "runyard::api::", "tokio::runtime"]
    {
        // Libraries are built without lines.
        let named = ours(part) || frames.iter().any(|frame| part.starts_with("tokio") && frame.function.contains(part));
        assert!(named, "{part} is not among {} frames", frames.len());
    }
    assert!(frames.iter().all(|frame| !frame.function.contains("perf_signal_handler")));
}

#[tokio::test]
async fn one_profile_is_taken_at_a_time() {
    let stores = TestStores::new().await;
    let (_server, operator) = serving(&stores, &[]).await;
    let (cpu, heap) = tokio::join!(
        operator.get("/debug/pprof/profile?seconds=3&debug=1"),
        operator.get("/debug/pprof/heap?seconds=3&debug=1"),
    );
    let (taken, refused) = if cpu.status == 200 { (cpu, heap) } else { (heap, cpu) };
    assert_eq!(taken.status, 200, "{}", taken.text());
    assert_eq!(refused.problem(409)["code"], "conflict");
    // The seat is free again.
    assert_eq!(operator.get("/debug/pprof/profile?seconds=1").await.status, 200);
}

#[tokio::test]
async fn who_goes_away_leaves_neither_the_seat_nor_the_sampling_behind() {
    let stores = TestStores::new().await;
    let (server, operator) = serving(&stores, &[]).await;
    for kind in ["heap", "profile"] {
        let leaving = operator.clone();
        let path = format!("/debug/pprof/{kind}?seconds=60");
        let taking = tokio::spawn(async move { while leaving.get(&path).await.status == 409 {} });
        crate::support::until("the seat is taken", async || {
            let reply = operator.call("PUT", "/debug/pprof/heap/sampling", &json!({"active": false})).await;
            reply.status == 409
        })
        .await;
        taking.abort();
        crate::support::until("the seat is free", async || {
            let reply = operator.call("PUT", "/debug/pprof/heap/sampling", &json!({"active": false})).await;
            reply.status == 200
        })
        .await;
    }
    assert_eq!(operator.get("/debug/pprof/heap/sampling").await.ok(200), json!({"active": false}));
    assert_eq!(server.stop().status, 0);
}

#[tokio::test]
async fn a_heap_profile_names_who_asked_for_memory() {
    let stores = TestStores::new().await;
    let (server, operator) = serving(&stores, &[]).await;
    let sampling = "/debug/pprof/heap/sampling";
    assert_eq!(operator.get(sampling).await.ok(200), json!({"active": false}));
    assert_eq!(operator.call("PUT", sampling, &json!({"active": true})).await.ok(200), json!({"active": true}));
    let taken = under_load(&server, async {
        // Long enough for samples of half a MiB each to be many.
        let heap = operator.get("/debug/pprof/heap?seconds=2").await;
        (heap, operator.get("/debug/pprof/allocs").await)
    });
    let (heap, allocs) = taken.await;
    let (heap, allocs) = (profile(&heap), profile(&allocs));
    assert_eq!(heap.kinds(), ["alloc_objects/count", "alloc_space/bytes", "inuse_objects/count", "inuse_space/bytes"]);
    assert_eq!((heap.shown(), allocs.shown()), ("inuse_space", "alloc_space"));
    assert_eq!(heap.period, 524_288);
    assert!(heap.total(1) >= heap.total(3) && heap.total(3) > 0, "{} {}", heap.total(1), heap.total(3));
    assert!(allocs.total(1) >= heap.total(1));
    let frames = allocs.all_frames();
    let ours = frames.iter().filter(|frame| frame.function.contains("runyard::"));
    assert!(ours.clone().count() > 0, "{} frames", frames.len());
    assert!(ours.clone().any(|frame| frame.file.ends_with(".rs") && frame.line > 0));
    let inner = allocs.sample.iter().map(|sample| allocs.frames(sample).remove(0).function);
    assert_eq!(inner.filter(|name| name.contains("_rjem_")).count(), 0);
    assert_eq!(operator.call("PUT", sampling, &json!({"active": false})).await.ok(200), json!({"active": false}));
}

#[tokio::test]
async fn a_heap_profile_wakes_the_profiler_only_while_it_is_taken() {
    let stores = TestStores::new().await;
    let (server, operator) = serving(&stores, &[]).await;
    let reply = under_load(&server, operator.get("/debug/pprof/allocs?seconds=2")).await;
    assert!(profile(&reply).total(1) > 0);
    assert_eq!(operator.get("/debug/pprof/heap/sampling").await.ok(200), json!({"active": false}));
}

#[tokio::test]
async fn live_tasks_are_listed_by_name_and_place_with_their_polls() {
    let app = TestApp::with(&CREDENTIALS).await;
    app.user("ada").await.create(&json!([run(None, "Weather Query")])).await;
    let operator = operator(app.client());
    let text = operator.get("/debug/pprof/tasks?debug=1").await;
    assert!(text.header("content-type").starts_with("text/plain"));
    let text = text.text();
    for name in ["connection  src/api/connections.rs:", "committer  src/app.rs:", "segments  src/app.rs:", "flush  "] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(text.starts_with("runtime: ") && text.contains(" ago  committer"), "{text}");
    for path in ["tasks", "goroutine"] {
        let profile = profile(&operator.get(&format!("/debug/pprof/{path}")).await);
        assert_eq!(profile.kinds(), ["tasks/count", "polls/count", "busy/nanoseconds", "longest_poll/nanoseconds"]);
        let frames = profile.all_frames();
        let connection = frames.iter().find(|frame| frame.function == "connection").unwrap();
        assert!(connection.file.ends_with("src/api/connections.rs") && connection.line > 0, "{connection:?}");
        assert!(frames.iter().any(|frame| frame.function == "committer"));
    }
}

#[tokio::test]
async fn the_other_profiles_that_tools_ask_for_are_there() {
    let app = TestApp::with(&CREDENTIALS).await;
    let operator = operator(app.client());
    for (path, kinds) in [
        ("block", vec!["contentions/count", "delay/nanoseconds"]),
        ("mutex", vec!["contentions/count", "delay/nanoseconds"]),
        ("threadcreate", vec!["threadcreate/count"]),
    ] {
        let profile = profile(&operator.get(&format!("/debug/pprof/{path}")).await);
        assert_eq!(profile.kinds(), kinds, "{path}");
        let text = operator.get(&format!("/debug/pprof/{path}?debug=1")).await;
        assert!(text.header("content-type").starts_with("text/plain") && text.text().len() > 20, "{path}");
    }
    let threads = profile(&operator.get("/debug/pprof/threadcreate").await);
    assert!(threads.total(0) >= 2 && !threads.all_frames().is_empty());

    let index = operator.get("/debug/pprof/").await;
    assert!(index.header("content-type").starts_with("text/html"));
    for path in ["profile", "heap", "allocs", "tasks", "block", "mutex", "threadcreate", "cmdline", "symbol"] {
        assert!(index.text().contains(&format!("href=\"/debug/pprof/{path}")), "{path}");
    }
    operator.get("/debug/pprof/nothing").await.problem(404);
}

#[tokio::test]
async fn every_profile_can_be_seen_as_a_flame_graph() {
    let stores = TestStores::new().await;
    let (server, operator) = serving(&stores, &[]).await;
    let shown = under_load(&server, async {
        let mut shown = Vec::new();
        for path in ["profile?format=svg&seconds=1&hz=500", "allocs?format=svg&seconds=1", "tasks?format=svg"] {
            shown.push((path, operator.get(&format!("/debug/pprof/{path}")).await));
        }
        shown
    });
    for (path, reply) in shown.await {
        assert_eq!((reply.status, reply.header("content-type")), (200, "image/svg+xml"), "{path}");
        let svg = reply.text();
        assert!(svg.contains("<svg") && svg.trim_end().ends_with("</svg>"), "{path}");
        let shows = if path.starts_with("tasks") { "connection" } else { "runyard::" };
        assert!(svg.contains(shows), "{path} does not show {shows}");
    }
    // Of nothing there is a graph that says so.
    assert!(operator.get("/debug/pprof/mutex?format=svg").await.text().contains("nothing was sampled"));
    let text = operator.get("/debug/pprof/profile?debug=1&seconds=1").await.text();
    assert!(text.starts_with("CPU: cpu, ") && text.contains("cumulated"), "{text}");
}

#[tokio::test]
async fn the_command_line_is_shown_without_secrets_and_addresses_have_names() {
    let stores = TestStores::new().await;
    let (_server, operator) = serving(&stores, &[]).await;
    let line = operator.get("/debug/pprof/cmdline").await.text();
    assert!(line.contains("\0--port=0\0") && line.contains("\0--jwt-secret=***\0"), "{line:?}");
    assert!(!line.contains("of the operator") && !line.contains("test-secret"), "{line:?}");

    let app = TestApp::with(&CREDENTIALS).await;
    let operator = self::operator(app.client());
    assert_eq!(operator.get("/debug/pprof/symbol").await.text(), "num_symbols: 1\n");
    // The server is in this very process.
    let address = format!("{:#x}", runyard::config::env_example as fn() -> String as usize);
    let named = operator.post_bytes("/debug/pprof/symbol", format!("{address}+0x1+nonsense")).await;
    assert_eq!(named.text(), format!("num_symbols: 1\n{address} runyard::config::document::env_example\n"));
}

#[tokio::test]
async fn a_process_without_the_api_can_be_looked_into_as_well() {
    let stores = TestStores::new().await;
    let (server, operator) = serving(&stores, &["--roles=queue"]).await;
    assert_eq!(operator.get("/debug/pprof").await.status, 200);
    assert!(operator.get("/debug/pprof/tasks?debug=1").await.text().contains("connection  src/api/connections.rs:"));
    assert_eq!(operator.get("/debug/log-level").await.ok(200), json!({"level": "info"}));
    server.client().get("/debug/pprof").await.problem(401);
}
