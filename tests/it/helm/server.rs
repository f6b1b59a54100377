//! What the chart gives to the server is what the server reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use runyard::config::{Cli, Command, Config, Direction, Role, env_example};
use serde_json::Value;

use super::render::{Chart, Object, cases};
use super::{made, of_kind};

type Variables = BTreeMap<String, String>;

fn texts(object: &Value) -> impl Iterator<Item = (String, String)> {
    object.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
}

/// What a container's process finds in its environment; a Secret that is not the chart's own is left out.
fn environment(objects: &[Object], container: &Value) -> Variables {
    let find = |kind: &str, name: &Value| {
        of_kind(objects, kind).into_iter().find(|object| object.name() == name).map(|object| &object.value)
    };
    let mut variables = Variables::new();
    for source in container["envFrom"].as_array().into_iter().flatten() {
        if let Some(reference) = source.get("configMapRef") {
            let map = find("ConfigMap", &reference["name"]).expect("the ConfigMap that a container names");
            variables.extend(texts(&map["data"]));
        }
        if let Some(secret) = source.get("secretRef").and_then(|reference| find("Secret", &reference["name"])) {
            variables.extend(texts(&secret["stringData"]));
        }
    }
    for variable in container["env"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap().to_owned();
        let value = match &variable["valueFrom"]["secretKeyRef"] {
            Value::Null => variable["value"].as_str().unwrap().to_owned(),
            key => match find("Secret", &key["name"]) {
                Some(secret) => secret["stringData"][key["key"].as_str().unwrap()].as_str().unwrap().to_owned(),
                None => continue,
            },
        };
        assert!(variables.insert(name.clone(), value).is_none(), "{name} is given twice");
    }
    variables
}

