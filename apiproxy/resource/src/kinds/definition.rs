//! CustomResourceDefinitions. They are validated where they are compiled, in the schema crate.

use serde_json::{Value, json};

use crate::json::{at, child, fill, fill_text, flag, list, put, set, size, text, texts};
use crate::strategy::{BASE, Generation, Status};
use crate::{Scope, Strategy};

pub(super) static DEFINITION: Strategy = Strategy {
    group: "apiextensions.k8s.io",
    plural: "customresourcedefinitions",
    scope: Scope::Cluster,
    status: Status::Reset(r#"{"acceptedNames":{"plural":"","kind":""},"conditions":[],"storedVersions":[]}"#),
    generation: Generation::On(&["spec"]),
    unconditional_update: false,
    default,
    prepare_create: remember_storage,
    prepare_update: |new, _| remember_storage(new),
    ..BASE
};

fn storage_version(obj: &Value) -> Option<String> {
    let stored = list(at(obj, "spec"), "versions").iter().find(|version| flag(version, "storage"))?;
    Some(text(stored, "name").to_owned())
}

fn default(_version: &str, obj: &mut Value) {
    let stored = storage_version(obj);
    let spec = child(obj, "spec");
    let names = child(spec, "names");
    let kind = text(names, "kind").to_owned();
    if !kind.is_empty() {
        fill_text(names, "singular", &kind.to_lowercase());
        fill_text(names, "listKind", &format!("{kind}List"));
    }
    if set(spec, "conversion").is_none() {
        put(spec, "conversion", json!({"strategy": "None"}));
    }
    if let Some(service) =
        spec.pointer_mut("/conversion/webhook/clientConfig/service").filter(|service| service.is_object())
    {
        fill(service, "port", 443);
    }
    let status = child(obj, "status");
    if let Some(stored) = stored.filter(|_| size(status, "storedVersions") == 0) {
        put(status, "storedVersions", json!([stored]));
    }
}

/// Every version that ever was the storage version is remembered.
fn remember_storage(obj: &mut Value) {
    let Some(stored) = storage_version(obj) else { return };
    let status = child(obj, "status");
    let mut versions: Vec<String> = texts(status, "storedVersions").into_iter().map(str::to_owned).collect();
    if !versions.contains(&stored) {
        versions.push(stored);
        put(status, "storedVersions", versions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_versions_pile_up() {
        let crd = |stored: &str| json!({"spec": {"names": {}, "versions": [{"name": stored, "storage": true}]}});
        let mut old = crd("v1");
        DEFINITION.prepare_create(&mut old);
        assert_eq!(old["status"]["storedVersions"], json!(["v1"]));
        let mut new = crd("v2");
        DEFINITION.prepare_update(&mut new, &old);
        assert_eq!(new["status"]["storedVersions"], json!(["v1", "v2"]));
        assert_eq!(new["metadata"]["generation"], 2);
    }
}
