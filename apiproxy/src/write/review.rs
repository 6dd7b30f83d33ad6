//! Kinds that are asked, not stored: access reviews, token reviews, who am I (upstream: `pkg/registry/authorization`,
//! `pkg/registry/authentication`).

use bytes::Bytes;
use http::StatusCode;
use schema::field;
use serde_json::{Value, json};

use super::update::Part;
use super::{Context, Outcome, body};
use crate::authn::{Caller, service_account};
use crate::authz::rbac::{self, Attributes, Rule, policy};
use crate::respond::Error;

/// Answers a review. Errors: 405 for kinds nobody answers.
pub(super) fn review(context: &Context<'_>, bytes: &Bytes) -> Result<Outcome, Error> {
    let info = context.info();
    let decoded = body::object(info, &context.resource, context.headers, bytes, context.options.validation)?;
    let mut review = decoded.value;
    let caller = context.permit.caller();
    if !matches!(info.resource.as_str(), "selfsubjectreviews" | "selfsubjectrulesreviews") {
        context.options.track(&context.resource, Part::Main, None, &mut review, &context.now);
    }
    match info.resource.as_str() {
        "selfsubjectaccessreviews" => {
            let (asked, errors) = attributes(&review["spec"]);
            if !errors.is_empty() {
                return Err(invalid(errors));
            }
            review["status"] = verdict(context, caller, &asked);
        }
        "subjectaccessreviews" => subject(context, &mut review, None)?,
        "localsubjectaccessreviews" => subject(context, &mut review, Some(&info.namespace))?,
        "selfsubjectrulesreviews" => {
            let namespace = review["spec"]["namespace"].as_str().unwrap_or_default();
            if namespace.is_empty() {
                return Err(Error::BadRequest("no namespace on request".to_owned()));
            }
            review["status"] = rules(context, caller, namespace);
        }
        "selfsubjectreviews" => review["status"] = json!({"userInfo": user_info(caller)}),
        "tokenreviews" => review["status"] = token(context, &review["spec"])?,
        _ => return Err(Error::MethodNotAllowed),
    }
    match info.resource.as_str() {
        "selfsubjectreviews" => review["metadata"]["creationTimestamp"] = json!(context.now),
        "selfsubjectrulesreviews" => {
            review["metadata"] = json!({});
            review["spec"] = json!({});
        }
        "localsubjectaccessreviews" => review["metadata"]["namespace"] = json!(info.namespace),
        _ => {}
    }
    Ok(Outcome::other(StatusCode::CREATED, review, decoded.warnings))
}

fn verdict(context: &Context<'_>, caller: &Caller, asked: &Attributes) -> Value {
    match rbac::reason(context.api, context.tenant, caller, asked) {
        Some(reason) if reason.is_empty() => json!({"allowed": true}),
        Some(reason) => json!({"allowed": true, "reason": reason}),
        None => json!({"allowed": false}),
    }
}

fn invalid(errors: Vec<field::Error>) -> Error {
    // Upstream names no kind here.
    Error::Invalid { group: "authorization.k8s.io".to_owned(), kind: String::new(), name: String::new(), errors }
}

/// What a review asks about, and what is wrong with how it asks.
fn attributes(spec: &Value) -> (Attributes, Vec<field::Error>) {
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let on_path = || Attributes { verb: text(path, "verb"), path: Some(text(path, "path")), ..Attributes::default() };
    let on_resource = || Attributes {
        verb: text(resource, "verb"),
        group: text(resource, "group"),
        resource: text(resource, "resource"),
        subresource: text(resource, "subresource"),
        namespace: text(resource, "namespace"),
        name: text(resource, "name"),
        path: None,
    };
    match (resource.is_object(), path.is_object()) {
        (true, true) => {
            let detail = "cannot be specified in combination with resourceAttributes";
            let shown = json!({"Path": text(path, "path"), "Verb": text(path, "verb")});
            (on_path(), vec![field::Error::invalid("spec.nonResourceAttributes", shown, detail)])
        }
        (false, false) => {
            let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            let error = field::Error::invalid("spec.resourceAttributes", Value::Null, detail);
            (Attributes::default(), vec![error])
        }
        (false, true) => (on_path(), Vec::new()),
        (true, false) => (on_resource(), Vec::new()),
    }
}

