//! Names paths and their parameters as the document does, in errors and in the log: the framework numbers parameters,
//! and forgets the path of a request that fails.

use serde_json::Value;

/// The paths of the OpenAPI document, as their segments.
#[derive(Debug, Default)]
pub struct Paths(Vec<Vec<String>>);

impl Paths {
    /// Of this document.
    pub fn new(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).unwrap_or_default();
        let paths = document["paths"].as_object().into_iter().flat_map(|paths| paths.keys());
        Self(paths.map(|path| segments(path).map(str::to_owned).collect()).collect())
    }

    /// The name of the parameter that the framework calls `param0`, `param1`, … in a request for `path`.
    pub fn parameter(&self, path: &str, numbered: &str) -> String {
        let name = || {
            let number: usize = numbered.strip_prefix("param")?.parse().ok()?;
            self.template(path)?.iter().filter_map(|segment| placeholder(segment)).nth(number)
        };
        name().unwrap_or(numbered).to_owned()
    }

    /// The path of the document that a request for `path` is for.
    pub fn pattern(&self, path: &str) -> Option<String> {
        self.template(path).map(|template| format!("/{}", template.join("/")))
    }

    /// The one that takes `path` most literally.
    fn template(&self, path: &str) -> Option<&Vec<String>> {
        let wanted: Vec<&str> = segments(path).collect();
        let fitting = self.0.iter().filter(|template| fits(template, &wanted));
        fitting.min_by_key(|template| template.iter().filter(|segment| placeholder(segment).is_some()).count())
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

fn placeholder(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn fits(template: &[String], path: &[&str]) -> bool {
    template.len() == path.len()
        && template.iter().zip(path).all(|(segment, given)| placeholder(segment).is_some() || segment == given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numbered_parameter_gets_the_name_that_the_document_gives_it() {
        let paths = Paths::new(r#"{"paths":{"/runs/{id}":{},"/a/{b}/c/{d}":{}}}"#);
        assert_eq!(paths.parameter("/runs/zz", "param0"), "id");
        assert_eq!(paths.parameter("/a/1/c/2", "param1"), "d");
        assert_eq!(paths.parameter("/unknown", "param0"), "param0");
        assert_eq!(paths.parameter("/runs/zz", "limit"), "limit");
    }

    #[test]
    fn a_path_has_the_pattern_that_takes_it_most_literally() {
        let paths = Paths::new(r#"{"paths":{"/runs/{id}":{},"/runs/query":{},"/runs":{}}}"#);
        assert_eq!(paths.pattern("/runs/zz").unwrap(), "/runs/{id}");
        assert_eq!(paths.pattern("/runs/query").unwrap(), "/runs/query");
        assert_eq!(paths.pattern("/runs/").unwrap(), "/runs");
        assert_eq!(paths.pattern("/runs/zz/more"), None);
    }
}
