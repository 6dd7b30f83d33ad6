//! The checks of the restricted level: what is known to be safe must be said.

use std::collections::BTreeSet;

use serde_json::Value;

use super::baseline::{added, masked_proc, unsafe_profiles};
use super::checks::{Finding, Subject, containers, name, plural, quoted, setters};

/// Sources of volumes that are allowed.
const SAFE_VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
/// Sources that are known not to be, in the order they are looked for.
const OTHER_VOLUMES: [&str; 21] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];
/// From here on root in a pod with users of its own is not root.
const OWN_USERS: u64 = 35;

pub(super) fn privilege_escalation(pod: &Subject<'_>, version: u64) -> Option<Finding> {
    if pod.is_windows(version) {
        return None;
    }
    let names = pod.named(|context| context["allowPrivilegeEscalation"] != false);
    if names.is_empty() {
        return None;
    }
    let detail = format!("{} must set securityContext.allowPrivilegeEscalation=false", containers(&names));
    Finding::some("allowPrivilegeEscalation != false", detail)
}

pub(super) fn capabilities(pod: &Subject<'_>, version: u64) -> Option<Finding> {
    if pod.is_windows(version) {
        return None;
    }
    let drops_all = |context: &Value| {
        let dropped = context["capabilities"]["drop"].as_array();
        dropped.is_some_and(|all| all.iter().any(|one| one == "ALL"))
    };
    let keeping = pod.named(|context| !drops_all(context));
    let (adding, added) = added(pod, |capability| capability == "NET_BIND_SERVICE");
    let mut details = Vec::new();
    if !keeping.is_empty() {
        details.push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", containers(&keeping)));
    }
    if !adding.is_empty() {
        let added: Vec<&str> = added.into_iter().collect();
        let (who, what) = (containers(&adding), quoted(&added));
        details.push(format!("{who} must not include {what} in securityContext.capabilities.add"));
    }
    if details.is_empty() { None } else { Finding::some("unrestricted capabilities", details.join("; ")) }
}

pub(super) fn proc_mount(pod: &Subject<'_>, _: u64) -> Option<Finding> {
    masked_proc(pod)
}

pub(super) fn volumes(pod: &Subject<'_>, _: u64) -> Option<Finding> {
    let has = |volume: &Value, source: &str| volume.get(source).is_some_and(|value| !value.is_null());
    let (mut names, mut types) = (Vec::new(), BTreeSet::new());
    for volume in pod.volumes().filter(|volume| !SAFE_VOLUMES.iter().any(|source| has(volume, source))) {
        names.push(name(volume));
        types.insert(OTHER_VOLUMES.into_iter().find(|source| has(volume, source)).unwrap_or("unknown"));
    }
    if names.is_empty() {
        return None;
    }
    let types: Vec<&str> = types.into_iter().collect();
    let verb = if names.len() == 1 { "uses" } else { "use" };
    let (volumes, kinds) = (plural("volume", names.len()), plural("restricted volume type", types.len()));
    let detail = format!("{volumes} {} {verb} {kinds} {}", quoted(&names), quoted(&types));
    Finding::some("restricted volume types", detail)
}

pub(super) fn run_as_non_root(pod: &Subject<'_>, version: u64) -> Option<Finding> {
    const REASON: &str = "runAsNonRoot != true";
    if version >= OWN_USERS && pod.own_users() {
        return None;
    }
    let own = &pod.context()["runAsNonRoot"];
    let wrong = pod.named(|context| context["runAsNonRoot"] == false);
    if let Some(who) = setters(*own == false, &wrong) {
        return Finding::some(REASON, format!("{who} must not set securityContext.runAsNonRoot=false"));
    }
    let silent = pod.named(|context| *own != true && context["runAsNonRoot"].is_null());
    if silent.is_empty() {
        return None;
    }
    Finding::some(REASON, format!("pod or {} must set securityContext.runAsNonRoot=true", containers(&silent)))
}

pub(super) fn run_as_user(pod: &Subject<'_>, version: u64) -> Option<Finding> {
    if version >= OWN_USERS && pod.own_users() {
        return None;
    }
    let root = |context: &Value| context["runAsUser"] == 0;
    let who = setters(root(pod.context()), &pod.named(root))?;
    Finding::some("runAsUser=0", format!("{who} must not set runAsUser=0"))
}

pub(super) fn seccomp(pod: &Subject<'_>, version: u64) -> Option<Finding> {
    const REASON: &str = "seccompProfile";
    if pod.is_windows(version) {
        return None;
    }
    let (own, names, types) = unsafe_profiles(pod, REASON);
    if let Some(who) = setters(own, &names) {
        let types: Vec<&str> = types.into_iter().collect();
        let detail = format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(&types));
        return Finding::some(REASON, detail);
    }
    if pod.context()[REASON].is_object() {
        return None;
    }
    let silent = pod.named(|context| !context[REASON].is_object());
    if silent.is_empty() {
        return None;
    }
    let who = containers(&silent);
    let wanted = "must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"";
    Finding::some(REASON, format!("pod or {who} {wanted}"))
}
