//! Virtual and host objects side by side: pairs are found by uid, as the syncer finds them.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::{Client, ResourceExt};
use tenancy::labels;

use crate::{Error, output};

/// A table of every object of the demo's namespace and its twin. Errors: what either API says.
pub(super) async fn table(tenant: &Client, host: &Client) -> Result<String, Error> {
    let kinds = [
        ("pod", ApiResource::erase::<Pod>(&())),
        ("service", ApiResource::erase::<Service>(&())),
        ("configmap", ApiResource::erase::<ConfigMap>(&())),
        ("secret", ApiResource::erase::<Secret>(&())),
    ];
    let mut rows = Vec::new();
    for (word, kind) in kinds {
        let ours = ListParams::default().labels(&format!("{}={}", labels::MANAGED_BY, labels::MANAGER));
        let twins: HashMap<String, DynamicObject> = Api::<DynamicObject>::all_with(host.clone(), &kind)
            .list(&ours)
            .await?
            .into_iter()
            .filter_map(|twin| Some((twin.annotations().get(labels::UID_ANNOTATION)?.clone(), twin)))
            .collect();
        let virtuals: Api<DynamicObject> = Api::namespaced_with(tenant.clone(), "shop", &kind);
        for object in virtuals.list(&ListParams::default()).await? {
            let twin = object.uid().and_then(|uid| twins.get(&uid));
            let on_host = twin.map_or_else(
                || "stays in the tenant".to_owned(),
                |twin| format!("{}/{}", twin.namespace().unwrap_or_default(), twin.name_any()),
            );
            rows.push(vec![format!("{word} shop/{}", object.name_any()), on_host, detail(&object)]);
        }
    }
    Ok(output::table(&["THE TENANT SEES", "THE HOST HAS", "BOTH AGREE ON"], &rows))
}

fn detail(object: &DynamicObject) -> String {
    let text = |path: &str| object.data.pointer(path).and_then(serde_json::Value::as_str).map(str::to_owned);
    let phase = text("/status/phase");
    let on = text("/spec/nodeName").map(|node| format!("on {node}"));
    let address = text("/status/podIP").or_else(|| text("/spec/clusterIP"));
    [phase, on, address].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
