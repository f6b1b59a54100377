//! Bodies of forms may be compressed, and answers are where the caller takes it and it pays.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, PASSWORD, Reply, TestApp};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

async fn sign_up(client: &Client, coding: &str, body: Vec<u8>) -> Reply {
    client.send(client.request(Method::POST, "/signup").header("content-encoding", coding).body(body)).await
}

fn form(name: &str) -> Vec<u8> {
    json!({"email": format!("{name}@example.com"), "password": PASSWORD}).to_string().into_bytes()
}

#[tokio::test]
async fn a_form_may_be_compressed() {
    let app = TestApp::spawn().await;
    let client = app.client();
    let two_members = [gzip(&form("a")[..10]), gzip(&form("a")[10..])].concat();
    let bodies = [
        ("gzip", two_members),
        ("GZIP", gzip(&form("b"))),
        ("x-gzip", gzip(&form("c"))),
        ("zstd", zstd(&form("d"))),
        ("identity", form("e")),
        ("", form("f")),
    ];
    for (coding, body) in bodies {
        sign_up(&client, coding, body).await.ok(201);
    }
}

#[tokio::test]
async fn what_does_not_decode_is_malformed() {
    let app = TestApp::spawn().await;
    let client = app.client();
    let (whole, frame) = (gzip(&form("a")), zstd(&form("a")));
    let mut broken = whole.clone();
    *broken.last_mut().unwrap() ^= 1;
    let bodies = [
        ("gzip", form("a")),
        ("zstd", form("a")),
        ("gzip", zstd(&form("a"))),
        ("zstd", gzip(&form("a"))),
        ("gzip", whole[..whole.len() - 1].to_vec()),
        ("gzip", broken),
        ("zstd", frame[..frame.len() - 1].to_vec()),
        ("gzip", Vec::new()),
        ("gzip", gzip(b"{")),
    ];
    for (number, (coding, body)) in bodies.into_iter().enumerate() {
        let reply = sign_up(&client, coding, body).await;
        assert_eq!(reply.status, 400, "{number}: {}", reply.text());
        assert_eq!(reply.problem(400)["code"], "malformed");
    }
    sign_up(&client, "gzip", whole).await.ok(201);
}

#[tokio::test]
async fn another_coding_is_unsupported() {
    let app = TestApp::spawn().await;
    for coding in ["br", "deflate", "compress", "gzip, gzip", "gzip, br", "none"] {
        let reply = sign_up(&app.client(), coding, form("a")).await;
        assert_eq!(reply.problem(415)["code"], "unsupported_encoding", "{coding}");
    }
}

#[tokio::test]
async fn a_small_body_cannot_grow_beyond_a_forms_size() {
    let app = TestApp::spawn().await;
    let blank = vec![b' '; 64 * 1024 * 1024];
    for (coding, bomb) in [("gzip", gzip(&blank)), ("zstd", zstd(&blank))] {
        assert!(bomb.len() < 100_000);
        sign_up(&app.client(), coding, bomb).await.problem(413);
    }
}

async fn document(client: &Client, accepted: &str) -> Reply {
    client.send(client.request(Method::GET, "/openapi.json").header("accept-encoding", accepted)).await
}

#[tokio::test]
async fn a_long_answer_is_compressed_as_the_caller_takes_it() {
    let app = TestApp::spawn().await;
    let client = app.client();
    let plain = client.get("/openapi.json").await;
    assert_eq!(plain.header("content-encoding"), "");
    let expected: Value = plain.ok(200);
    for accepted in ["gzip", "GZIP", "deflate, gzip;q=0.5", "br, gzip", "zstd;q=0, gzip"] {
        let reply = document(&client, accepted).await;
        assert_eq!((reply.header("content-encoding"), reply.header("vary")), ("gzip", "accept-encoding"), "{accepted}");
        let mut decoded = Vec::new();
        GzDecoder::new(reply.bytes.as_slice()).read_to_end(&mut decoded).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&decoded).unwrap(), expected);
        assert!(reply.bytes.len() * 4 < plain.bytes.len());
    }
    for accepted in ["zstd", "gzip, zstd", "gzip, deflate, br, zstd"] {
        let reply = document(&client, accepted).await;
        assert_eq!((reply.header("content-encoding"), reply.header("vary")), ("zstd", "accept-encoding"), "{accepted}");
        let decoded = zstd::decode_all(reply.bytes.as_slice()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&decoded).unwrap(), expected);
    }
    for accepted in ["", "identity", "br", "gzip;q=0", "gzip; q=0, zstd;q=0.0", "gzip;q=0.000"] {
        let reply = document(&client, accepted).await;
        assert_eq!(reply.header("content-encoding"), "", "{accepted}");
        assert_eq!(reply.json(), expected);
    }
}

#[tokio::test]
async fn an_answer_that_depends_on_the_coding_says_so_in_either_form() {
    let app = TestApp::spawn().await;
    // A proxy that keeps the plain form must not give it to those who take another, nor the other way round.
    assert_eq!(app.client().get("/openapi.json").await.header("vary"), "accept-encoding");
}

#[tokio::test]
async fn a_short_answer_is_sent_as_it_is() {
    let app = TestApp::spawn().await;
    let client = app.client().with("accept-encoding", "gzip, zstd");
    for path in ["/healthz", "/nowhere", "/runs"] {
        let reply = client.get(path).await;
        assert_eq!(reply.header("content-encoding"), "", "{path}");
        reply.json();
    }
}
