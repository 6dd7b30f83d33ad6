//! One stored object as the cache holds it: wire-ready bytes and a small index.

use crate::encode::{DELETING, Encoded, FINALIZERS};
use crate::index::{Index, Owner};
use crate::key::Key;
use crate::revision::Revision;
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use tenancy::TenantId;

/// One version of one object. Shared, immutable; reading it copies nothing and parses nothing.
pub struct Object {
    key: Key,
    revision: Revision,
    json: Bytes,
    index: Index,
    owners: Box<[Owner]>,
    revision_at: u32,
    fleet_at: u32,
    flags: u8,
}

impl Object {
    /// The object an engine committed. `None`: the bytes are not of this crate.
    pub(crate) fn build(key: Key, revision: Revision, encoded: &Encoded) -> Option<Self> {
        let parts = encoded.parts()?;
        let (index, owners) = Index::open(parts.index)?;
        let (head, tail) = parts.json.split_at_checked(parts.revision_at as usize)?;
        Some(Self {
            key,
            revision,
            json: splice(head, &revision.to_string(), tail),
            index,
            owners,
            revision_at: parts.revision_at,
            fleet_at: parts.fleet_at,
            flags: parts.flags,
        })
    }

    /// Where it is.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The revision that wrote it: its resourceVersion.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// `metadata.uid`, empty when it has none.
    pub fn uid(&self) -> &str {
        self.index.uid()
    }

    /// Labels, sorted by key.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.index.labels()
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.index.label(key)
    }

    /// The selectable fields given with the draft.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.index.fields()
    }

    /// The value of a selectable field: `metadata.name`, `metadata.namespace`, or one given with the draft.
    pub fn field(&self, name: &str) -> Option<&str> {
        match name {
            "metadata.name" => Some(&self.key.name),
            "metadata.namespace" => Some(&self.key.namespace),
            _ => self.index.field(name),
        }
    }

    /// The owners, in the order of the object.
    pub fn owners(&self) -> &[Owner] {
        &self.owners
    }

    /// Whether `metadata.deletionTimestamp` is set.
    pub fn deleting(&self) -> bool {
        self.flags & DELETING != 0
    }

    /// Whether `metadata.finalizers` has entries.
    pub fn finalizers(&self) -> bool {
        self.flags & FINALIZERS != 0
    }

    /// The JSON that the tenant is served. No copy.
    pub fn json(&self) -> Bytes {
        self.json.clone()
    }

    /// The JSON that the fleet view serves: the namespace (the name, when cluster-scoped) is prefixed `<tenant id>:`.
    pub fn fleet_json(&self) -> Bytes {
        fleet(&self.json, self.fleet_at, self.key.tenant)
    }

    /// The JSON of this content with the resourceVersion of a later change, as watch events need it for objects that
    /// leave a selection.
    pub fn json_at(&self, revision: Revision) -> Bytes {
        let (head, tail) = self.around_revision();
        splice(head, &revision.to_string(), tail)
    }

    /// [`Object::json_at`] for the fleet view.
    pub fn fleet_json_at(&self, revision: Revision) -> Bytes {
        fleet(&self.json_at(revision), self.fleet_at, self.key.tenant)
    }

    /// The object parsed. For use within one request.
    pub fn value(&self) -> Value {
        parse(&self.json)
    }

    /// The object of the fleet view parsed.
    pub fn fleet_value(&self) -> Value {
        parse(&self.fleet_json())
    }

    /// This content with the resourceVersion of a later change.
    pub fn at(&self, revision: Revision) -> Arc<Object> {
        let json = self.json_at(revision);
        Arc::new(Object { revision, json, ..self.copy() })
    }

    /// The same bytes as an object of another tenant: how the base layer is shared.
    pub(crate) fn of_tenant(&self, tenant: TenantId) -> Arc<Object> {
        let mut copy = self.copy();
        copy.key.tenant = tenant;
        Arc::new(copy)
    }

    /// Whether a commit of `encoded` would change nothing but the revision.
    pub(crate) fn same_content(&self, encoded: &Encoded) -> bool {
        let Some(parts) = encoded.parts() else { return false };
        let Some((head, tail)) = parts.json.split_at_checked(parts.revision_at as usize) else { return false };
        parts.revision_at == self.revision_at
            && (head, tail) == self.around_revision()
            && parts.index == self.index.bytes()
    }

    /// What it counts towards the cap of its tenant, in bytes: JSON and index.
    pub fn size(&self) -> u64 {
        (self.json.len() + self.index.len()) as u64
    }

    fn around_revision(&self) -> (&[u8], &[u8]) {
        let (head, rest) = self.json.split_at(self.revision_at as usize);
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (head, &rest[digits..])
    }

    fn copy(&self) -> Self {
        Self {
            key: self.key.clone(),
            revision: self.revision,
            json: self.json.clone(),
            index: self.index.clone(),
            owners: self.owners.clone(),
            ..*self
        }
    }
}

