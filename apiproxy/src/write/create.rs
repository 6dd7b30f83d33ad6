//! create (upstream: `registry/generic/registry.Store.Create`, `rest.BeforeCreate`).

use bytes::Bytes;
use http::StatusCode;
use rand::Rng as _;
use serde_json::Value;
use store::Expect;

use super::kind::remove;
use super::update::Part;
use super::{Commit, Context, Outcome, body};
use crate::admission;
use crate::respond::{Error, Shown};

/// Characters of generated names: no vowels, no look-alikes (upstream: `util/rand`).
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX: usize = 5;
const MAX_BASE: usize = 63 - SUFFIX;
/// Attempts at a free generated name (KEP-4420).
const ATTEMPTS: usize = 8;

/// Creates the object of a body.
pub(super) async fn create(context: &Context<'_>, body: Bytes) -> Result<Outcome, Error> {
    let decoded = body::object(context.info(), &context.resource, context.headers, &body, context.options.validation)?;
    let mut warnings = decoded.warnings;
    let mut object = decoded.value;
    context.kind().default(&mut object);
    let shown = from_value(context, object, &mut warnings).await;
    let shown = shown.map_err(|error| context.failed(&warnings, error))?;
    Ok(Outcome::object(StatusCode::CREATED, shown, warnings))
}

/// Creates a decoded, defaulted object.
pub(super) async fn from_value(
    context: &Context<'_>,
    mut object: Value,
    warnings: &mut Vec<String>,
) -> Result<Shown, Error> {
    place(context, &mut object)?;
    let generate = object["metadata"]["name"].as_str().unwrap_or_default().is_empty();
    let base = object["metadata"]["generateName"].as_str().unwrap_or_default().to_owned();
    let mut attempt = 0;
    loop {
        attempt += 1;
        let name = (generate && !base.is_empty()).then(|| generated(&base));
        match once(context, object.clone(), name, warnings).await {
            Err(Error::AlreadyExists { .. }) if generate && !base.is_empty() && attempt < ATTEMPTS => {}
            result => return result,
        }
    }
}

/// One attempt at a create, under a generated name if one is given: plugins that mutate do not see it yet.
async fn once(
    context: &Context<'_>,
    mut object: Value,
    name: Option<String>,
    warnings: &mut Vec<String>,
) -> Result<Shown, Error> {
    let kind = context.kind();
    if object["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty()) {
        return Err(Error::Plain("resourceVersion should not be set on objects to be created".to_owned()));
    }
    // Ownership is recorded of what the client sent; what the strategy adds belongs to nobody.
    context.options.track(&context.resource, Part::Main, None, &mut object, &context.now);
    let mut mutated = admission::mutate(context, object, None).await?;
    if let Some(name) = name {
        mutated.value_mut()["metadata"]["name"] = Value::from(name);
    }
    // Some strategies write the uid into what they make (Jobs into the labels of their pods).
    stamp(context, mutated.value_mut());
    kind.prepare_create(mutated.value_mut());
    admission::settle(context, &mut mutated, None)?;
    let name = mutated.value()["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let errors = kind.validate_create(mutated.value());
    if !errors.is_empty() {
        return Err(context.invalid(&name, errors));
    }
    for warning in kind.warnings(mutated.value(), None) {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    let admitted = admission::judge(context, mutated, None, warnings)?;
    let admitted = admission::services::allocate(context, admitted, None).await?;
    Commit::new(context, admitted, Expect::Absent).run().await
}

/// Puts the object where the path says. Errors: 400 when it says otherwise itself.
fn place(context: &Context<'_>, object: &mut Value) -> Result<(), Error> {
    let info = context.info();
    if context.resource.namespaced {
        let given = object["metadata"]["namespace"].as_str().unwrap_or_default();
        if info.namespace.is_empty() {
            return Err(Error::BadRequest("an empty namespace may not be set during creation".to_owned()));
        }
        if !given.is_empty() && given != info.namespace {
            return Err(Error::BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request".to_owned(),
            ));
        }
        object["metadata"]["namespace"] = Value::from(info.namespace.clone());
    } else {
        remove(&mut object["metadata"], "namespace");
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let base = object["metadata"]["generateName"].as_str().unwrap_or_default();
    if name.is_empty() && base.is_empty() {
        let error = schema::field::Error::required("metadata.name", "name or generateName is required");
        return Err(context.invalid("", vec![error]));
    }
    Ok(())
}

/// Sets what only the server sets.
fn stamp(context: &Context<'_>, object: &mut Value) {
    let metadata = &mut object["metadata"];
    for key in ["resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        remove(metadata, key);
    }
    metadata["uid"] = Value::from(uuid::Uuid::new_v4().to_string());
    metadata["creationTimestamp"] = Value::from(context.now.clone());
}

fn generated(base: &str) -> String {
    let cut = base.char_indices().map(|(at, _)| at).chain([base.len()]).take_while(|at| *at <= MAX_BASE).last();
    let mut rng = rand::rng();
    let suffix: String = (0..SUFFIX).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect();
    format!("{}{suffix}", &base[..cut.unwrap_or(0)])
}
