//! The API's own documentation: current, whole enough to work from, and loading nothing from elsewhere.

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::document::operations;
use crate::support::{TestApp, run};

async fn document() -> Value {
    serde_json::from_str(&runyard::app::openapi().await.unwrap()).unwrap()
}

#[tokio::test]
async fn the_document_in_the_repository_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(kept == runyard::app::openapi().await.unwrap(), "docs/openapi.json is stale; run `make openapi`");
}

#[tokio::test]
async fn the_server_shows_the_same_document_in_both_forms() {
    let app = TestApp::spawn().await;
    let json = app.client().get("/openapi.json").await;
    assert_eq!(json.ok(200), document().await);
    assert!(json.header("content-type").starts_with("application/json"));
    let yaml = app.client().get("/openapi.yaml").await;
    assert_eq!((yaml.status, yaml.header("content-type")), (200, "application/yaml"));
    assert!(yaml.text().starts_with("openapi: 3.0.0\n") && yaml.text().contains("\n  /runs/{id}:\n"));
}

#[tokio::test]
async fn every_operation_says_what_it_does_and_how_it_fails() {
    let document = document().await;
    let mut ids = HashSet::new();
    for operation in operations(&document) {
        let (name, says) = (format!("{} {}", operation.method, operation.path), &operation.says);
        for member in ["summary", "description", "operationId"] {
            assert!(says[member].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {member}");
        }
        assert!(ids.insert(says["operationId"].as_str().unwrap().to_owned()), "{name}: {}", says["operationId"]);
        assert_eq!(says["tags"].as_array().unwrap().len(), 1, "{name}");
        let responses = says["responses"].as_object().unwrap();
        for (status, response) in responses {
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{name} {status}");
        }
        assert!(responses.keys().any(|status| status.starts_with('2')), "{name}");
        for parameter in says["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{name}: {}", parameter["name"]);
        }
        let is_probe = operation.is_public() && operation.method == "GET";
        if is_probe {
            continue;
        }
        for status in ["400", "401", "404", "413", "415", "422", "429", "500", "503"] {
            let schema = &says["responses"][status]["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(*schema, "#/components/schemas/Problem", "{name} {status}");
        }
    }
}

#[tokio::test]
async fn every_operation_says_whether_it_needs_credentials() {
    let document = document().await;
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    for operation in operations(&document) {
        let name = format!("{} {}", operation.method, operation.path);
        let listed: Vec<&String> = operation.says["security"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|requirement| requirement.as_object().unwrap().keys())
            .collect();
        assert!(listed.iter().all(|scheme| schemes.contains_key(*scheme)), "{name}: {listed:?}");
        assert_eq!(listed.is_empty(), operation.is_public(), "{name}: {listed:?}");
    }
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["api_key", "bearer"]);
}

#[tokio::test]
async fn every_schema_and_field_is_described_and_every_form_has_an_example() {
    let document = document().await;
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        for (field, says) in schema["properties"].as_object().into_iter().flatten() {
            assert!(says["description"].is_string() || says["$ref"].is_string(), "{name}.{field}");
        }
        if name.starts_with("New") || name.ends_with("Request") || name == "Credentials" {
            assert!(schema["example"].is_object(), "{name} has no example");
        }
    }
    let weather = &schemas["NewRun"]["example"];
    assert_eq!(weather["name"], "Weather Query");
}

#[tokio::test]
async fn what_is_null_in_an_answer_may_be_null_in_the_document() {
    let app = TestApp::spawn().await;
    let document = document().await;
    let ada = app.user("ada").await;
    let id = ada.create(&json!([run(None, "Weather Query")])).await.remove(0);
    ada.post("/api/keys", &json!({"name": "ci"})).await.ok(201);
    let (runs, keys) = (ada.get("/runs").await.ok(200), ada.get("/api/keys").await.ok(200));
    let task = ada.post("/api/tasks", &json!({"title": "Look"})).await.ok(201);
    let answers = [
        ("Run", ada.get(&format!("/runs/{id}")).await.ok(200)),
        ("LightRun", runs["items"][0].clone()),
        ("RunPage", runs),
        ("ApiKey", keys["items"][0].clone()),
        ("ApiKeyPage", keys),
        ("MemberPage", ada.get("/api/members").await.ok(200)),
        ("Task", task["data"].clone()),
        ("FavoritePage", ada.get("/favorites").await.ok(200)),
        ("TaskChanges", ada.get(&format!("/api/tasks/{}/history", task["data"]["id"])).await.ok(200)["data"].clone()),
    ];
    let mut seen = 0;
    for (name, answer) in answers {
        let schema = &document["components"]["schemas"][name]["properties"];
        for (member, _) in answer.as_object().unwrap().iter().filter(|(_, value)| value.is_null()) {
            assert_eq!(schema[member]["nullable"], true, "{name}.{member}");
            seen += 1;
        }
    }
    assert!(seen >= 6, "{seen} members were null");
}

