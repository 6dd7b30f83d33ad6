//! Warnings about pods and templates (`pkg/api/pod/warnings.go`): what works but is deprecated or surely not meant.

use std::collections::HashSet;

use serde_json::Value;

use super::containers::each;
use crate::Path;
use crate::json::{at, entries, list, set, text};

/// Labels of nodes that have newer names.
const OLD_NODE_LABELS: [(&str, &str); 5] = [
    ("beta.kubernetes.io/arch", "use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "use \"kubernetes.io/os\" instead"),
    ("failure-domain.beta.kubernetes.io/region", "use \"topology.kubernetes.io/region\" instead"),
    ("failure-domain.beta.kubernetes.io/zone", "use \"topology.kubernetes.io/zone\" instead"),
    ("beta.kubernetes.io/instance-type", "use \"node.kubernetes.io/instance-type\" instead"),
];

/// Annotations that became fields or nothing.
const OLD_ANNOTATIONS: [(&str, &str); 2] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("seccomp.security.alpha.kubernetes.io/pod", "non-functional in v1.27+; use the \"seccompProfile\" field instead"),
];

/// Volume sources that are on their way out or gone.
const OLD_VOLUMES: [(&str, &str, &str); 11] = [
    ("gcePersistentDisk", "gcePersistentDisk", "deprecated in v1.17"),
    ("awsElasticBlockStore", "awsElasticBlockStore", "deprecated in v1.17"),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("azureFile", "azureFile", "deprecated in v1.21"),
];

/// Warnings about a pod to be written. Unchanged specs warn only when they are created.
pub(super) fn pod(new: &Value, old: Option<&Value>, warnings: &mut Vec<String>) {
    if old.is_some_and(|old| at(old, "spec") == at(new, "spec")) {
        return;
    }
    let path = Path::root("");
    about(at(new, "metadata"), at(new, "spec"), &path.child("spec"), &Path::root("metadata"), warnings);
}

/// Warnings about the template of a workload, once for creation and once for each change of it.
pub(crate) fn template(new: &Value, old: Option<&Value>, path: &Path<'_>, warnings: &mut Vec<String>) {
    if old.is_some_and(|old| old == new) {
        return;
    }
    about(at(new, "metadata"), at(new, "spec"), &path.child("spec"), &path.child("metadata"), warnings);
}

fn about(meta: &Value, spec: &Value, path: &Path<'_>, meta_path: &Path<'_>, warnings: &mut Vec<String>) {
    for (key, _) in entries(spec, "nodeSelector") {
        if let Some((_, advice)) = OLD_NODE_LABELS.iter().find(|(label, _)| *label == key) {
            warnings.push(format!("{}: deprecated since v1.14; {advice}", path.child("nodeSelector").key(key)));
        }
    }
    for (key, advice) in OLD_ANNOTATIONS {
        if at(meta, "annotations").get(key).is_some() {
            warnings.push(format!("{}: {advice}", meta_path.child("annotations").key(key)));
        }
    }
    for (index, volume) in list(spec, "volumes").iter().enumerate() {
        let here = path.item("volumes", index);
        for (field, shown, advice) in OLD_VOLUMES.iter().filter(|(field, ..)| set(volume, field).is_some()) {
            let _ = field;
            warnings.push(format!("{}: {advice}", here.child(shown)));
        }
    }
    for (index, secret) in list(spec, "imagePullSecrets").iter().enumerate() {
        if text(secret, "name").is_empty() {
            warnings.push(format!("{}: invalid empty name \"\"", path.item("imagePullSecrets", index).child("name")));
        }
    }
    each(spec, path, &mut |container, here| {
        let mut seen: HashSet<&str> = HashSet::new();
        for (index, variable) in list(container, "env").iter().enumerate() {
            let name = text(variable, "name");
            if seen.insert(name) {
                continue;
            }
            // Referring to the earlier value of the same variable is a use, not a mistake.
            let own = format!("$({name})");
            if !text(variable, "value").contains(&own) {
                let place = here.item("env", index);
                warnings.push(format!(
                    "{place}: hides previous definition of \"{name}\", which may be dropped when using apply"
                ));
            }
        }
    });
    if spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|seconds| seconds < 0) {
        let place = path.child("terminationGracePeriodSeconds");
        warnings.push(format!("{place}: must be >= 0; negative values are invalid and will be treated as 1"));
    }
}
