//! The checks of the baseline level: nothing that is known to lead out of a pod.

use std::collections::BTreeSet;

use serde_json::Value;

use super::checks::{Finding, Subject, containers, name, plural, quoted, setters};

/// Capabilities that may be added.
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Sysctls that stay inside a pod, and the version since which they are known to.
const SYSCTLS: [(u64, &str); 12] = [
    (0, "kernel.shm_rmid_forced"),
    (0, "net.ipv4.ip_local_port_range"),
    (0, "net.ipv4.tcp_syncookies"),
    (0, "net.ipv4.ping_group_range"),
    (0, "net.ipv4.ip_unprivileged_port_start"),
    (27, "net.ipv4.ip_local_reserved_ports"),
    (29, "net.ipv4.tcp_keepalive_time"),
    (29, "net.ipv4.tcp_fin_timeout"),
    (29, "net.ipv4.tcp_keepalive_intvl"),
    (29, "net.ipv4.tcp_keepalive_probes"),
    (32, "net.ipv4.tcp_rmem"),
    (32, "net.ipv4.tcp_wmem"),
];
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// The type of a profile in a security context, unless it is one of those that the runtime knows.
fn unsafe_profile<'c>(context: &'c Value, field: &str) -> Option<&'c str> {
    let profile = &context[field];
    let kind = profile["type"].as_str().unwrap_or_default();
    (profile.is_object() && !matches!(kind, "RuntimeDefault" | "Localhost")).then_some(kind)
}

/// Who sets an unsafe profile, and which.
pub(super) fn unsafe_profiles<'p>(pod: &Subject<'p>, field: &str) -> (bool, Vec<&'p str>, BTreeSet<&'p str>) {
    let own = unsafe_profile(pod.context(), field);
    let names = pod.named(|context| unsafe_profile(context, field).is_some());
    let of_containers = pod.containers().filter_map(|one| unsafe_profile(&one["securityContext"], field));
    (own.is_some(), names, own.into_iter().chain(of_containers).collect())
}

pub(super) fn app_armor(pod: &Subject<'_>, _: u64) -> Option<Finding> {
    let (own, names, types) = unsafe_profiles(pod, "appArmorProfile");
    let allowed = |value: &str| value.is_empty() || value == "runtime/default" || value.starts_with("localhost/");
    let mut annotations: Vec<String> = pod
        .annotations()
        .filter(|(key, value)| key.starts_with(APP_ARMOR) && !allowed(value))
        .map(|(key, value)| format!("{key}={}", schema::field::go_quote(value)))
        .collect();
    annotations.sort_unstable();
    let mut who: Vec<String> = setters(own, &names).into_iter().collect();
    if !annotations.is_empty() {
        who.push(plural("annotation", annotations.len()));
    }
    if who.is_empty() {
        return None;
    }
    let values: Vec<String> = types.into_iter().map(str::to_owned).chain(annotations).collect();
    let reason = plural("forbidden AppArmor profile", values.len());
    Finding::some(&reason, format!("{} must not set AppArmor profile type to {}", who.join(" and "), quoted(&values)))
}

pub(super) fn capabilities(pod: &Subject<'_>, _: u64) -> Option<Finding> {
    let (names, added) = added(pod, |capability| CAPABILITIES.contains(&capability));
    let detail = || {
        let added: Vec<&str> = added.into_iter().collect();
        format!("{} must not include {} in securityContext.capabilities.add", containers(&names), quoted(&added))
    };
    if names.is_empty() { None } else { Finding::some("non-default capabilities", detail()) }
}

/// Containers that add capabilities that are not allowed, and these.
pub(super) fn added<'p>(pod: &Subject<'p>, allowed: impl Fn(&str) -> bool) -> (Vec<&'p str>, BTreeSet<&'p str>) {
    let (mut names, mut all) = (Vec::new(), BTreeSet::new());
    for container in pod.containers() {
        let listed = container["securityContext"]["capabilities"]["add"].as_array().into_iter().flatten();
        let wrong: Vec<&str> = listed.filter_map(Value::as_str).filter(|one| !allowed(one)).collect();
        if !wrong.is_empty() {
            names.push(name(container));
            all.extend(wrong);
        }
    }
    (names, all)
}

