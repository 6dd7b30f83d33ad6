//! Resources of a running pod: what the tenant wants goes to the host's `resize` when it has changed.
//!
//! The last wish is kept in an annotation of the host pod, and wishes are compared with wishes: what the host has made of
//! one (defaults of its namespace, an admission webhook, an autoscaler) is the host's and is not fought.

use serde_json::{Map, Value, json};
use tenancy::{Host, labels};

use crate::json;

/// Stands for the pod as a whole; no container has this name.
const POD: &str = "";

/// What a pod's spec wants, as text: resources by container. None when it wants nothing; such a pod cannot be resized
/// either, for its class of service may not change.
pub(super) fn wish(spec: &Map<String, Value>) -> Option<String> {
    let mut all = Map::new();
    let mut note = |name: &str, resources: Option<&Value>| {
        if let Some(resources) = resources.and_then(Value::as_object).filter(|resources| !resources.is_empty()) {
            all.insert(name.to_owned(), Value::Object(resources.clone()));
        }
    };
    note(POD, spec.get("resources"));
    for list in ["initContainers", "containers"] {
        for container in spec.get(list).and_then(Value::as_array).into_iter().flatten() {
            note(json::text(container, "/name"), container.get("resources"));
        }
    }
    (!all.is_empty()).then(|| Value::Object(all).to_string())
}

/// The strategic merge patch for `resize` of the host pod, if the tenant wants something else than when it was last
/// written there. Only containers whose wish has changed are in it.
pub fn resize(now: &Host<Value>, live: &Host<Value>) -> Option<Host<Value>> {
    let news = news(now, live);
    let mut spec = Map::new();
    if let Some(wish) = news.get(POD) {
        spec.insert("resources".into(), wish.clone());
    }
    for list in ["initContainers", "containers"] {
        let containers = json::items(&now.0, &format!("/spec/{list}")).iter().filter_map(|container| {
            let name = json::text(container, "/name");
            Some(json!({ "name": name, "resources": news.get(name)? }))
        });
        let containers: Vec<Value> = containers.collect();
        if !containers.is_empty() {
            spec.insert(list.into(), Value::Array(containers));
        }
    }
    let version = json::text(&live.0, "/metadata/resourceVersion");
    (!spec.is_empty()).then(|| Host(json!({ "metadata": { "resourceVersion": version }, "spec": spec })))
}

/// Puts into a form to apply what has just been written through `resize`.
pub(super) fn note(spec: &mut Map<String, Value>, now: &Host<Value>, live: &Host<Value>) {
    let news = news(now, live);
    if let Some(wish) = news.get(POD) {
        spec.insert("resources".into(), wish.clone());
    }
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let wish = news.get(json::text(container, "/name")).cloned();
            if let (Some(container), Some(wish)) = (container.as_object_mut(), wish) {
                container.insert("resources".into(), wish);
            }
        }
    }
}

/// Wishes that have not been written to the host.
fn news(now: &Host<Value>, live: &Host<Value>) -> Map<String, Value> {
    let written = wishes(live);
    wishes(now).into_iter().filter(|(name, wish)| written.get(name) != Some(wish)).collect()
}

fn wishes(pod: &Host<Value>) -> Map<String, Value> {
    let annotations = pod.0.pointer("/metadata/annotations");
    let text = annotations.and_then(|all| all.get(labels::RESOURCES_ANNOTATION)?.as_str());
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(spec: &Value) -> Host<Value> {
        let wish = wish(spec.as_object().unwrap());
        let annotations = wish.map_or(json!({}), |wish| json!({ labels::RESOURCES_ANNOTATION: wish }));
        Host(json!({ "metadata": { "resourceVersion": "7", "annotations": annotations }, "spec": spec }))
    }

    fn patch(spec: &Value) -> Host<Value> {
        Host(json!({ "metadata": { "resourceVersion": "7" }, "spec": spec }))
    }

    fn spec(first: &str, second: &str) -> Value {
        let container = |name: &str, cpu: &str| json!({ "name": name, "resources": { "requests": { "cpu": cpu } } });
        json!({ "initContainers": [{ "name": "i" }], "containers": [container("a", first), container("b", second)] })
    }

    #[test]
    fn a_new_wish_is_written_and_what_the_host_made_of_the_last_is_not_fought() {
        let before = pod(&spec("1", "1"));
        let mut scaled = before.clone();
        scaled.0["spec"]["containers"][1]["resources"]["requests"]["cpu"] = json!("3");
        assert_eq!(resize(&before, &scaled), None);
        let change = json!([{ "name": "a", "resources": { "requests": { "cpu": "2" } } }]);
        assert_eq!(resize(&pod(&spec("2", "1")), &scaled), Some(patch(&json!({ "containers": change }))));
    }

    #[test]
    fn the_pod_as_a_whole_and_init_containers_are_resized_too() {
        let amount = |cpu: &str| json!({ "limits": { "cpu": cpu } });
        let sized = |whole: &str, init: &str| json!({ "resources": amount(whole), "initContainers": [{ "name": "i", "resources": amount(init) }], "containers": [{ "name": "c" }] });
        let resized = resize(&pod(&sized("4", "2")), &pod(&sized("3", "1")));
        let expected =
            json!({ "resources": amount("4"), "initContainers": [{ "name": "i", "resources": amount("2") }] });
        assert_eq!(resized, Some(patch(&expected)));
    }

    #[test]
    fn pods_that_want_nothing_have_no_wish() {
        let plain = pod(&json!({ "containers": [{ "name": "c" }, { "name": "d", "resources": {} }] }));
        assert_eq!(plain.0["metadata"]["annotations"], json!({}));
        assert_eq!(resize(&plain, &plain), None);
        // Whose wish has been lost is asked again.
        assert!(resize(&pod(&spec("1", "1")), &plain).is_some());
    }
}
