//! Runs: what was sent comes back, what is wrong leaves nothing, and lists say what is there.

mod bytes;
mod lists;
mod reading;
mod refusals;
mod repeats;
mod sizes;
mod traces;

use uuid::Uuid;

use crate::support::{Client, TestApp};

/// A trace id of the tests.
pub const TRACE: &str = "944ce838-b5c5-4628-8f23-089fbda8b9e3";

/// A server and a user of it.
pub async fn app() -> (TestApp, Client) {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    (app, ada)
}

/// How many runs and segments a server's stores hold, rows and blobs alike.
pub async fn stored(app: &TestApp) -> Stored {
    use runyard::repository::entity::{run, segment};
    use sea_orm::{EntityTrait, PaginatorTrait};
    let stores = app.stores.open().await;
    let database = stores.database.reader();
    Stored {
        runs: run::Entity::find().count(database).await.unwrap(),
        segments: segment::Entity::find().count(database).await.unwrap(),
        blobs: stores.blobs.list(None, 10_000).await.unwrap().len(),
    }
}

/// What stores hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Stored {
    /// Rows of runs.
    pub runs: u64,
    /// Rows of segments.
    pub segments: u64,
    /// Blobs.
    pub blobs: usize,
}

/// Stores that hold nothing.
pub const NOTHING: Stored = Stored { runs: 0, segments: 0, blobs: 0 };

/// The bytes of a member of a JSON object, as they stand there; the last one when it stands there more than once.
pub fn raw<'a>(object: &'a str, member: &str) -> &'a str {
    use serde::Deserialize;
    use serde_json::value::RawValue;
    struct Members<'a>(Vec<(String, &'a RawValue)>);
    impl<'de> Deserialize<'de> for Members<'de> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Members<'de>;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut members = Vec::new();
                    while let Some(entry) = map.next_entry()? {
                        members.push(entry);
                    }
                    Ok(Members(members))
                }
            }
            deserializer.deserialize_map(Visitor)
        }
    }
    let members: Members<'a> = serde_json::from_str(object).unwrap();
    let found = members.0.iter().rev().find(|(name, _)| name == member);
    found.unwrap_or_else(|| panic!("no {member} in {object}")).1.get()
}

/// A new id.
pub fn id() -> String {
    Uuid::new_v4().to_string()
}
