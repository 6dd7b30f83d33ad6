//! `PartialObjectMetadata`: objects without what makes them what they are.

use serde_json::{Value, json};

use super::{Accept, Error, Form, MetaVersion};

/// `PartialObjectMetadata` of an object.
pub fn partial(version: MetaVersion, object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": version.api_version(), "metadata": object["metadata"]})
}

/// The refusal to show an object as a list, or a list as an object (upstream: `asPartialObjectMetadata`).
pub(super) fn misfit(accept: Accept, custom: bool, group: &str, kind: &str) -> Error {
    // The name of the Go type: the internal package of the group. Events are in core.
    let package = match group.split('.').next().unwrap_or_default() {
        "" | "events" => "core",
        first => first,
    };
    let list = accept.form == Form::Partial;
    let go_type = match (custom, list) {
        (true, true) => "unstructured.UnstructuredList".to_owned(),
        (true, false) => return Error::Plain("content is not a list".to_owned()),
        (false, _) => format!("{package}.{kind}"),
    };
    let (wanted, is) = if list { ("", "a list") } else { ("List", "not a list") };
    Error::NotTransformed(format!(
        "you requested PartialObjectMetadata{wanted}, but the requested object is {is} (*{go_type})"
    ))
}

/// An answer that is no object of the resource (a review, a scale, a list of what was deleted) in the form asked for.
/// A Status stays as it is, and so does what is asked for as a table. Errors: 406.
pub fn reshaped(accept: Accept, custom: bool, value: Value) -> Result<Value, Error> {
    let text = |key: &str| value[key].as_str().unwrap_or_default();
    let (group, kind) = (text("apiVersion").rsplit_once('/').map_or("", |(group, _)| group), text("kind"));
    let is_list = kind.ends_with("List") && value["items"].is_array();
    match accept.form {
        Form::Object | Form::Table => Ok(value),
        _ if kind == "Status" => Ok(value),
        Form::Partial if !is_list => Ok(partial(accept.version, &value)),
        Form::PartialList if is_list => {
            let items = value["items"].as_array().filter(|items| !items.is_empty());
            let items = items.map(|items| items.iter().map(|item| partial(accept.version, item)).collect::<Vec<_>>());
            Ok(json!({
                "kind": "PartialObjectMetadataList", "apiVersion": accept.version.api_version(),
                "metadata": value["metadata"], "items": items,
            }))
        }
        Form::Partial | Form::PartialList => Err(misfit(accept, custom, group, kind)),
    }
}
