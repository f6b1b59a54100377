//! Every operation refuses who has no credentials, and hides what belongs to another workspace.

use runyard::api::public::PUBLIC;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::document::{Operation, operations};
use crate::support::{Client, TestApp, run, until};

async fn documented(app: &TestApp) -> Vec<Operation> {
    operations(&app.client().get("/openapi.json").await.ok(200))
}

#[tokio::test]
async fn every_operation_that_is_not_public_refuses_anonymous_callers() {
    let app = TestApp::spawn().await;
    let client = app.client();
    let mut refused = 0;
    for operation in documented(&app).await.iter().filter(|operation| !operation.is_public()) {
        let path = operation.path_with(|_| Uuid::new_v4().to_string());
        for body in [json!({}), json!([])] {
            let reply = client.call(&operation.method, &path, &body).await;
            assert_eq!(reply.status, 401, "{} {}", operation.method, operation.path);
            assert_eq!(reply.problem(401)["code"], "unauthenticated");
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
        refused += 1;
    }
    assert!(refused >= 10, "{refused}");
}

#[tokio::test]
async fn a_public_operation_asks_nobody_who_they_are() {
    let app = TestApp::spawn().await;
    for operation in documented(&app).await.iter().filter(|operation| operation.is_public()) {
        let reply = app.client().call(&operation.method, &operation.path, &json!({})).await;
        assert!([200, 422].contains(&reply.status), "{} {}: {}", operation.method, operation.path, reply.status);
    }
}

#[tokio::test]
async fn every_public_operation_is_in_the_document() {
    let app = TestApp::spawn().await;
    let operations = documented(&app).await;
    let known = |public: &&(&str, &str)| {
        operations.iter().any(|operation| (operation.method.as_str(), operation.path.as_str()) == **public)
    };
    assert_eq!(PUBLIC.iter().filter(known).count(), PUBLIC.len());
}

/// What a workspace has, one thing of each kind that a path can name.
struct Belongings {
    run: String,
    favorite: String,
    trace: String,
    key: String,
    user: String,
    task: String,
    topic: String,
    lease: String,
    gpu: String,
}

impl Belongings {
    async fn of(owner: &Client) -> Self {
        let trace = Uuid::new_v4().to_string();
        let mut run = run(None, "Weather Query");
        run["trace_id"] = json!(trace);
        let run = owner.create(&json!([run])).await.remove(0);
        let favorite = json!({"type": "insight", "name": "hers", "content": "c"});
        let favorite = owner.post("/favorites", &favorite).await.ok(201)["id"].as_str().unwrap().to_owned();
        let key = owner.post("/api/keys", &json!({"name": "ci"})).await.ok(201);
        // A number of its own for each: the first ones are everybody's.
        let number = 1_000_000 + Uuid::new_v4().as_u128() % 1_000_000;
        let task = json!({"id": number as u64, "title": "Look", "description": "", "status": "done", "assigneeID": 7,
            "run_id": null, "createdAt": "2026-01-31T12:00:00Z", "updatedAt": "2026-01-31T12:00:00Z"});
        owner.post("/api/tasks/import", &task).await.ok(200);
        let key = key["id"].as_str().unwrap().to_owned();
        let topic = format!("topic-{}", Uuid::new_v4());
        let message = json!({"messages": [{"msg_uuid": Uuid::new_v4(), "payload": "hers"}]});
        owner.post(&format!("/api/v1/topics/{topic}/messages"), &message).await.ok(200);
        let wish = json!({"consumer_id": "hers", "lease_seconds": 3600});
        let lease = owner.post(&format!("/api/v1/topics/{topic}/leases"), &wish).await.ok(200);
        let lease = lease["lease_id"].as_str().unwrap().to_owned();
        let gpu = format!("GPU-{}", Uuid::new_v4());
        let sample = json!({"timestamp": "2026-01-31T12:00:00Z", "metric_name": "TEMP", "uuid": gpu, "value": 41});
        let message = json!({"messages": [{"msg_uuid": Uuid::new_v4(), "payload": sample}]});
        owner.post("/api/v1/topics/telemetry/messages", &message).await.ok(200);
        Self { run, favorite, trace, key, user: owner.user_id.clone(), task: number.to_string(), topic, lease, gpu }
    }

    /// The id that a parameter of this path means.
    fn id(&self, path: &str, parameter: &str) -> String {
        let id = match (path.split('/').find(|segment| !["", "api"].contains(segment)), parameter) {
            (Some("runs"), "id") => &self.run,
            (Some("favorites"), "id") => &self.favorite,
            (Some("traces"), "trace_id") => &self.trace,
            (Some("keys"), "id") => &self.key,
            (Some("members"), "user_id") => &self.user,
            (Some("tasks"), "id") => &self.task,
            (Some("v1"), "id") => &self.gpu,
            (Some("v1"), "topic") => &self.topic,
            (Some("v1"), "lease_id") => &self.lease,
            _ => panic!("say here which thing {{{parameter}}} of {path} names, so that strangers are kept from it"),
        };
        id.clone()
    }

    fn all(&self) -> [&str; 9] {
        let Self { run, favorite, trace, key, user, task, topic, lease, gpu } = self;
        [run, favorite, trace, key, user, task, topic, lease, gpu]
    }

    /// Everything, as its owner sees it.
    async fn as_seen_by(&self, owner: &Client) -> Vec<Value> {
        let paths = [
            format!("/runs/{}", self.run),
            format!("/traces/{}?payload=true", self.trace),
            format!("/api/tasks/{}", self.task),
            format!("/api/v1/topics/{}", self.topic),
        ];
        let lists = ["/runs", "/favorites", "/api/keys", "/api/members", "/me", "/api/tasks"].map(str::to_owned);
        let mut seen = Vec::new();
        for path in paths.iter().chain(&lists) {
            seen.push(owner.get(path).await.ok(200));
        }
        seen
    }
}

/// A body that an operation takes: what is wrong with a body is said before anything is looked for.
fn form(operation: &Operation) -> Value {
    if operation.path.ends_with("/extend") {
        return json!({"lease_seconds": 60});
    }
    if operation.method == "PUT" { json!({"title": "x", "status": "done"}) } else { json!({}) }
}

/// Whether it makes what it names in the caller's own workspace, where another's of that name is no hindrance.
fn makes_its_own(operation: &Operation) -> bool {
    let makes =
        ["PUT /api/v1/topics/{topic}", "POST /api/v1/topics/{topic}/messages", "POST /api/v1/topics/{topic}/leases"];
    makes.contains(&format!("{} {}", operation.method, operation.path).as_str())
}

/// An id of the right form that nothing has.
fn absent(operation: &Operation) -> String {
    if operation.path.starts_with("/api/tasks/") { "999999999".to_owned() } else { Uuid::new_v4().to_string() }
}

#[tokio::test]
async fn what_belongs_to_another_workspace_is_not_found_and_stays_as_it_is() {
    let app = TestApp::spawn().await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let belongings = Belongings::of(&ada).await;
    let gpu = format!("/api/v1/gpus/{}", belongings.gpu);
    until("the sample is stored", async || ada.get(&gpu).await.status == 200).await;
    let before = belongings.as_seen_by(&ada).await;
    let intruder = eve.clone().with("x-workspace-id", &ada.workspace_id);
    let key = eve.post("/api/keys", &json!({"name": "ci"})).await.ok(201);
    let by_key = app.client().with("x-api-key", key["key"].as_str().unwrap());
    let mut tried = 0;
    let documented = documented(&app).await;
    let named = documented.iter().filter(|operation| operation.path.contains('{') && !makes_its_own(operation));
    for operation in named {
        let path = operation.path_with(|parameter| belongings.id(&operation.path, parameter));
        for stranger in [&eve, &intruder, &by_key] {
            let reply = stranger.call(&operation.method, &path, &form(operation)).await;
            assert_eq!(reply.status, 404, "{} {}: {}", operation.method, operation.path, reply.text());
            let absent = operation.path_with(|_| absent(operation));
            let nothing = stranger.call(&operation.method, &absent, &form(operation)).await.problem(404);
            // What is another's cannot be told from what is not there.
            assert_eq!(reply.problem(404)["detail"], nothing["detail"], "{} {}", operation.method, operation.path);
        }
        tried += 1;
    }
    assert!(tried >= 5, "{tried}");
    assert_eq!(belongings.as_seen_by(&ada).await, before);
}

#[tokio::test]
async fn no_list_shows_what_belongs_to_another_workspace() {
    let app = TestApp::spawn().await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let belongings = Belongings::of(&ada).await;
    Belongings::of(&eve).await;
    let lists = documented(&app).await;
    let lists = lists.iter().filter(|operation| operation.method == "GET" && !operation.path.contains('{'));
    for list in lists {
        let text = eve.get(&list.path).await.text();
        for id in belongings.all().into_iter().chain([ada.workspace_id.as_str(), "ada@example.com"]) {
            assert!(!text.contains(id), "{}: {text}", list.path);
        }
    }
    // By a filter neither.
    let runs = eve.get(&format!("/runs?trace_id={}", belongings.trace)).await.ok(200);
    assert_eq!(runs["items"], json!([]));
}

#[tokio::test]
async fn the_id_of_another_workspaces_run_can_be_used_and_tells_nothing() {
    let app = TestApp::spawn().await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let id = ada.create(&json!([run(None, "hers")])).await.remove(0);
    assert_eq!(eve.create(&json!([run(Some(&id), "mine")])).await, std::slice::from_ref(&id));
    let path = format!("/runs/{id}");
    assert_eq!(ada.get(&path).await.ok(200)["name"], "hers");
    assert_eq!(eve.get(&path).await.ok(200)["name"], "mine");
    assert_eq!(eve.delete(&path).await.status, 204);
    assert_eq!(ada.get(&path).await.ok(200)["name"], "hers");
}
