//! Admission as clients meet it: the texts are those of a kube-apiserver asked the same.

use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::world::World;

const NS: &str = "/api/v1/namespaces/default";

fn pod(name: &str, spec: Value) -> Value {
    let mut all = json!({"containers": [{"name": "c", "image": "i"}]});
    for (key, value) in spec.as_object().unwrap() {
        all[key] = value.clone();
    }
    json!({"metadata": {"name": name}, "spec": all})
}

async fn create(client: &Client, name: &str, spec: Value) -> Reply {
    client.post(&format!("{NS}/pods"), pod(name, spec)).await
}

#[tokio::test]
async fn priorities_come_from_classes() {
    let world = World::start().await;
    let admin = world.admin().await;
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    let plain = create(&admin, "plain", json!({})).await.expect(201).body;
    assert_eq!(
        (&plain["spec"]["priority"], &plain["spec"]["preemptionPolicy"]),
        (&json!(0), &json!("PreemptLowerPriority"))
    );
    let refused = create(&admin, "none", json!({"priorityClassName": "none"})).await.expect(403);
    assert_eq!(refused.reason().1, "pods \"none\" is forbidden: no PriorityClass with name none was found");
    let generated =
        json!({"metadata": {"generateName": "g-"}, "spec": pod("", json!({"priorityClassName": "none"}))["spec"]});
    let refused = admin.post(&format!("{NS}/pods"), generated).await.expect(403);
    assert_eq!(refused.reason().1, "pods \"g-\" is forbidden: no PriorityClass with name none was found");

    admin
        .post(classes, json!({"metadata": {"name": "high"}, "value": 1000, "preemptionPolicy": "Never"}))
        .await
        .expect(201);
    let high = create(&admin, "high", json!({"priorityClassName": "high"})).await.expect(201).body;
    assert_eq!((&high["spec"]["priority"], &high["spec"]["preemptionPolicy"]), (&json!(1000), &json!("Never")));
    let system = create(&admin, "node", json!({"priorityClassName": "system-node-critical"})).await.expect(201).body;
    assert_eq!(system["spec"]["priority"], 2_000_001_000);
    let refused = create(&admin, "number", json!({"priorityClassName": "high", "priority": 5})).await.expect(403);
    assert_eq!(
        refused.reason().1,
        "pods \"number\" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority \
         admission controller computed 1000 from the given PriorityClass name"
    );
    let policy = json!({"priorityClassName": "high", "preemptionPolicy": "PreemptLowerPriority"});
    create(&admin, "policy", policy).await.expect(403);

    let default = |name: &str| json!({"metadata": {"name": name}, "value": 7, "globalDefault": true});
    admin.post(classes, default("seven")).await.expect(201);
    let refused = admin.post(classes, default("other")).await.expect(403);
    assert_eq!(
        refused.reason().1,
        "priorityclasses.scheduling.k8s.io \"other\" is forbidden: PriorityClass seven is already marked as default. Only \
         one default can exist"
    );
    admin.merge(&format!("{classes}/seven"), json!({"description": "d"})).await.expect(200);
    admin.merge(&format!("{classes}/high"), json!({"globalDefault": true})).await.expect(403);
    let seven = create(&admin, "seven", json!({})).await.expect(201).body;
    assert_eq!((&seven["spec"]["priority"], &seven["spec"]["priorityClassName"]), (&json!(7), &json!("seven")));
    admin.delete(&format!("{classes}/seven")).await.expect(200);
    let after = create(&admin, "after", json!({})).await.expect(201).body;
    assert_eq!(after["spec"]["priority"], 0);
    admin.post(classes, json!({"metadata": {"name": "system-mine"}, "value": 1})).await.expect(422);
}

