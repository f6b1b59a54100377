//! Names the parameters of paths in errors: the framework numbers them, callers know them by their names.

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
            let wanted: Vec<&str> = segments(path).collect();
            let template = self.0.iter().find(|template| fits(template, &wanted))?;
            template.iter().filter_map(|segment| placeholder(segment)).nth(number)
        };
        name().unwrap_or(numbered).to_owned()
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
}
