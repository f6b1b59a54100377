//! Knows paths, their parameters and methods as the document does, for errors and for the log: the framework numbers
//! parameters, and forgets the path and the methods of a request that fails.

use serde_json::Value;

/// The paths of the OpenAPI document.
#[derive(Debug, Default)]
pub struct Paths(Vec<Template>);

#[derive(Debug)]
struct Template {
    /// As the document spells it.
    pattern: String,
    segments: Vec<String>,
    /// As a header lists them: `DELETE, GET`.
    methods: String,
}

impl Paths {
    /// Of this document.
    pub fn new(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).unwrap_or_default();
        let paths = document["paths"].as_object().into_iter().flatten();
        let template = |(path, operations): (&String, &Value)| Template {
            pattern: path.clone(),
            segments: segments(path).map(str::to_owned).collect(),
            methods: methods(operations),
        };
        Self(paths.map(template).collect())
    }

    /// And these, which no document has, each with its methods.
    pub fn with(mut self, more: &[(&str, &str)]) -> Self {
        let template = |(path, methods): &(&str, &str)| Template {
            pattern: (*path).to_owned(),
            segments: segments(path).map(str::to_owned).collect(),
            methods: (*methods).to_owned(),
        };
        self.0.extend(more.iter().map(template));
        self
    }

    /// The name of the parameter that the framework calls `param0`, `param1`, … in a request for `path`.
    pub fn parameter(&self, path: &str, numbered: &str) -> String {
        let name = || {
            let number: usize = numbered.strip_prefix("param")?.parse().ok()?;
            self.template(path)?.segments.iter().filter_map(|segment| placeholder(segment)).nth(number)
        };
        name().unwrap_or(numbered).to_owned()
    }

    /// The path of the document that a request for `path` is for.
    pub fn pattern(&self, path: &str) -> Option<&str> {
        self.template(path).map(|template| template.pattern.as_str())
    }

    /// The methods that `path` has, as a header lists them; what is not in the document is only for reading.
    pub fn methods(&self, path: &str) -> &str {
        self.template(path).map_or("GET", |template| &template.methods)
    }

    /// The one that takes `path` most literally.
    fn template(&self, path: &str) -> Option<&Template> {
        let wanted: Vec<&str> = segments(path).collect();
        let fitting = self.0.iter().filter(|template| fits(&template.segments, &wanted));
        fitting.min_by_key(|template| template.segments.iter().filter(|segment| placeholder(segment).is_some()).count())
    }
}

fn methods(operations: &Value) -> String {
    let methods: Vec<String> =
        operations.as_object().into_iter().flatten().map(|(method, _)| method.to_uppercase()).collect();
    methods.join(", ")
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
    fn a_path_has_the_methods_of_the_document() {
        let paths = Paths::new(r#"{"paths":{"/runs/{id}":{"get":{},"delete":{}}}}"#);
        assert_eq!(paths.methods("/runs/zz"), "DELETE, GET");
        assert_eq!(paths.methods("/docs"), "GET");
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