#[tokio::test]
async fn pods_tolerate_failing_nodes_for_a_while() {
    let world = World::start().await;
    let admin = world.admin().await;
    let keys = |pod: &Value| -> Vec<String> {
        let all = pod["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
        all.iter()
            .map(|one| format!("{}:{}", one["key"].as_str().unwrap_or_default(), one["tolerationSeconds"]))
            .collect()
    };
    let plain = create(&admin, "plain", json!({})).await.expect(201).body;
    assert_eq!(keys(&plain), ["node.kubernetes.io/not-ready:300", "node.kubernetes.io/unreachable:300"]);
    let own = json!({"tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}]});
    let own = create(&admin, "own", own).await.expect(201).body;
    assert_eq!(keys(&own), ["node.kubernetes.io/not-ready:null", "node.kubernetes.io/unreachable:300"]);
    let all = create(&admin, "all", json!({"tolerations": [{"operator": "Exists"}]})).await.expect(201).body;
    assert_eq!(keys(&all), [":null"]);
}

#[tokio::test]
async fn runtime_classes_bring_overhead_and_places() {
    let world = World::start().await;
    let admin = world.admin().await;
    let refused = create(&admin, "none", json!({"runtimeClassName": "none"})).await.expect(403);
    assert_eq!(refused.reason().1, "pods \"none\" is forbidden: pod rejected: RuntimeClass \"none\" not found");
    let refused = create(&admin, "over", json!({"overhead": {"cpu": "1"}})).await.expect(403);
    assert_eq!(
        refused.reason().1,
        "pods \"over\" is forbidden: pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
    );
    let class = json!({
        "metadata": {"name": "kata"}, "handler": "kata", "overhead": {"podFixed": {"cpu": "250m"}},
        "scheduling": {"nodeSelector": {"kata": "yes"}, "tolerations": [{"key": "kata", "operator": "Exists"}]},
    });
    admin.post("/apis/node.k8s.io/v1/runtimeclasses", class).await.expect(201);
    let made = create(&admin, "kata", json!({"runtimeClassName": "kata"})).await.expect(201).body;
    assert_eq!(made["spec"]["overhead"], json!({"cpu": "250m"}));
    assert_eq!(made["spec"]["nodeSelector"], json!({"kata": "yes"}));
    assert_eq!(made["spec"]["tolerations"].as_array().unwrap().len(), 3);
    let other = json!({"runtimeClassName": "kata", "overhead": {"cpu": "1"}});
    let refused = create(&admin, "other", other).await.expect(403);
    assert_eq!(
        refused.reason().1,
        "pods \"other\" is forbidden: pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
    );
    let elsewhere = json!({"runtimeClassName": "kata", "nodeSelector": {"kata": "no"}});
    let refused = create(&admin, "elsewhere", elsewhere).await.expect(403);
    assert_eq!(
        refused.reason().1,
        "pods \"elsewhere\" is forbidden: conflict: runtimeClass.scheduling.nodeSelector[kata] = yes; \
         pod.spec.nodeSelector[kata] = no"
    );
}

#[tokio::test]
async fn default_classes_are_filled_in() {
    let world = World::start().await;
    let admin = world.admin().await;
    let claim = |name: &str, spec: Value| {
        let mut all = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
        for (key, value) in spec.as_object().unwrap() {
            all[key] = value.clone();
        }
        json!({"metadata": {"name": name}, "spec": all})
    };
    let claims = format!("{NS}/persistentvolumeclaims");
    let none = admin.post(&claims, claim("none", json!({}))).await.expect(201).body;
    assert!(none["spec"]["storageClassName"].is_null());
    for (name, default) in [("a", "false"), ("b", "true"), ("c", "true")] {
        let annotations = json!({"storageclass.kubernetes.io/is-default-class": default});
        let class = json!({
            "metadata": {"name": name, "annotations": annotations}, "provisioner": "x/y", "allowVolumeExpansion": name == "b",
        });
        admin.post("/apis/storage.k8s.io/v1/storageclasses", class).await.expect(201);
    }
    let annotations = json!({"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "false"}}});
    admin.merge("/apis/storage.k8s.io/v1/storageclasses/c", annotations).await.expect(200);
    let filled = admin.post(&claims, claim("filled", json!({}))).await.expect(201).body;
    assert_eq!(filled["spec"]["storageClassName"], "b");
    let empty = admin.post(&claims, claim("empty", json!({"storageClassName": ""}))).await.expect(201).body;
    assert_eq!(empty["spec"]["storageClassName"], "");

    let larger = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
    let refused = admin.merge(&format!("{claims}/filled"), larger.clone()).await;
    assert!(matches!(refused.code, 403 | 422), "{}", refused.body);
    for name in ["filled", "empty"] {
        let bound = json!({"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}});
        admin.merge(&format!("{claims}/{name}/status"), bound).await.expect(200);
    }
    admin.merge(&format!("{claims}/filled"), larger.clone()).await.expect(200);
    let refused = admin.merge(&format!("{claims}/empty"), larger).await.expect(403);
    assert_eq!(
        refused.reason().1,
        "persistentvolumeclaims \"empty\" is forbidden: only dynamically provisioned pvc can be resized and the \
         storageclass that provisions the pvc must support resize"
    );

    let class = json!({
        "metadata": {"name": "front", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
        "spec": {"controller": "x/y"},
    });
    admin.post("/apis/networking.k8s.io/v1/ingressclasses", class).await.expect(201);
    let backend = json!({"service": {"name": "s", "port": {"number": 80}}});
    let ingress = json!({"metadata": {"name": "i"}, "spec": {"defaultBackend": backend}});
    let made = admin.post("/apis/networking.k8s.io/v1/namespaces/default/ingresses", ingress).await.expect(201).body;
    assert_eq!(made["spec"]["ingressClassName"], "front");
}

#[tokio::test]
async fn limit_ranges_fill_in_and_bound() {
    let world = World::start().await;
    let admin = world.admin().await;
    let limits = json!({"metadata": {"name": "l"}, "spec": {"limits": [
        {"type": "Container", "default": {"cpu": "500m", "memory": "64Mi"}, "defaultRequest": {"cpu": "100m"},
            "max": {"cpu": "1"}, "min": {"cpu": "50m"}, "maxLimitRequestRatio": {"cpu": "10"}},
        {"type": "Pod", "max": {"cpu": "2"}},
        {"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}, "min": {"storage": "1Mi"}},
    ]}});
    let before = create(&admin, "before", json!({})).await.expect(201).body;
    assert_eq!(before["spec"]["containers"][0]["resources"], json!({}));
    admin.post(&format!("{NS}/limitranges"), limits).await.expect(201);
    let container = |name: &str, resources: Value| json!({"name": name, "image": "i", "resources": resources});
    let spec = json!({
        "initContainers": [{"name": "i", "image": "i"}],
        "containers": [container("c", json!({})), container("d", json!({"requests": {"cpu": "200m"}}))],
    });
    let made = create(&admin, "a", spec).await.expect(201).body;
    assert_eq!(
        made["metadata"]["annotations"]["kubernetes.io/limit-ranger"],
        "LimitRanger plugin set: cpu, memory request for container c; cpu, memory limit for container c; memory request \
         for container d; cpu, memory limit for container d; cpu, memory request for init container i; cpu, memory limit \
         for init container i"
    );
    let filled = json!({"limits": {"cpu": "500m", "memory": "64Mi"}, "requests": {"cpu": "200m", "memory": "64Mi"}});
    assert_eq!(made["spec"]["containers"][1]["resources"], filled);
    assert_eq!(made["status"]["qosClass"], "Burstable", "the class is computed after the defaults");
    let spec = json!({"containers": [
        container("c", json!({"limits": {"cpu": "3"}})),
        container("d", json!({"requests": {"cpu": "20m"}, "limits": {"cpu": "800m"}})),
    ]});
    let refused = create(&admin, "b", spec).await.expect(403);
    assert_eq!(
        refused.reason().1,
        "pods \"b\" is forbidden: [maximum cpu usage per Container is 1, but limit is 3, minimum cpu usage per Container is \
         50m, but request is 20m, cpu max limit to request ratio per Container is 10, but provided ratio is 40.000000, \
         maximum cpu usage per Pod is 2, but limit is 3800m]"
    );
    let claim = json!({"metadata": {"name": "b"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}});
    let refused = admin.post(&format!("{NS}/persistentvolumeclaims"), claim).await.expect(403);
    assert_eq!(
        refused.reason().1,
        "persistentvolumeclaims \"b\" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi"
    );
    admin.merge(&format!("{NS}/pods/before"), json!({"metadata": {"labels": {"x": "y"}}})).await.expect(200);
    let resized = json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "2"}}}]}});
    let path = format!("{NS}/pods/a/resize");
    let refused = admin.patch("strategic-merge-patch+json", &path, resized).await.expect(403);
    assert!(refused.reason().1.contains("maximum cpu usage per Container is 1, but limit is 2"), "{}", refused.body);
    admin.delete(&format!("{NS}/limitranges/l")).await.expect(200);
    let after = create(&admin, "after", json!({})).await.expect(201).body;
    assert_eq!(after["spec"]["containers"][0]["resources"], json!({}));
}

#[tokio::test]
async fn claims_and_volumes_stay_while_they_are_used() {
    let world = World::start().await;
    let admin = world.admin().await;
    let claims = format!("{NS}/persistentvolumeclaims");
    for name in ["used", "idle"] {
        let spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
        let made = admin.post(&claims, json!({"metadata": {"name": name}, "spec": spec})).await.expect(201).body;
        assert_eq!(made["metadata"]["finalizers"], json!(["kubernetes.io/pvc-protection"]));
    }
    let volumes = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "used"}}]);
    create(&admin, "p", json!({"nodeName": "n", "volumes": volumes})).await.expect(201);
    for name in ["used", "idle"] {
        let gone = admin.delete(&format!("{claims}/{name}")).await.expect(200);
        assert!(gone.body["metadata"]["deletionTimestamp"].is_string(), "{}", gone.body);
    }
    admin.until_gone(&format!("{claims}/idle")).await;
    admin.get(&format!("{claims}/used")).await.expect(200);
    admin.delete(&format!("{NS}/pods/p?gracePeriodSeconds=0")).await.expect(200);
    admin.until_gone(&format!("{claims}/used")).await;

    let volumes = "/api/v1/persistentvolumes";
    let spec = json!({
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"},
        "persistentVolumeReclaimPolicy": "Retain",
    });
    let made = admin.post(volumes, json!({"metadata": {"name": "v"}, "spec": spec})).await.expect(201).body;
    assert_eq!(made["metadata"]["finalizers"], json!(["kubernetes.io/pv-protection"]));
    admin.merge(&format!("{volumes}/v/status"), json!({"status": {"phase": "Bound"}})).await.expect(200);
    admin.delete(&format!("{volumes}/v")).await.expect(200);
    admin.get(&format!("{volumes}/v")).await.expect(200);
    admin.merge(&format!("{volumes}/v/status"), json!({"status": {"phase": "Released"}})).await.expect(200);
    admin.until_gone(&format!("{volumes}/v")).await;
}

#[tokio::test]
async fn pods_do_not_grow_beyond_their_nodes() {
    let world = World::start().await;
    let admin = world.admin().await;
    let node =
        json!({"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "9"}}});
    admin.post("/api/v1/nodes", node).await.expect(201);
    let container = json!({"name": "c", "image": "i", "resources": {"requests": {"cpu": "1", "memory": "64Mi"}}});
    create(&admin, "p", json!({"nodeName": "n", "containers": [container]})).await.expect(201);
    let asked = |cpu: &str, memory: &str| json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}}]}});
    let path = format!("{NS}/pods/p/resize");
    let refused = admin.patch("strategic-merge-patch+json", &path, asked("2500m", "2Gi")).await.expect(403);
    assert_eq!(
        refused.reason().1,
        "pods \"p\" is forbidden: node didn't have enough allocatable resources: cpu, requested: 2500, allocatable: 2000; \
         memory, requested: 2147483648, allocatable: 1073741824"
    );
    assert_eq!(refused.body["details"]["causes"], json!([{"reason": "NodeCapacity"}]));
    admin.patch("strategic-merge-patch+json", &path, asked("1500m", "64Mi")).await.expect(200);
}
