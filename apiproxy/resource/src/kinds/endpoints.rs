//! Endpoints and EndpointSlices.

use serde_json::{Map, Value};

use crate::json::{dig, fill, fill_text, items_mut, same};
use crate::strategy::{BASE, Generation, bump_generation};
use crate::{Scope, Strategy};

pub(super) static ENDPOINTS: Strategy = Strategy {
    plural: "endpoints",
    scope: Scope::Namespaced,
    create_on_update: true,
    default: |_, obj| {
        for subset in items_mut(obj, "subsets") {
            items_mut(subset, "ports").iter_mut().for_each(|port| fill_text(port, "protocol", "TCP"));
        }
    },
    ..BASE
};

pub(super) static ENDPOINT_SLICE: Strategy = Strategy {
    group: "discovery.k8s.io",
    plural: "endpointslices",
    scope: Scope::Namespaced,
    generation: Generation::Own,
    default: |_, obj| {
        for port in items_mut(obj, "ports") {
            fill(port, "name", "");
            fill(port, "protocol", "TCP");
        }
    },
    prepare_update: slice_update,
    ..BASE
};

fn slice_update(new: &mut Value, old: &Value) {
    let body = |obj: &Value| -> Value {
        let fields = obj.as_object().into_iter().flatten().filter(|(key, _)| *key != "metadata");
        Value::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>())
    };
    if !same(&body(new), &body(old)) || !same(dig(new, "metadata.labels"), dig(old, "metadata.labels")) {
        bump_generation(new, old);
    }
}
