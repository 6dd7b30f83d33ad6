//! Token Secrets (`kubernetes.io/service-account-token`): filled with token, CA and namespace while their ServiceAccount
//! exists, deleted when it is gone (upstream `serviceaccount/tokens_controller.go`).
//!
//! The API signs; this controller asks for a token bound to the Secret, which dies with it. Upstream signs a token
//! without an end; ours ends with the longest lifetime the API grants (136 years).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as base64;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::client::{self, DeleteOptions, Part};
use crate::informer::{Informer, Raw};
use crate::key::{Key, plain};
use crate::kinds;
use crate::object::nullable;
use crate::queue::{Outcome, Queue};
use crate::root_ca;
use crate::run::Context;
use crate::step::{self, Controller, Error};

/// Type of the Secrets in question; also the watch's field selector.
pub(crate) const TYPE: &str = "kubernetes.io/service-account-token";
const NAME: &str = "kubernetes.io/service-account.name";
const UID: &str = "kubernetes.io/service-account.uid";
/// Longest lifetime of a token, seconds.
const LIFETIME: i64 = 1 << 32;

#[derive(Clone)]
struct Tokens {
    context: Context,
    secrets: Informer,
    accounts: Informer,
    routes: Informer,
}

/// A token Secret after [`prune`].
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Secret {
    #[serde(deserialize_with = "nullable")]
    annotations: BTreeMap<String, String>,
    ca: String,
    namespace: bool,
    token: bool,
}

/// Keeps what decides whether a token Secret is complete: above all no token.
pub(crate) fn prune(secret: &mut Value) {
    let filled = |key: &str| secret["data"][key].as_str().is_some_and(|text| !text.is_empty());
    let (namespace, token) = (filled("namespace"), filled("token"));
    let ca = root_ca::digest(&secret["data"]["ca.crt"]);
    let annotations = secret["metadata"]["annotations"].take();
    let kept = |key: &str| annotations[key].as_str().map(|text| (key.to_owned(), json!(text)));
    let annotations = serde_json::Map::from_iter([NAME, UID].into_iter().filter_map(kept));
    if let Some(metadata) = secret["metadata"].as_object_mut() {
        let fields = ["namespace", "name", "uid", "resourceVersion", "deletionTimestamp"];
        metadata.retain(|field, _| fields.contains(&field.as_str()));
    }
    *secret = json!({"metadata": secret["metadata"].take(), "annotations": annotations, "ca": ca,
        "namespace": namespace, "token": token});
}

impl Secret {
    fn text(&self, annotation: &str) -> &str {
        self.annotations.get(annotation).map(String::as_str).unwrap_or_default()
    }

    /// Whether the account of this uid is the one that is meant.
    fn means(&self, uid: &str) -> bool {
        self.text(UID).is_empty() || self.text(UID) == uid
    }

    fn is_complete(&self, ca: Option<&str>) -> bool {
        let wanted = ca.map(|ca| root_ca::digest(&json!(ca)));
        self.token && self.namespace && wanted.is_none_or(|wanted| wanted == self.ca)
    }
}

/// Fills in what a Secret lacks; `token` is given when it lacks one.
fn complete(secret: &mut Value, account: (&str, &str), namespace: &str, ca: Option<&str>, token: Option<&str>) {
    if secret["data"].is_null() {
        secret["data"] = json!({});
    }
    if let Some(ca) = ca {
        secret["data"]["ca.crt"] = json!(ca);
    }
    if secret["data"]["namespace"].as_str().unwrap_or_default().is_empty() {
        secret["data"]["namespace"] = json!(base64.encode(namespace));
    }
    if let Some(token) = token {
        secret["data"]["token"] = json!(base64.encode(token));
    }
    secret["metadata"]["annotations"][NAME] = json!(account.0);
    secret["metadata"]["annotations"][UID] = json!(account.1);
}

