//! Label and field selectors of a request, over the store's index: no object is parsed to be selected.

use schema::Resource;
use schema::selector::{FieldSelector, LabelSelector};
use store::{Object, Revision};
use tenancy::fleet;

use crate::request::{Info, Realm};
use crate::respond::Error;

/// What a list or watch selects.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    labels: LabelSelector,
    fields: Vec<(String, bool, String)>,
    /// The one object of a watch whose path names it.
    name: Option<String>,
    fleet: bool,
    /// Only what tenants have written themselves, not the base layer as it came (fleet view only).
    own: bool,
}

/// Field by which the fleet view leaves out what every tenant starts with: `fleet.own=true`.
const OWN: &str = "fleet.own";

impl Selection {
    /// Parses `labelSelector` and `fieldSelector`. Errors: 400 in upstream's words.
    pub(crate) fn parse(resource: &Resource, info: &Info) -> Result<Self, Error> {
        let label_text = info.query.get("labelSelector");
        let field_text = info.query.get("fieldSelector");
        let labels = LabelSelector::parse(label_text).map_err(|error| Error::BadRequest(error.to_string()))?;
        let parsed = FieldSelector::parse(field_text).map_err(|error| Error::BadRequest(error.to_string()))?;
        let mut fields = Vec::new();
        let mut own = false;
        for term in parsed.terms {
            if info.realm == Realm::Fleet && term.field == OWN && term.equal && term.value == "true" {
                own = true;
                continue;
            }
            let known = matches!(term.field.as_str(), "metadata.name" | "metadata.namespace")
                || resource.selectable_fields.contains(&term.field);
            if !known && resource.selectable_fields.is_empty() {
                return Err(Error::BadRequest(format!(
                    "\"{}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                    term.field
                )));
            }
            if !known && resource.custom.is_some() {
                return Err(Error::BadRequest(format!("field label not supported: {}", term.field)));
            }
            if !known {
                let group_version = if resource.group.is_empty() {
                    format!("/{}", resource.version)
                } else {
                    format!("{}/{}", resource.group, resource.version)
                };
                return Err(Error::BadRequest(format!(
                    "Unable to find \"{group_version}, Resource={}\" that match label selector \"{label_text}\", \
                     field selector \"{field_text}\": field label not supported: {}",
                    resource.plural, term.field
                )));
            }
            fields.push((term.field.clone(), term.equal, term.value.clone()));
        }
        let name = (info.named_by_path && info.verb == "watch").then(|| info.name.clone());
        let fleet = info.has_fleet_names();
        Ok(Self { labels, fields, name, fleet, own })
    }

    /// Whether everything is selected.
    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_empty() && self.name.is_none() && !self.own
    }

    /// Whether an object is selected.
    pub(crate) fn matches(&self, object: &Object) -> bool {
        (!self.own || object.revision() > Revision::FIRST)
            && self.name.as_ref().is_none_or(|name| **name == *object.key().name)
            && self.fields.iter().all(|(field, equal, value)| self.field_is(object, field, value) == *equal)
            && (self.labels.is_everything() || self.labels.matches_with(|key| object.label(key)))
    }

    fn field_is(&self, object: &Object, field: &str, value: &str) -> bool {
        let key = object.key();
        let cluster_scoped = key.namespace.is_empty();
        match field {
            "metadata.name" if self.fleet && cluster_scoped => {
                fleet::split(value).is_some_and(|(tenant, name)| tenant == key.tenant && name == &*key.name)
            }
            "metadata.namespace" if self.fleet && !cluster_scoped => {
                fleet::split(value).is_some_and(|(tenant, name)| tenant == key.tenant && name == &*key.namespace)
            }
            "metadata.name" => &*key.name == value,
            "metadata.namespace" => &*key.namespace == value,
            field => object.field(field).unwrap_or_default() == value,
        }
    }
}
