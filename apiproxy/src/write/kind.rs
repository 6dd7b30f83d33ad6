//! What a kind adds to the general rules: built-in kinds through `resource::strategy`, custom ones by their definition.

use std::borrow::Cow;
use std::sync::Arc;

use resource::Strategy;
use schema::{Custom, Resource, field};
use serde_json::{Value, json};

/// The behaviour of one kind.
pub(crate) struct Kind<'a> {
    resource: &'a Resource,
    strategy: &'static Strategy,
}

impl<'a> Kind<'a> {
    /// The behaviour of a resource's kind.
    pub(crate) fn new(resource: &'a Resource) -> Self {
        // A custom resource never meets the strategy of a built-in one: its group has a dot, or is not core.
        let group = if resource.custom.is_some() { "custom" } else { &resource.storage_group };
        Self { resource, strategy: resource::strategy(group, &resource.plural) }
    }

    /// Fills in defaults: those of the schema, then those that depend on other fields.
    pub(crate) fn default(&self, object: &mut Value) {
        schema::defaults::apply(self.resource.schema.node(), object);
        if self.resource.custom.is_none() {
            self.strategy.default(&self.resource.version, object);
            self.strategy.fold(object);
        } else {
            schema::prune::drop_nulls(self.resource.schema.node(), object);
        }
        if is_definition(self.resource) {
            schema::crd::defaults(object);
        }
    }

    /// Brings an object into the stored version.
    pub(crate) fn to_storage(&self, object: &mut Value) {
        if self.resource.version != self.resource.storage_version || self.resource.group != self.resource.storage_group
        {
            resource::convert::to_storage(self.resource, object);
        }
    }

    /// An object in the form its kind is judged in, which is the stored one (upstream: the internal version).
    fn stored_form<'v>(&self, object: &'v Value) -> Cow<'v, Value> {
        let resource = self.resource;
        if resource.version == resource.storage_version && resource.group == resource.storage_group {
            return Cow::Borrowed(object);
        }
        let mut object = object.clone();
        resource::convert::to_storage(resource, &mut object);
        Cow::Owned(object)
    }

    /// Removes and sets what clients do not decide on create.
    pub(crate) fn prepare_create(&self, object: &mut Value) {
        match &self.resource.custom {
            None => self.strategy.prepare_create(object),
            Some(custom) => {
                object["metadata"]["generation"] = json!(1);
                if custom.status {
                    remove(object, "status");
                }
            }
        }
    }

    /// Removes and sets what clients do not decide on update.
    pub(crate) fn prepare_update(&self, new: &mut Value, old: &Value) {
        let Some(custom) = &self.resource.custom else { return self.strategy.prepare_update(new, old) };
        if custom.status {
            keep(new, old, "status");
        }
        self.count_generation(new, old, custom);
    }

    /// Keeps everything but status.
    pub(crate) fn prepare_status(&self, new: &mut Value, old: &Value) {
        if self.resource.custom.is_none() {
            return self.strategy.prepare_status(new, old);
        }
        let status = new.get("status").cloned();
        let version = new["metadata"]["resourceVersion"].clone();
        let managed = new["metadata"].get("managedFields").cloned();
        *new = old.clone();
        new["metadata"]["resourceVersion"] = version;
        match managed {
            Some(managed) => new["metadata"]["managedFields"] = managed,
            None => remove(&mut new["metadata"], "managedFields"),
        }
        match status {
            Some(status) => new["status"] = status,
            None => remove(new, "status"),
        }
    }

    /// What is wrong with a new object.
    pub(crate) fn validate_create(&self, object: &Value) -> Vec<field::Error> {
        let Some(custom) = &self.resource.custom else {
            let mut errors = self.strategy.validate_create(&self.stored_form(object));
            if is_definition(self.resource) {
                errors.extend(schema::crd::validate_create(object));
            }
            if self.resource.group == "events.k8s.io" {
                errors.extend(resource::event::validate_new(&self.stored_form(object)));
            }
            return errors;
        };
        let mut errors =
            resource::meta::validate_create(object, self.resource.namespaced, resource::meta::NameRule::DnsSubdomain);
        errors.extend(self.validate_custom(custom, object, None));
        errors
    }

    /// What is wrong with a change.
    pub(crate) fn validate_update(&self, new: &Value, old: &Value) -> Vec<field::Error> {
        let Some(custom) = &self.resource.custom else {
            let mut errors = self.strategy.validate_update(&self.stored_form(new), &self.stored_form(old));
            if is_definition(self.resource) {
                errors.extend(schema::crd::validate_update(new, old));
            }
            return errors;
        };
        let mut errors = resource::meta::validate_update(new, old);
        errors.extend(self.validate_custom(custom, new, Some(old)));
        errors
    }

    /// What is wrong with a change of status.
    pub(crate) fn validate_status(&self, new: &Value, old: &Value) -> Vec<field::Error> {
        match &self.resource.custom {
            None => self.strategy.validate_status(&self.stored_form(new), &self.stored_form(old)),
            Some(custom) => self.validate_custom(custom, new, Some(old)),
        }
    }

    /// Warnings about legal but doubtful fields.
    pub(crate) fn warnings(&self, new: &Value, old: Option<&Value>) -> Vec<String> {
        if self.resource.custom.is_some() { Vec::new() } else { self.strategy.warnings(new, old) }
    }

    /// Values of the selectable fields.
    pub(crate) fn fields(&self, object: &Value) -> Vec<(Arc<str>, String)> {
        if self.resource.custom.is_none() {
            return self.strategy.fields(object).into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
        }
        let value = |path: &str| {
            let found = path.split('.').try_fold(object, |value, key| value.get(key));
            found.map_or_else(String::new, |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        self.resource.selectable_fields.iter().map(|path| (Arc::from(path.as_str()), value(path))).collect()
    }

    /// Whether PUT of a name that does not exist creates it.
    pub(crate) fn create_on_update(&self) -> bool {
        self.resource.custom.is_none() && self.strategy.create_on_update()
    }

    /// Whether PUT without resourceVersion is allowed.
    pub(crate) fn unconditional_update(&self) -> bool {
        self.resource.custom.is_none() && self.strategy.unconditional_update()
    }

    fn validate_custom(&self, _: &Custom, new: &Value, old: Option<&Value>) -> Vec<field::Error> {
        schema::validate::validate(&self.resource.schema, new, old)
    }

    /// `metadata.generation` counts changes outside metadata, and outside status where status is a subresource.
    fn count_generation(&self, new: &mut Value, old: &Value, custom: &Custom) {
        let outside = |object: &Value| {
            let mut object = object.clone();
            remove(&mut object, "metadata");
            if custom.status {
                remove(&mut object, "status");
            }
            object
        };
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(1);
        let step = i64::from(outside(new) != outside(old));
        new["metadata"]["generation"] = json!(generation.saturating_add(step));
    }
}

/// Whether a resource is that of custom resource definitions.
pub(crate) fn is_definition(resource: &Resource) -> bool {
    resource.group == "apiextensions.k8s.io" && resource.plural == "customresourcedefinitions"
}

/// Removes a key of an object.
pub(crate) fn remove(object: &mut Value, key: &str) {
    if let Some(map) = object.as_object_mut() {
        map.remove(key);
    }
}

fn keep(new: &mut Value, old: &Value, key: &str) {
    match old.get(key) {
        Some(value) => new[key] = value.clone(),
        None => remove(new, key),
    }
}