impl Controller for Tokens {
    const NAME: &'static str = "serviceaccount-token-controller";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        let Some(raw) = self.secrets.get(&key.namespace, &key.name) else { return Ok(Outcome::Done) };
        let secret: Secret = raw.view()?;
        let account = secret.text(NAME);
        if account.is_empty() || raw.is_deleting() {
            return Ok(Outcome::Done);
        }
        let Some(uid) = self.account(&key.namespace, account, &secret).await? else {
            let options = DeleteOptions { uid: Some(raw.uid().to_owned()), ..DeleteOptions::default() };
            let deleted = self.context.objects.delete(&kinds::secrets(), (&key.namespace, &key.name), &options).await;
            return settled(deleted);
        };
        let ca = root_ca::certificate(&self.routes, key).map(|ca| base64.encode(ca));
        if secret.is_complete(ca.as_deref()) {
            return Ok(Outcome::Done);
        }
        self.fill(&raw, account, &uid, ca.as_deref()).await
    }
}

/// Somebody else has changed or deleted it: that is observed in its own time.
fn settled(result: Result<Value, kube::Error>) -> Result<Outcome, Error> {
    match result {
        Err(error) if !client::is_not_found(&error) && !client::is_conflict(&error) => Err(error.into()),
        _ => Ok(Outcome::Done),
    }
}

impl Tokens {
    /// The uid of the account a Secret is for: as observed, or as read now before something is deleted for its absence.
    async fn account(&self, namespace: &str, name: &str, secret: &Secret) -> Result<Option<String>, Error> {
        if let Some(held) = self.accounts.get(namespace, name).filter(|held| secret.means(held.uid())) {
            return Ok(Some(held.uid().to_owned()));
        }
        match self.context.objects.get(&kinds::service_accounts(), namespace, name).await {
            Ok(account) => {
                let uid = account["metadata"]["uid"].as_str().unwrap_or_default();
                Ok(secret.means(uid).then(|| uid.to_owned()))
            }
            Err(error) if client::is_not_found(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn fill(&self, raw: &Raw, account: &str, uid: &str, ca: Option<&str>) -> Result<Outcome, Error> {
        let (objects, kind) = (&self.context.objects, kinds::secrets());
        let key = (raw.namespace(), raw.name());
        let mut live = match objects.get(&kind, key.0, key.1).await {
            Ok(live) => live,
            error => return settled(error),
        };
        if live["metadata"]["resourceVersion"] != raw.resource_version() {
            // What we know is old; the newer version is on its way.
            return Ok(Outcome::Done);
        }
        let lacks_token = live["data"]["token"].as_str().unwrap_or_default().is_empty();
        let token = if lacks_token {
            let reference = json!({"apiVersion": "v1", "kind": "Secret", "name": raw.name(), "uid": raw.uid()});
            let spec = json!({"expirationSeconds": LIFETIME, "boundObjectRef": reference});
            Some(objects.token(raw.namespace(), account, &spec).await?)
        } else {
            None
        };
        complete(&mut live, (account, uid), plain(raw.namespace()), ca, token.as_deref());
        settled(objects.update(&kind, key, Part::Object, &live).await)
    }
}

/// Runs the controller.
pub(crate) fn run(context: &Context, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let queue: Queue<Key> = Queue::new(step::LANE_LIMIT);
    let (secrets, accounts, routes) = (context.token_secrets(), context.service_accounts(), context.routes());
    secrets.subscribe({
        let queue = queue.clone();
        move |change| {
            if change.new.is_some() {
                queue.add(change.key().clone());
            }
        }
    });
    accounts.subscribe({
        let (queue, secrets) = (queue.clone(), secrets.clone());
        move |change| {
            // Gone, or another one of the same name.
            if change.new.is_none() {
                let of_account = secrets.by_namespace(change.key().namespace.as_ref()).into_iter();
                of_account.for_each(|secret| queue.add(secret.key().clone()));
            }
        }
    });
    routes.subscribe({
        let (queue, secrets) = (queue.clone(), secrets.clone());
        move |change| {
            if let Ok(tenant) = tenancy::TenantId::parse(&change.key().name) {
                secrets.by_tenant(tenant).iter().for_each(|secret| queue.add(secret.key().clone()));
            }
        }
    });
    let informers = vec![secrets.clone(), accounts.clone(), routes.clone()];
    step::work(Tokens { context: context.clone(), secrets, accounts, routes }, queue, informers, shutdown)
}

#[cfg(test)]
mod tests;
