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
    if !context.resource.namespaced {
        super::remove(&mut review["metadata"], "namespace");
    }
    let caller = context.permit.caller();
    if !matches!(info.resource.as_str(), "selfsubjectreviews" | "selfsubjectrulesreviews") {
        context.options.track(&context.resource, Part::Main, None, &mut review, &context.now);
    }
    match info.resource.as_str() {
        "selfsubjectaccessreviews" => {
            let (asked, mut errors) = attributes(&review["spec"]);
            errors.extend(selector_errors(&review["spec"]));
            errors.extend(named(&review, false));
            if !errors.is_empty() {
                return Err(invalid(errors));
            }
            review["status"] = verdict(context, caller, &asked, &review["spec"]);
        }
        "subjectaccessreviews" => subject(context, &mut review, None)?,
        "localsubjectaccessreviews" => {
            let given = review["metadata"]["namespace"].as_str().unwrap_or_default();
            if !given.is_empty() && given != info.namespace {
                let message = "the namespace of the provided object does not match the namespace sent on the request";
                return Err(Error::BadRequest(message.to_owned()));
            }
            subject(context, &mut review, Some(&info.namespace))?;
        }
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

fn verdict(context: &Context<'_>, caller: &Caller, asked: &Attributes, spec: &Value) -> Value {
    let mut verdict = match rbac::reason(context.api, context.tenant, caller, asked) {
        Some(reason) if reason.is_empty() => json!({"allowed": true}),
        Some(reason) => json!({"allowed": true, "reason": reason}),
        None => json!({"allowed": false}),
    };
    let ignored = ignored_selectors(spec);
    if !ignored.is_empty() {
        verdict["evaluationError"] = json!(ignored.join(", "));
    }
    verdict
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
            (on_path(), vec![field::Error::invalid("spec.nonResourceAttributes", path_shown(spec), detail)])
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

fn asked_namespace(spec: &Value) -> &str {
    spec["resourceAttributes"]["namespace"].as_str().unwrap_or_default()
}

/// Path attributes as Go shows its struct.
fn path_shown(spec: &Value) -> Value {
    let text = |key: &str| spec["nonResourceAttributes"][key].as_str().unwrap_or_default();
    json!({"Path": text("path"), "Verb": text("verb")})
}

/// Reviews have no names, nor anything else of an object (upstream: `ValidateSubjectAccessReview` and its siblings).
fn named(review: &Value, local: bool) -> Option<field::Error> {
    let own = |key: &str| key == "managedFields" || local && key == "namespace";
    let empty = review["metadata"].as_object().is_none_or(|metadata| metadata.keys().all(|key| own(key)));
    let detail = if local { "must be empty except for namespace" } else { "must be empty" };
    (!empty).then(|| field::Error::invalid("metadata", review["metadata"].clone(), detail))
}

/// Selectors are said in one of two ways (upstream: `validateFieldSelectorAttributes`, `validateLabelSelectorAttributes`).
fn selector_errors(spec: &Value) -> Vec<field::Error> {
    let mut errors = Vec::new();
    for kind in ["fieldSelector", "labelSelector"] {
        let Some(selector) = spec["resourceAttributes"].get(kind).filter(|selector| selector.is_object()) else {
            continue;
        };
        let path = format!("spec.resourceAttributes.{kind}");
        let raw = selector["rawSelector"].as_str().unwrap_or_default();
        let listed = selector["requirements"].as_array().is_some_and(|all| !all.is_empty());
        if !raw.is_empty() && listed {
            let detail = "may not specified at the same time as requirements";
            errors.push(field::Error::invalid(format!("{path}.rawSelector"), raw, detail));
        }
        if raw.is_empty() && !listed {
            let detail = format!("when {path} is specified, requirements or rawSelector is required");
            errors.push(field::Error::required(format!("{path}.requirements"), detail));
        }
    }
    errors
}

/// Requirements with operators nobody knows are left out of the question, which makes it broader (upstream:
/// `BuildEvaluationError`). RBAC looks at none of them.
fn ignored_selectors(spec: &Value) -> Vec<String> {
    let mut ignored = Vec::new();
    for (kind, operators) in
        [("fieldSelector", &["In", "NotIn"][..]), ("labelSelector", &["In", "NotIn", "Exists", "DoesNotExist"])]
    {
        let listed = spec["resourceAttributes"][kind]["requirements"].as_array();
        let all = listed.map_or(0, Vec::len);
        let known = listed.into_iter().flatten().filter(|one| {
            let known = one["operator"].as_str().is_some_and(|operator| operators.contains(&operator));
            known && (kind == "labelSelector" || one["values"].as_array().is_some_and(|values| values.len() == 1))
        });
        let known = known.count();
        if known < all {
            let partially = if known > 0 { "partially " } else { "" };
            ignored.push(format!("spec.resourceAttributes.{kind} {partially}ignored due to parse error"));
        }
    }
    ignored
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
    errors.extend(selector_errors(&spec));
    errors.extend(named(review, namespace.is_some()));
    if let Some(namespace) = namespace {
        if spec["resourceAttributes"].is_object() && asked_namespace(&spec) != namespace {
            let detail = "must match metadata.namespace";
            errors.push(field::Error::invalid("spec.resourceAttributes.namespace", asked_namespace(&spec), detail));
        }
        if spec["nonResourceAttributes"].is_object() {
            let detail = "disallowed on this kind of request";
            errors.push(field::Error::invalid("spec.nonResourceAttributes", path_shown(&spec), detail));
        }
    }
    if !errors.is_empty() {
        return Err(invalid(errors));
    }
    let extra = spec["extra"].as_object().into_iter().flatten();
    let extra = extra.map(|(key, value)| (key.clone(), strings(value))).collect();
    let uid = spec["uid"].as_str().unwrap_or_default().to_owned();
    let somebody = context.permit.caller().acting_as(user, uid, groups, extra);
    review["status"] = verdict(context, &somebody, &asked, &spec);
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
