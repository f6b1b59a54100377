//! SIGTERM: what is in hand is finished and answered, nobody new comes in, and the process ends well.

use tokio::net::TcpStream;

use super::*;
use crate::support::raw::RawRequest;
use crate::support::{Process, TestStores};

#[tokio::test]
async fn a_request_that_is_still_arriving_at_sigterm_is_stored_and_answered() {
    let mut process = Process::start(TestStores::new().await, &[]).await;
    let ada = process.user("ada").await;
    let trace = Uuid::new_v4();
    let body = batch(trace).to_string();
    let (first, rest) = body.split_at(body.len() / 2);
    let length = format!("Content-Length: {}", body.len());
    let mut request = RawRequest::post(process.address, &ada.token, &length).await;
    request.send(first.as_bytes()).await;
    process.terminate();
    until("new connections are refused", async || TcpStream::connect(process.address).await.is_err()).await;
    request.send(rest.as_bytes()).await;
    let (status, answer) = request.answer().await;
    assert_eq!(status, 201, "{answer}");
    let ended = process.ended().await;
    assert!(ended.success(), "{ended}: {}", process.log());
    process.restart().await;
    assert_eq!(runs_of(&ada.at(process.address), trace).await, BATCH);
}

#[tokio::test]
async fn sigterm_under_load_loses_nothing_that_was_acknowledged() {
    let mut process = Process::start(TestStores::new().await, &[]).await;
    let ada = process.user("ada").await;
    let mut writing = JoinSet::new();
    let answered = watch::Sender::new(0);
    for _ in 0..8 {
        let (ada, answered) = (ada.clone(), answered.clone());
        writing.spawn(async move {
            let mut accepted = Vec::new();
            for _ in 0..100_000 {
                let trace = Uuid::new_v4();
                let request = ada.request(reqwest::Method::POST, "/runs").body(batch(trace).to_string());
                let Ok(answer) = request.send().await else { return accepted };
                assert_eq!(answer.status(), 201);
                accepted.push(trace);
                answered.send_modify(|answered| *answered += 1);
            }
            panic!("the server never ended");
        });
    }
    answered.subscribe().wait_for(|answered| *answered >= 40).await.unwrap();
    process.terminate();
    let accepted = writing.join_all().await.concat();
    let ended = process.ended().await;
    assert!(ended.success(), "{ended}: {}", process.log());
    process.restart().await;
    Tally { accepted, ..Tally::default() }.assert_whole(&ada.at(process.address)).await;
}

#[tokio::test]
async fn a_server_that_was_frozen_goes_on_where_it_was() {
    let process = Process::start(TestStores::new().await, &[]).await;
    let ada = process.user("ada").await;
    let load = Load::start(&ada, 4);
    load.answers(20).await;
    process.freeze();
    process.thaw();
    load.answers(20).await;
    let tally = load.finish().await;
    assert_eq!(tally.refused.len(), 0);
    tally.assert_whole(&ada).await;
}
