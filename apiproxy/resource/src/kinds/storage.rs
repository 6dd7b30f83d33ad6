//! Kinds of `storage.k8s.io`.

use schema::field::Error;
use serde_json::{Value, json};

use crate::json::{child, entries, fill, opt_text, put, size, text};
use crate::strategy::{BASE, Generation, Status, StatusMeta};
use crate::{Errors, Path, Scope, Strategy, format, meta};

const KIND: Strategy = Strategy { group: "storage.k8s.io", scope: Scope::Cluster, ..BASE };

pub(super) static STORAGE_CLASS: Strategy = Strategy {
    plural: "storageclasses",
    default: class_default,
    validate: class,
    validate_update: |new, old, errors| {
        for field in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
            meta::immutable(&Path::root(""), field, new, old, errors);
        }
    },
    ..KIND
};
pub(super) static CSI_DRIVER: Strategy = Strategy {
    plural: "csidrivers",
    generation: Generation::On(&["spec"]),
    prepare_create: |obj| crate::json::drop_field(child(obj, "metadata"), "generation"),
    unconditional_update: false,
    default: driver_default,
    ..KIND
};
pub(super) static CSI_NODE: Strategy = Strategy { plural: "csinodes", unconditional_update: false, ..KIND };
pub(super) static CAPACITY: Strategy =
    Strategy { plural: "csistoragecapacities", scope: Scope::Namespaced, unconditional_update: false, ..KIND };
pub(super) static ATTACHMENT: Strategy = Strategy {
    plural: "volumeattachments",
    status: Status::Reset(r#"{"attached":false}"#),
    status_meta: StatusMeta::Reset,
    unconditional_update: false,
    ..KIND
};
pub(super) static ATTRIBUTES_CLASS: Strategy = Strategy { plural: "volumeattributesclasses", ..KIND };

fn class_default(_version: &str, obj: &mut Value) {
    fill(obj, "reclaimPolicy", "Delete");
    fill(obj, "volumeBindingMode", "Immediate");
}

fn driver_default(_version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    fill(spec, "attachRequired", true);
    for field in ["podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"] {
        fill(spec, field, false);
    }
    fill(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    if size(spec, "volumeLifecycleModes") == 0 {
        put(spec, "volumeLifecycleModes", json!(["Persistent"]));
    }
}

fn class(obj: &Value, errors: &mut Errors) {
    match text(obj, "provisioner") {
        "" => errors.push(Error::required("provisioner", "")),
        name => {
            let name = name.to_lowercase();
            format::invalid_each(&Path::root("provisioner"), &name, format::qualified_name(&name), errors);
        }
    }
    let mut total = 0;
    for (key, value) in entries(obj, "parameters") {
        if key.is_empty() {
            errors.push(Error::invalid("parameters", key, "field can not be empty."));
        }
        total += key.len() + value.as_str().map_or(0, str::len);
    }
    if size(obj, "parameters") > 512 {
        errors.push(Error::too_long("parameters", 512));
    } else if total > 256 * 1024 {
        errors.push(Error::too_long("parameters", 256 * 1024));
    }
    if let Some(policy) = opt_text(obj, "reclaimPolicy").filter(|policy| !matches!(*policy, "" | "Delete" | "Retain")) {
        errors.push(Error::not_supported("reclaimPolicy", policy, &["Delete", "Retain"]));
    }
    const MODES: [&str; 2] = ["Immediate", "WaitForFirstConsumer"];
    match opt_text(obj, "volumeBindingMode") {
        None => errors.push(Error::required("volumeBindingMode", "")),
        Some(mode) if !MODES.contains(&mode) => {
            errors.push(Error::not_supported("volumeBindingMode", mode, &MODES));
        }
        Some(_) => (),
    }
}
