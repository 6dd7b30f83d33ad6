//! ControllerRevisions: the templates a StatefulSet or DaemonSet has had (upstream `pkg/controller/history`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::core::ApiResource;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::claim::Claimant;
use crate::client::{self, DeleteOptions, Objects, Part};
use crate::informer::{Informer, Raw};
use crate::kinds;
use crate::object::{Meta, controller_reference};
use crate::selector::LabelSelector;
use crate::step::Error;
use crate::template;

/// The hash of a revision, as its label.
const HASH_LABEL: &str = "controller.kubernetes.io/hash";
/// Longest part of a set's name in the name of a revision.
const PREFIX_MAX: usize = 223;
/// Attempts to find a free name.
const ATTEMPTS: i32 = 16;

/// One template.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Revision {
    pub(crate) name: String,
    pub(crate) number: i64,
    pub(crate) template: Value,
    uid: String,
    created: String,
    /// The hash under which pods name it; empty on foreign revisions without one.
    pub(crate) hash: String,
}

#[derive(Deserialize)]
struct Stored {
    metadata: Meta,
    #[serde(default)]
    revision: i64,
    #[serde(default)]
    data: Value,
}

impl Revision {
    /// The view of a stored revision. Errors: wrong types.
    pub(crate) fn view(raw: &Raw) -> Result<Self, serde_json::Error> {
        let Stored { metadata, revision, mut data } = raw.view()?;
        let mut template = data["spec"]["template"].take();
        if let Some(fields) = template.as_object_mut() {
            fields.remove("$patch");
        }
        Ok(Self {
            hash: metadata.labels.get(HASH_LABEL).cloned().unwrap_or_default(),
            name: metadata.name,
            number: revision,
            template,
            uid: metadata.uid,
            created: metadata.creation_timestamp,
        })
    }

    fn has(&self, template: &Value) -> bool {
        template::normalised(&self.template) == template::normalised(template)
    }
}

/// What to do so that the newest revision has the present template.
#[derive(Debug, PartialEq)]
pub(crate) enum Turn {
    /// It has it already.
    Stay(Revision),
    /// An older one has it: it becomes the newest (a rollback).
    Renumber(Revision, i64),
    /// None has it.
    Create(i64),
}

/// Sorts revisions, oldest first.
pub(crate) fn sort(revisions: &mut [Revision]) {
    revisions.sort_by(|a, b| (a.number, &a.created, &a.name).cmp(&(b.number, &b.created, &b.name)));
}

/// Decides; `revisions` are sorted.
pub(crate) fn turn(revisions: &[Revision], template: &Value) -> Turn {
    let next = revisions.last().map_or(1, |last| last.number.saturating_add(1));
    match revisions.iter().rposition(|revision| revision.has(template)) {
        Some(at) if at + 1 == revisions.len() => Turn::Stay(revisions[at].clone()),
        Some(at) => Turn::Renumber(revisions[at].clone(), next),
        None => Turn::Create(next),
    }
}

/// Names of revisions to forget: the oldest of those in no use, beyond the limit.
pub(crate) fn surplus(revisions: &[Revision], in_use: &BTreeSet<&str>, limit: usize) -> Vec<Revision> {
    let unused: Vec<&Revision> = revisions.iter().filter(|revision| !in_use.contains(revision.name.as_str())).collect();
    let count = unused.len().saturating_sub(limit);
    unused[..count].iter().map(|revision| (*revision).clone()).collect()
}

/// The revisions of one set.
pub(crate) struct History<'a> {
    pub(crate) objects: &'a Objects,
    pub(crate) revisions: &'a Informer,
    pub(crate) kind: &'a ApiResource,
    pub(crate) owner: &'a Raw,
    pub(crate) selector: &'a LabelSelector,
}

