//! What the chart makes fits together: ports, selectors, names, and what a container may do.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::render::{Chart, Object, RELEASE, at, case, cases, merged};
use super::{made, of_kind};

/// Every Pod that the chart describes, with the object that does.
fn pods(objects: &[Object]) -> Vec<(&Object, &Value)> {
    let makes_pods = |object: &&Object| ["Deployment", "Job"].contains(&object.kind());
    objects.iter().filter(makes_pods).map(|object| (object, &object.value["spec"]["template"])).collect()
}

/// The Deployments whose Pods have these labels.
fn selected<'a>(objects: &'a [Object], labels: &Value) -> Vec<&'a Object> {
    let wanted = labels.as_object().filter(|labels| !labels.is_empty()).expect("a selector of nothing selects all");
    let has_all = |object: &&Object| {
        let labels = &object.value["spec"]["template"]["metadata"]["labels"];
        wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
    };
    of_kind(objects, "Deployment").into_iter().filter(has_all).collect()
}

fn container(pod: &Value) -> &Value {
    let containers = pod["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    &containers[0]
}

fn variable<'a>(container: &'a Value, name: &str) -> &'a Value {
    let variables = container["env"].as_array().unwrap();
    &variables.iter().find(|variable| variable["name"] == name).unwrap_or_else(|| panic!("no {name}"))["value"]
}

