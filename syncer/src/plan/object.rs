//! Kinds whose twin follows the tenant's object, with nothing special: Ingress, NetworkPolicy, PodDisruptionBudget,
//! PersistentVolumeClaim, EndpointSlice.
//!
//! | # | tenant | host | plan |
//! |---|---|---|---|
//! | 1 | – | –, or being deleted | nothing |
//! | 2 | – | there | delete the host object, after a live read |
//! | 3 | being deleted | – | let it go: remove the finalizer we hold |
//! | 4 | there, twin wanted | – | hold it, create, notes |
//! | 5 | there, refused or switched off | – | refuse |
//! | 6 | there, no twin (yet) | – | nothing |
//! | 7 | there | twin of another uid | delete the host object, after a live read |
//! | 8 | being deleted | there | delete the host object; report |
//! | 9 | there, no twin wanted | there | delete the host object |
//! | 10 | there, switched off | there | delete the host object, refuse; what holds data stays |
//! | 11 | there, refused | there | refuse; report |
//! | 12 | there, twin wanted | there | update when it differs, notes; report |

use serde_json::Value;
use tenancy::{Host, Virtual};

use super::{Action, DeleteHost, Plan, Proof};
use crate::json;
use crate::pair::{Pair, Sides};
use crate::side::{twin_uid, uid};
use crate::translate::{Made, Refused, applied};

/// What the tenant's object wants on the host.
#[derive(Clone, Debug, PartialEq)]
pub enum Twin {
    /// This.
    Wanted(Made),
    /// Nothing.
    None,
    /// Nobody can say yet.
    NotYet,
    /// It cannot be translated.
    Refused(Refused),
    /// The Tenant's switches forbid it.
    Off,
}

impl From<Result<Made, Refused>> for Twin {
    fn from(made: Result<Made, Refused>) -> Self {
        made.map_or_else(Twin::Refused, Twin::Wanted)
    }
}

/// What becomes of twins when a kind is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenOff {
    /// They go.
    Remove,
    /// They stay as they are: they hold data.
    Keep,
}

/// What a tenant's object wants; given the twin there is.
pub type Wants<'a> = dyn Fn(&Virtual<Value>, Option<&Host<Value>>) -> Twin + 'a;
/// What comes back from a twin.
pub type Reports<'a> = dyn Fn(&Virtual<Value>, &Host<Value>) -> Plan + 'a;

/// What the plan of a kind depends on.
pub struct Terms<'a> {
    /// What an object wants.
    pub twin: &'a Wants<'a>,
    /// What comes back.
    pub report: &'a Reports<'a>,
    /// Finalizer by which the tenant's object is held until the host has let its twin go.
    pub holds: Option<&'static str>,
    /// When the kind is switched off.
    pub when_off: WhenOff,
}

/// Decides about an object.
pub fn plan(pair: &Pair, terms: &Terms<'_>) -> Plan {
    match pair.sides() {
        Sides::Neither => Vec::new(),
        Sides::HostOnly(host) => gone(host),
        Sides::VirtualOnly(own) if json::is_deleting(&own.0) => release(own, terms).into_iter().collect(),
        Sides::VirtualOnly(own) => match (terms.twin)(own, None) {
            Twin::Wanted(made) => {
                let mut plan: Plan = hold(own, terms).into_iter().collect();
                plan.push(Action::Create(made.object));
                plan.extend(made.notes.into_iter().map(Action::Note));
                plan
            }
            Twin::Refused(refused) => vec![Action::Refuse(refused)],
            Twin::Off => vec![off()],
            Twin::None | Twin::NotYet => Vec::new(),
        },
        Sides::Both(own, host) if uid(&own.0) != twin_uid(host) => gone(host),
        Sides::Both(own, host) => both(own, host, terms),
    }
}

fn both(own: &Virtual<Value>, host: &Host<Value>, terms: &Terms<'_>) -> Plan {
    let is_going = json::is_deleting(&host.0);
    let delete = |proof| {
        (!is_going).then(|| Action::DeleteHost(DeleteHost { uid: uid(&host.0).to_owned(), grace: None, proof }))
    };
    let mut plan = Plan::new();
    if json::is_deleting(&own.0) {
        plan.extend(delete(Proof::Deleting));
        plan.extend((terms.report)(own, host));
        return plan;
    }
    match (terms.twin)(own, Some(host)) {
        Twin::None => return delete(Proof::Unwanted).into_iter().collect(),
        Twin::Off => {
            if terms.when_off == WhenOff::Remove {
                plan.extend(delete(Proof::Unwanted));
                plan.push(off());
                return plan;
            }
        }
        Twin::NotYet => {}
        Twin::Refused(refused) => plan.push(Action::Refuse(refused)),
        Twin::Wanted(made) => {
            plan.extend(hold(own, terms));
            if !is_going && !applied::is_applied(host, &made.object) {
                plan.push(Action::Update(made.object));
                plan.extend(made.notes.into_iter().map(Action::Note));
            }
        }
    }
    plan.extend((terms.report)(own, host));
    plan
}

fn off() -> Action {
    Action::Refuse(Refused::new("", "objects of this kind stay inside this cluster and have no effect on the host"))
}

fn gone(host: &Host<Value>) -> Plan {
    if json::is_deleting(&host.0) {
        return Vec::new();
    }
    let proof = Proof::Gone(twin_uid(host).to_owned());
    vec![Action::DeleteHost(DeleteHost { uid: uid(&host.0).to_owned(), grace: None, proof })]
}

