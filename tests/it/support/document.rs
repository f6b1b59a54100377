//! The OpenAPI document as tests walk it: one entry for each operation.

use runyard::api::public::PUBLIC;
use serde_json::Value;

/// One operation of the document.
#[derive(Debug, Clone)]
pub struct Operation {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path with its parameters in braces.
    pub path: String,
    /// What the document says of it.
    pub says: Value,
}

impl Operation {
    /// Whether it is on the list of those that need no credentials.
    pub fn is_public(&self) -> bool {
        PUBLIC.contains(&(self.method.as_str(), self.path.as_str()))
    }

    /// The path with each parameter replaced by what `fill` gives for its name.
    pub fn path_with(&self, mut fill: impl FnMut(&str) -> String) -> String {
        let segments = self.path.split('/').map(|segment| {
            let name = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'));
            name.map_or_else(|| segment.to_owned(), &mut fill)
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

/// Every operation of a document; there must be some.
pub fn operations(document: &Value) -> Vec<Operation> {
    const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let path = path.clone();
        let known = item.as_object().unwrap().clone().into_iter().filter(|(name, _)| METHODS.contains(&name.as_str()));
        known.map(move |(method, says)| Operation { method: method.to_uppercase(), path: path.clone(), says })
    };
    let operations: Vec<_> = paths.iter().flat_map(of_path).collect();
    assert!(!operations.is_empty());
    operations
}
