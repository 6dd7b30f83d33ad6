//! Host names in texts for the tenant, replaced by the virtual ones.

use serde_json::Value;
use tenancy::host::object_name;

use super::pod::Referenced;
use super::{Identity, Place, Refused};
use crate::account::POD_ACCOUNT;

/// The host names a text about one object may contain, each with the virtual name it stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Longest host name first, so that no name is cut by a shorter one inside it.
    pairs: Vec<(String, String)>,
}

impl Names {
    /// Names a text about the object itself may contain.
    pub fn of_object(place: &Place, who: Identity<'_>) -> Self {
        let mut names = Self::default();
        names.add(place.host_namespace.clone(), who.namespace.to_owned());
        names.add(object_name(who.namespace, who.name), who.name.to_owned());
        names
    }

    /// Names a text about a pod may contain: its own, and what it refers to.
    pub fn of_pod(place: &Place, who: Identity<'_>, pod: &Value) -> Self {
        let mut names = Self::of_object(place, who);
        let referenced = Referenced::by(pod);
        for name in referenced.config_maps.iter().chain(&referenced.secrets).chain(&referenced.claims) {
            names.add(object_name(who.namespace, name), name.clone());
        }
        names.add(super::pod::companion_name(who), format!("{}-projected", who.name));
        let account = crate::json::text(pod, "/spec/serviceAccountName");
        names.add(POD_ACCOUNT.to_owned(), if account.is_empty() { "default" } else { account }.to_owned());
        names
    }

    fn add(&mut self, host: String, own: String) {
        let place = self.pairs.partition_point(|(other, _)| other.len() >= host.len());
        self.pairs.insert(place, (host, own));
    }

    /// The text with virtual names.
    pub fn to_virtual(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (host, own) in &self.pairs {
            if text.contains(host.as_str()) {
                text = text.replace(host.as_str(), own);
            }
        }
        text
    }

    /// A refusal by the host, in virtual names. What the host says about fields stays as it is.
    pub fn refusal(&self, message: &str) -> Refused {
        Refused { field: String::new(), reason: self.to_virtual(message) }
    }
}
