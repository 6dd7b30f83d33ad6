//! Claims of ephemeral volumes (upstream `pkg/controller/volume/ephemeral`).

use std::future::Future;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::client;
use crate::events::{Level, Recorder, Regarding};
use crate::informer::{Informer, Raw};
use crate::key::Key;
use crate::kinds;
use crate::object::controller_reference;
use crate::queue::{Outcome, Queue};
use crate::run::Context;
use crate::step::{self, Controller, Error};

#[derive(Clone)]
struct Ephemeral {
    context: Context,
    recorder: Recorder,
    pods: Informer,
    claims: Informer,
}

/// Names of a pod's ephemeral volumes, as its pruned form has them.
fn volumes(pod: &Value) -> impl Iterator<Item = &str> {
    pod["spec"]["volumes"].as_array().into_iter().flatten().filter_map(|volume| volume["name"].as_str())
}

/// The claim of an ephemeral volume.
fn claim(pod: &Value, volume: &Value) -> Value {
    let template = &volume["ephemeral"]["volumeClaimTemplate"];
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let mut metadata = json!({
        "name": claim_name(text("/metadata/name"), volume["name"].as_str().unwrap_or_default()),
        "ownerReferences": [controller_reference(&kinds::pods(), text("/metadata/name"), text("/metadata/uid"))],
    });
    for field in ["annotations", "labels"] {
        if let Some(value) = template["metadata"].get(field).filter(|value| !value.is_null()) {
            metadata[field] = value.clone();
        }
    }
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"]})
}

fn claim_name(pod: &str, volume: &str) -> String {
    format!("{pod}-{volume}")
}

fn is_of(claim: &Raw, pod: &Raw) -> bool {
    claim.controller().is_some_and(|owner| &*owner.uid == pod.uid())
}

impl Controller for Ephemeral {
    const NAME: &'static str = "ephemeral-volume-controller";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        let Some(pod) = self.pods.get(&key.namespace, &key.name).filter(|pod| !pod.is_deleting()) else {
            return Ok(Outcome::Done);
        };
        let pruned = pod.value();
        let missing = |name: &str| {
            let there = self.claims.get(&key.namespace, &claim_name(&key.name, name));
            there.is_none_or(|there| !is_of(&there, &pod))
        };
        if !volumes(&pruned).any(missing) {
            return Ok(Outcome::Done);
        }
        // The watched form has no templates.
        let whole = match self.context.objects.get(&kinds::pods(), &key.namespace, &key.name).await {
            Ok(whole) if whole["metadata"]["uid"] == *pod.uid() => whole,
            Ok(_) => return Ok(Outcome::Done),
            Err(error) if client::is_not_found(&error) => return Ok(Outcome::Done),
            Err(error) => return Err(error.into()),
        };
        for volume in whole["spec"]["volumes"].as_array().into_iter().flatten() {
            let name = volume["name"].as_str().unwrap_or_default();
            if volume["ephemeral"].is_null() || !missing(name) {
                continue;
            }
            if let Err(error) = self.make(key, &pod, &claim(&whole, volume)).await {
                let message = format!("ephemeral volume {name}: {error}");
                self.recorder.record(
                    &Regarding::raw(&kinds::pods(), &pod),
                    Level::Warning,
                    "FailedBinding",
                    message.clone(),
                );
                return Err(Error::Failed(message));
            }
        }
        Ok(Outcome::Done)
    }
}

impl Ephemeral {
    async fn make(&self, key: &Key, pod: &Raw, claim: &Value) -> Result<(), String> {
        let name = claim["metadata"]["name"].as_str().unwrap_or_default();
        if let Some(there) = self.claims.get(&key.namespace, name)
            && !is_of(&there, pod)
        {
            return Err(format!("PVC {name:?} was not created for pod {:?} (pod is not owner)", &*key.name));
        }
        match self.context.objects.create(&kinds::persistent_volume_claims(), &key.namespace, claim).await {
            Err(error) if client::is_already_exists(&error) => Ok(()),
            Err(error) => Err(format!("create PVC {name}: {}", client::message(&error))),
            Ok(_) => Ok(()),
        }
    }
}

/// Runs the controller.
pub(crate) fn run(context: &Context, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let queue: Queue<Key> = Queue::new(step::LANE_LIMIT);
    let controller = Ephemeral {
        context: context.clone(),
        recorder: context.recorder.component("ephemeral_volume"),
        pods: context.pods(),
        claims: context.persistent_volume_claims(),
    };
    controller.pods.subscribe({
        let queue = queue.clone();
        move |change| {
            let Some(pod) = change.new.as_ref().filter(|_| change.old.is_none()) else { return };
            if volumes(&pod.value()).next().is_some() {
                queue.add(change.key().clone());
            }
        }
    });
    controller.claims.subscribe({
        let queue = queue.clone();
        move |change| {
            // Whose it was may want it back.
            let owner =
                change.old.as_ref().filter(|_| change.new.is_none()).and_then(|claim| claim.controller().cloned());
            if let Some(owner) = owner.filter(|owner| &*owner.kind == "Pod") {
                queue.add(Key::new(change.key().namespace.clone(), &*owner.name));
            }
        }
    });
    let informers = vec![controller.pods.clone(), controller.claims.clone()];
    step::work(controller, queue, informers, shutdown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_made_from_the_template() {
        let volume = json!({"name": "scratch", "ephemeral": {"volumeClaimTemplate": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast"}}}});
        let pod = json!({"metadata": {"name": "web-0", "uid": "u1"}, "spec": {"volumes": [volume]}});
        let made = claim(&pod, &volume);
        assert_eq!(made["metadata"]["name"], "web-0-scratch");
        assert_eq!(made["metadata"]["labels"], json!({"a": "b"}));
        assert_eq!(made["metadata"].get("annotations"), None);
        assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], "u1");
        assert_eq!(made["spec"]["storageClassName"], "fast");
        let claim = made;
        let (claim, pod) = (Raw::from_value(&claim).unwrap(), Raw::from_value(&pod).unwrap());
        assert!(is_of(&claim, &pod));
    }
}
