//! A client over a real socket: one way to send, and answers that a test can look at.

use std::net::SocketAddr;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{PASSWORD, journal};

/// Somebody who talks to a server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    headers: Vec<(String, String)>,
    /// The refresh token of the last log-in.
    pub refresh_token: String,
    /// The access token of the last log-in.
    pub token: String,
    /// The workspace made at sign-up.
    pub workspace_id: String,
    /// The user.
    pub user_id: String,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: reqwest::header::HeaderMap,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Client {
    /// Without credentials.
    pub fn new(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let (refresh_token, token, workspace_id, user_id) = Default::default();
        Self {
            http,
            base: format!("http://{address}"),
            headers: Vec::new(),
            refresh_token,
            token,
            workspace_id,
            user_id,
        }
    }

    /// Signs up and logs in.
    pub async fn signed_up(mut self, email: &str) -> Self {
        let user = self.post("/signup", &json!({"email": email, "password": PASSWORD})).await.ok(201);
        self.workspace_id = user["workspace_id"].as_str().unwrap().to_owned();
        self.user_id = user["id"].as_str().unwrap().to_owned();
        self.logged_in(email).await
    }

    /// Logs in.
    pub async fn logged_in(mut self, email: &str) -> Self {
        let pair = self.post("/login", &json!({"email": email, "password": PASSWORD})).await.ok(200);
        self.refresh_token = pair["refresh_token"].as_str().unwrap().to_owned();
        self.token = pair["token"].as_str().unwrap().to_owned();
        let token = self.token.clone();
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// The same with this header on every request, in place of what it had under that name.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same at another address.
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.base = format!("http://{address}");
        self
    }

    /// The same without any header.
    pub fn anonymous(&self) -> Self {
        Self { headers: Vec::new(), ..self.clone() }
    }

    /// A request that is not sent yet.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&self, request: RequestBuilder) -> Reply {
        let (http, request) = request.build_split();
        let request = request.unwrap();
        journal::sent(&request);
        let response = http.execute(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap().to_vec();
        journal::received(&bytes);
        Reply { status, headers, bytes }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// A request of any method with a body of JSON.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> Reply {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.send(self.request(method, path).body(body.to_string())).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_bytes(path, body.to_string()).await
    }

    /// POST of bytes, without a content type, as `curl -d` is not far from.
    pub async fn post_bytes(&self, path: &str, body: impl Into<reqwest::Body>) -> Reply {
        self.send(self.request(Method::POST, path).body(body)).await
    }

    /// Stores runs and returns their ids.
    pub async fn create(&self, runs: &Value) -> Vec<String> {
        let created = self.post("/runs", runs).await.ok(201);
        created["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The body as JSON of an answer that must have this status.
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.bytes.is_empty() { Value::Null } else { self.json() }
    }

    /// The body of an error with this status; it must be a whole problem.
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        for member in ["type", "title", "detail", "code", "request_id"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {problem}");
        }
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        problem
    }

    /// The first field that an error names.
    pub fn field(&self, status: u16) -> String {
        let problem = self.problem(status);
        problem["errors"][0]["field"].as_str().unwrap_or_default().to_owned()
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
