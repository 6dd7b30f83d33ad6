//! Adopting and releasing: which of the objects that might be an owner's are.

use std::sync::Arc;

use kube::core::ApiResource;
use serde_json::{Value, json};

use crate::client::{self, Objects, Part};
use crate::informer::Raw;
use crate::object::controller_reference;
use crate::selector::LabelSelector;
use crate::step::Error;

/// What an owner has to do with one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Not ours, and not to become so.
    Ignore,
    /// Ours, and selected.
    Ours,
    /// Nobody's, selected: take it.
    Adopt,
    /// Ours, no longer selected: let it go.
    Release,
}

/// Who claims.
pub(crate) struct Claimant<'a> {
    pub(crate) kind: &'a ApiResource,
    pub(crate) owner: &'a Raw,
    pub(crate) selector: &'a LabelSelector,
    /// What holds an adopted object until its owner has counted it.
    pub(crate) finalizer: Option<&'static str>,
}

impl<'a> Claimant<'a> {
    /// A claimant without a finalizer.
    pub(crate) fn new(kind: &'a ApiResource, owner: &'a Raw, selector: &'a LabelSelector) -> Self {
        Self { kind, owner, selector, finalizer: None }
    }

    /// Decides on one object of the owner's namespace (`BaseControllerRefManager.ClaimObject`).
    pub(crate) fn judge(&self, object: &Raw) -> Claim {
        let selected = self.selector.matches(|key| object.label(key));
        match object.controller() {
            Some(controller) if &*controller.uid != self.owner.uid() => Claim::Ignore,
            Some(_) if selected => Claim::Ours,
            Some(_) if self.owner.is_deleting() => Claim::Ignore,
            Some(_) => Claim::Release,
            None if self.owner.is_deleting() || !selected || object.is_deleting() => Claim::Ignore,
            None => Claim::Adopt,
        }
    }

    /// Adopts and releases among `candidates` (of kind `kind`); returns what is ours now. Errors: a write failed, for
    /// another reason than that the object is gone.
    pub(crate) async fn claim(
        &self,
        objects: &Objects,
        kind: &ApiResource,
        candidates: Vec<Arc<Raw>>,
    ) -> Result<Vec<Arc<Raw>>, Error> {
        let mut ours = Vec::new();
        let mut may_adopt = None;
        for candidate in candidates {
            let patch = match self.judge(&candidate) {
                Claim::Ignore => continue,
                Claim::Ours => {
                    ours.push(candidate);
                    continue;
                }
                Claim::Adopt => {
                    if may_adopt.is_none() {
                        self.recheck(objects).await?;
                        may_adopt = Some(());
                    }
                    let own = controller_reference(self.kind, self.owner.name(), self.owner.uid());
                    let mut patch = owners_patch(&candidate, |owners| owners.push(own));
                    self.hold(&candidate, &mut patch, |finalizers, ours| finalizers.push(json!(ours)));
                    patch
                }
                Claim::Release => {
                    let mut patch = owners_patch(&candidate, |owners| owners.retain(|o| o["uid"] != self.owner.uid()));
                    self.hold(&candidate, &mut patch, |_, _| {});
                    patch
                }
            };
            let adopted = self.judge(&candidate) == Claim::Adopt;
            let key = (candidate.namespace(), candidate.name());
            match objects.merge(kind, key, Part::Object, &patch).await {
                Ok(object) if adopted => ours.push(Arc::new(Raw::from_value(&object)?)),
                Ok(_) => {}
                Err(error) if client::is_not_found(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(ours)
    }

    /// Adds to a patch the finalizers as they should be: without ours, then changed.
    fn hold(&self, candidate: &Raw, patch: &mut Value, change: impl FnOnce(&mut Vec<Value>, &str)) {
        let Some(ours) = self.finalizer else { return };
        let mut finalizers = candidate.value()["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        finalizers.retain(|finalizer| finalizer != ours);
        change(&mut finalizers, ours);
        patch["metadata"]["finalizers"] = if finalizers.is_empty() { Value::Null } else { json!(finalizers) };
    }

    /// Before the first adoption: a live read that the owner still exists and stays, because its deletion may not have
    /// been observed yet.
    async fn recheck(&self, objects: &Objects) -> Result<(), Error> {
        let fresh = objects.get(self.kind, self.owner.namespace(), self.owner.name()).await?;
        if fresh["metadata"]["uid"] != self.owner.uid() || !fresh["metadata"]["deletionTimestamp"].is_null() {
            return Err(Error::Stale(format!("{} {} is going away", self.kind.kind, self.owner.key())));
        }
        Ok(())
    }
}

/// A merge patch of the owner references, valid only for the version that was observed.
fn owners_patch(object: &Raw, change: impl FnOnce(&mut Vec<Value>)) -> Value {
    let mut owners = object.value()["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
    change(&mut owners);
    let owners = if owners.is_empty() { Value::Null } else { json!(owners) };
    json!({"metadata": {
        "uid": object.uid(), "resourceVersion": object.resource_version(), "ownerReferences": owners,
    }})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    fn object(uid: &str, label: &str, controller: Option<&str>, deleting: bool) -> Raw {
        let mut object = json!({"metadata": {"name": uid, "namespace": "n", "uid": uid, "labels": {"app": label}}});
        if let Some(owner) = controller {
            object["metadata"]["ownerReferences"] =
                json!([{"uid": "x"}, controller_reference(&kinds::replica_sets(), "rs", owner)]);
        }
        if deleting {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        Raw::from_value(&object).unwrap()
    }

    #[test]
    fn claims_as_upstream() {
        let selector: LabelSelector = serde_json::from_value(json!({"matchLabels": {"app": "a"}})).unwrap();
        let replica_sets = kinds::replica_sets();
        // (owner deleting, label, controller, object deleting) → claim
        let cases = [
            (false, "a", Some("me"), false, Claim::Ours),
            (false, "a", Some("me"), true, Claim::Ours),
            (true, "a", Some("me"), false, Claim::Ours),
            (false, "b", Some("me"), false, Claim::Release),
            (true, "b", Some("me"), false, Claim::Ignore),
            (false, "a", Some("you"), false, Claim::Ignore),
            (false, "a", None, false, Claim::Adopt),
            (false, "a", None, true, Claim::Ignore),
            (true, "a", None, false, Claim::Ignore),
            (false, "b", None, false, Claim::Ignore),
        ];
        for (dying, label, controller, deleting, want) in cases {
            let owner = object("me", "", None, dying);
            let claimant = Claimant::new(&replica_sets, &owner, &selector);
            let got = claimant.judge(&object("p", label, controller, deleting));
            assert_eq!(got, want, "{dying} {label} {controller:?} {deleting}");
        }
    }

    #[test]
    fn a_release_leaves_other_owners_alone() {
        let patch = owners_patch(&object("p", "a", Some("me"), false), |o| o.retain(|o| o["uid"] != "me"));
        assert_eq!(patch["metadata"]["ownerReferences"], json!([{"uid": "x"}]));
        assert_eq!(patch["metadata"]["uid"], "p");
    }
}