impl History<'_> {
    /// All revisions, after adopting, oldest first. Errors: as the API says.
    pub(crate) async fn claim(&self) -> Result<Vec<Revision>, Error> {
        let owned = self.revisions.by_owner(self.owner.uid());
        let space = self.revisions.by_namespace(self.owner.namespace()).into_iter();
        let orphans = space.filter(|revision| revision.controller().is_none());
        let claimant = Claimant::new(self.kind, self.owner, self.selector);
        let candidates: Vec<Arc<Raw>> = owned.into_iter().chain(orphans).collect();
        let claimed = claimant.claim(self.objects, &kinds::controller_revisions(), candidates).await?;
        let mut all: Vec<Revision> = claimed.iter().map(|raw| Revision::view(raw)).collect::<Result<_, _>>()?;
        sort(&mut all);
        Ok(all)
    }

    /// Does what [`turn`] says; returns the revision that has the template, and how many names were taken.
    pub(crate) async fn take(
        &self,
        turn: Turn,
        set: (&Value, &BTreeMap<String, String>),
        collisions: i32,
    ) -> Result<(Revision, i32), Error> {
        let (template, annotations) = set;
        match turn {
            Turn::Stay(revision) => Ok((revision, collisions)),
            Turn::Renumber(revision, number) => {
                let patch = json!({"metadata": {"uid": revision.uid}, "revision": number});
                let key = (self.owner.namespace(), revision.name.as_str());
                self.objects.merge(&kinds::controller_revisions(), key, Part::Object, &patch).await?;
                Ok((Revision { number, ..revision }, collisions))
            }
            Turn::Create(number) => {
                for collisions in collisions..collisions.saturating_add(ATTEMPTS) {
                    let body = self.body(template, annotations, number, collisions);
                    if let Some(made) = self.create(&body, template).await? {
                        return Ok((made, collisions));
                    }
                }
                Err(Error::Failed("no free name for a revision".to_owned()))
            }
        }
    }

    /// Creates a revision; `None` when another template has its name.
    async fn create(&self, body: &Value, template: &Value) -> Result<Option<Revision>, Error> {
        let kind = kinds::controller_revisions();
        let made = match self.objects.create(&kind, self.owner.namespace(), body).await {
            Err(error) if client::is_already_exists(&error) => {
                let name = body["metadata"]["name"].as_str().unwrap_or_default();
                self.objects.get(&kind, self.owner.namespace(), name).await?
            }
            made => made?,
        };
        let revision = Revision::view(&Raw::from_value(&made)?)?;
        Ok(revision.has(template).then_some(revision))
    }

    fn body(&self, template: &Value, annotations: &BTreeMap<String, String>, number: i64, collisions: i32) -> Value {
        let hash = template::hash(template, Some(collisions));
        let mut cut = self.owner.name().len().min(PREFIX_MAX);
        while !self.owner.name().is_char_boundary(cut) {
            cut -= 1;
        }
        let mut labels = template["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        labels.insert(HASH_LABEL.to_owned(), json!(hash));
        let mut kept = template.clone();
        // Clients apply the data to the set as a strategic merge patch.
        kept["$patch"] = json!("replace");
        json!({
            "apiVersion": "apps/v1", "kind": "ControllerRevision",
            "metadata": {
                "name": format!("{}-{hash}", &self.owner.name()[..cut]),
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": [controller_reference(self.kind, self.owner.name(), self.owner.uid())],
            },
            "data": {"spec": {"template": kept}},
            "revision": number,
        })
    }

    /// Forgets revisions. Errors: as the API says, but that one is gone is none.
    pub(crate) async fn forget(&self, revisions: &[Revision]) -> Result<(), Error> {
        for revision in revisions {
            let options = DeleteOptions { uid: Some(revision.uid.clone()), ..DeleteOptions::default() };
            let key = (self.owner.namespace(), revision.name.as_str());
            match self.objects.delete(&kinds::controller_revisions(), key, &options).await {
                Err(error) if !client::is_not_found(&error) => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A revision whose template has this image.
    pub(crate) fn revision(name: &str, number: i64, image: &str) -> Revision {
        Revision {
            name: name.to_owned(),
            number,
            template: template(image),
            hash: name.to_owned(),
            ..Revision::default()
        }
    }

    fn template(image: &str) -> Value {
        json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": image}]}})
    }

    #[test]
    fn templates_come_and_come_back() {
        let [one, two, three] = [revision("a", 1, "1"), revision("b", 2, "2"), revision("c", 3, "3")];
        let all = [one.clone(), two, three.clone()];
        assert_eq!(turn(&all, &template("3")), Turn::Stay(three));
        assert_eq!(turn(&all, &template("1")), Turn::Renumber(one, 4));
        assert_eq!(turn(&all, &template("4")), Turn::Create(4));
        assert_eq!(turn(&[], &template("1")), Turn::Create(1));
    }

    #[test]
    fn history_is_bounded_but_what_is_used_stays() {
        let all = [revision("a", 1, "1"), revision("b", 2, "2"), revision("c", 3, "3"), revision("d", 4, "4")];
        let names = |used: &[&str], limit: usize| -> Vec<String> {
            surplus(&all, &used.iter().copied().collect(), limit).into_iter().map(|revision| revision.name).collect()
        };
        assert_eq!(names(&["d"], 1), ["a", "b"]);
        assert_eq!(names(&["a", "d"], 0), ["b", "c"]);
        assert!(names(&["d"], 10).is_empty());
    }

    #[test]
    fn data_is_a_patch_of_the_set() {
        let data = json!({"spec": {"template": {"$patch": "replace", "spec": {"containers": []}}}});
        let stored = json!({"metadata": {"name": "r", "labels": {HASH_LABEL: "h"}}, "revision": 7, "data": data});
        let revision = Revision::view(&Raw::from_value(&stored).unwrap()).unwrap();
        assert_eq!((revision.number, revision.hash.as_str()), (7, "h"));
        assert_eq!(revision.template, json!({"spec": {"containers": []}}));
    }
}
