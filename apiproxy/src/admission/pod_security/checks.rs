//! The checks of a level, in the order and with the versions of upstream (`pod-security-admission/policy`).

use serde_json::Value;

use super::policy::{Level, Mode, Version};
use super::{baseline, restricted};

/// The newest version that changed anything (the N of `v1.N`); later ones are the same.
const NEWEST: u64 = 35;
/// From here on Windows pods need not say what does not exist there.
const WINDOWS: u64 = 25;

/// A rule that a pod breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) reason: String,
    pub(super) detail: String,
}

impl Finding {
    pub(super) fn some(reason: &str, detail: String) -> Option<Self> {
        Some(Self { reason: reason.to_owned(), detail })
    }
}

/// A pod, or the template of one.
pub(super) struct Subject<'p> {
    pod: &'p Value,
}

impl<'p> Subject<'p> {
    pub(super) fn new(pod: &'p Value) -> Self {
        Self { pod }
    }

    pub(super) fn spec(&self) -> &'p Value {
        &self.pod["spec"]
    }

    /// The security context of the pod as a whole.
    pub(super) fn context(&self) -> &'p Value {
        &self.spec()["securityContext"]
    }

    pub(super) fn annotations(&self) -> impl Iterator<Item = (&'p str, &'p str)> {
        let all = self.pod["metadata"]["annotations"].as_object().into_iter().flatten();
        all.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    pub(super) fn volumes(&self) -> impl Iterator<Item = &'p Value> {
        self.spec()["volumes"].as_array().into_iter().flatten()
    }

    /// All containers in upstream's order.
    pub(super) fn containers(&self) -> impl Iterator<Item = &'p Value> {
        let spec = self.spec();
        let lists = ["initContainers", "containers", "ephemeralContainers"];
        lists.into_iter().flat_map(move |list| spec[list].as_array().into_iter().flatten())
    }

    /// Names of the containers whose security context fits.
    pub(super) fn named(&self, fits: impl Fn(&Value) -> bool) -> Vec<&'p str> {
        self.containers().filter(|one| fits(&one["securityContext"])).map(name).collect()
    }

    /// Whether the pod has users of its own, so that its root is nobody outside.
    pub(super) fn own_users(&self) -> bool {
        self.spec()["hostUsers"] == false
    }

    /// Whether restricted checks that Windows does not know pass the pod.
    pub(super) fn is_windows(&self, version: u64) -> bool {
        version >= WINDOWS && self.spec()["os"]["name"] == "windows"
    }
}

/// Name of a container or volume.
pub(super) fn name(one: &Value) -> &str {
    one["name"].as_str().unwrap_or_default()
}

/// One check: what a pod breaks by the rules of a version.
pub(super) type Check = fn(&Subject<'_>, u64) -> Option<Finding>;

/// A check of the baseline level, the version it began with, and that from which a restricted one replaces it there.
const BASELINE: [(u64, Option<u64>, Check); 12] = [
    (0, None, baseline::app_armor),
    (0, Some(22), baseline::capabilities),
    (0, None, baseline::host_namespaces),
    (0, Some(0), baseline::host_paths),
    (0, None, baseline::host_ports),
    (34, None, baseline::host_probes),
    (0, None, baseline::privileged),
    (0, Some(35), baseline::proc_mount),
    (0, None, baseline::se_linux),
    (0, Some(19), baseline::seccomp),
    (0, None, baseline::sysctls),
    (0, None, baseline::windows_host_process),
];

/// A check of the restricted level, and the version it began with.
const RESTRICTED: [(u64, Check); 7] = [
    (8, restricted::privilege_escalation),
    (22, restricted::capabilities),
    (35, restricted::proc_mount),
    (0, restricted::volumes),
    (0, restricted::run_as_non_root),
    (23, restricted::run_as_user),
    (19, restricted::seccomp),
];

/// What a pod breaks.
pub(super) fn findings(mode: &Mode, pod: &Subject<'_>) -> Vec<Finding> {
    let version = match mode.version {
        Version::Latest => NEWEST,
        Version::Minor(minor) => minor.min(NEWEST),
    };
    if mode.level == Level::Privileged {
        return Vec::new();
    }
    let strict = mode.level == Level::Restricted;
    let replaced = |from: Option<u64>| strict && from.is_some_and(|from| from <= version);
    let base =
        BASELINE.iter().filter(|(since, from, _)| *since <= version && !replaced(*from)).map(|(.., check)| check);
    let more = RESTRICTED.iter().filter(|(since, _)| strict && *since <= version).map(|(_, check)| check);
    base.chain(more).filter_map(|check| check(pod, version)).collect()
}

/// `"a", "b"`
pub(super) fn quoted<T: AsRef<str>>(items: &[T]) -> String {
    let texts: Vec<String> = items.iter().map(|item| format!("\"{}\"", item.as_ref())).collect();
    texts.join(", ")
}

/// `container "a"`, `containers "a", "b"`
pub(super) fn containers(names: &[&str]) -> String {
    format!("{} {}", plural("container", names.len()), quoted(names))
}

/// A noun for a number of things.
pub(super) fn plural(noun: &str, count: usize) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}

/// `pod and container "a"`: who says something wrong. None when nobody does.
pub(super) fn setters(pod: bool, names: &[&str]) -> Option<String> {
    let mut all = Vec::new();
    if pod {
        all.push("pod".to_owned());
    }
    if !names.is_empty() {
        all.push(containers(names));
    }
    (!all.is_empty()).then(|| all.join(" and "))
}
