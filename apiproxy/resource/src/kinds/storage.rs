//! Kinds of `storage.k8s.io`.

use serde_json::{Value, json};

use crate::json::{child, fill, put, size};
use crate::strategy::{BASE, Generation, Status, StatusMeta};
use crate::{Scope, Strategy};

const KIND: Strategy = Strategy { group: "storage.k8s.io", scope: Scope::Cluster, ..BASE };

pub(super) static STORAGE_CLASS: Strategy = Strategy { plural: "storageclasses", default: class_default, ..KIND };
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
