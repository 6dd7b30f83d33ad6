//! Which controllers run, chosen by name as kube-controller-manager's `--controllers` does.

use std::collections::BTreeSet;

use crate::Which;

/// A name in a list of controllers that no controller has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not in the list of known controllers")]
pub struct Unknown(String);

impl Which {
    /// Name of the controller, as kube-controller-manager calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ServiceAccount => "serviceaccount-controller",
            Self::RootCa => "root-ca-certificate-publisher-controller",
            Self::Deployment => "deployment-controller",
            Self::ReplicaSet => "replicaset-controller",
            Self::ReplicationController => "replicationcontroller-controller",
            Self::ServiceAccountToken => "serviceaccount-token-controller",
            Self::ClusterRoleAggregation => "clusterrole-aggregation-controller",
            Self::StatefulSet => "statefulset-controller",
            Self::Job => "job-controller",
            Self::CronJob => "cronjob-controller",
            Self::TtlAfterFinished => "ttl-after-finished-controller",
            Self::Disruption => "disruption-controller",
            Self::PodGarbage => "pod-garbage-collector-controller",
            Self::Endpoints => "endpoints-controller",
            Self::EndpointSlice => "endpointslice-controller",
            Self::EndpointSliceMirroring => "endpointslice-mirroring-controller",
            Self::EphemeralVolume => "ephemeral-volume-controller",
        }
    }
}

/// Reads a list such as `*,-deployment-controller`: `name` runs a controller, `-name` does not, `*` runs all that are not
/// named. Whatever is neither named nor meant by `*` does not run. The first mention of a name counts.
///
/// # Errors
/// A name that no controller has.
pub fn select<S: AsRef<str>>(list: &[S]) -> Result<BTreeSet<Which>, Unknown> {
    let known = |entry: &str| {
        let name = entry.strip_prefix('-').unwrap_or(entry);
        entry == "*" || Which::ALL.iter().any(|which| which.name() == name)
    };
    if let Some(unknown) = list.iter().map(AsRef::as_ref).find(|entry| !known(entry)) {
        return Err(Unknown(unknown.strip_prefix('-').unwrap_or(unknown).to_owned()));
    }
    let all = list.iter().any(|entry| entry.as_ref() == "*");
    let runs = |which: &Which| {
        let mention = list.iter().map(AsRef::as_ref).find(|entry| entry.trim_start_matches('-') == which.name());
        mention.map_or(all, |entry| !entry.starts_with('-'))
    };
    Ok(Which::ALL.into_iter().filter(runs).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_mean_what_they_mean_upstream() {
        let all: BTreeSet<Which> = Which::ALL.into_iter().collect();
        let but_deployments: BTreeSet<Which> =
            all.iter().copied().filter(|which| *which != Which::Deployment).collect();
        type Case = (&'static [&'static str], Result<BTreeSet<Which>, &'static str>);
        let cases: [Case; 8] = [
            (&["*"], Ok(all.clone())),
            (&[], Ok(BTreeSet::new())),
            (&["-deployment-controller"], Ok(BTreeSet::new())),
            (&["*", "-deployment-controller"], Ok(but_deployments.clone())),
            (&["-deployment-controller", "*", "deployment-controller"], Ok(but_deployments)),
            (&["deployment-controller"], Ok([Which::Deployment].into())),
            (&["*", "-deployments"], Err("deployments")),
            (&["--deployment-controller"], Err("-deployment-controller")),
        ];
        for (list, expected) in cases {
            assert_eq!(select(list), expected.map_err(|name| Unknown(name.to_owned())), "{list:?}");
        }
    }

    #[test]
    fn names_are_distinct() {
        let names: BTreeSet<&str> = Which::ALL.into_iter().map(Which::name).collect();
        assert_eq!(names.len(), Which::ALL.len());
    }
}
