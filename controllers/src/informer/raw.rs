//! One object as raw JSON plus the few facts that indexes and controllers ask for all the time.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use kube::api::ObjectMeta;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::Key;

/// The controlling owner of an object (`controller: true` in `ownerReferences`). Names are the tenant's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// `apiVersion` of the owner.
    pub api_version: Box<str>,
    /// Kind of the owner.
    pub kind: Box<str>,
    /// Name of the owner.
    pub name: Box<str>,
    /// Uid of the owner.
    pub uid: Box<str>,
}

/// Whether an informer keeps `metadata.managedFields`, which often are a third of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ManagedFields {
    /// They are not stored.
    #[default]
    Drop,
    /// They are stored: somebody compares what it has applied.
    Keep,
}

/// One object: its JSON text (without `managedFields`) and a small index. About 6 KiB for a typical pod.
#[derive(Clone, Debug)]
pub struct Raw {
    key: Key,
    uid: Box<str>,
    resource_version: Box<str>,
    labels: Box<[(Box<str>, Box<str>)]>,
    controller: Option<Box<Controller>>,
    deleting: bool,
    json: Box<RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Head {
    metadata: Meta,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<Box<str>>,
    resource_version: Option<Box<str>>,
    labels: Option<BTreeMap<Box<str>, Box<str>>>,
    owner_references: Option<Vec<Reference>>,
    deletion_timestamp: Option<serde::de::IgnoredAny>,
    managed_fields: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    #[serde(default)]
    api_version: Box<str>,
    #[serde(default)]
    kind: Box<str>,
    #[serde(default)]
    name: Box<str>,
    #[serde(default)]
    uid: Box<str>,
    #[serde(default)]
    controller: Option<bool>,
}

impl Raw {
    /// Takes JSON text apart. Errors: not JSON, or metadata of the wrong types.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        Self::from_json(RawValue::from_string(json.to_owned())?)
    }

    /// An object from a value. Errors: metadata of the wrong types.
    pub fn from_value(value: &Value) -> Result<Self, serde_json::Error> {
        Self::from_json(serde_json::value::to_raw_value(value)?)
    }

    fn from_json(json: Box<RawValue>) -> Result<Self, serde_json::Error> {
        Self::take(json, ManagedFields::Drop)
    }

    /// An object from a value, with its `managedFields`. Errors: metadata of the wrong types.
    pub(super) fn kept(value: &Value) -> Result<Self, serde_json::Error> {
        Self::take(serde_json::value::to_raw_value(value)?, ManagedFields::Keep)
    }

    /// The same object without `managedFields`.
    pub(super) fn stripped(self) -> Self {
        if !self.json.get().contains("\"managedFields\"") {
            return self;
        }
        match without_managed_fields(&self.json) {
            Ok(json) => Self { json, ..self },
            Err(_) => self,
        }
    }

    fn take(json: Box<RawValue>, managed_fields: ManagedFields) -> Result<Self, serde_json::Error> {
        let Head { metadata: meta } = serde_json::from_str(json.get())?;
        let controller = meta.owner_references.unwrap_or_default().into_iter().find(|r| r.controller == Some(true));
        Ok(Self {
            key: Key::new(meta.namespace.unwrap_or_default(), meta.name.unwrap_or_default()),
            uid: meta.uid.unwrap_or_default(),
            resource_version: meta.resource_version.unwrap_or_default(),
            labels: meta.labels.unwrap_or_default().into_iter().collect(),
            controller: controller
                .map(|r| Box::new(Controller { api_version: r.api_version, kind: r.kind, name: r.name, uid: r.uid })),
            deleting: meta.deletion_timestamp.is_some(),
            json: match (managed_fields, meta.managed_fields) {
                (ManagedFields::Drop, Some(_)) => without_managed_fields(&json)?,
                _ => json,
            },
        })
    }

    pub(super) fn share_namespace(&mut self, namespace: &Arc<str>) {
        self.key.namespace = namespace.clone();
    }

    /// Namespace and name, as the fleet view spells them.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Fleet namespace; empty for cluster-scoped objects.
    pub fn namespace(&self) -> &str {
        &self.key.namespace
    }

    /// Fleet name.
    pub fn name(&self) -> &str {
        &self.key.name
    }

    /// `metadata.uid`.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// `metadata.resourceVersion`.
    pub fn resource_version(&self) -> &str {
        &self.resource_version
    }

    /// Labels, sorted by key.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Value of one label.
    pub fn label(&self, key: &str) -> Option<&str> {
        let at = self.labels.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        Some(&self.labels[at].1)
    }

    /// The controlling owner, if there is one.
    pub fn controller(&self) -> Option<&Controller> {
        self.controller.as_deref()
    }

    /// Whether `metadata.deletionTimestamp` is set.
    pub fn is_deleting(&self) -> bool {
        self.deleting
    }

    /// The JSON text, without `managedFields`.
    pub fn json(&self) -> &str {
        self.json.get()
    }

    /// The object as a value; some ten times the size of the text, so keep it only for the moment.
    pub fn value(&self) -> Value {
        serde_json::from_str(self.json.get()).unwrap_or_default()
    }

    /// The object as a typed view, for reading only: a struct of the fields in question. Errors: wrong types.
    pub fn view<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.json.get())
    }
}

fn without_managed_fields(json: &RawValue) -> Result<Box<RawValue>, serde_json::Error> {
    let mut object: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json.get())?;
    if let Some(metadata) = object.get_mut("metadata") {
        let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(metadata.get())?;
        fields.remove("managedFields");
        let stripped = serde_json::value::to_raw_value(&fields)?;
        *metadata = stripped;
    }
    serde_json::value::to_raw_value(&object)
}

/// What `kube`'s watcher decodes: a [`Raw`] with just enough [`ObjectMeta`] for the watcher to work with.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    meta: ObjectMeta,
    pub(super) raw: Raw,
}

impl<'de> Deserialize<'de> for Incoming {
    /// `RawValue` survives here because watch events carry `type` before `object`, so serde never buffers the object;
    /// a server that turns the order round gives a decoding error, not wrong data.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let raw = Raw::take(json, ManagedFields::Keep).map_err(serde::de::Error::custom)?;
        let meta = ObjectMeta { resource_version: Some(raw.resource_version.to_string()), ..ObjectMeta::default() };
        Ok(Self { meta, raw })
    }
}

impl kube::Resource for Incoming {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(dt: &ApiResource) -> Cow<'_, str> {
        dt.kind.as_str().into()
    }
    fn group(dt: &ApiResource) -> Cow<'_, str> {
        dt.group.as_str().into()
    }
    fn version(dt: &ApiResource) -> Cow<'_, str> {
        dt.version.as_str().into()
    }
    fn api_version(dt: &ApiResource) -> Cow<'_, str> {
        dt.api_version.as_str().into()
    }
    fn plural(dt: &ApiResource) -> Cow<'_, str> {
        dt.plural.as_str().into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}
