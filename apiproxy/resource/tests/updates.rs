//! What may change in an object that is there, and what writes to subresources leave alone.

use resource::strategy;
use serde_json::{Value, json};

fn words(errors: &[schema::field::Error]) -> Vec<String> {
    errors.iter().map(|error| error.to_string().lines().next().unwrap_or("").to_owned()).collect()
}

fn pod() -> Value {
    let mut pod = json!({
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "resourceVersion": "1", "generation": 1},
        "spec": {"nodeName": "node", "tolerations": [{"key": "a", "operator": "Exists"}],
            "containers": [{"name": "c", "image": "i:1", "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}}]},
        "status": {"phase": "Running", "qosClass": "Burstable"}});
    strategy("", "pods").default("v1", &mut pod);
    pod
}

/// A pod changed by a function, and what upstream says of the update.
fn changed(change: impl Fn(&mut Value)) -> Vec<String> {
    let (old, mut new) = (pod(), pod());
    change(&mut new);
    strategy("", "pods").prepare_update(&mut new, &old);
    words(&strategy("", "pods").validate_update(&new, &old))
}

const REFUSED: &str = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

#[test]
fn pods_change_little() {
    let none: [&str; 0] = [];
    assert_eq!(changed(|pod| pod["spec"]["containers"][0]["image"] = json!("i:2")), none);
    assert_eq!(changed(|pod| pod["metadata"]["labels"] = json!({"a": "b"})), none);
    assert_eq!(changed(|pod| pod["spec"]["activeDeadlineSeconds"] = json!(5)), none);
    let more =
        json!([{"key": "a", "operator": "Exists", "tolerationSeconds": null}, {"key": "b", "operator": "Exists"}]);
    assert_eq!(changed(|pod| pod["spec"]["tolerations"] = more.clone()), none);
    assert_eq!(changed(|pod| pod["spec"]["hostNetwork"] = json!(true)), [REFUSED]);
    assert_eq!(changed(|pod| pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("2")), [REFUSED]);
    assert_eq!(
        changed(|pod| pod["spec"]["tolerations"] = json!([])),
        ["spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"]
    );
    assert_eq!(
        changed(|pod| {
            let one = pod["spec"]["containers"][0].clone();
            pod["spec"]["containers"] = json!([one, {"name": "d", "image": "i", "terminationMessagePolicy": "File",
                "imagePullPolicy": "Always"}]);
        }),
        ["spec.containers: Forbidden: pod updates may not add or remove containers"]
    );
}

#[test]
fn updates_keep_status_and_count_generations() {
    let (old, mut new) = (pod(), pod());
    new["status"] = json!({"phase": "Failed"});
    new["metadata"]["generation"] = json!(9);
    strategy("", "pods").prepare_update(&mut new, &old);
    assert_eq!(new, old, "status and generation are the server's");
    new["spec"]["activeDeadlineSeconds"] = json!(7);
    strategy("", "pods").prepare_update(&mut new, &old);
    assert_eq!(new["metadata"]["generation"], 2);
}

#[test]
fn status_writes_keep_the_rest() {
    let old = json!({"metadata": {"name": "d", "labels": {"a": "b"}, "generation": 3}, "spec": {"replicas": 1}});
    let mut new = json!({"metadata": {"name": "d", "labels": {"x": "y"}, "annotations": {"k": "v"}, "generation": 8},
        "spec": {"replicas": 5}, "status": {"replicas": 1}});
    strategy("apps", "deployments").prepare_status(&mut new, &old);
    assert_eq!(new["spec"], old["spec"]);
    assert_eq!(new["metadata"], json!({"name": "d", "labels": {"a": "b"}, "annotations": {"k": "v"}, "generation": 3}));
    assert_eq!(new["status"]["replicas"], 1);
}

#[test]
fn what_is_immutable_stays() {
    let meta = json!({"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "1"});
    let said = |group: &str, plural: &str, old: Value, new: Value| {
        let with = |mut obj: Value| {
            obj["metadata"] = meta.clone();
            obj
        };
        words(&strategy(group, plural).validate_update(&with(new), &with(old)))
    };
    assert_eq!(
        said("", "configmaps", json!({"immutable": true, "data": {"a": "b"}}), json!({"data": {"a": "c"}})),
        [
            "immutable: Forbidden: field is immutable when `immutable` is set",
            "data: Forbidden: field is immutable when `immutable` is set"
        ]
    );
    assert_eq!(
        said("", "secrets", json!({"type": "Opaque"}), json!({"type": "mine"})),
        ["type: Invalid value: \"mine\": field is immutable"]
    );
    let reference =
        |name: &str| json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}});
    assert_eq!(
        said("rbac.authorization.k8s.io", "rolebindings", reference("a"), reference("b")),
        [
            "roleRef: Invalid value: {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"Role\",\"Name\":\"b\"}: cannot change roleRef"
        ]
    );
    let service = |ip: &str| {
        json!({"spec": {"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip], "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster", "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]}})
    };
    assert_eq!(
        said("", "services", service("10.0.0.1"), service("10.0.0.2")),
        ["spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set"]
    );
}

