//! The companion Secret of a pod: its tokens, issued by the tenant's API and renewed in time, and its virtual downward
//! values.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use controllers::client::Part;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tenancy::{Host, TenantId, Virtual, labels};

use crate::apply::{Writer, Written};
use crate::json;
use crate::kinds;
use crate::side::Key;
use crate::translate::Place;
use crate::translate::pod::{Companion, TokenRequest, companion_name};

/// Annotation: name of the virtual pod. Not [`labels::NAME_ANNOTATION`]: a companion is no twin.
const POD_NAME: &str = "rowhouse.dev/companion-of";
/// Annotation: uid of the virtual pod.
const POD_UID: &str = "rowhouse.dev/companion-of-uid";
/// Annotation: when the tokens must be renewed.
const RENEW: &str = "rowhouse.dev/renew-at";
/// Annotation: what the Secret was made for; another value means that it must be made anew.
const MADE_FOR: &str = "rowhouse.dev/made-for";
/// Latest renewal, as the kubelet's.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);
/// Shortest lifetime the API gives.
const SHORTEST_TOKEN: i64 = 600;

/// The pod a companion belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    /// The pod.
    pub(crate) pod: Key,
    /// Its uid.
    pub(crate) uid: String,
}

impl Owner {
    /// Whose companion a host Secret is; None for other Secrets.
    pub(crate) fn of(secret: &Value) -> Option<Self> {
        let label = |key: &str| secret.pointer("/metadata/labels")?.get(key)?.as_str();
        let annotation = |key: &str| secret.pointer("/metadata/annotations")?.get(key)?.as_str();
        let tenant = TenantId::parse(label(labels::TENANT)?).ok()?;
        let pod = Key::new(tenant, label(labels::NAMESPACE)?, annotation(POD_NAME)?);
        Some(Self { pod, uid: annotation(POD_UID)?.to_owned() })
    }
}

/// Whether a companion must be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It holds what it must; look again after this time.
    Nothing(Option<Duration>),
    /// It is missing, or its tokens are due, or its contents have changed.
    Write,
}

/// Decides about a companion. `there` may have been reduced to its metadata.
pub(crate) fn need(there: Option<&Value>, wanted: &Companion, now: Timestamp) -> Need {
    let Some(there) = there else { return Need::Write };
    let annotation = |key: &str| there.pointer("/metadata/annotations").and_then(|all| all.get(key)?.as_str());
    if annotation(MADE_FOR) != Some(made_for(wanted).as_str()) {
        return Need::Write;
    }
    if wanted.tokens.is_empty() {
        return Need::Nothing(None);
    }
    let renew: Option<Timestamp> = annotation(RENEW).and_then(|at| at.parse().ok());
    match renew.map(|renew| renew.duration_since(now)).and_then(|left| Duration::try_from(left).ok()) {
        Some(left) if !left.is_zero() => Need::Nothing(Some(left)),
        _ => Need::Write,
    }
}

