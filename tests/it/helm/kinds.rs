//! Whether Kubernetes knows what the chart makes: every kind, every field, every type.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What Kubernetes would not understand in an object.
pub fn unknown(object: &Value) -> Vec<String> {
    let kind = (object["apiVersion"].as_str().unwrap_or_default(), object["kind"].as_str().unwrap_or_default());
    match kind {
        ("apps/v1", "Deployment") => lost::<Deployment>(object),
        ("autoscaling/v2", "HorizontalPodAutoscaler") => lost::<HorizontalPodAutoscaler>(object),
        ("batch/v1", "Job") => lost::<Job>(object),
        ("networking.k8s.io/v1", "Ingress") => lost::<Ingress>(object),
        ("networking.k8s.io/v1", "NetworkPolicy") => lost::<NetworkPolicy>(object),
        ("policy/v1", "PodDisruptionBudget") => lost::<PodDisruptionBudget>(object),
        ("v1", "ConfigMap") => lost::<ConfigMap>(object),
        ("v1", "PersistentVolumeClaim") => lost::<PersistentVolumeClaim>(object),
        ("v1", "Secret") => lost::<Secret>(object),
        ("v1", "Service") => lost::<Service>(object),
        ("v1", "ServiceAccount") => lost::<ServiceAccount>(object),
        // A kind of Prometheus' operator, for which there are no types here.
        ("monitoring.coreos.com/v1", "PodMonitor") => Vec::new(),
        (version, kind) => vec![format!("no kind {kind:?} of {version:?}")],
    }
}

/// Fields that are not known are left out when an object is read, so they are missing when it is written again.
fn lost<T: DeserializeOwned + Serialize>(object: &Value) -> Vec<String> {
    match serde_json::from_value::<T>(object.clone()) {
        Err(error) => vec![error.to_string()],
        Ok(read) => {
            let mut missing = Vec::new();
            compare(object, &serde_json::to_value(read).unwrap(), "", &mut missing);
            missing
        }
    }
}

fn compare(given: &Value, read: &Value, path: &str, missing: &mut Vec<String>) {
    match (given, read) {
        (Value::Object(given), Value::Object(read)) => {
            for (key, value) in given {
                let path = format!("{path}.{key}");
                match read.get(key) {
                    Some(read) => compare(value, read, &path, missing),
                    None => missing.push(format!("{path} is not known")),
                }
            }
        }
        (Value::Array(given), Value::Array(read)) => {
            for (index, (given, read)) in given.iter().zip(read).enumerate() {
                compare(given, read, &format!("{path}[{index}]"), missing);
            }
        }
        (given, read) if given == read => {}
        (given, read) => missing.push(format!("{path} is {given}, and read as {read}")),
    }
}