fn subject(context: &Context<'_>, review: &mut Value, namespace: Option<&str>) -> Result<(), Error> {
    let spec = review["spec"].clone();
    let (asked, mut errors) = attributes(&spec);
    let strings = |value: &Value| serde_json::from_value::<Vec<String>>(value.clone()).unwrap_or_default();
    let user = spec["user"].as_str().unwrap_or_default().to_owned();
    let groups = strings(&spec["groups"]);
    if user.is_empty() && groups.is_empty() {
        let detail = "at least one of user or group must be specified";
        errors.push(field::Error::invalid("spec.user", "", detail));
    }
    if let Some(namespace) = namespace {
        if spec["nonResourceAttributes"].is_object() {
            let detail = "disallowed on this kind of request";
            errors.push(field::Error::invalid("spec.nonResourceAttributes", Value::Null, detail));
        }
        if asked.namespace != namespace {
            let given = asked.namespace.clone();
            let detail = "must match metadata.namespace";
            errors.push(field::Error::invalid("spec.resourceAttributes.namespace", given, detail));
        }
    }
    if !errors.is_empty() {
        return Err(invalid(errors));
    }
    let extra = spec["extra"].as_object().into_iter().flatten();
    let extra = extra.map(|(key, value)| (key.clone(), strings(value))).collect();
    let uid = spec["uid"].as_str().unwrap_or_default().to_owned();
    let somebody = context.permit.caller().acting_as(user, uid, groups, extra);
    review["status"] = verdict(context, &somebody, &asked);
    Ok(())
}

fn rules(context: &Context<'_>, caller: &Caller, namespace: &str) -> Value {
    let everything = caller.groups().iter().any(|group| group == "system:masters");
    let policy = policy(context.api, context.tenant);
    let all = || vec!["*".to_owned()];
    let masters = [
        Rule { verbs: all(), api_groups: all(), resources: all(), ..Rule::default() },
        Rule { verbs: all(), non_resource_urls: all(), ..Rule::default() },
    ];
    let held = policy.rules(caller, namespace).chain(masters.iter().filter(|_| everything));
    let (mut resources, mut paths) = (Vec::new(), Vec::new());
    for rule in held {
        if rule.non_resource_urls.is_empty() {
            let mut shown = json!({
                "verbs": rule.verbs, "apiGroups": rule.api_groups, "resources": rule.resources,
            });
            if !rule.resource_names.is_empty() {
                shown["resourceNames"] = json!(rule.resource_names);
            }
            resources.push(shown);
        } else {
            paths.push(json!({"verbs": rule.verbs, "nonResourceURLs": rule.non_resource_urls}));
        }
    }
    json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
}

fn user_info(caller: &Caller) -> Value {
    let mut info = json!({"username": caller.user(), "groups": caller.groups()});
    if !caller.uid().is_empty() {
        info["uid"] = json!(caller.uid());
    }
    for (key, values) in caller.extra() {
        info["extra"][key] = json!(values);
    }
    info
}

fn token(context: &Context<'_>, spec: &Value) -> Result<Value, Error> {
    let token = spec["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        return Err(Error::BadRequest("token is required for TokenReview in authentication".to_owned()));
    }
    let wanted: Vec<String> = serde_json::from_value(spec["audiences"].clone()).unwrap_or_default();
    let audiences: Vec<&str> =
        if wanted.is_empty() { vec![service_account::ISSUER] } else { wanted.iter().map(String::as_str).collect() };
    let tenant = context.api.routes.by_id(context.tenant).ok_or(Error::NoSuchPath)?;
    Ok(match service_account::caller(context.api, &tenant, token, &audiences) {
        Some((caller, own)) => {
            let shared: Vec<&str> =
                audiences.into_iter().filter(|wanted| own.iter().any(|own| own == wanted)).collect();
            json!({"authenticated": true, "user": user_info(&caller), "audiences": shared})
        }
        None => json!({"user": {}, "error": "invalid bearer token"}),
    })
}