fn made_for(wanted: &Companion) -> String {
    let tokens: BTreeMap<_, _> =
        wanted.tokens.iter().map(|(key, token)| (key, (&token.audience, token.expiration_seconds))).collect();
    let text = json!({ "files": wanted.files, "tokens": tokens }).to_string();
    Sha256::digest(text.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Renewal at four fifths of a token's life, at the latest after a day (upstream: the kubelet's token manager).
fn renewal(issued: Timestamp, expires: Timestamp) -> Timestamp {
    let life = expires.duration_since(issued);
    issued.saturating_add((life / 5 * 4).min(LONGEST)).unwrap_or(expires)
}

/// Issues the tokens and writes the Secret. Tokens are in its data only.
pub(crate) async fn write(
    writer: &Writer,
    place: &Place,
    key: &Key,
    pod: &Virtual<Value>,
    wanted: &Companion,
) -> Written {
    let account = match json::text(&pod.0, "/spec/serviceAccountName") {
        "" => "default",
        name => name,
    };
    let own_uid = crate::side::uid(&pod.0);
    let now = Timestamp::now();
    let mut data: BTreeMap<String, String> =
        wanted.files.iter().map(|(file, content)| (file.clone(), STANDARD.encode(content))).collect();
    let mut renew: Option<Timestamp> = None;
    for (name, request) in &wanted.tokens {
        let answer = match writer.token(key, account, &token_spec(key, own_uid, request)).await {
            Ok(answer) => answer,
            Err(error) => return Written::Failed(error),
        };
        let expires: Option<Timestamp> = json::text(&answer, "/status/expirationTimestamp").parse().ok();
        let due = renewal(now, expires.unwrap_or(now));
        renew = Some(renew.map_or(due, |other| other.min(due)));
        data.insert(name.clone(), STANDARD.encode(json::text(&answer, "/status/token")));
    }
    writer.apply(&kinds::SECRETS, Part::Object, &secret(place, key, own_uid, wanted, &data, renew)).await
}

fn token_spec(key: &Key, own_uid: &str, request: &TokenRequest) -> Value {
    json!({
        "audiences": request.audience.iter().collect::<Vec<_>>(),
        "expirationSeconds": request.expiration_seconds.max(SHORTEST_TOKEN),
        "boundObjectRef": { "apiVersion": "v1", "kind": "Pod", "name": &*key.name, "uid": own_uid },
    })
}

fn secret(
    place: &Place,
    key: &Key,
    own_uid: &str,
    wanted: &Companion,
    data: &BTreeMap<String, String>,
    renew: Option<Timestamp>,
) -> Host<Value> {
    let mut annotations = json!({ POD_NAME: &*key.name, POD_UID: own_uid, MADE_FOR: made_for(wanted) });
    if let Some(renew) = renew {
        annotations[RENEW] = json!(renew.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    }
    Host(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": companion_name(key.identity(own_uid)),
            "namespace": place.host_namespace,
            "labels": {
                labels::TENANT: place.id.as_str(),
                labels::NAMESPACE: &*key.namespace,
                labels::MANAGED_BY: labels::MANAGER,
            },
            "annotations": annotations,
        },
        "type": "Opaque",
        "data": data,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::metadata::tests::place;

    fn wanted() -> Companion {
        let token = TokenRequest { audience: None, expiration_seconds: 3600 };
        Companion { files: [("file-0".into(), "shop".into())].into(), tokens: [("token-0".into(), token)].into() }
    }

    #[test]
    fn a_companion_is_written_when_missing_changed_or_due() {
        let key = Key::new(place().id, "shop", "web");
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let due = now + SignedDuration::from_secs(100);
        let Host(there) = secret(&place(), &key, "u1", &wanted(), &BTreeMap::new(), Some(due));
        assert_eq!(Owner::of(&there), Some(Owner { pod: key.clone(), uid: "u1".into() }));
        assert_eq!(Key::claimed_by(&Host(there.clone())), None, "a companion is no twin");
        assert_eq!(need(None, &wanted(), now), Need::Write);
        assert_eq!(need(Some(&there), &wanted(), now), Need::Nothing(Some(Duration::from_secs(100))));
        assert_eq!(need(Some(&there), &wanted(), due), Need::Write);
        let mut other = wanted();
        other.files.insert("file-0".into(), "new".into());
        assert_eq!(need(Some(&there), &other, now), Need::Write);
        let files = Companion { tokens: BTreeMap::new(), ..wanted() };
        let Host(there) = secret(&place(), &key, "u1", &files, &BTreeMap::new(), None);
        assert_eq!(need(Some(&there), &files, now), Need::Nothing(None));
    }

    #[test]
    fn tokens_are_renewed_at_four_fifths_and_within_a_day() {
        let now = Timestamp::from_second(0).unwrap();
        let after = |seconds| renewal(now, now + SignedDuration::from_secs(seconds)).as_second();
        assert_eq!(after(3600), 2880);
        assert_eq!(after(365 * 24 * 3600), 24 * 3600);
        assert_eq!(after(0), 0);
    }

    #[test]
    fn requests_are_bound_to_the_pod() {
        let key = Key::new(place().id, "shop", "web");
        let spec = token_spec(&key, "u1", &TokenRequest { audience: Some("vault".into()), expiration_seconds: 1 });
        assert_eq!(spec["audiences"], json!(["vault"]));
        assert_eq!(spec["expirationSeconds"], 600);
        assert_eq!(spec["boundObjectRef"]["uid"], "u1");
    }
}
