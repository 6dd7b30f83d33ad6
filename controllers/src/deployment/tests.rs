//! Tests of the Deployment controller: single decisions, whole rollouts on paper, and the loop over an in-memory API.

use std::collections::BTreeSet;

use tenancy::{TenantId, fleet};

use super::*;
use crate::fake::Fake;
use crate::object::condition;
use crate::run::{Config, Which};

const NOW: &str = "2026-01-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn manifest(replicas: i32, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "n", "uid": "d", "resourceVersion": "1", "generation": 1},
        "spec": {"replicas": replicas, "progressDeadlineSeconds": 600, "revisionHistoryLimit": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {"metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": image}]}}},
    })
}

/// A Deployment and its sets on paper: what is planned happens at once.
struct Paper {
    deployment: Value,
    sets: Vec<Set>,
    now: Timestamp,
    messages: Vec<String>,
}

impl Paper {
    fn new(replicas: i32) -> Self {
        Self { deployment: manifest(replicas, "one"), sets: Vec::new(), now: now(), messages: Vec::new() }
    }

    fn view(&self) -> Deployment {
        Deployment::view(&Raw::from_value(&self.deployment).unwrap()).unwrap()
    }

    fn change(&mut self, patch: &Value) {
        json_patch::merge(&mut self.deployment, patch);
        let generation = self.deployment["metadata"]["generation"].as_i64().unwrap();
        self.deployment["metadata"]["generation"] = json!(generation + 1);
    }

    fn use_image(&mut self, image: &str) {
        let template = manifest(0, image)["spec"]["template"].clone();
        self.change(&json!({"spec": {"template": template}}));
    }

    /// One step of the controller; returns whether it changed anything.
    fn step(&mut self) -> bool {
        let busy: BTreeSet<String> =
            self.sets.iter().filter(|set| set.status.replicas > 0).map(|set| set.meta.uid.clone()).collect();
        let deployment = self.view();
        let held = deployment.status.clone();
        let sets = self.sets.clone();
        let plan = rollout::plan(Observed { deployment, sets, busy, now: self.now });
        let quiet = plan.creates.is_none() && plan.writes.is_empty() && plan.deletes.is_empty() && plan.status == held;
        if let Some(mut set) = plan.creates {
            let age = i64::try_from(self.sets.len()).unwrap();
            set.meta.uid = format!("uid-{}", set.meta.name);
            set.meta.creation_timestamp = crate::object::timestamp(now() + jiff::SignedDuration::from_secs(age));
            self.messages.push(format!("create {}", set.replicas));
            self.sets.push(set);
        }
        for (name, write) in plan.writes {
            let at = self.sets.iter().position(|set| set.meta.name == name).unwrap();
            self.sets[at].meta.annotations.extend(write.annotations);
            if let Some(Resize { from, to }) = write.replicas {
                self.messages.push(format!("{at}: {from} to {to}"));
                self.sets[at].replicas = to;
            }
        }
        self.sets.retain(|set| !plan.deletes.contains(&set.meta.name));
        if let Some(revision) = plan.revision {
            self.deployment["metadata"]["annotations"][annotations::REVISION] = json!(revision);
        }
        let patch = view::status_patch("d", "1", &plan.status);
        json_patch::merge(&mut self.deployment, &json!({"status": patch["status"]}));
        !quiet
    }

    /// Pods follow at once; at most `budget` of the current set's become available.
    fn kubelet(&mut self, budget: i32) {
        let wanted = template::normalised(&self.deployment["spec"]["template"]);
        for set in &mut self.sets {
            let working = template::normalised(&set.template) != wanted;
            set.status.replicas = set.replicas;
            let available = if working { set.replicas } else { set.replicas.min(budget) };
            set.status.ready_replicas = available.min(set.status.ready_replicas.max(available));
            set.status.available_replicas = available;
            set.status.observed_generation = 1;
            set.status.terminating_replicas = Some(0);
        }
    }

    /// Steps and pods in turn until nothing moves; the limits hold all the way.
    fn settle(&mut self, budget: i32) {
        for _ in 0..100 {
            let moved = self.step();
            let view = self.view();
            let total: i32 = self.sets.iter().map(|set| set.replicas).sum();
            assert!(total <= view.max_replicas(), "{total} pods");
            self.kubelet(budget);
            if !moved {
                return;
            }
        }
        panic!("never settles: {:?}", self.messages);
    }

    fn condition(&self, kind: &str) -> (String, String, String) {
        let status = self.view().status;
        let found = condition(&status.conditions, kind).unwrap();
        (found.status.clone(), found.reason.clone(), found.message.clone())
    }

    fn sizes(&self) -> Vec<i32> {
        self.sets.iter().map(|set| set.replicas).collect()
    }
}