pub(super) fn host_namespaces(pod: &Subject<'_>, _: u64) -> Option<Finding> {
    let shared = ["hostNetwork", "hostPID", "hostIPC"].into_iter().filter(|field| pod.spec()[field] == true);
    let shared: Vec<String> = shared.map(|field| format!("{field}=true")).collect();
    if shared.is_empty() { None } else { Finding::some("host namespaces", shared.join(", ")) }
}

pub(super) fn host_paths(pod: &Subject<'_>, _: u64) -> Option<Finding> {
    let names: Vec<&str> = pod.volumes().filter(|volume| volume["hostPath"].is_object()).map(name).collect();
    if names.is_empty() {
        return None;
    }
    Finding::some("hostPath volumes", format!("{} {}", plural("volume", names.len()), quoted(&names)))
}

pub(super) fn host_ports(pod: &Subject<'_>, _: u64) -> Option<Finding> {
    let (mut names, mut ports) = (Vec::new(), BTreeSet::new());
    for container in pod.containers() {
        let listed = container["ports"].as_array().into_iter().flatten();
        let used: Vec<i64> = listed.filter_map(|port| port["hostPort"].as_i64()).filter(|port| *port != 0).collect();
        if !used.is_empty() {
            names.push(name(container));
            ports.extend(used.iter().map(ToString::to_string));
        }
    }
    if names.is_empty() {
        return None;
    }
    let ports: Vec<String> = ports.into_iter().collect();
    let verb = if names.len() == 1 { "uses" } else { "use" };
    let detail = format!("{} {verb} {} {}", containers(&names), plural("hostPort", ports.len()), ports.join(", "));
    Finding::some("hostPort", detail)
}

pub(super) fn host_probes(pod: &Subject<'_>, _: u64) -> Option<Finding> {
    const HANDLERS: [&str; 5] =
        ["/livenessProbe", "/readinessProbe", "/startupProbe", "/lifecycle/postStart", "/lifecycle/preStop"];
    let (mut names, mut hosts) = (BTreeSet::new(), BTreeSet::new());
    for container in pod.containers() {
        for handler in HANDLERS.iter().filter_map(|path| container.pointer(path)) {
            let named = ["httpGet", "tcpSocket"].into_iter().filter_map(|kind| handler[kind]["host"].as_str());
            for host in named.filter(|host| !host.is_empty()) {
                names.insert(name(container));
                hosts.insert(host);
            }
        }
    }
    if names.is_empty() {
        return None;
    }
    let (names, hosts): (Vec<&str>, Vec<&str>) = (names.into_iter().collect(), hosts.into_iter().collect());
    let verb = if names.len() == 1 { "uses" } else { "use" };
    let what = plural("probe or lifecycle host", hosts.len());
    Finding::some("probe or lifecycle host", format!("{} {verb} {what} {}", containers(&names), quoted(&hosts)))
}

pub(super) fn privileged(pod: &Subject<'_>, _: u64) -> Option<Finding> {
    let names = pod.named(|context| context["privileged"] == true);
    if names.is_empty() {
        return None;
    }
    Finding::some("privileged", format!("{} must not set securityContext.privileged=true", containers(&names)))
}

pub(super) fn proc_mount(pod: &Subject<'_>, version: u64) -> Option<Finding> {
    if version >= 35 && pod.own_users() { None } else { masked_proc(pod) }
}

/// `/proc` is masked, whoever the users of the pod are.
pub(super) fn masked_proc(pod: &Subject<'_>) -> Option<Finding> {
    let mount = |context: &Value| context["procMount"].as_str().filter(|mount| *mount != "Default").map(str::to_owned);
    let names = pod.named(|context| mount(context).is_some());
    let mounts: BTreeSet<String> = pod.containers().filter_map(|one| mount(&one["securityContext"])).collect();
    let mounts: Vec<String> = mounts.into_iter().collect();
    if names.is_empty() {
        return None;
    }
    let detail = format!("{} must not set securityContext.procMount to {}", containers(&names), quoted(&mounts));
    Finding::some("procMount", detail)
}