#[test]
fn resize_changes_amounts_only() {
    let old = pod();
    let mut new = pod();
    new["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1500m"}, "limits": {"cpu": "3"}});
    new["spec"]["containers"][0]["image"] = json!("other");
    resource::pod::prepare_resize(&mut new, &old);
    assert_eq!(new["spec"]["containers"][0]["image"], "i:1", "everything else is the old pod's");
    assert_eq!(new["metadata"]["generation"], 2);
    assert_eq!(words(&resource::pod::validate_resize(&new, &old)), [""; 0]);
    new["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1"}, "limits": {"cpu": "1"}});
    assert_eq!(words(&resource::pod::validate_resize(&new, &old)), [""; 0]);
    new["spec"]["containers"][0]["resources"] = json!({});
    let said = words(&resource::pod::validate_resize(&new, &old));
    assert!(said.contains(
        &"spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing".to_owned()
    ));
}

#[test]
fn resize_changes_the_pod_as_a_whole() {
    let resized = |before: Value, after: Value| {
        let (mut old, mut new) = (pod(), pod());
        old["spec"]["resources"] = before;
        new["spec"]["resources"] = after;
        for pod in [&mut old, &mut new] {
            pod["status"]["qosClass"] = json!("");
        }
        let wanted = new.clone();
        resource::pod::prepare_resize(&mut new, &old);
        new["spec"]["resources"] = wanted["spec"]["resources"].clone();
        words(&resource::pod::validate_resize(&new, &old))
    };
    let amount = |cpu: &str| json!({"requests": {"cpu": "2"}, "limits": {"cpu": cpu}});
    assert_eq!(resized(amount("4"), amount("5")), [""; 0]);
    assert_eq!(resized(Value::Null, amount("5")), [""; 0]);
    let none = "spec.resources: Forbidden: pod-level resources cannot be removed";
    assert_eq!(resized(amount("4"), Value::Null), [none]);
    let fewer = "spec.resources.limits: Forbidden: pod-level resource limits cannot be removed";
    assert_eq!(resized(amount("4"), json!({"requests": {"cpu": "2"}})), [fewer]);
}

#[test]
fn ephemeral_containers_are_only_added() {
    let old = pod();
    let mut new = pod();
    new["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "busybox"}]);
    resource::pod::prepare_ephemeral(&mut new, &old);
    strategy("", "pods").default("v1", &mut new);
    assert_eq!(words(&resource::pod::validate_ephemeral(&new, &old)), [""; 0]);
    let mut gone = old;
    gone["metadata"]["generation"] = new["metadata"]["generation"].clone();
    let said = words(&resource::pod::validate_ephemeral(&gone, &new));
    assert_eq!(
        said,
        ["spec.ephemeralContainers: Forbidden: existing ephemeral containers \"debug\" may not be removed"]
    );
}