impl std::fmt::Debug for Object {
    /// Key and revision; never the content, which may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Object({} @ {})", self.key, self.revision)
    }
}

fn splice(head: &[u8], middle: &str, tail: &[u8]) -> Bytes {
    let mut json = Vec::with_capacity(head.len() + middle.len() + tail.len());
    json.extend_from_slice(head);
    json.extend_from_slice(middle.as_bytes());
    json.extend_from_slice(tail);
    Bytes::from(json)
}

fn fleet(json: &[u8], at: u32, tenant: TenantId) -> Bytes {
    let (head, tail) = json.split_at(at as usize);
    splice(head, &tenancy::fleet::join(tenant, ""), tail)
}

fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_else(|error| {
        tracing::error!(%error, "a stored object is not JSON");
        Value::Null
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{Draft, encode};
    use crate::key::Collection;
    use serde_json::json;

    fn object(namespace: &str, name: &str, value: Value) -> Object {
        let collection = Collection::new("", "configmaps");
        let key = Key::new(TenantId::from_uid("t"), &collection, namespace, name);
        let draft = Draft { value, fields: vec![("status.phase".into(), "Running".into())] };
        let encoded = encode(&key, &draft).unwrap();
        assert_eq!(Encoded::from_stored(encoded.as_stored().into()), Some(encoded.clone()));
        Object::build(key, Revision(41), &encoded).unwrap()
    }

    fn sample() -> Value {
        json!({
            "kind": "ConfigMap", "apiVersion": "v1", "data": {"b": "2", "a": "1"},
            "metadata": {
                "resourceVersion": "7", "name": "ignored", "labels": {"app": "x", "tier": "y"}, "uid": "u-1",
                "annotations": {"resourceVersion": "none of ours"}, "finalizers": ["a/b"],
                "deletionTimestamp": "2026-01-01T00:00:00Z",
                "ownerReferences": [{"uid": "o-1", "controller": true, "blockOwnerDeletion": false}, {"uid": "o-2"}],
            },
        })
    }

    #[test]
    fn the_head_is_in_a_fixed_order() {
        let object = object("default", "one", sample());
        let text = String::from_utf8(object.json().to_vec()).unwrap();
        let head = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"one","namespace":"default","resourceVersion":"41","annotations":"#;
        assert!(text.starts_with(head), "{text}");
        assert_eq!(object.value()["data"], json!({"a": "1", "b": "2"}));
    }

    #[test]
    fn the_index_answers_without_parsing() {
        let object = object("default", "one", sample());
        assert_eq!(object.uid(), "u-1");
        assert_eq!(object.labels().collect::<Vec<_>>(), [("app", "x"), ("tier", "y")]);
        assert_eq!(object.label("tier"), Some("y"));
        assert_eq!(object.field("status.phase"), Some("Running"));
        assert_eq!(object.field("metadata.name"), Some("one"));
        assert!(object.deleting() && object.finalizers());
        let owners: Vec<_> = object.owners().iter().map(|o| (&*o.uid, o.controller, o.block)).collect();
        assert_eq!(owners, [("o-1", true, false), ("o-2", false, false)]);
    }

    #[test]
    fn the_fleet_form_prefixes_namespace_or_name() {
        let id = TenantId::from_uid("t");
        let namespaced = object("default", "one", sample());
        let value = namespaced.fleet_value();
        assert_eq!(value["metadata"]["namespace"], format!("{id}:default"));
        assert_eq!(value["metadata"]["name"], "one");
        let cluster = object("", "system:node", json!({"metadata": {}}));
        assert_eq!(cluster.fleet_value()["metadata"]["name"], format!("{id}:system:node"));
        let quoted = object("", "a\"é\n", json!({"metadata": {}}));
        assert_eq!(quoted.fleet_value()["metadata"]["name"], format!("{id}:a\"é\n"));
    }

    #[test]
    fn a_later_revision_is_spliced() {
        let object = object("default", "one", sample());
        let later = object.at(Revision(123_456));
        assert_eq!(later.revision(), Revision(123_456));
        let mut expected = object.value();
        expected["metadata"]["resourceVersion"] = "123456".into();
        assert_eq!(later.value(), expected);
        let fleet: Value = serde_json::from_slice(&object.fleet_json_at(Revision(123_456))).unwrap();
        assert_eq!(fleet, later.fleet_value());
    }

    #[test]
    fn values_that_are_no_objects_still_encode() {
        for value in [json!(null), json!([1]), json!({"metadata": 3}), json!({"metadata": {"labels": [], "uid": 4}})] {
            let object = object("n", "x", value);
            assert_eq!(object.value()["metadata"]["name"], "x");
        }
    }

    #[test]
    fn a_small_object_stays_small() {
        // 16 KiB for the objects of an idle tenant leaves little beside the bytes themselves.
        assert!(size_of::<Object>() <= 176, "{}", size_of::<Object>());
    }
}