pub(super) fn se_linux(pod: &Subject<'_>, version: u64) -> Option<Finding> {
    let text = |context: &'_ Value, field: &str| -> String {
        context["seLinuxOptions"][field].as_str().unwrap_or_default().to_owned()
    };
    let allowed = |kind: &str| match kind {
        "" | "container_t" | "container_init_t" | "container_kvm_t" => true,
        "container_engine_t" => version >= 31,
        _ => false,
    };
    let wrong = |context: &Value| {
        !allowed(&text(context, "type")) || !text(context, "user").is_empty() || !text(context, "role").is_empty()
    };
    let who = setters(wrong(pod.context()), &pod.named(wrong))?;
    let all: Vec<&Value> =
        std::iter::once(pod.context()).chain(pod.containers().map(|one| &one["securityContext"])).collect();
    let types: BTreeSet<String> = all.iter().map(|one| text(one, "type")).filter(|kind| !allowed(kind)).collect();
    let types: Vec<String> = types.into_iter().collect();
    let mut what = Vec::new();
    if !types.is_empty() {
        what.push(format!("{} {}", plural("type", types.len()), quoted(&types)));
    }
    for field in ["user", "role"] {
        if all.iter().any(|one| !text(one, field).is_empty()) {
            what.push(format!("{field} may not be set"));
        }
    }
    let detail = format!("{who} set forbidden securityContext.seLinuxOptions: {}", what.join("; "));
    Finding::some("seLinuxOptions", detail)
}

pub(super) fn seccomp(pod: &Subject<'_>, version: u64) -> Option<Finding> {
    if version < 19 {
        return seccomp_annotations(pod);
    }
    let (own, names, types) = unsafe_profiles(pod, "seccompProfile");
    let who = setters(own, &names)?;
    let types: Vec<&str> = types.into_iter().collect();
    Finding::some(
        "seccompProfile",
        format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(&types)),
    )
}

/// Profiles were annotations once.
fn seccomp_annotations(pod: &Subject<'_>) -> Option<Finding> {
    let allowed =
        |value: &str| matches!(value, "runtime/default" | "docker/default") || value.starts_with("localhost/");
    let keys: Vec<String> = std::iter::once(SECCOMP_POD.to_owned())
        .chain(pod.containers().map(|one| format!("{SECCOMP_CONTAINER}{}", name(one))))
        .collect();
    let wrong: BTreeSet<String> = pod
        .annotations()
        .filter(|(key, value)| keys.iter().any(|known| known == key) && !allowed(value))
        .map(|(key, value)| format!("{key}={}", schema::field::go_quote(value)))
        .collect();
    if wrong.is_empty() {
        return None;
    }
    let wrong: Vec<String> = wrong.into_iter().collect();
    let detail = format!("forbidden {} {}", plural("annotation", wrong.len()), wrong.join(", "));
    Finding::some("seccompProfile", detail)
}

pub(super) fn sysctls(pod: &Subject<'_>, version: u64) -> Option<Finding> {
    let allowed = |name: &str| SYSCTLS.iter().any(|(since, known)| *known == name && *since <= version);
    let listed = pod.context()["sysctls"].as_array().into_iter().flatten().map(name);
    let wrong: Vec<&str> = listed.filter(|name| !allowed(name)).collect();
    if wrong.is_empty() { None } else { Finding::some("forbidden sysctls", wrong.join(", ")) }
}

pub(super) fn windows_host_process(pod: &Subject<'_>, _: u64) -> Option<Finding> {
    let wrong = |context: &Value| context["windowsOptions"]["hostProcess"] == true;
    let who = setters(wrong(pod.context()), &pod.named(wrong))?;
    Finding::some("hostProcess", format!("{who} must not set securityContext.windowsOptions.hostProcess=true"))
}
