//! A StatefulSet as far as its controller reads it.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::informer::Raw;
use crate::object::{Condition, Meta, nullable};
use crate::pod::Pod;
use crate::selector::LabelSelector;

/// The name of a pod, as label.
pub(super) const NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
/// The ordinal of a pod, as label.
pub(super) const INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";
/// The revision of a pod, as label.
pub(crate) const REVISION_LABEL: &str = "controller-revision-hash";

/// A StatefulSet.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct StatefulSet {
    #[serde(rename = "metadata")]
    pub(super) meta: Meta,
    pub(super) spec: Spec,
    #[serde(default)]
    pub(super) status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    replicas: Option<i32>,
    #[serde(deserialize_with = "nullable")]
    pub(super) selector: LabelSelector,
    pub(super) template: Value,
    #[serde(deserialize_with = "nullable")]
    pub(super) volume_claim_templates: Vec<Value>,
    pub(super) service_name: String,
    pod_management_policy: String,
    #[serde(deserialize_with = "nullable")]
    update_strategy: Strategy,
    revision_history_limit: Option<i32>,
    pub(super) min_ready_seconds: i32,
    #[serde(deserialize_with = "nullable")]
    pub(super) persistent_volume_claim_retention_policy: Retention,
    #[serde(deserialize_with = "nullable")]
    ordinals: Ordinals,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Strategy {
    r#type: String,
    rolling_update: Option<Rolling>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Rolling {
    partition: Option<i32>,
}

/// What happens to claims; anything but `Delete` keeps them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Retention {
    when_deleted: String,
    when_scaled: String,
}

impl Retention {
    /// Claims go with the set.
    pub(super) fn deletes_with_set(&self) -> bool {
        self.when_deleted == "Delete"
    }

    /// Claims go with pods that are scaled away.
    pub(super) fn deletes_with_pod(&self) -> bool {
        self.when_scaled == "Delete"
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Ordinals {
    start: i32,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) observed_generation: i64,
    pub(super) replicas: i32,
    pub(super) ready_replicas: i32,
    pub(super) available_replicas: i32,
    pub(super) current_replicas: i32,
    pub(super) updated_replicas: i32,
    pub(super) current_revision: String,
    pub(super) update_revision: String,
    pub(super) collision_count: Option<i32>,
    #[serde(deserialize_with = "nullable")]
    pub(super) conditions: Vec<Condition>,
}

impl StatefulSet {
    /// The view of a watched set. Errors: wrong types.
    pub(super) fn view(raw: &Raw) -> Result<Self, serde_json::Error> {
        raw.view()
    }

    pub(super) fn replicas(&self) -> i32 {
        self.spec.replicas.unwrap_or(1).max(0)
    }

    /// The ordinals there are to be.
    pub(super) fn ordinals(&self) -> std::ops::Range<i32> {
        let start = self.spec.ordinals.start.max(0);
        start..start.saturating_add(self.replicas())
    }

    /// Whether pods come and go one after the other.
    pub(super) fn is_ordered(&self) -> bool {
        self.spec.pod_management_policy != "Parallel"
    }

    /// Whether pods of an old revision are replaced.
    pub(super) fn is_rolling(&self) -> bool {
        self.spec.update_strategy.r#type != "OnDelete"
    }

    /// How many pods keep the old revision.
    pub(super) fn partition(&self) -> i32 {
        self.spec.update_strategy.rolling_update.as_ref().and_then(|rolling| rolling.partition).unwrap_or_default()
    }

    /// Whether a new pod of this ordinal is of the old revision (`newVersionedStatefulSetPod`).
    pub(super) fn keeps_old(&self, ordinal: i32) -> bool {
        let kept = match self.spec.update_strategy.rolling_update {
            Some(_) => self.partition(),
            None if self.is_rolling() => self.status.current_replicas,
            None => return false,
        };
        ordinal < self.ordinals().start.saturating_add(kept)
    }

    pub(super) fn history_limit(&self) -> usize {
        usize::try_from(self.spec.revision_history_limit.unwrap_or(10)).unwrap_or(usize::MAX)
    }

    pub(super) fn pod_name(&self, ordinal: i32) -> String {
        format!("{}-{ordinal}", self.meta.name)
    }

    /// The ordinal of a pod of this set, by its name.
    pub(super) fn ordinal(&self, pod: &str) -> Option<i32> {
        let ordinal = pod.strip_prefix(self.meta.name.as_str())?.strip_prefix('-')?;
        // One spelling per number, as the name of a pod of ours has.
        ordinal.parse().ok().filter(|number: &i32| *number >= 0 && number.to_string() == ordinal)
    }

    /// Names of the claims of an ordinal, with the template each comes from.
    pub(super) fn claims(&self, ordinal: i32) -> impl Iterator<Item = (String, &Value)> {
        self.spec.volume_claim_templates.iter().map(move |template| {
            let name = template["metadata"]["name"].as_str().unwrap_or_default();
            (format!("{name}-{}-{ordinal}", self.meta.name), template)
        })
    }

    /// The claim an ordinal lacks.
    pub(super) fn claim(&self, name: &str, template: &Value) -> Value {
        let mut labels = template["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        labels.extend(self.spec.selector.match_labels.iter().map(|(key, value)| (key.clone(), json!(value))));
        let mut metadata = json!({ "name": name, "labels": labels });
        if !template["metadata"]["annotations"].is_null() {
            metadata["annotations"] = template["metadata"]["annotations"].clone();
        }
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"]})
    }
}

/// Whether the labels of a pod say who it is (`identityMatches`).
pub(super) fn knows_itself(pod: &Pod) -> bool {
    pod.raw.label(NAME_LABEL) == Some(pod.meta.name.as_str())
}

/// The merge patch that writes a status; only onto the version it was computed from.
pub(super) fn status_patch(raw: &Raw, status: &Status) -> Value {
    let some = |number: i32| if number == 0 { Value::Null } else { json!(number) };
    json!({
        "metadata": {"uid": raw.uid(), "resourceVersion": raw.resource_version()},
        "status": {
            "observedGeneration": status.observed_generation,
            // Not left out when zero, unlike the others.
            "replicas": status.replicas,
            "availableReplicas": status.available_replicas,
            "readyReplicas": some(status.ready_replicas),
            "currentReplicas": some(status.current_replicas),
            "updatedReplicas": some(status.updated_replicas),
            "currentRevision": status.current_revision,
            "updateRevision": status.update_revision,
            "collisionCount": status.collision_count,
        },
    })
}
