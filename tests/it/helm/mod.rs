//! The Helm chart renders with every set of values, into what Kubernetes and the server understand.

mod functions;
mod kinds;
mod objects;
mod render;
mod server;
mod values;

use std::process::Command;

use render::{Chart, NAMESPACE, Object, RELEASE, at, case, cases, merged};
use serde_json::{Value, json};

/// Everything that the chart makes with one of its sets of values.
fn made(name: &str) -> Vec<Object> {
    Chart::read().render(&case(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Those of one kind.
fn of_kind<'a>(objects: &'a [Object], kind: &str) -> Vec<&'a Object> {
    objects.iter().filter(|object| object.kind() == kind).collect()
}

#[test]
fn every_set_of_values_renders_into_what_kubernetes_knows() {
    let chart = Chart::read();
    let mut kinds = Vec::new();
    for (name, values) in cases() {
        let objects = chart.render(&values).unwrap_or_else(|error| panic!("{name}: {error}"));
        for object in &objects {
            assert_eq!(kinds::unknown(&object.value), Vec::<String>::new(), "{name}, {}", object.template);
            assert_eq!(object.value["metadata"]["namespace"], NAMESPACE, "{name}, {}", object.template);
            assert!(object.name().len() < 64);
        }
        let mut names: Vec<_> = objects.iter().map(|object| (object.kind(), object.name())).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), objects.len(), "{name} makes something twice: {names:?}");
        kinds.extend(objects.iter().map(|object| object.template.clone()));
        assert!(chart.notes(&values).unwrap().starts_with("Runyard "), "{name}");
    }
    // A template from which nothing ever comes is not tried at all.
    for (template, _) in chart.templates.iter().filter(|(name, _)| name.ends_with(".yaml")) {
        assert!(kinds.contains(template), "no set of values makes anything of {template}");
    }
}

#[test]
fn a_name_of_any_length_leaves_names_that_kubernetes_takes() {
    let chart = Chart::read();
    let long = "a-name-that-is-much-too-long-to-be-followed-by-anything-at-all";
    for key in ["nameOverride", "fullnameOverride"] {
        let objects = chart.render(&merged(&case("everything"), &at(key, json!(long)))).unwrap();
        assert!(objects.iter().all(|object| object.name().len() < 64 && !object.name().ends_with('-')));
    }
}

#[test]
fn a_template_that_is_broken_is_noticed() {
    let broken = [
        ("kind: {{ if .Values.mode }}x", "never closed"),
        ("kind: {{ .Values.mod }}", "a value that is not there"),
        ("kind: {{ .Values.mode.of.what }}", "a member of a text"),
        ("kind: {{ camelcase .Values.mode }}", "a function that the test does not know"),
        ("kind: {{ include \"runyard.nothing\" . }}", "nothing of that name"),
        ("kind: {{ include \"runyard.name\" .Values.mode }}", "without the root"),
        ("kind: a: b", "no YAML"),
        ("{{ fail \"refused\" }}", "refused"),
    ];
    for (text, why) in broken {
        let mut chart = Chart::read();
        chart.templates.retain(|(name, _)| name.starts_with('_'));
        chart.templates.push(("broken.yaml".to_owned(), text.to_owned()));
        assert!(chart.render(&case("smallest")).is_err(), "{why}: {text}");
    }
}

#[test]
fn what_kubernetes_does_not_know_is_noticed() {
    let objects = made("everything");
    let deployment = &of_kind(&objects, "Deployment")[0].value;
    let spec = "spec.template.spec.securityContext";
    let broken = [
        at("kind", json!("Deploymnet")),
        at("apiVersion", json!("apps/v2")),
        at("spec.replica", json!(2)),
        at("spec.replicas", json!("2")),
        at(&format!("{spec}.runAsNotRoot"), json!(true)),
        at(&format!("{spec}.runAsNonRoot"), json!("true")),
        at("spec.template.spec.containers", json!([{ "name": "x", "probe": {} }])),
        at("spec.template.spec.containers", json!([{ "name": "x", "ports": [{ "containerPort": "http" }] }])),
    ];
    for change in broken {
        assert_eq!(kinds::unknown(&merged(deployment, &change)).len(), 1, "{change}");
    }
}

