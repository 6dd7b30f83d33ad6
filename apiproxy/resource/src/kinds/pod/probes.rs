//! Validation of probes and lifecycle hooks.

use schema::field::Error;
use serde_json::Value;

use super::containers::port_number;
use crate::json::{at, int, list, opt_text, set, size, text};
use crate::{Errors, Path, format};

const HANDLERS: [&str; 5] = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];

/// Lifecycle and the three probes of a container.
pub(super) fn all(container: &Value, spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let grace = int(spec, "terminationGracePeriodSeconds");
    if let Some(lifecycle) = set(container, "lifecycle") {
        let path = path.child("lifecycle");
        for hook in ["postStart", "preStop"] {
            if let Some(handler) = set(lifecycle, hook) {
                self::handler(handler, grace, &path.child(hook), errors);
            }
        }
        if let Some(signal) = opt_text(lifecycle, "stopSignal") {
            stop_signal(signal, set(spec, "os"), &path.child("stopSignal"), errors);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = set(container, name) else { continue };
        let path = path.child(name);
        self::probe(probe, grace, &path, errors);
        if name == "readinessProbe" {
            if let Some(seconds) = int(probe, "terminationGracePeriodSeconds") {
                let detail = "must not be set for readinessProbes";
                errors.push(Error::invalid(path.child("terminationGracePeriodSeconds"), seconds, detail));
            }
        } else if int(probe, "successThreshold").unwrap_or(0) != 1 {
            let threshold = int(probe, "successThreshold").unwrap_or(0);
            errors.push(Error::invalid(path.child("successThreshold"), threshold, "must be 1"));
        }
    }
}

fn probe(probe: &Value, grace: Option<i64>, path: &Path<'_>, errors: &mut Errors) {
    handler(probe, grace, path, errors);
    for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        if let Some(value) = int(probe, field).filter(|value| *value < 0) {
            errors.push(Error::invalid(path.child(field), value, "must be greater than or equal to 0"));
        }
    }
    if let Some(seconds) = int(probe, "terminationGracePeriodSeconds").filter(|seconds| *seconds <= 0) {
        errors.push(Error::invalid(path.child("terminationGracePeriodSeconds"), seconds, "must be greater than 0"));
    }
}

fn handler(holder: &Value, grace: Option<i64>, path: &Path<'_>, errors: &mut Errors) {
    let mut found = HANDLERS.iter().filter_map(|kind| Some((*kind, set(holder, kind)?)));
    let Some((kind, action)) = found.next() else {
        errors.push(Error::required(path, "must specify a handler type"));
        return;
    };
    let here = path.child(kind);
    match kind {
        "exec" if size(action, "command") == 0 => errors.push(Error::required(here.child("command"), "")),
        "httpGet" => http_get(action, &here, errors),
        "tcpSocket" | "grpc" => port(at(action, "port"), &here.child("port"), errors),
        "sleep" => {
            let seconds = int(action, "seconds").unwrap_or(0);
            if let Some(grace) = grace.filter(|grace| seconds < 0 || seconds > *grace) {
                let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
                errors.push(Error::invalid(here, seconds, detail));
            }
        }
        _ => (),
    }
    for (kind, _) in found {
        errors.push(Error::forbidden(path.child(kind), "may not specify more than 1 handler type"));
    }
}

fn http_get(action: &Value, path: &Path<'_>, errors: &mut Errors) {
    if text(action, "path").is_empty() {
        errors.push(Error::required(path.child("path"), ""));
    }
    port(at(action, "port"), &path.child("port"), errors);
    let scheme = text(action, "scheme");
    if !matches!(scheme, "HTTP" | "HTTPS") {
        errors.push(Error::not_supported(path.child("scheme"), scheme, &["HTTP", "HTTPS"]));
    }
    for header in list(action, "httpHeaders") {
        let name = text(header, "name");
        format::invalid_each(&path.child("httpHeaders"), name, format::header_name(name), errors);
    }
}

/// A port by number or name (`ValidatePortNumOrName`).
pub(crate) fn port(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    match value {
        Value::String(name) => format::invalid_each(path, name, format::port_name(name), errors),
        value => port_number(value.as_i64().unwrap_or(0), path, errors),
    }
}

/// Signals by name; real-time ones are counted from the ends of their range.
const SIGNALS: [&str; 34] = [
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGIO",
    "SIGIOT",
    "SIGKILL",
    "SIGPIPE",
    "SIGPOLL",
    "SIGPROF",
    "SIGPWR",
    "SIGQUIT",
    "SIGSEGV",
    "SIGSTKFLT",
    "SIGSTOP",
    "SIGSYS",
    "SIGTERM",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGVTALRM",
    "SIGWINCH",
    "SIGXCPU",
    "SIGXFSZ",
];

fn linux_signals() -> Vec<String> {
    let mut all: Vec<String> = SIGNALS.iter().map(|signal| (*signal).to_owned()).collect();
    all.extend(["SIGRTMIN", "SIGRTMAX"].map(str::to_owned));
    all.extend((1..=15).map(|step| format!("SIGRTMIN+{step}")));
    all.extend((1..=14).map(|step| format!("SIGRTMAX-{step}")));
    all.sort_unstable();
    all
}

fn stop_signal(signal: &str, os: Option<&Value>, path: &Path<'_>, errors: &mut Errors) {
    let supported = match os.map(|os| text(os, "name")) {
        None => {
            errors.push(Error::forbidden(path, "may not be set for containers with empty `spec.os.name`"));
            return;
        }
        Some("windows") => vec!["SIGKILL".to_owned(), "SIGTERM".to_owned()],
        Some("linux") => linux_signals(),
        Some(_) => return,
    };
    if !supported.iter().any(|known| known == signal) {
        let supported: Vec<&str> = supported.iter().map(String::as_str).collect();
        errors.push(Error::not_supported(path, signal, &supported));
    }
}
