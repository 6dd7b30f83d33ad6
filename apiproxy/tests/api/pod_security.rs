//! The Pod Security Standards, by the answers of a kube-apiserver.

use serde_json::{Value, json};

use crate::client::Client;
use crate::world::World;

/// Pods, the level they were created at, and what kube-apiserver v1.36.3 answered: null when it took them.
const RECORDED: &str = include_str!("pod_security.json");

async fn namespace(admin: &Client, name: &str, labels: &[(&str, &str)]) {
    let labels: serde_json::Map<String, Value> =
        labels.iter().map(|(key, value)| (format!("pod-security.kubernetes.io/{key}"), json!(value))).collect();
    admin.post("/api/v1/namespaces", json!({"metadata": {"name": name, "labels": labels}})).await.expect(201);
    let account = json!({"metadata": {"name": "default"}});
    admin.post(&format!("/api/v1/namespaces/{name}/serviceaccounts"), account).await.expect(201);
}

fn pod(name: &str, spec: Value) -> Value {
    let mut all = json!({"containers": [{"name": "c", "image": "i"}]});
    for (key, value) in spec.as_object().unwrap() {
        all[key] = value.clone();
    }
    json!({"metadata": {"name": name}, "spec": all})
}

#[tokio::test]
async fn pods_are_judged_as_recorded() {
    let world = World::start().await;
    let admin = world.admin().await;
    let cases: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
    let mut made = std::collections::BTreeSet::new();
    let mut differing = Vec::new();
    for case in &cases {
        let (level, version) = case["level"].as_str().unwrap().split_once(':').unwrap();
        let name = format!("{level}-{}", version.replace('.', "-"));
        if made.insert(name.clone()) {
            namespace(&admin, &name, &[("enforce", level), ("enforce-version", version)]).await;
        }
        let reply = admin.post(&format!("/api/v1/namespaces/{name}/pods?dryRun=All"), case["pod"].clone()).await;
        let answer = match reply.code {
            201 => Value::Null,
            _ => json!(reply.reason().1.trim_start_matches("pods \"p\" is forbidden: ")),
        };
        if answer != case["answer"] {
            differing.push(format!("{}\n  have {answer}\n  want {}", case["name"], case["answer"]));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(cases.len() > 60);
}

#[tokio::test]
async fn templates_are_warned_about() {
    let world = World::start().await;
    let admin = world.admin().await;
    namespace(&admin, "w", &[("warn", "restricted"), ("audit", "baseline")]).await;
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": pod("", json!({"hostNetwork": true}))["spec"]});
    let workload =
        json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}});
    let rest = "allowPrivilegeEscalation != false (container \\\"c\\\" must set \
                securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \\\"c\\\" must set \
                securityContext.capabilities.drop=[\\\"ALL\\\"]), runAsNonRoot != true (pod or container \\\"c\\\" must set \
                securityContext.runAsNonRoot=true), seccompProfile (pod or container \\\"c\\\" must set \
                securityContext.seccompProfile.type to \\\"RuntimeDefault\\\" or \\\"Localhost\\\")\"";
    let warning = format!(
        "299 - \"would violate PodSecurity \\\"restricted:latest\\\": host namespaces (hostNetwork=true), {rest}"
    );
    for plural in ["deployments", "daemonsets", "replicasets"] {
        let made = admin.post(&format!("/apis/apps/v1/namespaces/w/{plural}"), workload.clone()).await.expect(201);
        assert_eq!(made.warnings(), [warning.as_str()], "{plural}");
        let again = admin.post(&format!("/apis/apps/v1/namespaces/w/{plural}"), workload.clone()).await.expect(409);
        assert_eq!(again.warnings(), [warning.as_str()], "also when the write fails");
    }
    let cron = json!({"metadata": {"name": "d"}, "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {
        "spec": pod("", json!({"restartPolicy": "Never"}))["spec"]}}}}});
    let made = admin.post("/apis/batch/v1/namespaces/w/cronjobs", cron).await.expect(201);
    let warning = format!("299 - \"would violate PodSecurity \\\"restricted:latest\\\": {rest}");
    assert_eq!(made.warnings(), [warning.as_str()]);
    let scaled = json!({"spec": {"replicas": 2}});
    let scaled = admin.merge("/apis/apps/v1/namespaces/w/deployments/d/scale", scaled).await.expect(200);
    assert!(scaled.warnings().is_empty());
}

#[tokio::test]
async fn stricter_namespaces_say_what_they_would_not_admit() {
    let world = World::start().await;
    let admin = world.admin().await;
    namespace(&admin, "w", &[]).await;
    let pods = "/api/v1/namespaces/w/pods";
    admin.post(pods, pod("p", json!({"hostNetwork": true}))).await.expect(201);
    admin.post(pods, pod("q", json!({"hostNetwork": true}))).await.expect(201);
    let privileged = json!([{"name": "c", "image": "i", "securityContext": {"privileged": true}}]);
    admin.post(pods, pod("r", json!({"hostPID": true, "containers": privileged}))).await.expect(201);
    let enforce = |level: &str| json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}});
    let changed = admin.merge("/api/v1/namespaces/w", enforce("baseline")).await.expect(200);
    assert_eq!(
        changed.warnings(),
        [
            "299 - \"existing pods in namespace \\\"w\\\" violate the new PodSecurity enforce level \\\"baseline:latest\\\"\"",
            "299 - \"p (and 1 other pod): host namespaces\"",
            "299 - \"r: host namespaces, privileged\"",
        ]
    );
    let refused = admin.merge("/api/v1/namespaces/w", enforce("nope")).await.expect(422);
    assert_eq!(
        refused.reason().1,
        "Namespace \"w\" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"nope\": must be \
         one of privileged, baseline, restricted"
    );
    let bad = json!({"metadata": {"name": "bad", "labels": {"pod-security.kubernetes.io/warn-version": "y"}}});
    admin.post("/api/v1/namespaces", bad).await.expect(422);
    let looser = admin.merge("/api/v1/namespaces/w", json!({"metadata": {"labels": {"x": "y"}}})).await.expect(200);
    assert!(looser.warnings().is_empty());

    admin.merge(&format!("{pods}/p"), json!({"metadata": {"labels": {"x": "y"}}})).await.expect(200);
    admin.merge(&format!("{pods}/p/status"), json!({"status": {"phase": "Running"}})).await.expect(200);
    let image = json!({"spec": {"containers": [{"name": "c", "image": "j"}]}});
    let refused = admin.patch("strategic-merge-patch+json", &format!("{pods}/p"), image).await.expect(403);
    let words = "pods \"p\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)";
    assert_eq!(refused.reason().1, words);
    let debug = json!({"spec": {"ephemeralContainers": [{"name": "e", "image": "i"}]}});
    let path = format!("{pods}/p/ephemeralcontainers");
    let refused = admin.patch("strategic-merge-patch+json", &path, debug).await.expect(403);
    assert_eq!(refused.reason().1, words);
}
