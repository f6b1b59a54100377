//! All favorites as one stream: whole, in bounded memory, holding nothing of the database while its reader pauses.

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::favorites::{app, audience, chart, insight, keep, lines, listed};
use crate::support::{Client, TestApp};

#[tokio::test]
async fn the_whole_list_comes_as_lines_for_who_asks_for_them() {
    let (_app, ada) = app().await;
    assert_eq!(lines(&ada, "/favorites").await, "");
    assert_eq!(lines(&ada, "/favorites/export").await, "");
    for n in 0..30 {
        keep(&ada, &[insight, chart, audience][n % 3](&format!("{n}"))).await;
    }
    let all = ada.get("/favorites?limit=1000").await.ok(200)["items"].clone();
    let text = lines(&ada, "/favorites").await;
    let found: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(Value::Array(found), all);
    assert!(text.ends_with('\n'));
    assert_eq!(lines(&ada, "/favorites/export").await, text);
    assert_eq!(ada.get("/favorites/export").await.text(), text);
    let charts = lines(&ada, "/favorites?type=chart").await;
    assert_eq!(charts.lines().count(), 10);
    assert!(charts.lines().all(|line| line.contains("\"type\":\"chart\"")));
    // For those who like pages as well, pages.
    let page = ada.clone().with("accept", "*/*").get("/favorites").await;
    assert!(page.header("content-type").starts_with("application/json"));
}

#[tokio::test]
async fn more_than_one_piece_is_whole_and_in_order() {
    let (_app, ada) = app().await;
    let line = |n: usize| json!({"type": "insight", "name": format!("{n}"), "content": "c", "created_at": "2026-01-01T00:00:00Z"});
    let body: String = (0..2_500).map(|n| line(n).to_string() + "\n").collect();
    ada.post_bytes("/favorites/import", body).await.ok(200);
    let text = lines(&ada, "/favorites").await;
    let ids: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 2_500);
    assert!(ids.is_sorted_by(|a, b| a > b));
    let gzip = ada.clone().with("accept-encoding", "gzip").with("accept", "application/x-ndjson");
    let packed = gzip.get("/favorites").await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut unpacked = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&packed.bytes[..]), &mut unpacked).unwrap();
    assert_eq!(unpacked, text);
}

/// Charts that are more together than all the buffers between a server and its client.
async fn fill(ada: &Client, count: usize) {
    let data: Value = "x".repeat(900_000).into();
    for n in 0..count {
        keep(ada, &json!({"type": "chart", "name": format!("{n}"), "x_axis": "x", "data": data})).await;
    }
}

/// A reader who has seen the beginning of the stream, and then pauses.
async fn paused(app: &TestApp, ada: &Client) -> TcpStream {
    let mut reader = TcpStream::connect(app.address).await.unwrap();
    let request = format!(
        "GET /favorites HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nAccept: application/x-ndjson\r\n\
         Connection: close\r\n\r\n",
        ada.token
    );
    reader.write_all(request.as_bytes()).await.unwrap();
    let mut begun = [0; 1_024];
    reader.read_exact(&mut begun).await.unwrap();
    assert!(begun.starts_with(b"HTTP/1.1 200"));
    reader
}

#[tokio::test]
async fn readers_who_pause_hold_no_connection_of_the_database() {
    // Two in PostgreSQL, one of them for whoever writes; one reader in SQLite.
    let app = TestApp::with(&["--database-connections=1", "--upstream-timeout=5s"]).await;
    let ada = app.user("ada").await;
    fill(&ada, 16).await;
    let mut readers = Vec::new();
    for _ in 0..6 {
        readers.push(paused(&app, &ada).await);
    }
    for n in 0..10 {
        let id = keep(&ada, &insight(&format!("{n}"))).await;
        assert_eq!(listed(&ada, "limit=1&type=insight", "id").await, std::slice::from_ref(&id));
        ada.delete(&format!("/favorites/{id}")).await.ok(204);
    }
    // One goes on where it was; the others go away.
    let mut reader = readers.pop().unwrap();
    drop(readers);
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).await.unwrap();
    let charts = rest.windows(14).filter(|window| window == b"\"type\":\"chart\"").count();
    assert!(charts >= 15 && rest.len() > 15 * 900_000, "{charts} in {} bytes", rest.len());
    assert!(rest.ends_with(b"0\r\n\r\n"), "the stream came to its end");
    for _ in 0..3 {
        assert_eq!(listed(&ada, "limit=1", "type").await, ["chart"]);
    }
}

#[tokio::test]
async fn a_favorite_that_is_deleted_in_the_middle_of_a_stream_disturbs_nobody() {
    let (app, ada) = app().await;
    fill(&ada, 16).await;
    let mut reader = paused(&app, &ada).await;
    let ids = listed(&ada, "limit=1000", "id").await;
    // The oldest comes last, and has not been read yet.
    ada.delete(&format!("/favorites/{}", ids[15])).await.ok(204);
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).await.unwrap();
    let text = String::from_utf8_lossy(&rest);
    assert!(ids[1..15].iter().all(|id| text.contains(id.as_str())));
    assert!(!text.contains("{\"error\":") && text.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn a_stream_that_breaks_says_so_in_its_last_line() {
    let (app, ada) = app().await;
    fill(&ada, 16).await;
    let mut reader = paused(&app, &ada).await;
    let database = app.stores.open().await.database;
    database.writer().execute_unprepared("DROP TABLE favorites").await.unwrap();
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).await.unwrap();
    let text = String::from_utf8_lossy(&rest);
    assert!(text.ends_with("0\r\n\r\n"), "the answer came to its end");
    let last = text.lines().rev().find(|line| line.starts_with("{")).unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!((&last["error"]["status"], &last["error"]["code"]), (&500.into(), &"internal".into()));
    assert!(last["error"]["request_id"].as_str().is_some_and(|id| !id.is_empty()));
    assert!(!last.to_string().contains("favorites\""), "it does not say why: {last}");
    // Before the first byte it is an error like any other.
    ada.clone().with("accept", "application/x-ndjson").get("/favorites").await.problem(500);
    ada.get("/favorites/export").await.problem(500);
}
