//! Signing requests: they say who asks, and only those who may decide for a signer decide (upstream: the strategy of
//! `certificatesigningrequests`, `plugin/pkg/admission/certificates`).

use serde_json::{Value, json};

use crate::authz::rbac::{Attributes, allowed};
use crate::respond::Error;
use crate::write::Context;

const GROUP: &str = "certificates.k8s.io";
const MASTERS: &str = "system:masters";

fn concerns(context: &Context<'_>) -> bool {
    context.resource.group == GROUP && context.resource.plural == "certificatesigningrequests"
}

/// Writes the caller into a new request. Errors: 403 for a client certificate of `system:masters` (upstream:
/// `CertificateSubjectRestriction`).
pub(super) fn create(context: &Context<'_>, value: &mut Value) -> Result<(), Error> {
    if !concerns(context) {
        return Ok(());
    }
    let caller = context.permit.caller();
    let Some(spec) = value["spec"].as_object_mut() else { return Ok(()) };
    for key in ["username", "uid", "groups", "extra"] {
        spec.remove(key);
    }
    spec.insert("username".to_owned(), json!(caller.user()));
    if !caller.uid().is_empty() {
        spec.insert("uid".to_owned(), json!(caller.uid()));
    }
    spec.insert("groups".to_owned(), json!(caller.groups()));
    if !caller.extra().is_empty() {
        let extra: serde_json::Map<String, Value> =
            caller.extra().iter().map(|(key, values)| (key.clone(), json!(values))).collect();
        spec.insert("extra".to_owned(), Value::Object(extra));
    }
    if spec.get("signerName").is_some_and(|name| name == "kubernetes.io/kube-apiserver-client")
        && asks_for_masters(spec.get("request").and_then(Value::as_str).unwrap_or_default())
    {
        let message = format!("use of kubernetes.io/kube-apiserver-client signer with {MASTERS} group is not allowed");
        return Err(refusal(context, value, message));
    }
    Ok(())
}

/// Checks who approves, denies or signs. Errors: 403.
pub(super) fn update(context: &Context<'_>, value: &Value, old: &Value) -> Result<(), Error> {
    if !concerns(context) {
        return Ok(());
    }
    let verb = match context.info().subresource.as_str() {
        "approval" => "approve",
        "status" if old["status"]["certificate"] != value["status"]["certificate"] => "sign",
        "status" if failed(value) && !failed(old) => "sign",
        _ => return Ok(()),
    };
    let signer = old["spec"]["signerName"].as_str().unwrap_or_default();
    let domain = signer.split_once('/').map_or(signer, |(domain, _)| domain);
    let may = |name: String| {
        let asked = Attributes {
            verb: verb.to_owned(),
            group: GROUP.to_owned(),
            resource: "signers".to_owned(),
            name,
            ..Attributes::default()
        };
        allowed(context.api, Some(context.tenant), context.permit.caller(), &asked)
    };
    if may(signer.to_owned()) || may(format!("{domain}/*")) {
        return Ok(());
    }
    let message = format!("user not permitted to {verb} requests with signerName {}", schema::field::go_quote(signer));
    Err(refusal(context, old, message))
}

fn failed(value: &Value) -> bool {
    let conditions = value["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|condition| condition["type"] == "Failed"))
}

fn refusal(context: &Context<'_>, value: &Value, message: String) -> Error {
    Error::Forbidden {
        group: GROUP.to_owned(),
        resource: context.resource.plural.clone(),
        name: value["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
        message,
    }
}

/// Whether a PKCS#10 request (base64 of PEM) names the group of masters. What cannot be read names nobody: it is for
/// validation to refuse.
fn asks_for_masters(request: &str) -> bool {
    use base64::Engine as _;
    use x509_parser::prelude::FromDer as _;
    let Ok(pem) = base64::prelude::BASE64_STANDARD.decode(request) else { return false };
    let Ok((_, block)) = x509_parser::pem::parse_x509_pem(&pem) else { return false };
    let Ok((_, request)) = x509_parser::certification_request::X509CertificationRequest::from_der(&block.contents)
    else {
        return false;
    };
    request.certification_request_info.subject.iter_organization().any(|group| group.as_str() == Ok(MASTERS))
}
