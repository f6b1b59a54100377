//! Reads the chart and renders it as Helm does, without Helm.

use std::fs;
use std::path::PathBuf;

use gtmpl_ng::{Context, Template};
use gtmpl_value_ng::Value as Data;
use serde_json::{Map, Value, json};

use super::functions;

/// The name of the release that is rendered.
pub const RELEASE: &str = "yard-1";
/// The namespace of that release.
pub const NAMESPACE: &str = "production";

/// How a piece begins that others include.
const DEFINE: &str = "{{- define \"";

/// The chart, as it lies in its folder.
#[derive(Clone)]
pub struct Chart {
    /// `Chart.yaml`.
    pub about: Value,
    /// `values.yaml`.
    pub values: Value,
    /// `values.schema.json`.
    pub schema: Value,
    /// Each template with its name; those that only define what others include begin with `_`.
    pub templates: Vec<(String, String)>,
}

/// Something that the chart makes, or prints.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// The template that it came from.
    pub template: String,
    /// What it is.
    pub value: Value,
}

impl Object {
    /// Its kind.
    pub fn kind(&self) -> &str {
        self.value["kind"].as_str().unwrap()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.value["metadata"]["name"].as_str().unwrap()
    }
}

/// The folder of the chart.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/helm/runyard")
}

/// The sets of values that the chart is tried with, by name.
pub fn cases() -> Vec<(String, Value)> {
    let mut cases: Vec<_> = files("ci").into_iter().map(|(name, text)| (name, yaml(&text))).collect();
    assert!(cases.len() > 3, "{cases:?}");
    cases.sort_by(|left, right| left.0.cmp(&right.0));
    cases
}

/// One of them.
pub fn case(name: &str) -> Value {
    cases().into_iter().find(|(found, _)| found == &format!("{name}.yaml")).unwrap().1
}

/// One YAML document.
pub fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// `over` laid over `under`, as Helm does with values: objects are merged, everything else is replaced.
pub fn merged(under: &Value, over: &Value) -> Value {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            let mut all = under.clone();
            for (key, value) in over {
                let value = all.get(key).map_or_else(|| value.clone(), |under| merged(under, value));
                all.insert(key.clone(), value);
            }
            Value::Object(all)
        }
        _ => over.clone(),
    }
}

impl Chart {
    /// The chart of this repository.
    pub fn read() -> Self {
        let text = |name: &str| fs::read_to_string(folder().join(name)).unwrap();
        let mut templates = files("templates");
        templates.sort();
        Self {
            about: yaml(&text("Chart.yaml")),
            values: yaml(&text("values.yaml")),
            schema: serde_json::from_str(&text("values.schema.json")).unwrap(),
            templates,
        }
    }

    /// Everything that is made with these values.
    ///
    /// # Errors
    /// Says which template is broken, or what the chart refuses.
    pub fn render(&self, values: &Value) -> Result<Vec<Object>, String> {
        let mut objects = Vec::new();
        for (name, text) in self.templates.iter().filter(|(name, _)| name.ends_with(".yaml")) {
            let rendered = self.render_one(name, text, values)?;
            let documents: Vec<Value> =
                serde_saphyr::from_multiple(&rendered).map_err(|error| format!("{name}: {error}\n{rendered}"))?;
            let made = documents.into_iter().filter(|document| !document.is_null());
            objects.extend(made.map(|value| Object { template: name.clone(), value }));
        }
        Ok(objects)
    }

    /// What is printed after an installation.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn notes(&self, values: &Value) -> Result<String, String> {
        let (name, text) = self.templates.iter().find(|(name, _)| name == "NOTES.txt").unwrap();
        self.render_one(name, text, values)
    }

    fn render_one(&self, name: &str, text: &str, values: &Value) -> Result<String, String> {
        let root = json!({
            "Values": merged(&self.values, values),
            "Chart": {
                "Name": self.about["name"],
                "Version": self.about["version"],
                "AppVersion": self.about["appVersion"],
            },
            "Release": { "Name": RELEASE, "Namespace": NAMESPACE, "Service": "Helm" },
            // A function knows nothing but its arguments, and `include` needs to know what there is to include.
            functions::DEFINED: self.defined(),
        });
        let root: Data = serde_json::from_value(root).unwrap();
        let rendered = evaluate(name, text, "", root).map_err(|error| format!("{name}: {error}"))?;
        match rendered.contains("<no value>") {
            true => Err(format!("{name}: a value is not there\n{rendered}")),
            false => Ok(rendered),
        }
    }

    /// What templates may include, by name.
    fn defined(&self) -> Map<String, Value> {
        let helpers = self.templates.iter().filter(|(name, _)| name.starts_with('_'));
        // Each reaches the others by `include` alone, so that it can be read by itself.
        let pieces = helpers.flat_map(|(_, text)| text.split(DEFINE).skip(1));
        let named =
            pieces.map(|piece| (piece.split('"').next().unwrap().to_owned(), format!("{DEFINE}{piece}").into()));
        named.collect()
    }
}

/// One template, and a piece that it may call.
///
/// # Errors
/// Says where it is broken, or what it refuses.
pub fn evaluate(name: &str, text: &str, piece: &str, data: Data) -> Result<String, String> {
    let mut template = Template::with_name(name);
    template.add_funcs(&functions::ALL);
    template.add_template("piece", piece).map_err(|error| error.to_string())?;
    template.parse(text).map_err(|error| error.to_string())?;
    template.render(&Context::from(data)).map_err(|error| error.to_string())
}

/// The files of a folder of the chart with their names.
fn files(folder_name: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder().join(folder_name)).unwrap().map(Result::unwrap);
    let named =
        |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap());
    entries.map(named).collect()
}

/// The paths of everything that is no object, or an empty one, as `secret.values.JWT_SECRET`.
pub fn leaves(value: &Value) -> Vec<String> {
    fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
        match value.as_object().filter(|object| !object.is_empty()) {
            Some(object) => object.iter().for_each(|(key, value)| walk(value, &format!("{path}.{key}"), found)),
            None => found.push(path.trim_start_matches('.').to_owned()),
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

/// An object with one value at the end of a path.
pub fn at(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |value, key| Value::Object(Map::from_iter([(key.to_owned(), value)])))
}