#[tokio::test]
async fn the_examples_of_the_forms_are_taken_as_they_stand() {
    let app = TestApp::spawn().await;
    let document = document().await;
    let example = |name: &str| document["components"]["schemas"][name]["example"].clone();
    app.client().post("/signup", &example("Credentials")).await.ok(201);
    app.client().post("/login", &example("Credentials")).await.ok(200);
    let (ada, _grace) = (app.user("owner").await, app.user("grace").await);
    ada.post("/runs", &example("NewRun")).await.ok(201);
    ada.post("/runs", &Value::Array(vec![example("NewRun")])).await.ok(201);
    ada.post("/api/keys", &example("NewApiKey")).await.ok(201);
    ada.post("/api/members", &example("NewMember")).await.ok(201);
    ada.post("/api/tasks", &example("NewTask")).await.ok(201);
    ada.call("PUT", "/api/tasks/1", &example("PutTaskRequest")).await.ok(200);
    ada.call("PATCH", "/api/tasks/1", &example("PatchTaskRequest")).await.ok(200);
    ada.call("PATCH", "/api/tasks/bulk", &example("BulkStatusRequest")).await.ok(200);
    ada.call("PUT", "/api/v1/topics/mail", &example("TopicRequest")).await.ok(200);
    for (what, status) in [("ack", "AckRequest"), ("nack", "NackRequest"), ("extend", "ExtendRequest")] {
        ada.post("/api/v1/topics/mail/messages", &example("PublishRequest")).await.ok(200);
        let lease = ada.post("/api/v1/topics/mail/leases", &example("LeaseRequest")).await.ok(200);
        let lease = lease["lease_id"].as_str().unwrap_or("00000000-0000-4000-8000-000000000000").to_owned();
        let said = ada.post(&format!("/api/v1/leases/{lease}/{what}"), &example(status)).await;
        assert!([200, 404].contains(&said.status), "{}", said.text());
    }
    ada.post("/api/v1/topics/mail/redrive", &example("RedriveRequest")).await.ok(200);
    // Well formed, but nobody's.
    ada.anonymous().post("/token", &example("RefreshRequest")).await.problem(401);
}

/// The tags of a page, without the text of its scripts and styles.
fn tags(html: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let Some(end) = rest[start..].find('>') else { break };
        let tag = &rest[start..=start + end];
        rest = &rest[start + end + 1..];
        for (name, close) in [("<script", "</script>"), ("<style", "</style>")] {
            if tag.starts_with(name) {
                rest = rest.split_once(close).map_or("", |(_, after)| after);
            }
        }
        tags.push(tag.to_owned());
    }
    tags
}

fn loads_from_elsewhere(tag: &str) -> bool {
    let tag = tag.replace(['"', '\'', ' '], "").to_lowercase();
    ["src=http", "href=http", "src=//", "href=//"].iter().any(|attribute| tag.contains(attribute))
}

#[test]
fn a_page_that_loads_from_elsewhere_is_noticed() {
    let html = r#"<a><script>"<img src='https://a.b'>"</script><link rel=x href = "https://fonts.example.com/x">"#;
    let tags = tags(html);
    assert_eq!(tags.len(), 3, "{tags:?}");
    assert_eq!(tags.iter().filter(|tag| loads_from_elsewhere(tag)).count(), 1);
    assert!(loads_from_elsewhere("<script src='//cdn.example.com/x.js'>"));
}

#[tokio::test]
async fn the_pages_come_from_the_binary_alone() {
    let app = TestApp::spawn().await;
    for path in ["/docs", "/redoc"] {
        let page = app.client().get(path).await;
        assert_eq!(page.status, 200);
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"), "{path}: {policy}");
        assert!(!policy.contains("http") && !policy.contains('*'), "{path}: {policy}");
        let html = page.text();
        assert!(html.contains("Runyard") && html.len() > 100_000, "{path}: {} bytes", html.len());
        let tags = tags(&html);
        assert!(tags.iter().any(|tag| tag.starts_with("<script")), "{path}");
        let foreign: Vec<_> = tags.iter().filter(|tag| loads_from_elsewhere(tag)).collect();
        assert!(foreign.is_empty(), "{path}: {foreign:?}");
    }
}

#[tokio::test]
async fn the_root_and_the_old_address_of_the_documentation_lead_to_it() {
    let app = TestApp::spawn().await;
    for (path, status) in [("/", 303), ("/swagger/index.html", 301)] {
        let reply = app.client().get(path).await;
        assert_eq!((reply.status, reply.header("location")), (status, "/docs"), "{path}");
    }
}