#[test]
fn a_first_rollout_creates_one_set() {
    let mut paper = Paper::new(3);
    assert!(paper.step());
    assert_eq!(paper.messages, ["create 3"]);
    let set = paper.sets[0].clone();
    let hash = set.meta.name.strip_prefix("web-").unwrap();
    assert_eq!(set.selector.match_labels["pod-template-hash"], hash);
    assert_eq!(set.template["metadata"]["labels"], json!({"app": "web", "pod-template-hash": hash}));
    let annotation = |name: &str| set.meta.annotations[&format!("deployment.kubernetes.io/{name}")].clone();
    assert_eq!((annotation("revision"), annotation("desired-replicas")), ("1".into(), "3".into()));
    assert_eq!(annotation("max-replicas"), "4");
    assert_eq!(paper.condition("Progressing").1, "NewReplicaSetCreated");
    assert_eq!(paper.condition("Available").0, "False");
    paper.kubelet(99);
    paper.settle(99);
    let message = format!("ReplicaSet \"{}\" has successfully progressed.", set.meta.name);
    assert_eq!(paper.condition("Progressing"), ("True".into(), "NewReplicaSetAvailable".into(), message));
    assert_eq!(paper.condition("Available").2, "Deployment has minimum availability.");
    let status = paper.view().status;
    assert_eq!((status.replicas, status.updated_replicas, status.unavailable_replicas), (3, 3, 0));
    assert_eq!((status.terminating_replicas, status.observed_generation), (Some(0), 1));
}

#[test]
fn a_rolling_update_keeps_its_limits_and_its_history() {
    let mut paper = Paper::new(10);
    paper.settle(99);
    paper.use_image("two");
    paper.messages.clear();
    paper.settle(99);
    assert_eq!(paper.messages[..2], ["create 3".to_owned(), "0: 10 to 8".to_owned()]);
    assert_eq!(paper.sizes(), [0, 10]);
    paper.use_image("three");
    paper.settle(99);
    assert_eq!(paper.sizes(), [0, 10], "one old revision is kept, the oldest is gone");
    assert_eq!(paper.deployment["metadata"]["annotations"][annotations::REVISION], "3");

    // Back to the second template: its set is used again under a new number.
    paper.use_image("two");
    paper.settle(99);
    assert_eq!(paper.sizes(), [10, 0]);
    let annotations = &paper.sets[0].meta.annotations;
    assert_eq!(annotations[annotations::REVISION], "4");
    assert_eq!(annotations["deployment.kubernetes.io/revision-history"], "2");
}

#[test]
fn a_rollout_that_fails_stops_and_is_reported() {
    let mut paper = Paper::new(10);
    paper.settle(99);
    paper.use_image("broken");
    paper.settle(0);
    assert_eq!(paper.sizes(), [8, 5], "8 work, 13 in all");
    assert_eq!(paper.condition("Progressing").1, "ReplicaSetUpdated");
    assert_eq!(paper.condition("Available").0, "True");
    let held = paper.view();
    let again = status::next_check(&held, &held.status, paper.now).unwrap();
    assert_eq!(again.as_secs(), 601);
    paper.now += jiff::SignedDuration::from_secs(601);
    paper.settle(0);
    let (status, reason, message) = paper.condition("Progressing");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "ProgressDeadlineExceeded"));
    assert!(message.ends_with("has timed out progressing."), "{message}");
    let held = paper.view();
    assert_eq!(status::next_check(&held, &held.status, paper.now), None);
    paper.use_image("one");
    paper.settle(99);
    assert_eq!(paper.sizes(), [10, 0]);
}

#[test]
fn scaling_in_the_middle_of_a_rollout_is_proportional() {
    let mut paper = Paper::new(10);
    paper.settle(99);
    paper.use_image("broken");
    paper.settle(0);
    paper.messages.clear();
    paper.change(&json!({"spec": {"replicas": 20}}));
    assert!(paper.step());
    // 25 pods allowed, 13 there: 8/13 and 5/13 of the whole.
    assert_eq!(paper.sizes(), [15, 10]);
    assert!(!paper.is_still_scaling());
    paper.change(&json!({"spec": {"replicas": 0}}));
    paper.settle(0);
    assert_eq!(paper.sizes(), [0, 0]);
}

impl Paper {
    fn is_still_scaling(&self) -> bool {
        let wanted = self.view().replicas;
        self.sets.iter().any(|set| annotations::desired_replicas(&set.meta.annotations) != Some(wanted))
    }
}

#[test]
fn paused_deployments_scale_but_do_not_roll() {
    let mut paper = Paper::new(4);
    paper.settle(99);
    paper.change(&json!({"spec": {"paused": true}}));
    paper.use_image("two");
    paper.settle(99);
    assert_eq!(paper.sizes(), [4]);
    assert_eq!(paper.condition("Progressing").1, "DeploymentPaused");
    paper.change(&json!({"spec": {"replicas": 6}}));
    paper.settle(99);
    assert_eq!(paper.sizes(), [6]);
    paper.change(&json!({"spec": {"paused": false}}));
    paper.step();
    assert!(["DeploymentResumed", "NewReplicaSetCreated"].contains(&paper.condition("Progressing").1.as_str()));
    paper.settle(99);
    assert_eq!(paper.sizes(), [0, 6]);
}