/// What the server makes of it.
fn read(objects: &[Object], container: &Value) -> Cli {
    let arguments = container["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap().to_owned());
    let variables = environment(objects, container);
    // As flags, since the environment of this process belongs to every test.
    let flags = variables.iter().map(|(name, value)| format!("--{}={value}", name.to_lowercase().replace('_', "-")));
    Cli::try_parse_from(std::iter::once("runyard".to_owned()).chain(arguments).chain(flags)).unwrap()
}

fn container(object: &Object) -> &Value {
    &object.value["spec"]["template"]["spec"]["containers"][0]
}

#[test]
fn every_deployment_serves_as_what_it_is_called() {
    for (name, values) in cases() {
        let objects = Chart::read().render(&values).unwrap();
        for deployment in of_kind(&objects, "Deployment") {
            let Cli { command, config } = read(&objects, container(deployment));
            assert!(matches!(command, Some(Command::Serve)), "{name}");
            let labels = &deployment.value["spec"]["template"]["metadata"]["labels"];
            assert_eq!(labels["app.kubernetes.io/component"], config.service(), "{name}");
            assert!(config.host.is_unspecified(), "{name}: probes come from outside");
            assert_eq!(config.data_dir, Path::new("/data"), "{name}");
            let reads = config.telemetry.streamer_source.is_some();
            assert_eq!(reads, config.roles().contains(&Role::Streamer), "{name}");
            assert_eq!(config.migrate, of_kind(&objects, "Job").is_empty(), "{name}: somebody migrates, and one alone");
        }
    }
}

#[test]
fn the_job_migrates_the_database_that_the_deployments_use() {
    for (name, values) in cases() {
        let objects = Chart::read().render(&values).unwrap();
        for job in of_kind(&objects, "Job") {
            let migration = read(&objects, container(job));
            assert!(matches!(migration.command, Some(Command::Migrate { direction: Direction::Up })), "{name}");
            for deployment in of_kind(&objects, "Deployment") {
                let url = |object: &Object| environment(&objects, container(object)).remove("DATABASE_URL");
                assert_eq!(url(job), url(deployment), "{name}");
            }
        }
    }
}

#[test]
fn a_pod_is_given_the_time_that_its_server_takes_to_stop() {
    for (name, values) in cases() {
        let objects = Chart::read().render(&values).unwrap();
        for deployment in of_kind(&objects, "Deployment") {
            let config: Config = read(&objects, container(deployment)).config;
            let spec = &deployment.value["spec"]["template"]["spec"];
            let grace = Duration::from_secs(spec["terminationGracePeriodSeconds"].as_u64().unwrap());
            let pause = &container(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"];
            let pause = Duration::from_secs(pause.as_u64().unwrap_or_default());
            // Requests, and then what works in the background, may take as long each.
            assert!(grace > pause + 2 * config.shutdown_timeout.0, "{name}: {grace:?}");
        }
    }
}

#[test]
fn a_role_may_have_variables_of_its_own() {
    let objects = made("everything");
    for deployment in of_kind(&objects, "Deployment") {
        let config = read(&objects, container(deployment)).config;
        let api = config.roles() == [Role::Api];
        assert_eq!(config.database_connections, if api { 32 } else { 16 });
        assert_eq!(config.limits.max_favorites, 2_000_000);
    }
}

/// The variables that the server documents.
fn documented() -> BTreeSet<String> {
    let settings = env_example();
    let lines = settings.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    lines.map(|(name, _)| name.to_owned()).filter(|name| !name.contains(' ')).collect()
}

fn properties(schema: &Value) -> BTreeSet<String> {
    schema["properties"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_chart_names_every_variable_of_the_server_and_no_other() {
    let documented = documented();
    assert!(documented.len() > 40 && documented.contains("JWT_SECRET"), "{documented:?}");
    // What is in every container, and in no list of the values, is the chart's own to set.
    let mut own = BTreeSet::new();
    for (name, values) in cases() {
        let objects = Chart::read().render(&values).unwrap();
        for object in objects.iter().filter(|object| ["Deployment", "Job"].contains(&object.kind())) {
            let names: BTreeSet<_> = environment(&objects, container(object)).into_keys().collect();
            assert!(names.is_subset(&documented), "{name}: {:?}", names.difference(&documented));
            own.extend(names);
        }
    }
    let chart = Chart::read();
    let secrets = properties(&chart.schema["properties"]["secret"]["properties"]["values"]);
    let plain = properties(&chart.schema["definitions"]["variables"]);
    assert!(secrets.is_disjoint(&plain), "{:?}", secrets.intersection(&plain));
    let own: BTreeSet<_> = &(&own - &secrets) - &plain;
    let expected = ["DATA_DIR", "HOST", "MIGRATE", "PORT", "ROLES", "SHUTDOWN_TIMEOUT", "STREAMER_SOURCE"];
    assert!(own.iter().eq(expected), "{own:?}");
    let named = &(&secrets | &plain) | &own;
    let missing: Vec<_> = documented.difference(&named).collect();
    let unknown: Vec<_> = named.difference(&documented).collect();
    let file = "deploy/helm/runyard/values.schema.json";
    assert!(missing.is_empty(), "{file} lacks {missing:?} in definitions.variables, or in secret.values");
    assert!(unknown.is_empty(), "{file} has {unknown:?}, which the server does not read");
}

#[test]
fn every_secret_of_the_server_is_in_the_secret() {
    let secrets = properties(&Chart::read().schema["properties"]["secret"]["properties"]["values"]);
    let sounds_secret = |name: &&String| ["SECRET", "PASSWORD", "TOKEN"].iter().any(|word| name.contains(word));
    // They speak of secrets and hold none.
    let harmless = ["PASSWORD_CONCURRENCY", "PASSWORD_COST", "PASSWORD_QUEUE", "TOKEN_TTL"];
    for name in documented().iter().filter(sounds_secret).filter(|name| !harmless.contains(&name.as_str())) {
        assert!(secrets.contains(name), "{name}");
    }
    assert!(["DATABASE_URL", "CACHE_URL"].iter().all(|name| secrets.contains(*name)), "they hold passwords");
}
