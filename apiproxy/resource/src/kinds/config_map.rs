//! ConfigMaps.

use schema::field::Error;
use serde_json::Value;

use super::secret::{MAX_SIZE, bytes_of, frozen};
use crate::json::{at, entries};
use crate::strategy::BASE;
use crate::{Errors, Path, Scope, Strategy, format};

pub(super) static CONFIG_MAP: Strategy = Strategy {
    plural: "configmaps",
    scope: Scope::Namespaced,
    validate,
    validate_update: |new, old, errors| {
        frozen(new, old, &["data", "binaryData"], errors);
        validate(new, errors);
    },
    ..BASE
};

fn validate(obj: &Value, errors: &mut Errors) {
    let mut total = 0;
    let path = Path::root("data");
    for (key, value) in entries(obj, "data") {
        format::invalid_each(&path.key(key), key, format::config_key(key), errors);
        if at(obj, "binaryData").get(key).is_some() {
            errors.push(Error::invalid(path.key(key), key, "duplicate of key present in binaryData"));
        }
        total += value.as_str().map_or(0, str::len);
    }
    let path = Path::root("binaryData");
    for (key, value) in entries(obj, "binaryData") {
        format::invalid_each(&path.key(key), key, format::config_key(key), errors);
        total += bytes_of(value);
    }
    if total > MAX_SIZE {
        errors.push(Error::too_long("", MAX_SIZE));
    }
}
