//! Values are described by their schema, read by the templates, and of the server's version.

use boon::{Compiler, Schemas};
use serde_json::{Value, json};

use super::render::{Chart, at, cases, leaves, merged};

/// What the schema has against these values, as Helm would ask it.
fn objections(chart: &Chart, values: &Value) -> Option<String> {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("file:///values.schema.json", chart.schema.clone()).unwrap();
    let schema = compiler.compile("file:///values.schema.json", &mut schemas).unwrap();
    schemas.validate(&merged(&chart.values, values), schema).err().map(|error| format!("{error:#}"))
}

#[test]
fn the_schema_takes_every_set_of_values() {
    let chart = Chart::read();
    assert_eq!(objections(&chart, &json!({})), None);
    for (name, values) in cases() {
        assert_eq!(objections(&chart, &values), None, "{name}");
    }
}

#[test]
fn the_schema_refuses_what_the_chart_does_not_know() {
    let chart = Chart::read();
    for path in leaves(&chart.values) {
        // One letter more, at each place where values are the chart's and not Kubernetes' own.
        let (folder, _) = path.rsplit_once('.').unwrap_or(("", ""));
        let of_kubernetes = ["podSecurityContext", "securityContext", "resources.requests", "resources.limits"];
        if of_kubernetes.iter().any(|part| folder.contains(part)) {
            continue;
        }
        assert!(objections(&chart, &at(&format!("{path}x"), json!("x"))).is_some(), "{path}x is taken");
    }
    let wrong = [
        at("mode", json!("both")),
        at("config.MAX_BATCH", json!(5000)),
        at("config.JWT_SECRET", json!("0123456789abcdef0123456789abcdef")),
        at("config.ROLES", json!("api")),
        at("api.config.PORT", json!("80")),
        at("api.replicas", json!("two")),
        at("queue.autoscaling.enabled", json!(true)),
        at("port", json!(80)),
        at("image.digest", json!("latest")),
        at("image.pullPolicy", json!("Sometimes")),
        at("streamer.source", json!("https://dcgm/metrics")),
        at("topologySpread", json!([{ "topologyKey": "zone" }])),
    ];
    for values in wrong {
        assert!(objections(&chart, &values).is_some(), "{values} is taken");
    }
}

/// The paths below `.Values` that a template reads; what it reads of a role it reads of each.
fn references(text: &str, roles: &[&str]) -> Vec<String> {
    let path = |rest: &str| {
        let end = rest.find(|character: char| !character.is_ascii_alphanumeric() && !"._".contains(character));
        rest[..end.unwrap_or(rest.len())].trim_end_matches('.').to_owned()
    };
    let direct = text.match_indices(".Values.").map(|(start, found)| path(&text[start + found.len()..]));
    let mut found: Vec<_> = direct.collect();
    for variable in ["$role.", "$front."] {
        for (start, _) in text.match_indices(variable) {
            let rest = path(&text[start + variable.len()..]);
            found.extend(roles.iter().map(|role| format!("{role}.{rest}")));
        }
    }
    found
}

#[test]
fn templates_read_every_value_and_no_other() {
    let chart = Chart::read();
    let roles = ["api", "queue", "collector", "streamer", "all"];
    let text: String = chart.templates.iter().map(|(_, text)| text.as_str()).collect();
    let references = references(&text, &roles);
    assert!(references.len() > 100, "{references:?}");
    for path in &references {
        let found = path.split('.').try_fold(&chart.values, |value, key| value.get(key));
        // Not every role is scaled, and the templates ask whether it is.
        let optional = ["queue.autoscaling", "streamer.autoscaling"].iter().any(|part| path.starts_with(part));
        assert!(found.is_some() || optional, "templates read .Values.{path}, which is not in values.yaml");
    }
    for leaf in leaves(&chart.values) {
        let read = references.iter().any(|path| leaf == *path || leaf.starts_with(&format!("{path}.")));
        assert!(read, "values.yaml has {leaf}, which no template reads");
    }
}

#[test]
fn a_value_that_is_not_there_is_noticed() {
    assert_eq!(references("{{ .Values.a.b }} {{ $.Values.c | quote }}", &[]), ["a.b", "c"]);
    assert_eq!(references("{{ $role.config }}", &["api", "all"]), ["api.config", "all.config"]);
}

/// The keys of `values.yaml` about which nothing is said: neither by a comment above, nor by one above what they
/// belong to and nothing else.
fn uncommented(text: &str) -> Vec<String> {
    let mut missing = Vec::new();
    let mut above = "";
    // The indentation of what has been explained as a whole.
    let mut explained = usize::MAX;
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let is_key = !line.trim_start().starts_with(['#', '-']) && line.contains(':');
        if is_key {
            if indent <= explained {
                explained = usize::MAX;
            }
            let commented = above.trim_start().starts_with('#');
            let children = lines.get(index + 1).is_some_and(|next| next.trim_start().starts_with('#'));
            if explained == usize::MAX && commented && line.ends_with(':') && !children {
                explained = indent;
            } else if explained == usize::MAX && !commented && !(line.ends_with(':') && children) {
                missing.push(line.trim().to_owned());
            }
        }
        above = line;
    }
    missing
}

#[test]
fn every_value_is_explained() {
    let text = std::fs::read_to_string(super::render::folder().join("values.yaml")).unwrap();
    assert_eq!(uncommented(&text), Vec::<String>::new());
    assert_eq!(uncommented("# A\na: 1\nb: 2\n"), ["b: 2"]);
    assert_eq!(uncommented("a:\n  # B\n  b: 1\n  c: 2\n"), ["c: 2"]);
    assert_eq!(uncommented("# A\na:\n  b: 1\n  c: 2\nd: 1\n"), ["d: 1"]);
}

#[test]
fn the_chart_is_of_the_servers_version() {
    let about = Chart::read().about;
    assert_eq!(about["appVersion"], env!("CARGO_PKG_VERSION"));
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(about["name"], env!("CARGO_PKG_NAME"));
}
