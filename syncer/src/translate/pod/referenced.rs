//! Which ConfigMaps, Secrets and claims a pod refers to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::shapes::POD_SPEC;
use crate::json;
use crate::translate::rules::{Handler, Rule, Shape};

/// Names of the ConfigMaps, Secrets and claims of a pod's namespace that the pod refers to, found by the same table that
/// translates them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Referenced {
    /// ConfigMaps.
    pub config_maps: BTreeSet<String>,
    /// Secrets.
    pub secrets: BTreeSet<String>,
    /// PersistentVolumeClaims, those of ephemeral volumes included.
    pub claims: BTreeSet<String>,
}

impl Referenced {
    /// What a pod refers to, whether or not it can be translated.
    pub fn by(pod: &Value) -> Self {
        let mut found = Self::default();
        if let Some(spec) = pod.get("spec") {
            found.collect(&POD_SPEC, spec);
        }
        for volume in json::items(pod, "/spec/volumes").iter().filter(|volume| volume.get("ephemeral").is_some()) {
            let (name, volume) = (json::text(pod, "/metadata/name"), json::text(volume, "/name"));
            found.claims.insert(format!("{name}-{volume}"));
        }
        found
    }

    fn collect(&mut self, shape: &Shape, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.collect(shape, item)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match shape.rule(name) {
                        Some(Rule::Into(inner) | Rule::Rewrite(_, Some(inner), _)) => self.collect(inner, value),
                        Some(Rule::Rewrite(Handler::ConfigMap, ..)) => Self::insert(&mut self.config_maps, value),
                        Some(Rule::Rewrite(Handler::Secret, ..)) => Self::insert(&mut self.secrets, value),
                        Some(Rule::Rewrite(Handler::Claim, ..)) => Self::insert(&mut self.claims, value),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn insert(names: &mut BTreeSet<String>, value: &Value) {
        if let Some(name) = value.as_str().filter(|name| !name.is_empty()) {
            names.insert(name.to_owned());
        }
    }
}
