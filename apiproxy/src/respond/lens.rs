//! How one stored object looks to one request: version asked for, tenant or fleet names, whole, partial or as a row.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use schema::Resource;
use serde_json::{Map, Value, json};
use store::Object;
use tenancy::{TenantId, fleet};

use super::{
    Accept, Answer, Encoding, Error, Form, MetaVersion, Offer, encoded, json_bytes, message_kind, partial, unencodable,
};
use crate::request::Info;

/// Turns objects into what a request gets to see.
#[derive(Clone, Debug)]
pub struct Lens {
    resource: Arc<Resource>,
    fleet: bool,
    converts: bool,
}

/// An object on its way out: as stored, or only computed (dry run).
#[derive(Clone, Debug)]
pub enum Shown {
    /// As stored.
    Stored(Arc<Object>),
    /// Not stored: the tenant and the object.
    Computed(Box<Value>, TenantId),
}

impl Lens {
    /// The lens of a request for a resource.
    pub fn new(resource: Arc<Resource>, info: &Info) -> Self {
        let converts = resource.version != resource.storage_version || resource.group != resource.storage_group;
        let fleet = info.has_fleet_names();
        Self { resource, fleet, converts }
    }

    /// The resource seen.
    pub fn resource(&self) -> &Arc<Resource> {
        &self.resource
    }

    /// Whether the version seen is the stored one.
    pub fn converts(&self) -> bool {
        self.converts
    }

    /// The object as JSON bytes. No parse unless a conversion is asked for.
    pub fn bytes(&self, object: &Object) -> Bytes {
        if self.converts {
            return Bytes::from(self.value(object).to_string());
        }
        if self.fleet { object.fleet_json() } else { object.json() }
    }

    /// The object as a value.
    pub fn value(&self, object: &Object) -> Value {
        let mut value = if self.fleet { object.fleet_value() } else { object.value() };
        if self.converts {
            resource::convert::from_storage(&self.resource, &mut value);
        }
        value
    }

    /// What is shown as a value in the version asked for.
    pub fn shown(&self, shown: &Shown) -> Value {
        match shown {
            Shown::Stored(object) => self.value(object),
            Shown::Computed(value, tenant) => {
                let mut value = value.as_ref().clone();
                if self.converts {
                    resource::convert::from_storage(&self.resource, &mut value);
                }
                if self.fleet {
                    prefix_names(&mut value, *tenant, self.resource.namespaced);
                }
                value
            }
        }
    }

    /// What the resource's endpoints can answer with.
    pub fn offer(resource: &Resource, info: &Info) -> Offer {
        let known = wire::Kind::find(&crate::read::group_version(resource), &resource.kind).is_some();
        match info.verb {
            _ if !known || resource.custom.is_some() => Offer::Custom,
            "list" | "watch" => Offer::Collection,
            _ => Offer::Objects,
        }
    }

    /// The answer with one object. Errors: 406 for an object as a list, 500 for what cannot be encoded.
    pub fn answer(&self, accept: Accept, code: StatusCode, shown: &Shown) -> Result<Answer, Error> {
        if accept.form == Form::PartialList {
            return Err(self.misfit(accept, &self.resource.kind));
        }
        if accept.encoding == Encoding::Protobuf {
            let bytes = match shown {
                Shown::Stored(object) => self.protobuf(accept, object)?,
                shown => self.message_kind(accept)?.encode_value(&self.shown(shown)).map_err(unencodable)?,
            };
            return Ok(encoded(accept, code, wire::MEDIA_TYPE, bytes));
        }
        let bytes = match (accept.form, shown) {
            (Form::Object, Shown::Stored(object)) => self.bytes(object),
            (Form::Object, shown) => Bytes::from(self.shown(shown).to_string()),
            (Form::Partial | Form::PartialList, shown) => {
                Bytes::from(partial(accept.version, &self.shown(shown)).to_string())
            }
            (Form::Table, shown) => {
                let value = self.shown(shown);
                let metadata = json!({"resourceVersion": value["metadata"]["resourceVersion"].as_str().unwrap_or("")});
                let rows = Rows::Metadata;
                Bytes::from(self.table(accept.version, std::iter::once(value), rows, &metadata, true).to_string())
            }
        };
        Ok(json_bytes(accept, code, bytes))
    }

    /// An object in protobuf, whole or its metadata. No tree is made of it unless a conversion is asked for.
    /// Errors: 500.
    pub fn protobuf(&self, accept: Accept, object: &Object) -> Result<Bytes, Error> {
        let kind = self.message_kind(accept)?;
        let bytes =
            if self.converts { kind.encode_value(&self.value(object)) } else { kind.encode(&self.bytes(object)) };
        bytes.map_err(unencodable)
    }

    /// Whether what this lens shows of an object is what every reader of its tenant is shown.
    pub fn is_plain(&self) -> bool {
        !self.converts && !self.fleet
    }

    /// The protobuf kind that objects are shown as.
    fn message_kind(&self, accept: Accept) -> Result<wire::Kind, Error> {
        match accept.form {
            Form::Object => message_kind(&crate::read::group_version(&self.resource), &self.resource.kind),
            _ => message_kind(accept.version.api_version(), "PartialObjectMetadata"),
        }
    }

    /// The refusal to show one thing as another. Errors are what this makes.
    pub fn misfit(&self, accept: Accept, kind: &str) -> Error {
        super::partial::misfit(accept, self.resource.custom.is_some(), &self.resource.group, kind)
    }

    /// A `Table` of objects.
    pub fn table(
        &self,
        version: MetaVersion,
        objects: impl Iterator<Item = Value>,
        rows: Rows,
        metadata: &Value,
        headings: bool,
    ) -> Value {
        let now = jiff::Timestamp::now();
        let rows: Vec<Value> = objects
            .map(|object| {
                let cells = resource::table::row(&self.resource, &object, now);
                let mut row = json!({"cells": cells});
                match rows {
                    Rows::None => {}
                    Rows::Metadata => row["object"] = partial(version, &object),
                    Rows::Object => row["object"] = object,
                }
                row
            })
            .collect();
        let headings: Vec<Value> = if headings { self.headings() } else { Vec::new() };
        let headings = if headings.is_empty() { Value::Null } else { Value::from(headings) };
        json!({
            "kind": "Table", "apiVersion": version.api_version(), "metadata": metadata,
            "columnDefinitions": headings, "rows": rows,
        })
    }

    fn headings(&self) -> Vec<Value> {
        let column = |c: &schema::Column| {
            json!({
                "name": c.name, "type": c.type_, "format": c.format, "description": c.description,
                "priority": c.priority,
            })
        };
        self.resource.columns.iter().map(column).collect()
    }
}

/// What a row of a table carries of its object (`includeObject`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Nothing.
    None,
    /// `PartialObjectMetadata` (the default).
    Metadata,
    /// All of it.
    Object,
}

impl Rows {
    /// Reads `includeObject`.
    pub fn parse(text: &str) -> Self {
        match text {
            "None" => Rows::None,
            "Object" => Rows::Object,
            _ => Rows::Metadata,
        }
    }
}

/// Gives an object its fleet names.
fn prefix_names(object: &mut Value, tenant: TenantId, namespaced: bool) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let key = if namespaced { "namespace" } else { "name" };
    prefix(metadata, key, tenant);
}

fn prefix(metadata: &mut Map<String, Value>, key: &str, tenant: TenantId) {
    if let Some(name) = metadata.get(key).and_then(Value::as_str) {
        let joined = fleet::join(tenant, name);
        metadata.insert(key.to_owned(), Value::from(joined));
    }
}
