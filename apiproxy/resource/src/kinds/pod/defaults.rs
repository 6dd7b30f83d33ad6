//! Defaults of pods and pod templates (`pkg/apis/core/v1/defaults.go`).

use serde_json::{Value, json};

use super::image;
use super::needs::{aggregate, amounts, is_pod_level};
use crate::json::{
    at, child, drop_field, entries, fill, fill_text, fill_zero, flag, int, items_mut, object, put, set, size, text,
};
use schema::quantity::Quantity;

/// Fields of a volume that hold its source.
const FILE_SOURCES: [&str; 4] = ["secret", "configMap", "downwardAPI", "projected"];

/// Defaults of a pod: those of its spec, and those only pods get, not templates.
pub(crate) fn pod(_version: &str, pod: &mut Value) {
    let Some(spec) = pod.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    self::spec(spec);
    for kind in ["containers", "initContainers"] {
        items_mut(spec, kind).iter_mut().for_each(requests_from_limits);
    }
    if set(spec, "resources").is_some() {
        pod_level_hugepages(spec);
        pod_level_requests(spec);
    }
    fill(spec, "enableServiceLinks", true);
    if flag(spec, "hostNetwork") {
        for kind in ["containers", "initContainers"] {
            for container in items_mut(spec, kind) {
                for port in items_mut(container, "ports") {
                    let number = int(port, "containerPort").unwrap_or(0);
                    if number != 0 {
                        fill_zero(port, "hostPort", number);
                    }
                }
            }
        }
    }
}

/// Defaults of the pod template in a field of an object's spec.
pub(crate) fn template(owner: &mut Value) {
    if let Some(template) = owner.get_mut("template").filter(|template| template.is_object()) {
        spec(child(template, "spec"));
    }
}

/// Defaults of a pod spec wherever it stands.
pub(crate) fn spec(spec: &mut Value) {
    fill_text(spec, "dnsPolicy", "ClusterFirst");
    fill_text(spec, "restartPolicy", "Always");
    fill(spec, "securityContext", json!({}));
    fill(spec, "terminationGracePeriodSeconds", 30);
    fill_text(spec, "schedulerName", "default-scheduler");
    items_mut(spec, "volumes").iter_mut().for_each(volume);
    for kind in ["containers", "initContainers", "ephemeralContainers"] {
        items_mut(spec, kind).iter_mut().for_each(container);
    }
    resource_list(spec, "overhead");
    if let Some(resources) = spec.get_mut("resources") {
        requirements(resources);
    }
}

fn volume(volume: &mut Value) {
    let sourceless =
        volume.as_object().is_some_and(|map| map.iter().all(|(key, value)| key == "name" || value.is_null()));
    if sourceless {
        put(volume, "emptyDir", json!({}));
    }
    if let Some(image) = volume.get_mut("image").filter(|image| image.is_object()) {
        let policy = image::default_pull_policy(text(image, "reference"));
        fill_text(image, "pullPolicy", policy);
    }
    for source in FILE_SOURCES {
        if let Some(source) = volume.get_mut(source).filter(|source| source.is_object()) {
            fill(source, "defaultMode", 0o644);
            items_mut(source, "items").iter_mut().for_each(field_ref);
            for projection in items_mut(source, "sources") {
                if let Some(token) = projection.get_mut("serviceAccountToken").filter(|token| token.is_object()) {
                    fill(token, "expirationSeconds", 3600);
                }
                if let Some(downward) = projection.get_mut("downwardAPI") {
                    items_mut(downward, "items").iter_mut().for_each(field_ref);
                }
            }
        }
    }
    host_path(volume);
    if let Some(template) = volume.pointer_mut("/ephemeral/volumeClaimTemplate").filter(|template| template.is_object())
    {
        claim_spec(child(template, "spec"));
    }
}

/// A hostPath source says its type, even when it is the empty one.
pub(crate) fn host_path(holder: &mut Value) {
    if let Some(path) = holder.get_mut("hostPath").filter(|path| path.is_object()) {
        fill(path, "type", "");
    }
}

