//! Tenants in a file: one or many YAML or JSON documents.

use std::io::Read;
use std::path::Path;

use kube::Resource as _;
use kube::api::{ApiResource, DynamicObject};
use serde_json::Value;
use tenancy::{Tenant, TenantName};

use crate::Error;

/// A Tenant as somebody has written it, with fields this version does not know.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) name: TenantName,
    pub(crate) object: DynamicObject,
}

/// Reads the Tenants of a file, or of standard input for `-`. Errors: [`Error::File`].
pub(crate) fn read(path: &Path) -> Result<Vec<Written>, Error> {
    let failed = |reason: String| Error::File { path: path.to_owned(), reason };
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    parse(&text.map_err(|error| failed(error.to_string()))?).map_err(failed)
}

fn parse(text: &str) -> Result<Vec<Written>, String> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
    let mut all: Vec<Written> = Vec::new();
    for (index, document) in documents.into_iter().filter(|document| !document.is_null()).enumerate() {
        let list = match document {
            Value::Object(ref fields) if fields.get("kind").is_some_and(|kind| kind == "List") => {
                document["items"].as_array().cloned().unwrap_or_default()
            }
            one => vec![one],
        };
        for object in list {
            let written = tenant(object).map_err(|reason| format!("document {}: {reason}", index + 1))?;
            if all.iter().any(|other| other.name == written.name) {
                return Err(format!(
                    "document {}: there is another tenant {:?} in the file",
                    index + 1,
                    written.name.as_str()
                ));
            }
            all.push(written);
        }
    }
    if all.is_empty() { Err("there is no Tenant in it".to_owned()) } else { Ok(all) }
}

fn tenant(object: Value) -> Result<Written, String> {
    let kind = ApiResource::erase::<Tenant>(&());
    let said = |field: &str| object[field].as_str().unwrap_or_default();
    if said("apiVersion") != kind.api_version || said("kind") != kind.kind {
        let found = format!("{:?} of {:?}", said("kind"), said("apiVersion"));
        return Err(format!("is {found}, not {:?} of {:?}", kind.kind, kind.api_version));
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let name = TenantName::parse(name).map_err(|error| format!("metadata.name {name:?}: {error}"))?;
    let mut object: DynamicObject = serde_json::from_value(object).map_err(|error| error.to_string())?;
    // What a server has written is not ours to apply: files often come from `get -o yaml`.
    let own = object.meta_mut();
    (own.managed_fields, own.resource_version, own.uid) = (None, None, None);
    (own.creation_timestamp, own.generation) = (None, None);
    if let Some(fields) = object.data.as_object_mut() {
        fields.remove("status");
    }
    Ok(Written { name, object })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: rowhouse.dev/v1alpha1\nkind: Tenant\n";

    #[test]
    fn one_or_many() {
        let text = format!(
            "{HEAD}metadata: {{name: a}}\nspec: {{ttl: 2h}}\n---\n---\n{HEAD}metadata: {{name: b, uid: x}}\nstatus: {{phase: Ready}}\n"
        );
        let all = parse(&text).unwrap();
        assert_eq!(all.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(all[0].object.data, serde_json::json!({ "spec": { "ttl": "2h" } }));
        assert_eq!((all[1].object.data.clone(), all[1].object.metadata.uid.clone()), (serde_json::json!({}), None));
        let list = format!("kind: List\napiVersion: v1\nitems:\n- {}metadata: {{name: c}}", HEAD.replace('\n', "\n  "));
        assert_eq!(parse(&list).unwrap()[0].name.as_str(), "c");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            (String::new(), "no Tenant"),
            ("a: [".to_owned(), ""),
            ("kind: Pod\napiVersion: v1".to_owned(), "document 1: is \"Pod\" of \"v1\""),
            (HEAD.to_owned(), "metadata.name \"\""),
            (format!("{HEAD}metadata: {{name: A_b}}"), "metadata.name \"A_b\""),
            (format!("{HEAD}metadata: {{name: a}}\n---\n{HEAD}metadata: {{name: a}}"), "document 2: there is another"),
        ];
        for (text, expected) in cases {
            let said = parse(&text).unwrap_err();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
