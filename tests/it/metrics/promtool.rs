//! Prometheus' own tool has nothing to say of the metrics and of the alerts, but for two names that are given.
//!
//! `make prom-lint` says by `TEST_PROMTOOL` which program to ask; nothing else here needs one.

use std::io::Write;
use std::process::{Command, Stdio};

use super::{ARGUMENTS, GIVEN, OPERATOR};
use crate::support::TestApp;

/// What the tool says, and whether it is content.
fn asked(arguments: &[&str], input: &[u8]) -> Option<(bool, String)> {
    let tool = std::env::var_os("TEST_PROMTOOL")?;
    let mut command = Command::new(tool);
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().unwrap();
    running.stdin.take().unwrap().write_all(input).unwrap();
    let output = running.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8(said).unwrap()))
}

#[tokio::test]
async fn promtool_finds_nothing_in_the_metrics_but_the_two_names_that_are_given() {
    let app = TestApp::with(&ARGUMENTS).await;
    app.user("ada").await;
    let metrics = app.client().with("authorization", OPERATOR).get("/metrics").await;
    let Some((_, said)) = asked(&["check", "metrics"], &metrics.bytes) else { return };
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), GIVEN.len(), "{said}");
    assert!(lines.iter().all(|line| GIVEN.iter().any(|given| line.starts_with(&format!("{given} ")))), "{said}");
}

#[test]
fn promtool_finds_nothing_in_the_alerts_and_each_does_what_it_should() {
    for arguments in
        [["check", "rules", "deploy/prometheus/alerts.yaml"], ["test", "rules", "deploy/prometheus/alerts.test.yaml"]]
    {
        let Some((content, said)) = asked(&arguments, b"") else { return };
        assert!(content, "{said}");
    }
}
