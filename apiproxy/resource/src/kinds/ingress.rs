//! Ingresses and IngressClasses.

use schema::field::Error;
use serde_json::Value;

use super::job::validate::prefixed_path;
use super::pod::containers::port_number;
use super::workload::SPEC;
use crate::json::{at, dig, fill, int, list, opt_text, set, size, text, texts};
use crate::strategy::{BASE, Generation, Status};
use crate::{Errors, NameRule, Path, Scope, Strategy, format, meta};

pub(super) static INGRESS: Strategy = Strategy {
    group: "networking.k8s.io",
    plural: "ingresses",
    scope: Scope::Namespaced,
    status: Status::Reset(r#"{"loadBalancer":{}}"#),
    generation: Generation::On(&["spec"]),
    validate: create,
    validate_update: |new, _, errors| {
        meta::check_create(new, Scope::Namespaced, NameRule::DnsSubdomain, errors);
        validate(at(new, "spec"), errors);
    },
    ..BASE
};

pub(super) static INGRESS_CLASS: Strategy = Strategy {
    group: "networking.k8s.io",
    plural: "ingressclasses",
    scope: Scope::Cluster,
    generation: Generation::On(&["spec"]),
    default: class_default,
    validate: |obj, errors| class(at(obj, "spec"), errors),
    validate_update: |new, old, errors| {
        meta::immutable(&SPEC, "controller", at(new, "spec"), at(old, "spec"), errors);
        class(at(new, "spec"), errors);
    },
    ..BASE
};

fn class_default(_version: &str, obj: &mut Value) {
    if let Some(parameters) = obj.pointer_mut("/spec/parameters").filter(|parameters| parameters.is_object()) {
        fill(parameters, "scope", "Cluster");
    }
}

fn create(obj: &Value, errors: &mut Errors) {
    validate(at(obj, "spec"), errors);
    const ANNOTATION: &str = "kubernetes.io/ingress.class";
    let named = opt_text(dig(obj, "metadata.annotations"), ANNOTATION);
    if let (Some(named), Some(class)) = (named, opt_text(at(obj, "spec"), "ingressClassName"))
        && named != class
    {
        let detail = "must match `ingressClassName` when both are specified";
        errors.push(Error::invalid(Path::root("annotations").child(ANNOTATION), named, detail));
    }
}

fn validate(spec: &Value, errors: &mut Errors) {
    let default = set(spec, "defaultBackend");
    if size(spec, "rules") == 0 && default.is_none() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        errors.push(Error::invalid(SPEC, at(spec, "rules").clone(), detail));
    }
    if let Some(default) = default {
        backend(default, &SPEC.child("defaultBackend"), errors);
    }
    for (index, rule) in list(spec, "rules").iter().enumerate() {
        let path = SPEC.item("rules", index);
        let host = text(rule, "host");
        if !host.is_empty() {
            if format::parse_ip(host).is_some() {
                let detail = "must be a DNS name, not an IP address";
                errors.push(Error::invalid(path.child("host"), host, detail));
            }
            self::host(host, &path.child("host"), errors);
        }
        let Some(http) = set(rule, "http") else { continue };
        let path = path.child("http");
        if size(http, "paths") == 0 {
            errors.push(Error::required(path.child("paths"), ""));
        }
        for (index, one) in list(http, "paths").iter().enumerate() {
            http_path(one, &path.item("paths", index), errors);
        }
    }
    for (index, tls) in list(spec, "tls").iter().enumerate() {
        let path = SPEC.item("tls", index);
        for (index, name) in texts(tls, "hosts").into_iter().enumerate() {
            host(name, &path.item("hosts", index), errors);
        }
        let secret = text(tls, "secretName");
        if !secret.is_empty() {
            format::invalid_each(&path.child("secretName"), secret, format::dns_subdomain(secret), errors);
        }
    }
    if let Some(class) = opt_text(spec, "ingressClassName") {
        format::invalid_each(&SPEC.child("ingressClassName"), class, format::dns_subdomain(class), errors);
    }
}

fn host(host: &str, path: &Path<'_>, errors: &mut Errors) {
    let wrong = if host.contains('*') { format::wildcard_subdomain(host) } else { format::dns_subdomain(host) };
    format::invalid_each(path, host, wrong, errors);
}

