//! Classes of the host: watched once, published once for all tenants. In the store they belong to the system tenant and
//! every tenant sees them; no copy is made.

use controllers::client::Part;
use controllers::informer::{Informer, Selector};
use controllers::queue::Outcome;
use kube::Client;
use serde_json::{Value, json};
use tenancy::{Host, SyncFromHost, TenantId, fleet};

use crate::apply::{Writer, Written};
use crate::json;
use crate::tenants::ours;
use crate::translate::class::{CLASSES, Class, Offer, is_default, is_shown, to_virtual};

struct Sides {
    class: Class,
    /// What the host has.
    host: Informer,
    /// What is published (and what tenants have made of it).
    shown: Informer,
}

/// The classes of the host.
pub(crate) struct Classes {
    sides: Vec<Sides>,
}

impl Classes {
    /// Starts watching. Must be called inside a tokio runtime.
    pub(crate) fn start(fleet: &Client, host: &Client) -> Self {
        let selector = ours(Default::default());
        let sides = CLASSES.iter().map(|entry| Sides {
            class: entry.class,
            host: Informer::start(host.clone(), entry.resource, &Selector::default(), None),
            shown: Informer::start(fleet.clone(), entry.resource, &selector, None),
        });
        Self { sides: sides.collect() }
    }

    /// Both informers of every kind: of the host, and of what is published.
    pub(crate) fn informers(&self) -> impl Iterator<Item = (Class, [&Informer; 2])> {
        self.sides.iter().map(|sides| (sides.class, [&sides.host, &sides.shown]))
    }

    /// Whether all classes of the host have been read.
    pub(crate) fn is_synced(&self) -> bool {
        self.sides.iter().all(|sides| sides.host.is_synced())
    }

    fn of(&self, class: Class) -> Option<&Sides> {
        self.sides.iter().find(|sides| sides.class == class)
    }

    /// A class of the host, shown or not.
    pub(crate) fn get(&self, class: Class, name: &str) -> Option<Value> {
        self.of(class)?.host.get("", name).map(|raw| raw.value())
    }

    /// The classes a tenant with these switches may name.
    pub(crate) fn offer(&self, class: Class, switches: &SyncFromHost) -> Offer {
        let mut offer = Offer { kind: class.words(), ..Offer::default() };
        if !class.is_on(switches) {
            return offer;
        }
        let mut youngest = String::new();
        for raw in self.of(class).into_iter().flat_map(|sides| sides.host.list()) {
            let object = Host(raw.value());
            if !is_shown(class.entry(), &object) {
                continue;
            }
            let born = json::text(&object.0, "/metadata/creationTimestamp");
            // Of the same age, the first name wins: the list is in the order of names.
            if is_default(class.entry(), &object) && (offer.default.is_none() || born > youngest.as_str()) {
                offer.default = Some(raw.name().to_owned());
                youngest = born.to_owned();
            }
            offer.names.insert(raw.name().to_owned());
        }
        offer
    }

    /// Brings what is published of one class up to date.
    pub(crate) async fn step(&self, class: Class, name: &str, writer: &Writer) -> Outcome {
        let Some(sides) = self.of(class) else { return Outcome::Done };
        if !(sides.host.is_synced() && sides.shown.is_synced()) {
            return Outcome::Retry;
        }
        let fleet_name = fleet::join(TenantId::SYSTEM, name);
        let there = sides.shown.get("", &fleet_name);
        let entry = class.entry();
        let host = sides.host.get("", name).map(|raw| Host(raw.value())).filter(|object| is_shown(entry, object));
        let written = match (there, host) {
            (None, None) => return Outcome::Done,
            (Some(there), None) => writer.delete_cluster_scoped(entry.resource, &fleet_name, there.uid()).await,
            (there, Some(host)) => {
                let mut wanted = to_virtual(entry, &host).0;
                wanted["metadata"]["name"] = json!(fleet_name);
                if there.is_some_and(|there| is_same(&there.value(), &wanted)) {
                    return Outcome::Done;
                }
                writer.apply_virtual(entry.resource, "", Part::Object, &wanted).await
            }
        };
        match written {
            Written::Failed(error) => {
                tracing::debug!(class = class.words(), name, %error, "class not published");
                Outcome::Retry
            }
            _ => Outcome::Done,
        }
    }
}

/// Whether a published class says what it should, and not more than the API adds (times, versions, defaults).
fn is_same(there: &Value, wanted: &Value) -> bool {
    let of = |object: &Value, field: &str| object.pointer(field).cloned().unwrap_or_default();
    let same_metadata =
        ["/metadata/labels", "/metadata/annotations"].iter().all(|field| of(there, field) == of(wanted, field));
    let ours = wanted.as_object().into_iter().flatten().filter(|(field, _)| *field != "metadata");
    // A field that the host's class no longer has: left to apply, which removes what it had set.
    let is_more =
        there.as_object().into_iter().flatten().any(|(field, _)| field != "metadata" && wanted.get(field).is_none());
    same_metadata && !is_more && ours.into_iter().all(|(field, value)| there.get(field) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_compared() {
        let wanted = json!({ "kind": "K", "metadata": { "name": "x", "labels": { "a": "b" } }, "handler": "h" });
        let mut there = wanted.clone();
        there["metadata"]["resourceVersion"] = json!("7");
        assert!(is_same(&there, &wanted));
        for (pointer, value) in [("/handler", json!("other")), ("/metadata/labels/a", json!("c"))] {
            let mut other = there.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            assert!(!is_same(&other, &wanted), "{pointer}");
        }
        there["overhead"] = json!({});
        assert!(!is_same(&there, &wanted));
    }
}