#[test]
fn each_role_is_a_deployment_and_a_streamer_needs_a_source() {
    let roles = |name: &str| {
        let objects = made(name);
        let role = |object: &&Object| {
            let role = variable(container(&object.value["spec"]["template"]), "ROLES").as_str().unwrap().to_owned();
            (object.name().to_owned(), role)
        };
        of_kind(&objects, "Deployment").iter().map(role).collect::<BTreeMap<_, _>>()
    };
    let named = |names: &[(&str, &str)]| {
        names.iter().map(|(name, role)| (format!("{RELEASE}{name}"), (*role).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let three = [("-runyard-apigw", "api"), ("-runyard-mq", "queue"), ("-runyard-collector", "collector")];
    assert_eq!(roles("smallest"), named(&three));
    // A release that is called like the chart does not say so twice.
    let four = [("-apigw", "api"), ("-mq", "queue"), ("-collector", "collector"), ("-streamer", "streamer")];
    assert_eq!(roles("everything"), named(&four));
    assert_eq!(roles("embedded"), named(&[("-runyard", "api,queue,collector")]));
    assert_eq!(roles("replicas"), named(&[("-runyard", "api,queue,collector,streamer")]));
    let without = json!({ "queue": { "enabled": false }, "collector": { "enabled": false } });
    let objects = Chart::read().render(&merged(&case("smallest"), &without)).unwrap();
    assert_eq!(of_kind(&objects, "Deployment").len(), 1);
}

#[test]
fn probes_and_services_reach_the_port_that_the_server_listens_on() {
    // A page beside the API, so it is not in the document.
    assert!(include_str!("../../../src/api/mod.rs").contains(".at(\"/metrics\""), "the server has no /metrics");
    let secrets = of_kind(&objects, "Secret");
    for part in ["username", "password"] {
        let reference = &endpoint["basicAuth"][part];
        let secret = secrets.iter().find(|secret| secret.name() == reference["name"]).unwrap();
        assert!(secret.value["stringData"][reference["key"].as_str().unwrap()].is_string(), "{part}");
    }
}

#[test]
fn what_is_scaled_has_no_number_of_replicas_of_its_own() {
    for (name, values) in cases() {
        let objects = Chart::read().render(&values).unwrap();
        let scaled: Vec<_> = of_kind(&objects, "HorizontalPodAutoscaler");
        for deployment in of_kind(&objects, "Deployment") {
            let by = scaled.iter().filter(|scaler| {
                let target = &scaler.value["spec"]["scaleTargetRef"];
                target["kind"] == "Deployment" && target["name"] == deployment.name()
            });
            let fixed = deployment.value["spec"].get("replicas").is_some();
            assert_eq!(by.count(), usize::from(!fixed), "{name}, {}", deployment.name());
            let requests = &container(&deployment.value["spec"]["template"])["resources"]["requests"];
            assert!(requests["cpu"].is_string() && requests["memory"].is_string());
        }
    }
    assert_eq!(of_kind(&made("everything"), "HorizontalPodAutoscaler").len(), 2);
}

#[test]
fn no_container_may_do_more_than_it_must() {
    for (name, values) in cases() {
        let objects = Chart::read().render(&values).unwrap();
        for (object, pod) in pods(&objects) {
            let spec = &pod["spec"];
            assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{name}, {}", object.name());
            assert_eq!(spec["securityContext"]["seccompProfile"], json!({ "type": "RuntimeDefault" }));
            assert_eq!(spec["automountServiceAccountToken"], false);
            let security = &container(pod)["securityContext"];
            assert_eq!(security["readOnlyRootFilesystem"], true);
            assert_eq!(security["allowPrivilegeEscalation"], false);
            assert_eq!(security["capabilities"], json!({ "drop": ["ALL"] }));
            assert!(container(pod)["resources"]["limits"]["memory"].is_string());
        }
    }
}

#[test]
fn every_mount_has_its_volume_and_the_data_folder_is_one() {
    for (name, values) in cases() {
        let objects = Chart::read().render(&values).unwrap();
        for deployment in of_kind(&objects, "Deployment") {
            let pod = &deployment.value["spec"]["template"];
            let names: Vec<_> =
                pod["spec"]["volumes"].as_array().unwrap().iter().map(|volume| &volume["name"]).collect();
            let mounts = container(pod)["volumeMounts"].as_array().unwrap();
            assert!(mounts.iter().all(|mount| names.contains(&&mount["name"])), "{name}");
            let folders: Vec<_> = mounts.iter().map(|mount| &mount["mountPath"]).collect();
            assert!(folders.contains(&variable(container(pod), "DATA_DIR")) && folders.contains(&&json!("/tmp")));
        }
    }
    let objects = made("embedded");
    let claim = of_kind(&objects, "PersistentVolumeClaim")[0];
    let pod = &of_kind(&objects, "Deployment")[0].value["spec"];
    assert_eq!(pod["template"]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"], claim.name());
    assert_eq!(pod["strategy"], json!({ "type": "Recreate" }), "two owners of one folder");
}

#[test]
fn a_change_of_the_configuration_rolls_every_pod() {
    let templates = |values: &Value| {
        let objects = Chart::read().render(values).unwrap();
        let deployments = of_kind(&objects, "Deployment");
        deployments.iter().map(|object| object.value["spec"]["template"].clone()).collect::<Vec<_>>()
    };
    let values = case("everything");
    let before = templates(&values);
    assert_eq!(before, templates(&values));
    for path in ["config.LOG_LEVEL", "config.MAX_RUN", "secret.values.CACHE_URL", "secret.values.AWS_SESSION_TOKEN"] {
        let after = templates(&merged(&values, &at(path, json!("redis://changed"))));
        assert!(before.iter().zip(&after).all(|(before, after)| before != after), "{path}");
    }
    let after = templates(&merged(&values, &at("api.config.MAX_BODY", json!("1GiB"))));
    assert_eq!(before.iter().zip(&after).filter(|(before, after)| before != after).count(), 1);
}

#[test]
fn the_migration_comes_first_and_brings_what_it_needs() {
    let objects = made("everything");
    let job = of_kind(&objects, "Job")[0];
    let annotations = |object: &Object| object.value["metadata"]["annotations"].clone();
    let weight = |object: &Object| annotations(object)["helm.sh/hook-weight"].as_str().unwrap().parse::<i32>().unwrap();
    assert_eq!(annotations(job)["helm.sh/hook"], "pre-install,pre-upgrade");
    let spec = &job.value["spec"]["template"]["spec"];
    assert!(spec.get("serviceAccountName").is_none(), "the release's own account is not there yet");
    assert!(container(&job.value["spec"]["template"]).get("envFrom").is_none(), "nor are its variables");
    let needed = &container(&job.value["spec"]["template"])["env"][0]["valueFrom"]["secretKeyRef"]["name"];
    let secrets = of_kind(&objects, "Secret");
    let secret = secrets.iter().find(|secret| secret.name() == needed).expect("the Secret that the Job names");
    assert_eq!(annotations(secret)["helm.sh/hook"], "pre-install,pre-upgrade");
    assert!(weight(secret) < weight(job));
    assert!(selected(&objects, &job.value["spec"]["template"]["metadata"]["labels"]).is_empty());
    for (name, secrets) in [("secret", 0), ("embedded", 1)] {
        let objects = made(name);
        assert_eq!((of_kind(&objects, "Job").len(), of_kind(&objects, "Secret").len()), (0, secrets), "{name}");
    }
    let with_job = merged(&case("secret"), &at("migrations.job", json!(true)));
    let objects = Chart::read().render(&with_job).unwrap();
    let pod = &of_kind(&objects, "Job")[0].value["spec"]["template"];
    assert_eq!(container(pod)["env"][0]["valueFrom"]["secretKeyRef"]["name"], "runyard-credentials");
}
