//! The annotations by which Deployments and their ReplicaSets keep history and scale in proportion.

use std::collections::BTreeMap;

use super::view::Deployment;

/// Number of the revision a ReplicaSet stands for; on the Deployment, the current one.
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
const ROLLBACK_TO: &str = "deprecated.deployment.rollback.to";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Not copied from a Deployment to its ReplicaSets.
const NOT_COPIED: [&str; 6] = [LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS, ROLLBACK_TO];
/// Longest history of revisions, in characters.
const HISTORY_MAX: usize = 2000;

pub(super) type Annotations = BTreeMap<String, String>;

/// The revision in some annotations; 0 without one, `None` for a malformed one.
pub(super) fn revision(annotations: &Annotations) -> Option<i64> {
    annotations.get(REVISION).map_or(Some(0), |text| text.parse().ok())
}

fn non_negative(annotations: &Annotations, key: &str) -> Option<i32> {
    annotations.get(key)?.parse().ok().filter(|number| *number >= 0)
}

/// The number of replicas the Deployment wanted when the ReplicaSet was last scaled.
pub(super) fn desired_replicas(annotations: &Annotations) -> Option<i32> {
    non_negative(annotations, DESIRED_REPLICAS)
}

/// The number of replicas the Deployment could have when the ReplicaSet was last scaled.
pub(super) fn max_replicas(annotations: &Annotations) -> Option<i32> {
    non_negative(annotations, MAX_REPLICAS)
}

/// The replica annotations as they should be.
pub(super) fn replicas(deployment: &Deployment) -> Annotations {
    let numbers = [(DESIRED_REPLICAS, deployment.replicas), (MAX_REPLICAS, deployment.max_replicas())];
    numbers.into_iter().map(|(key, number)| (key.to_owned(), number.to_string())).collect()
}

/// What of `wanted` is different in `held`.
pub(super) fn difference(held: &Annotations, wanted: Annotations) -> Annotations {
    wanted.into_iter().filter(|(key, value)| held.get(key) != Some(value)).collect()
}

/// What to write onto the ReplicaSet of the current template so that it is revision `new_revision` at least
/// (`SetNewReplicaSetAnnotations`): the Deployment's annotations, the revision, and the revisions it was before.
pub(super) fn for_new_set(deployment: &Deployment, held: &Annotations, new_revision: i64) -> Annotations {
    let copied = deployment.meta.annotations.iter().filter(|(key, _)| !NOT_COPIED.contains(&key.as_str()));
    let mut wanted: Annotations = copied.map(|(key, value)| (key.clone(), value.clone())).collect();
    let old = held.get(REVISION).filter(|text| !text.is_empty());
    match old.map(|text| text.parse::<i64>()) {
        // Somebody wrote nonsense: leave it.
        Some(Err(_)) => {}
        Some(Ok(number)) if number >= new_revision => {}
        _ => {
            wanted.insert(REVISION.to_owned(), new_revision.to_string());
            if let Some(old) = old {
                let history = held.get(REVISION_HISTORY).map(String::as_str).unwrap_or_default();
                wanted.insert(REVISION_HISTORY.to_owned(), appended(history, old));
            }
        }
    }
    difference(held, wanted)
}

/// A comma-separated history with one more revision; the oldest fall out when it gets too long.
fn appended(history: &str, revision: &str) -> String {
    let mut revisions: Vec<&str> = history.split(',').filter(|text| !text.is_empty()).collect();
    revisions.push(revision);
    let mut length = revisions.iter().map(|text| text.len() + 1).sum::<usize>() - 1;
    let mut start = 0;
    while length > HISTORY_MAX && start + 1 < revisions.len() {
        length -= revisions[start].len() + 1;
        start += 1;
    }
    revisions[start..].join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::informer::Raw;
    use serde_json::json;

    fn map(pairs: &[(&str, &str)]) -> Annotations {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn deployment() -> Deployment {
        let annotations = json!({LAST_APPLIED: "{}", REVISION: "9", "kubernetes.io/change-cause": "edit"});
        let object = json!({"metadata": {"name": "d", "annotations": annotations}, "spec": {"replicas": 4,
            "strategy": {"rollingUpdate": {"maxSurge": 1}}}});
        Deployment::view(&Raw::from_value(&object).unwrap()).unwrap()
    }

    #[test]
    fn revisions_and_history() {
        let cause = ("kubernetes.io/change-cause", "edit");
        // (held, new revision) → difference
        let cases = [
            (map(&[]), 1, map(&[cause, (REVISION, "1")])),
            (map(&[cause, (REVISION, "3")]), 3, map(&[])),
            (map(&[cause, (REVISION, "5")]), 3, map(&[])),
            (map(&[cause, (REVISION, "1")]), 4, map(&[(REVISION, "4"), (REVISION_HISTORY, "1")])),
            (
                map(&[cause, (REVISION, "4"), (REVISION_HISTORY, "1,2")]),
                7,
                map(&[(REVISION, "7"), (REVISION_HISTORY, "1,2,4")]),
            ),
            (map(&[cause, (REVISION, "x")]), 7, map(&[])),
        ];
        for (held, new, want) in cases {
            assert_eq!(for_new_set(&deployment(), &held, new), want, "{held:?} {new}");
        }
    }

    #[test]
    fn history_is_bounded() {
        let long: Vec<String> = (1000..1500).map(|n| n.to_string()).collect();
        let history = appended(&long.join(","), "1500");
        assert!(history.len() <= HISTORY_MAX && history.ends_with(",1500") && !history.starts_with("1000,"));
    }

    #[test]
    fn replica_annotations() {
        assert_eq!(replicas(&deployment()), map(&[(DESIRED_REPLICAS, "4"), (MAX_REPLICAS, "5")]));
        assert_eq!(desired_replicas(&map(&[(DESIRED_REPLICAS, "-1")])), None);
        assert_eq!((revision(&map(&[])), revision(&map(&[(REVISION, "x")]))), (Some(0), None));
    }
}
