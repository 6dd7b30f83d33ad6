//! `serviceaccounts/token`: issues tokens (TokenRequest; upstream: `TokenREST.Create`).

use bytes::Bytes;
use http::StatusCode;
use schema::field;
use serde_json::{Value, json};
use store::{Collection, Object};

use super::{Context, Outcome, body};
use crate::authn::service_account::{Bound, Claims, ISSUER, Named, user_name};
use crate::respond::Error;

const MIN_SECONDS: i64 = 600;
const DEFAULT_SECONDS: i64 = 3600;
const MAX_SECONDS: i64 = 1 << 32;

/// Issues a token. Errors: 422 for a bad request, 404 for bound objects that are not there, 409 for other uids.
pub(super) async fn request(context: &Context<'_>, body: Bytes) -> Result<Outcome, Error> {
    let (group, version, kind) = ("authentication.k8s.io", "v1", "TokenRequest");
    let mut request = body::of_kind(context.headers, &body, group, version, kind)?;
    let kind = request["kind"].as_str().unwrap_or("TokenRequest");
    if kind != "TokenRequest" {
        return Err(Error::BadRequest(format!(
            "the object provided is unrecognized (must be of type TokenRequest): {kind}"
        )));
    }
    let info = context.info();
    let account = super::update::existing(context).ok_or_else(|| context.not_found(&info.name))?;
    let seconds = request["spec"]["expirationSeconds"].as_i64().unwrap_or(DEFAULT_SECONDS);
    check_seconds(seconds)?;
    let audiences: Vec<String> = serde_json::from_value(request["spec"]["audiences"].clone()).unwrap_or_default();
    let audiences = if audiences.is_empty() { vec![ISSUER.to_owned()] } else { audiences };
    let bound = bound(context, &account, &request["spec"]["boundObjectRef"])?;
    let now = jiff::Timestamp::now().as_second();
    let claims = Claims {
        aud: audiences.clone(),
        exp: now.saturating_add(seconds),
        iat: now,
        iss: ISSUER.to_owned(),
        jti: uuid::Uuid::new_v4().to_string(),
        kubernetes: bound,
        nbf: now,
        sub: user_name(&info.namespace, &info.name),
    };
    let tenant = context.api.routes.by_id(context.tenant).ok_or(Error::NoSuchPath)?;
    let token = tenant.token_keys().sign(&claims);
    let token = token.ok_or_else(|| Error::Internal("this cluster has no key to sign tokens with".to_owned()))?;
    let expiry = jiff::Timestamp::from_second(claims.exp).unwrap_or(jiff::Timestamp::MAX);
    request["kind"] = json!("TokenRequest");
    request["apiVersion"] = json!("authentication.k8s.io/v1");
    request["metadata"] = json!({
        "name": info.name, "namespace": info.namespace, "creationTimestamp": context.now,
    });
    request["spec"]["audiences"] = json!(audiences);
    request["spec"]["expirationSeconds"] = json!(seconds);
    if request["spec"]["boundObjectRef"].is_null() {
        request["spec"]["boundObjectRef"] = Value::Null;
    }
    request["status"] = json!({
        "token": token, "expirationTimestamp": expiry.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    });
    Ok(Outcome::other(StatusCode::CREATED, request, Vec::new()))
}

fn check_seconds(seconds: i64) -> Result<(), Error> {
    let detail = if seconds < MIN_SECONDS {
        "may not specify a duration less than 10 minutes"
    } else if seconds > MAX_SECONDS {
        "may not specify a duration larger than 2^32 seconds"
    } else {
        return Ok(());
    };
    let error = field::Error::invalid("spec.expirationSeconds", seconds, detail);
    Err(Error::Invalid {
        group: "authentication.k8s.io".to_owned(),
        kind: "TokenRequest".to_owned(),
        name: String::new(),
        errors: vec![error],
    })
}

/// What the token lives and dies with.
fn bound(context: &Context<'_>, account: &Object, reference: &Value) -> Result<Bound, Error> {
    let info = context.info();
    let mut bound = Bound {
        namespace: info.namespace.clone(),
        serviceaccount: Named { name: info.name.clone(), uid: account.uid().to_owned() },
        ..Bound::default()
    };
    if reference.is_null() {
        return Ok(bound);
    }
    let text = |key: &str| reference[key].as_str().unwrap_or_default();
    let resource = match text("kind") {
        "Pod" => "pods",
        "Secret" => "secrets",
        other => {
            let version = if text("apiVersion").contains('/') {
                text("apiVersion").to_owned()
            } else {
                format!("/{}", text("apiVersion"))
            };
            return Err(Error::BadRequest(format!("cannot bind token to object of type {version}, Kind={other}")));
        }
    };
    let found = context.api.store.get(context.tenant, &Collection::new("", resource), &info.namespace, text("name"));
    let missing =
        || Error::NotFound { group: String::new(), resource: resource.to_owned(), name: text("name").to_owned() };
    let object = found.ok_or_else(missing)?;
    if !text("uid").is_empty() && text("uid") != object.uid() {
        let message = format!(
            "the UID in the bound object reference ({}) does not match the UID in record. The object might have been \
             deleted and then recreated",
            text("uid")
        );
        let (group, resource, name) = (String::new(), resource.to_owned(), text("name").to_owned());
        return Err(Error::Conflict { group, resource, name, message });
    }
    let named = Named { name: text("name").to_owned(), uid: object.uid().to_owned() };
    if resource == "secrets" {
        bound.secret = Some(named);
        return Ok(bound);
    }
    let pod = object.value();
    let account_of_pod = pod["spec"]["serviceAccountName"].as_str().unwrap_or_default();
    if account_of_pod != info.name {
        return Err(Error::BadRequest(format!(
            "cannot bind token for serviceaccount \"{}\" to pod running with different serviceaccount name.",
            info.name
        )));
    }
    bound.pod = Some(named);
    if let Some(node) = pod["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()) {
        let uid = context.api.store.get(context.tenant, &Collection::new("", "nodes"), "", node);
        bound.node =
            Some(Named { name: node.to_owned(), uid: uid.map(|node| node.uid().to_owned()).unwrap_or_default() });
    }
    Ok(bound)
}