fn http_path(one: &Value, path: &Path<'_>, errors: &mut Errors) {
    let target = text(one, "path");
    let here = path.child("path");
    let absolute = target.starts_with('/');
    match opt_text(one, "pathType") {
        None => {
            errors.push(Error::required(path.child("pathType"), "pathType must be specified"));
            return;
        }
        Some("Exact" | "Prefix") => {
            if !absolute {
                errors.push(Error::invalid(here, target, "must be an absolute path"));
            }
            for bad in ["//", "/./", "/../", "%2f", "%2F"].into_iter().filter(|bad| target.contains(bad)) {
                errors.push(Error::invalid(here, target, format!("must not contain '{bad}'")));
            }
            for bad in ["/..", "/."].into_iter().filter(|bad| target.ends_with(bad)) {
                errors.push(Error::invalid(here, target, format!("cannot end with '{bad}'")));
            }
        }
        Some("ImplementationSpecific") => {
            if !target.is_empty() && !absolute {
                errors.push(Error::invalid(here, target, "must be an absolute path"));
            }
        }
        Some(kind) => {
            let kinds = ["Exact", "ImplementationSpecific", "Prefix"];
            errors.push(Error::not_supported(path.child("pathType"), kind, &kinds));
        }
    }
    backend(at(one, "backend"), &path.child("backend"), errors);
}

fn backend(backend: &Value, path: &Path<'_>, errors: &mut Errors) {
    match (set(backend, "resource"), set(backend, "service")) {
        (Some(_), Some(_)) => {
            errors.push(Error::invalid(path, "", "cannot set both resource and service backends"));
        }
        (None, None) => errors.push(Error::invalid(path, "", "resource or service backend is required")),
        (Some(resource), None) => typed_reference(resource, &path.child("resource"), errors),
        (None, Some(service)) => {
            let here = path.child("service");
            match text(service, "name") {
                "" => errors.push(Error::required(here.child("name"), "")),
                name => format::invalid_each(&here.child("name"), name, format::dns_label(name), errors),
            }
            let port = at(service, "port");
            match (text(port, "name"), int(port, "number").unwrap_or(0)) {
                ("", 0) => errors.push(Error::required(path, "port name or number is required")),
                ("", number) => port_number(number, &here.child("port.number"), errors),
                (name, 0) => {
                    format::invalid_each(&here.child("port.name"), name, format::port_name(name), errors);
                }
                _ => errors.push(Error::invalid(path, "", "cannot set both port name & port number")),
            }
        }
    }
}

fn typed_reference(reference: &Value, path: &Path<'_>, errors: &mut Errors) {
    if let Some(group) = opt_text(reference, "apiGroup") {
        format::invalid_each(&path.child("apiGroup"), group, format::dns_subdomain(group), errors);
    }
    for field in ["kind", "name"] {
        match text(reference, field) {
            "" => errors.push(Error::required(path.child(field), "")),
            value => format::invalid_each(&path.child(field), value, format::path_segment(value, false), errors),
        }
    }
}

fn class(spec: &Value, errors: &mut Errors) {
    let controller = text(spec, "controller");
    let path = SPEC.child("controller");
    if controller.len() > 250 {
        errors.push(Error::too_long(path, 250));
    }
    prefixed_path(controller, &path, errors);
    let Some(parameters) = set(spec, "parameters") else { return };
    let path = SPEC.child("parameters");
    typed_reference(parameters, &path, errors);
    let namespace = text(parameters, "namespace");
    match opt_text(parameters, "scope") {
        None => errors.push(Error::required(path.child("scope"), "")),
        Some("Namespace") if namespace.is_empty() => {
            let detail = "`parameters.scope` is set to 'Namespace'";
            errors.push(Error::required(path.child("namespace"), detail));
        }
        Some("Cluster") if set(parameters, "namespace").is_some() => {
            let detail = "`parameters.scope` is set to 'Cluster'";
            errors.push(Error::forbidden(path.child("namespace"), detail));
        }
        Some("Namespace" | "Cluster") => (),
        Some(scope) => errors.push(Error::not_supported(path.child("scope"), scope, &["Cluster", "Namespace"])),
    }
}