#[test]
fn what_cannot_work_is_refused_with_what_would_be_right() {
    let refused = |base: &str, path: &str, value: Value, reason: &str| {
        let values = merged(&case(base), &at(path, value));
        let error = Chart::read().render(&values).expect_err(reason);
        assert!(error.contains(reason), "{path}: expected {reason:?} in {error:?}");
    };
    let secret = |name: &str| format!("secret.values.{name}");
    refused("smallest", &secret("DATABASE_URL"), json!(""), "DATABASE_URL is required");
    refused("smallest", &secret("DATABASE_URL"), json!("mysql://db/runyard"), "expected postgres://");
    refused("smallest", &secret("DATABASE_URL"), json!("sqlite:///data/runyard.db"), "SQLite has one owner");
    refused("smallest", &secret("JWT_SECRET"), json!(""), "JWT_SECRET is required");
    refused("smallest", &secret("JWT_SECRET"), json!("short"), "32 bytes");
    refused("everything", &secret("JWT_SECRET"), json!("0123456789abcdef0123456789abcdef,short"), "32 bytes");
    refused("smallest", &secret("AWS_SECRET_ACCESS_KEY"), json!(""), "AWS_SECRET_ACCESS_KEY are required");
    refused("smallest", "api.replicas", json!(2), "several replicas need redis://");
    refused("smallest", "api.autoscaling.enabled", json!(true), "several replicas need redis://");
    refused("everything", &secret("CACHE_URL"), json!("memory://"), "several replicas need redis://");
    refused("smallest", "config.BLOB_URL", json!(""), "BLOB_URL is required");
    refused("secret", "config.BLOB_URL", json!(""), "BLOB_URL is required");
    refused("smallest", "config.BLOB_URL", json!("file:///data/blobs"), "seen by one Pod alone");
    refused("embedded", "config.BLOB_URL", json!("file:///blobs"), "nothing else can be written");
    refused("embedded", &secret("DATABASE_URL"), json!("sqlite:///tmp/runyard.db"), "must be below /data");
    refused("embedded", "all.replicas", json!(2), "one owner");
    refused("embedded", "all.autoscaling.enabled", json!(true), "one owner");
    refused("embedded", "persistence.enabled", json!(false), "BLOB_URL is required");
    refused("embedded", "mode", json!("roles"), "only mode `all`");
    refused("everything", "ingress.hosts", json!([]), "ingress.hosts is required");
    refused("smallest", "podMonitor.enabled", json!(true), "METRICS_PASSWORD are required");
    let blobs_elsewhere = json!({
        "config": { "BLOB_URL": "s3://runs" },
        "secret": { "values": { "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b" } },
        "persistence": { "enabled": false },
    });
    let error = Chart::read().render(&merged(&case("embedded"), &blobs_elsewhere)).expect_err("SQLite in an emptyDir");
    assert!(error.contains("would be lost with its Pod"), "{error}");
    assert!(Chart::read().render(&json!({})).is_err(), "the chart has no default for what must be given");
}

/// `make helm-lint` says by `TEST_HELM` which program to compare with; nothing else here needs one.
#[test]
fn helm_itself_renders_the_same() {
    let Some(helm) = std::env::var_os("TEST_HELM") else { return };
    for (name, values) in cases() {
        let ours = Chart::read().render(&values).unwrap();
        let mut command = Command::new(&helm);
        command.args(["template", RELEASE, ".", "--namespace", NAMESPACE, "--values"]).arg(format!("ci/{name}"));
        let output = command.current_dir(render::folder()).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let theirs: Vec<Value> = serde_saphyr::from_multiple(std::str::from_utf8(&output.stdout).unwrap()).unwrap();
        let key = |value: &Value| (value["kind"].to_string(), value["metadata"]["name"].to_string());
        let mut theirs: Vec<_> = theirs.into_iter().filter(|value| !value.is_null()).collect();
        theirs.sort_by_key(key);
        let mut ours: Vec<_> = ours.into_iter().map(|object| object.value).collect();
        ours.sort_by_key(key);
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs, "{name}");
        }
    }
}
