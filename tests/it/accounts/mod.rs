//! Accounts: who comes in, into which workspace, what they may do there, and how all of that ends.

mod keys;
mod login;
mod members;
mod secrets;
mod sessions;
mod signup;

use serde_json::{Value, json};

use crate::support::{Client, PASSWORD, Reply};

/// An e-mail with the password that every user of the tests has.
fn credentials(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD})
}

/// The names of an object's members, sorted.
fn members(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// Exchanges a refresh token.
async fn refresh(client: &Client, refresh_token: &str) -> Reply {
    client.anonymous().post("/token", &json!({"refresh_token": refresh_token})).await
}

/// Lets `guest` into the workspace of `owner`, and gives the guest as they are there.
async fn invite(owner: &Client, guest: &Client, name: &str, role: &str) -> Client {
    let member = json!({"email": format!("{name}@example.com"), "role": role});
    owner.post("/api/members", &member).await.ok(201);
    guest.clone().with("x-workspace-id", &owner.workspace_id)
}
