//! Validation of pod specs and templates (`ValidatePodSpec`, `ValidatePodTemplateSpec`).

use std::collections::{BTreeSet, HashSet};

use schema::field::Error;
use serde_json::Value;

use super::{amounts, containers, scheduling, security, volumes};
use crate::json::{at, flag, int, list, opt_text, set, size, text, texts};
use crate::{Errors, Path, format, meta};

/// Whether a spec stands in a pod or in a template: some rules are only for one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// A pod, with its metadata.
    Pod(&'a Value),
    /// A template.
    Template,
}

/// What is wrong with a pod template.
pub(crate) fn template(template: &Value, path: &Path<'_>, errors: &mut Errors) {
    let meta = at(template, "metadata");
    let spec = at(template, "spec");
    // Upstream leaves the `metadata` step out of these two paths.
    meta::labels(at(meta, "labels"), &path.child("labels"), errors);
    meta::annotations(meta, &path.child("annotations"), errors);
    super::annotations::check(meta, spec, &path.child("annotations"), errors);
    let spec_path = path.child("spec");
    validate(spec, Place::Template, &spec_path, errors);
    super::annotations::profiles_match(meta, spec, &spec_path, errors);
    if size(spec, "ephemeralContainers") > 0 {
        let detail = "ephemeral containers not allowed in pod template";
        errors.push(Error::forbidden(spec_path.child("ephemeralContainers"), detail));
    }
}

/// What is wrong with a pod spec.
pub(crate) fn validate(spec: &Value, place: Place<'_>, path: &Path<'_>, errors: &mut Errors) {
    if int(spec, "terminationGracePeriodSeconds").is_none() {
        errors.push(Error::required(path.child("terminationGracePeriodSeconds"), ""));
    }
    let volumes = volumes::validate(spec, place, path, errors);
    let claims = resource_claims(spec, place, path, errors);
    let scene = containers::Scene { spec, volumes: &volumes, claims: &claims };
    containers::validate(&scene, path, errors);
    amounts::pod_level(spec, &claims, path, errors);
    host_network_ports(spec, place, path, errors);
    one_of(spec, "restartPolicy", &["Always", "OnFailure", "Never"], path, errors);
    one_of(spec, "dnsPolicy", &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"], path, errors);
    meta::labels(at(spec, "nodeSelector"), &path.child("nodeSelector"), errors);
    security::pod(at(spec, "securityContext"), spec, &path.child("securityContext"), errors);
    scheduling::affinity(at(spec, "affinity"), &path.child("affinity"), errors);
    dns(spec, path, errors);
    for (index, gate) in list(spec, "readinessGates").iter().enumerate() {
        let kind = text(gate, "conditionType");
        let item = path.item("readinessGates", index);
        format::invalid_each(&item.child("conditionType"), kind, format::qualified_name(kind), errors);
    }
    scheduling_gates(spec, path, errors);
    scheduling::topology_spread(list(spec, "topologySpreadConstraints"), path, errors);
    security::host_users(spec, path, errors);
    host_name(spec, path, errors);
    names(spec, &["serviceAccountName", "nodeName"], path, errors);
    if let Some(seconds) = int(spec, "activeDeadlineSeconds").filter(|s| !(1..=i64::from(i32::MAX)).contains(s)) {
        let detail = format::range_error(1, i64::from(i32::MAX));
        errors.push(Error::invalid(path.child("activeDeadlineSeconds"), seconds, detail));
    }
    for field in ["hostname", "subdomain"] {
        let name = text(spec, field);
        if !name.is_empty() {
            format::invalid_each(&path.child(field), name, format::dns_label(name), errors);
        }
    }
    scheduling::tolerations(list(spec, "tolerations"), &path.child("tolerations"), errors);
    host_aliases(spec, path, errors);
    names(spec, &["priorityClassName", "runtimeClassName"], path, errors);
    if opt_text(spec, "preemptionPolicy").is_some() {
        one_of(spec, "preemptionPolicy", &["PreemptLowerPriority", "Never"], path, errors);
    }
    amounts::overhead(spec, path, errors);
    security::operating_system(spec, path, errors);
    containers::file_references(spec, path, errors);
}

/// A text field that must be one of some values.
pub(crate) fn one_of(holder: &Value, field: &str, allowed: &[&str], path: &Path<'_>, errors: &mut Errors) {
    match text(holder, field) {
        "" => errors.push(Error::required(path.child(field), "")),
        value if !allowed.contains(&value) => {
            errors.push(Error::not_supported(path.child(field), value, allowed));
        }
        _ => (),
    }
}

fn names(spec: &Value, fields: &[&str], path: &Path<'_>, errors: &mut Errors) {
    for field in fields {
        // An empty runtimeClassName is one, and wrong; the others are absent when empty.
        let Some(name) = opt_text(spec, field).filter(|name| !name.is_empty() || *field == "runtimeClassName") else {
            continue;
        };
        format::invalid_each(&path.child(field), name, format::dns_subdomain(name), errors);
    }
}

fn resource_claims<'a>(spec: &'a Value, place: Place<'_>, path: &Path<'_>, errors: &mut Errors) -> BTreeSet<&'a str> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for (index, claim) in list(spec, "resourceClaims").iter().enumerate() {
        let path = path.item("resourceClaims", index);
        if matches!(place, Place::Pod(meta) if meta.pointer("/annotations/kubernetes.io~1config.mirror").is_some()) {
            errors.push(Error::forbidden("", "static pods do not support resource claims"));
            continue;
        }
        let name = text(claim, "name");
        if name.is_empty() {
            errors.push(Error::required(path.child("name"), ""));
        } else if names.contains(name) {
            errors.push(Error::duplicate(path.child("name"), name));
        } else {
            format::invalid_each(&path.child("name"), name, format::dns_label(name), errors);
            names.insert(name);
        }
        let (direct, templated) = (opt_text(claim, "resourceClaimName"), opt_text(claim, "resourceClaimTemplateName"));
        let detail = match (direct, templated) {
            (Some(_), Some(_)) => {
                Some("at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified")
            }
            (None, None) => Some("must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"),
            _ => None,
        };
        errors.extend(detail.map(|detail| Error::invalid(path, claim.clone(), detail)));
        for (field, name) in [("resourceClaimName", direct), ("resourceClaimTemplateName", templated)] {
            if let Some(name) = name {
                format::invalid_each(&path.child(field), name, format::dns_subdomain(name), errors);
            }
        }
    }
    names
}