/// Defaults of a PersistentVolumeClaim's spec.
pub(crate) fn claim_spec(spec: &mut Value) {
    fill(spec, "volumeMode", "Filesystem");
    if let Some(resources) = spec.get_mut("resources") {
        requirements(resources);
    }
}

fn field_ref(holder: &mut Value) {
    if let Some(reference) = holder.get_mut("fieldRef").filter(|reference| reference.is_object()) {
        fill_text(reference, "apiVersion", "v1");
    }
}

fn container(container: &mut Value) {
    let policy = image::default_pull_policy(text(container, "image"));
    fill_text(container, "imagePullPolicy", policy);
    fill_text(container, "terminationMessagePath", "/dev/termination-log");
    fill_text(container, "terminationMessagePolicy", "File");
    for port in items_mut(container, "ports") {
        fill_text(port, "protocol", "TCP");
    }
    for variable in items_mut(container, "env") {
        if let Some(from) = variable.get_mut("valueFrom") {
            field_ref(from);
        }
    }
    if let Some(resources) = container.get_mut("resources") {
        requirements(resources);
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(name).filter(|probe| probe.is_object()) {
            self::probe(probe);
        }
    }
    for hook in ["/lifecycle/postStart", "/lifecycle/preStop"] {
        if let Some(hook) = container.pointer_mut(hook) {
            http_get(hook);
        }
    }
}

fn probe(probe: &mut Value) {
    for (field, default) in
        [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
    {
        fill_zero(probe, field, default);
    }
    http_get(probe);
    if let Some(grpc) = probe.get_mut("grpc").filter(|grpc| grpc.is_object()) {
        fill(grpc, "service", "");
    }
}

fn http_get(handler: &mut Value) {
    if let Some(get) = handler.get_mut("httpGet").filter(|get| get.is_object()) {
        fill_text(get, "path", "/");
        fill_text(get, "scheme", "HTTP");
    }
}

fn requirements(resources: &mut Value) {
    resource_list(resources, "limits");
    resource_list(resources, "requests");
}

/// `SetDefaults_ResourceList`: amounts are rounded up to thousandths and written canonically.
pub(crate) fn resource_list(holder: &mut Value, field: &str) {
    for (_, amount) in holder.get_mut(field).and_then(Value::as_object_mut).into_iter().flatten() {
        if let Some(quantity) = Quantity::of(amount) {
            *amount = quantity.round_up_milli().to_string().into();
        }
    }
}

/// Limits without requests are requests too.
fn requests_from_limits(container: &mut Value) {
    let Some(resources) = container.get_mut("resources") else { return };
    let limits: Vec<(String, Value)> = entries(resources, "limits").map(|(k, v)| (k.to_owned(), v.clone())).collect();
    if limits.is_empty() {
        return;
    }
    let requests = object(child(resources, "requests"));
    for (name, amount) in limits {
        requests.entry(name).or_insert(amount);
    }
}

fn pod_level_hugepages(spec: &mut Value) {
    let resources = at(spec, "resources");
    if size(resources, "limits") == 0 && size(resources, "requests") == 0 {
        return;
    }
    let requested = amounts(resources, "requests");
    let found: Vec<(String, Quantity)> = aggregate(spec, "limits")
        .into_iter()
        .filter(|(name, _)| name.starts_with("hugepages-") && !requested.contains_key(name))
        .collect();
    if found.is_empty() {
        return;
    }
    let limits = object(child(child(spec, "resources"), "limits"));
    for (name, amount) in found {
        limits.entry(name).or_insert_with(|| amount.to_string().into());
    }
}

fn pod_level_requests(spec: &mut Value) {
    let limits = amounts(at(spec, "resources"), "limits");
    if limits.is_empty() {
        return;
    }
    let containers = aggregate(spec, "requests");
    let requests = object(child(child(spec, "resources"), "requests"));
    for (name, amount) in containers.into_iter().filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory")) {
        requests.entry(name).or_insert_with(|| amount.to_string().into());
    }
    for (name, amount) in limits.into_iter().filter(|(name, _)| is_pod_level(name)) {
        requests.entry(name).or_insert_with(|| amount.to_string().into());
    }
    if requests.is_empty() {
        drop_field(child(spec, "resources"), "requests");
    }
}