#[test]
fn recreate_waits_for_the_last_old_pod() {
    let mut paper = Paper::new(3);
    paper.deployment["spec"]["strategy"] = json!({"type": "Recreate"});
    paper.settle(99);
    paper.use_image("two");
    paper.messages.clear();
    assert!(paper.step());
    assert_eq!(paper.messages, ["0: 3 to 0"]);
    // Pods are still there.
    paper.step();
    assert_eq!(paper.sizes(), [0]);
    paper.kubelet(99);
    paper.settle(99);
    assert_eq!(paper.sizes(), [0, 3]);
}

#[test]
fn failures_of_sets_surface() {
    let mut paper = Paper::new(3);
    paper.step();
    let failure = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
        "message": "exceeded quota", "lastTransitionTime": NOW}]);
    paper.sets[0].status.conditions = serde_json::from_value(failure).unwrap();
    paper.step();
    assert_eq!(paper.condition("ReplicaFailure"), ("True".into(), "FailedCreate".into(), "exceeded quota".into()));
    paper.sets[0].status.conditions.clear();
    paper.step();
    assert!(condition(&paper.view().status.conditions, "ReplicaFailure").is_none());
}

/// Pods become ready as soon as they exist.
async fn kubelet(fake: Fake, shutdown: CancellationToken) {
    let pods = Informer::start(fake.client(), &kinds::pods(), &crate::informer::Selector::default(), None);
    let mut changes = pods.changes();
    while let Some(Some(change)) = shutdown.run_until_cancelled(futures::StreamExt::next(&mut changes)).await {
        if let (None, Some(new)) = (change.old, change.new) {
            let mut pod = new.value();
            pod["status"] = json!({"phase": "Running", "conditions":
                [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
            fake.put(&kinds::pods(), pod);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rolls_out_and_over_in_every_tenant() {
    let fake = Fake::default();
    let shutdown = CancellationToken::new();
    tokio::spawn(kubelet(fake.clone(), shutdown.clone()));
    let config = Config { fleet: fake.client(), which: [Which::ReplicaSet, Which::Deployment].into() };
    let running = tokio::spawn(crate::run::run(config, shutdown.clone()));
    let namespaces: Vec<String> = ["1", "2"].iter().map(|n| fleet::join(TenantId::from_uid(n), "n")).collect();
    for namespace in &namespaces {
        let mut object = manifest(3, "one");
        object["metadata"] = json!({"name": "web", "namespace": namespace, "generation": 1});
        fake.put(&kinds::deployments(), object);
    }
    let done = |fake: &Fake, generation: i64| {
        namespaces.iter().all(|namespace| {
            let status = &fake.get(&kinds::deployments(), namespace, "web").unwrap()["status"];
            status["observedGeneration"] == generation
                && status["updatedReplicas"] == 3
                && status["availableReplicas"] == 3
                && status["replicas"] == 3
        })
    };
    fake.eventually("the first rollout", |fake| done(fake, 1)).await;
    for namespace in &namespaces {
        let mut object = fake.get(&kinds::deployments(), namespace, "web").unwrap();
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("two");
        object["metadata"]["generation"] = json!(2);
        fake.put(&kinds::deployments(), object);
    }
    fake.eventually("the second rollout", |fake| done(fake, 2)).await;
    assert_eq!(fake.list(&kinds::replica_sets()).len(), 4);
    let pods = fake.list(&kinds::pods());
    assert_eq!(pods.len(), 6);
    assert!(pods.iter().all(|pod| pod["spec"]["containers"][0]["image"] == "two"));
    let deployment = fake.get(&kinds::deployments(), &namespaces[0], "web").unwrap();
    assert_eq!(deployment["metadata"]["annotations"][annotations::REVISION], "2");
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_taken_name_counts_as_collision() {
    let fake = Fake::default();
    let mut object = manifest(1, "one");
    object["metadata"] = json!({"name": "web", "namespace": "n", "generation": 1});
    let hash = template::hash(&object["spec"]["template"], None);
    fake.put(&kinds::deployments(), object);
    let taken = json!({"metadata": {"name": format!("web-{hash}"), "namespace": "n"}, "spec": {"selector": {},
        "template": {}}});
    fake.put(&kinds::replica_sets(), taken);
    let shutdown = CancellationToken::new();
    let config = Config { fleet: fake.client(), which: [Which::Deployment].into() };
    let running = tokio::spawn(crate::run::run(config, shutdown.clone()));
    fake.eventually("another name", |fake| fake.list(&kinds::replica_sets()).len() == 2).await;
    fake.eventually("the count", |fake| {
        fake.get(&kinds::deployments(), "n", "web").unwrap()["status"]["collisionCount"] == 1
    })
    .await;
    shutdown.cancel();
    running.await.unwrap();
}