fn host_network_ports(spec: &Value, place: Place<'_>, path: &Path<'_>, errors: &mut Errors) {
    if !flag(spec, "hostNetwork") {
        return;
    }
    for (index, container) in list(spec, "containers").iter().enumerate() {
        let path = path.item("containers", index);
        for (index, port) in list(container, "ports").iter().enumerate() {
            let (host, inner) = (int(port, "hostPort").unwrap_or(0), int(port, "containerPort").unwrap_or(0));
            if (matches!(place, Place::Pod(_)) || host != 0) && host != inner {
                let detail = "must match `containerPort` when `hostNetwork` is true";
                errors.push(Error::invalid(path.item("ports", index).child("hostPort"), host, detail));
            }
        }
    }
}

fn dns(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("dnsConfig");
    let config = set(spec, "dnsConfig");
    if text(spec, "dnsPolicy") == "None" {
        if config.is_none() {
            errors.push(Error::required(path, "must provide `dnsConfig` when `dnsPolicy` is None"));
            return;
        }
        if config.is_some_and(|config| size(config, "nameservers") == 0) {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            errors.push(Error::required(path.child("nameservers"), detail));
            return;
        }
    }
    let Some(config) = config else { return };
    let (servers, searches) = (texts(config, "nameservers"), texts(config, "searches"));
    if servers.len() > 3 {
        let shown = at(config, "nameservers").clone();
        errors.push(Error::invalid(path.child("nameservers"), shown, "must not have more than 3 nameservers"));
    }
    for (index, server) in servers.into_iter().enumerate() {
        format::legacy_ip(&path.item("nameservers", index), server, errors);
    }
    if searches.len() > 32 {
        let shown = at(config, "searches").clone();
        errors.push(Error::invalid(path.child("searches"), shown, "must not have more than 32 search paths"));
    }
    if searches.join(" ").len() > 2048 {
        let detail = "must not have more than 2048 characters (including spaces) in the search list";
        errors.push(Error::invalid(path.child("searches"), at(config, "searches").clone(), detail));
    }
    for (index, search) in searches.into_iter().enumerate().filter(|(_, search)| *search != ".") {
        let search = search.strip_suffix('.').unwrap_or(search);
        format::invalid_each(&path.item("searches", index), search, format::search_domain(search), errors);
    }
    for (index, option) in list(config, "options").iter().enumerate() {
        if text(option, "name").is_empty() {
            errors.push(Error::required(path.item("options", index), "must not be empty"));
        }
    }
}

fn scheduling_gates(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for (index, gate) in list(spec, "schedulingGates").iter().enumerate() {
        let name = text(gate, "name");
        let path = path.item("schedulingGates", index);
        format::invalid_each(&path, name, format::qualified_name(name), errors);
        if !seen.insert(name) {
            errors.push(Error::duplicate(path, name));
        }
    }
}

fn host_name(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let Some(name) = opt_text(spec, "hostnameOverride") else { return };
    let path = path.child("hostnameOverride");
    if flag(spec, "setHostnameAsFQDN") {
        errors.push(Error::forbidden(path, "may not be specified when setHostnameAsFQDN is true"));
    }
    if flag(spec, "hostNetwork") {
        errors.push(Error::forbidden(path, "may not be specified when hostNetwork is true"));
    }
    if name.len() > 64 {
        errors.push(Error::too_long(path, 64));
    }
    format::invalid_each(&path, name, format::dns_subdomain(name), errors);
}

fn host_aliases(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (index, alias) in list(spec, "hostAliases").iter().enumerate() {
        let path = path.item("hostAliases", index);
        format::legacy_ip(&path.child("ip"), text(alias, "ip"), errors);
        for (index, name) in texts(alias, "hostnames").into_iter().enumerate() {
            format::invalid_each(&path.item("hostnames", index), name, format::dns_subdomain(name), errors);
        }
    }
}
