//! What all tenants share and the syncer keeps: classes of the host, stored once, as the system tenant's.

use store::{Collection, SharedCollection, Sight};
use tenancy::SyncFromHost;

/// Group and resource of what is shared.
const SHARED: [(&str, &str, Sight); 4] = [
    ("storage.k8s.io", "storageclasses", Sight::Shown),
    ("networking.k8s.io", "ingressclasses", Sight::Shown),
    ("scheduling.k8s.io", "priorityclasses", Sight::Hidden),
    ("node.k8s.io", "runtimeclasses", Sight::Shown),
];

/// The shared collections, as the store wants them.
pub(crate) fn collections() -> Vec<SharedCollection> {
    let shared = |(group, resource, sight)| SharedCollection { collection: Collection::new(group, resource), sight };
    SHARED.into_iter().map(shared).collect()
}

/// Whether objects of a resource can be the system tenant's in the fleet view.
pub(crate) fn is_shared(group: &str, resource: &str) -> bool {
    SHARED.iter().any(|shared| (shared.0, shared.1) == (group, resource))
}

/// What a tenant with these switches sees.
pub(crate) fn sight(switches: &SyncFromHost) -> [(Collection, Sight); 4] {
    let on = |resource| match resource {
        "storageclasses" => switches.storage_classes,
        "ingressclasses" => switches.ingress_classes,
        "priorityclasses" => switches.priority_classes,
        _ => switches.runtime_classes,
    };
    SHARED.map(|(group, resource, _)| {
        let sight = if on(resource) { Sight::Shown } else { Sight::Hidden };
        (Collection::new(group, resource), sight)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise a tenant without wishes would cost the store an entry.
    #[test]
    fn tenants_without_wishes_see_what_is_usual() {
        let usual = sight(&SyncFromHost::default());
        assert!(SHARED.iter().zip(usual).all(|((.., usual), (_, sight))| *usual == sight));
        let none = SyncFromHost { runtime_classes: false, ..SyncFromHost::default() };
        assert_eq!(sight(&none)[3].1, Sight::Hidden);
    }
}