fn finalizers(own: &Virtual<Value>) -> Vec<String> {
    let held = json::items(&own.0, "/metadata/finalizers").iter();
    held.filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

fn hold(own: &Virtual<Value>, terms: &Terms<'_>) -> Option<Action> {
    let name = terms.holds?;
    let mut held = finalizers(own);
    if held.iter().any(|one| one == name) {
        return None;
    }
    held.push(name.to_owned());
    Some(Action::Finalizers(held))
}

fn release(own: &Virtual<Value>, terms: &Terms<'_>) -> Option<Action> {
    let name = terms.holds?;
    let mut held = finalizers(own);
    let before = held.len();
    held.retain(|one| one != name);
    (held.len() < before).then_some(Action::Finalizers(held))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pair::Synced;

    fn own(extra: &Value) -> Virtual<Value> {
        let mut object = json!({ "metadata": { "name": "x", "uid": "u1" } });
        for (field, value) in extra.as_object().unwrap() {
            object["metadata"][field] = value.clone();
        }
        Virtual(object)
    }

    fn twin(of: &str, deleting: bool) -> Host<Value> {
        let mut object = json!({
            "metadata": { "name": "x-h", "namespace": "h", "uid": "h1", "annotations": { "rowhouse.dev/uid": of },
                "managedFields": [{ "manager": "rowhouse", "operation": "Apply", "fieldsV1": { "f:spec": {} } }] },
            "spec": { "a": 1 }
        });
        if deleting {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        Host(object)
    }

    fn made(spec: &Value) -> Made {
        Made {
            object: Host(json!({ "metadata": { "name": "x-h", "namespace": "h" }, "spec": spec })),
            notes: vec!["note".into()],
        }
    }

    fn run(own: Option<Virtual<Value>>, host: Option<Host<Value>>, wanted: &Twin, when_off: WhenOff) -> Plan {
        let terms = Terms {
            twin: &|_, _| wanted.clone(),
            report: &|_, _| vec![Action::ReportStatus(Virtual(json!("back")))],
            holds: Some("a/b"),
            when_off,
        };
        plan(&Pair::new(&Synced::assumed(), own, host), &terms)
    }

    #[test]
    fn every_row() {
        use WhenOff::{Keep, Remove};
        let same = Twin::Wanted(made(&json!({ "a": 1 })));
        let other = Twin::Wanted(made(&json!({ "a": 2 })));
        let refused = Twin::Refused(Refused::new("spec", "no"));
        let delete = |proof| Action::DeleteHost(DeleteHost { uid: "h1".into(), grace: None, proof });
        let report = Action::ReportStatus(Virtual(json!("back")));
        let held = own(&json!({ "finalizers": ["a/b", "c/d"] }));
        let going = own(&json!({ "finalizers": ["a/b", "c/d"], "deletionTimestamp": "2026-01-01T00:00:00Z" }));
        let bare = || own(&json!({}));
        let (object, changed) = (made(&json!({ "a": 1 })).object, made(&json!({ "a": 2 })).object);
        let note = Action::Note("note".into());
        let hold = Action::Finalizers(vec!["a/b".into()]);
        let cases = [
            ("1", None, None, &same, Remove, vec![]),
            ("1", None, Some(twin("u1", true)), &same, Remove, vec![]),
            ("2", None, Some(twin("u1", false)), &same, Remove, vec![delete(Proof::Gone("u1".into()))]),
            ("3", Some(going.clone()), None, &same, Remove, vec![Action::Finalizers(vec!["c/d".into()])]),
            ("4", Some(bare()), None, &same, Remove, vec![hold.clone(), Action::Create(object.clone()), note.clone()]),
            ("4", Some(held.clone()), None, &same, Remove, vec![Action::Create(object), note.clone()]),
            ("5", Some(bare()), None, &refused, Remove, vec![Action::Refuse(Refused::new("spec", "no"))]),
            ("5", Some(bare()), None, &Twin::Off, Keep, vec![off()]),
            ("6", Some(bare()), None, &Twin::None, Remove, vec![]),
            ("6", Some(bare()), None, &Twin::NotYet, Remove, vec![]),
            ("7", Some(held.clone()), Some(twin("u0", false)), &same, Remove, vec![delete(Proof::Gone("u0".into()))]),
            (
                "8",
                Some(going.clone()),
                Some(twin("u1", false)),
                &same,
                Remove,
                vec![delete(Proof::Deleting), report.clone()],
            ),
            ("8", Some(going), Some(twin("u1", true)), &same, Remove, vec![report.clone()]),
            ("9", Some(held.clone()), Some(twin("u1", false)), &Twin::None, Remove, vec![delete(Proof::Unwanted)]),
            (
                "10",
                Some(held.clone()),
                Some(twin("u1", false)),
                &Twin::Off,
                Remove,
                vec![delete(Proof::Unwanted), off()],
            ),
            ("10", Some(held.clone()), Some(twin("u1", false)), &Twin::Off, Keep, vec![report.clone()]),
            (
                "11",
                Some(held.clone()),
                Some(twin("u1", false)),
                &refused,
                Remove,
                vec![Action::Refuse(Refused::new("spec", "no")), report.clone()],
            ),
            ("12", Some(held.clone()), Some(twin("u1", false)), &same, Remove, vec![report.clone()]),
            (
                "12",
                Some(held.clone()),
                Some(twin("u1", false)),
                &other,
                Remove,
                vec![Action::Update(changed), note, report.clone()],
            ),
            ("12", Some(held), Some(twin("u1", true)), &other, Remove, vec![report.clone()]),
            ("12", Some(bare()), Some(twin("u1", false)), &Twin::NotYet, Remove, vec![report]),
        ];
        for (row, own, host, wanted, when_off, expected) in cases {
            assert_eq!(run(own, host, wanted, when_off), expected, "row {row}");
        }
    }
}
