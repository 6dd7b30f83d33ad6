//! How one stored object looks to one request: version asked for, tenant or fleet names, whole, partial or as a row.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use schema::Resource;
use serde_json::{Map, Value, json};
use store::Object;
use tenancy::{TenantId, fleet};

use super::{Accept, Answer, Form, json_bytes};
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

    /// The answer with one object.
    pub fn answer(&self, accept: Accept, code: StatusCode, shown: &Shown) -> Answer {
        let bytes = match (accept.form, shown) {
            (Form::Object, Shown::Stored(object)) => self.bytes(object),
            (Form::Object, shown) => Bytes::from(self.shown(shown).to_string()),
            (Form::Partial, shown) => Bytes::from(partial(&self.shown(shown)).to_string()),
            (Form::Table, shown) => {
                let value = self.shown(shown);
                let version = value["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
                let table =
                    self.table(std::iter::once(value), Rows::Metadata, &json!({"resourceVersion": version}), true);
                Bytes::from(table.to_string())
            }
        };
        json_bytes(accept, code, bytes)
    }

    /// A `Table` of objects.
    pub fn table(&self, objects: impl Iterator<Item = Value>, rows: Rows, metadata: &Value, headings: bool) -> Value {
        let now = jiff::Timestamp::now();
        let rows: Vec<Value> = objects
            .map(|object| {
                let cells = resource::table::row(&self.resource, &object, now);
                let mut row = json!({"cells": cells});
                match rows {
                    Rows::None => {}
                    Rows::Metadata => row["object"] = partial(&object),
                    Rows::Object => row["object"] = object,
                }
                row
            })
            .collect();
        let headings: Vec<Value> = if headings { self.headings() } else { Vec::new() };
        let headings = if headings.is_empty() { Value::Null } else { Value::from(headings) };
        json!({
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
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

/// `PartialObjectMetadata` of an object.
pub fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
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
