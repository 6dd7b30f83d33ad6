//! Cases of pod translation: what goes in, what comes out, what is refused.

mod updates;

use serde_json::{Value, json};
use tenancy::host::object_name;
use tenancy::{Host, Isolation, Toleration, Virtual};

use super::super::metadata::tests::place;
use super::super::names::Names;
use super::status::Observed;
use super::*;

const WHO: Identity<'static> = Identity { namespace: "shop", name: "web-0", uid: "u1" };

fn pod(spec: &Value) -> Virtual<Value> {
    Virtual(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "web-0", "namespace": "shop", "uid": "u1", "generation": 4,
            "labels": { "app": "web", "tier": "a\"b" }, "annotations": { "note": "x$(y)" } },
        "spec": spec
    }))
}

fn container(extra: &Value) -> Value {
    let mut container = json!({ "name": "c", "image": "nginx" });
    container.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    json!({ "containers": [container] })
}

fn translate(spec: &Value) -> Result<HostPod, Refused> {
    to_host(&place(), WHO, &pod(spec), &[])
}

fn host_spec(spec: &Value) -> Value {
    translate(spec).unwrap().object.0["spec"].clone()
}

/// The environment without the variables of the API.
fn own_env(spec: &Value) -> Value {
    let env = spec["containers"][0]["env"].as_array().unwrap();
    Value::Array(env.iter().filter(|one| !json::text(one, "/name").starts_with("KUBERNETES_")).cloned().collect())
}

#[test]
fn a_minimal_pod() {
    let Host(object) = translate(&container(&json!({}))).unwrap().object;
    assert_eq!(object["metadata"]["name"], object_name("shop", "web-0"));
    assert_eq!(object["metadata"]["namespace"], "rowhouse-acme");
    let spec = &object["spec"];
    assert_eq!(spec["hostname"], "web-0");
    assert_eq!(spec["serviceAccountName"], POD_ACCOUNT);
    assert_eq!(spec["automountServiceAccountToken"], false);
    assert_eq!(spec["enableServiceLinks"], false);
    assert_eq!(spec["hostAliases"][0]["ip"], "10.96.7.7");
    let env = spec["containers"][0]["env"].as_array().unwrap();
    let value = |name: &str| env.iter().find(|one| one["name"] == name).map(|one| one["value"].clone());
    assert_eq!(value("KUBERNETES_SERVICE_HOST"), Some(json!("10.96.7.7")));
    assert_eq!(value("KUBERNETES_SERVICE_PORT"), Some(json!("443")));
    assert_eq!(value("KUBERNETES_SERVICE_PORT_HTTPS"), Some(json!("443")));
    assert_eq!(value("KUBERNETES_PORT"), Some(json!("tcp://10.96.7.7:443")));
    assert_eq!(value("KUBERNETES_PORT_443_TCP_ADDR"), Some(json!("10.96.7.7")));
}

#[test]
fn references_become_host_names() {
    let cm = object_name("shop", "conf");
    let secret = object_name("shop", "creds");
    let spec = json!({
        "imagePullSecrets": [{ "name": "creds" }],
        "containers": [{
            "name": "c", "image": "i",
            "envFrom": [{ "configMapRef": { "name": "conf" } }, { "secretRef": { "name": "creds" }, "prefix": "P_" }],
            "env": [
                { "name": "A", "valueFrom": { "configMapKeyRef": { "name": "conf", "key": "a" } } },
                { "name": "B", "valueFrom": { "secretKeyRef": { "name": "creds", "key": "b", "optional": true } } }
            ]
        }],
        "initContainers": [{ "name": "i", "image": "i", "envFrom": [{ "secretRef": { "name": "init" } }] }],
        "volumes": [
            { "name": "m", "configMap": { "name": "conf", "items": [{ "key": "a", "path": "b" }] } },
            { "name": "s", "secret": { "secretName": "creds", "defaultMode": 256 } },
            { "name": "p", "projected": { "sources": [{ "configMap": { "name": "conf" } }, { "secret": { "name": "more" } }] } }
        ]
    });
    let out = host_spec(&spec);
    assert_eq!(out["imagePullSecrets"], json!([{ "name": secret }]));
    assert_eq!(out["containers"][0]["envFrom"][0]["configMapRef"]["name"], cm);
    assert_eq!(out["containers"][0]["envFrom"][1], json!({ "secretRef": { "name": secret }, "prefix": "P_" }));
    assert_eq!(own_env(&out)[0]["valueFrom"]["configMapKeyRef"], json!({ "name": cm, "key": "a" }));
    assert_eq!(own_env(&out)[1]["valueFrom"]["secretKeyRef"]["name"], secret);
    assert_eq!(out["initContainers"][0]["envFrom"][0]["secretRef"]["name"], object_name("shop", "init"));
    assert_eq!(out["volumes"][0]["configMap"]["name"], cm);
    assert_eq!(out["volumes"][1]["secret"], json!({ "secretName": secret, "defaultMode": 256 }));
    assert_eq!(out["volumes"][2]["projected"]["sources"][1]["secret"]["name"], object_name("shop", "more"));
    let referenced = Referenced::by(&pod(&spec).0);
    assert_eq!(referenced.config_maps, ["conf".to_owned()].into());
    assert_eq!(referenced.secrets, ["creds", "init", "more"].map(str::to_owned).into());
}

#[test]
fn the_token_comes_from_the_companion() {
    let spec = json!({
        "containers": [{ "name": "c", "image": "i", "volumeMounts": [
            { "name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true }] }],
        "volumes": [{ "name": "kube-api-access-x", "projected": { "defaultMode": 420, "sources": [
            { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
            { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
            { "downwardAPI": { "items": [{ "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } }] } },
            { "serviceAccountToken": { "audience": "vault", "path": "vault/token" } }
        ] } }]
    });
    let translated = translate(&spec).unwrap();
    let companion = companion_name(WHO);
    assert_eq!(
        translated.object.0["spec"]["volumes"][0]["projected"],
        json!({ "defaultMode": 420, "sources": [
            { "secret": { "name": companion, "items": [{ "key": "token-0", "path": "token" }] } },
            { "configMap": { "name": object_name("shop", "kube-root-ca.crt"), "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
            { "secret": { "name": companion, "items": [{ "key": "file-0", "path": "namespace" }] } },
            { "secret": { "name": companion, "items": [{ "key": "token-1", "path": "vault/token" }] } }
        ] })
    );
    let own = |audience: Option<&str>, expiration_seconds| downward::TokenRequest {
        audience: audience.map(str::to_owned),
        expiration_seconds,
    };
    assert_eq!(translated.companion.tokens["token-0"], own(None, 3607));
    assert_eq!(translated.companion.tokens["token-1"], own(Some("vault"), 3600));
    assert_eq!(translated.companion.files["file-0"], "shop");
    assert!(!translated.object.0.to_string().contains("serviceAccountToken"));
    assert_ne!(companion, object_name("shop", "web-0"));
    assert_ne!(companion, companion_name(Identity { uid: "u2", ..WHO }));
}

#[test]
fn the_downward_api_yields_virtual_values() {
    let field = |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": path } } });
    let cases = [
        ("metadata.name", json!({ "value": "web-0" })),
        ("metadata.namespace", json!({ "value": "shop" })),
        ("metadata.uid", json!({ "value": "u1" })),
        ("metadata.labels['app']", json!({ "value": "web" })),
        ("metadata.labels['none']", json!({ "value": "" })),
        ("metadata.annotations['note']", json!({ "value": "x$$(y)" })),
        ("spec.serviceAccountName", json!({ "value": "robot" })),
        ("status.podIP", json!({ "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": "status.podIP" } } })),
        ("spec.nodeName", json!({ "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": "spec.nodeName" } } })),
    ];
    for (path, expected) in cases {
        let mut spec = container(&json!({ "env": [field("X", path)] }));
        spec["serviceAccountName"] = json!("robot");
        let mut one = own_env(&host_spec(&spec))[0].clone();
        one.as_object_mut().unwrap().remove("name");
        assert_eq!(one, expected, "{path}");
    }
    let resource = json!({ "resourceFieldRef": { "containerName": "c", "resource": "limits.cpu", "divisor": "1m" } });
    let spec = container(&json!({ "env": [{ "name": "CPU", "valueFrom": resource }] }));
    assert_eq!(own_env(&host_spec(&spec))[0]["valueFrom"], resource);
    let spec = container(&json!({ "env": [field("X", "metadata.managedFields")] }));
    assert_eq!(translate(&spec).unwrap_err().field, "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath");
}

#[test]
fn downward_volumes_are_files_of_the_companion() {
    let mut spec = container(&json!({}));
    spec["volumes"] = json!([{ "name": "info", "downwardAPI": { "defaultMode": 420, "items": [
        { "path": "labels", "mode": 256, "fieldRef": { "fieldPath": "metadata.labels" } },
        { "path": "cpu", "resourceFieldRef": { "containerName": "c", "resource": "limits.cpu" } }
    ] } }]);
    let translated = translate(&spec).unwrap();
    assert_eq!(
        translated.object.0["spec"]["volumes"][0],
        json!({ "name": "info", "projected": { "defaultMode": 420, "sources": [
            { "secret": { "name": companion_name(WHO), "items": [{ "key": "file-0", "path": "labels", "mode": 256 }] } },
            { "downwardAPI": { "items": [{ "path": "cpu", "resourceFieldRef": { "containerName": "c", "resource": "limits.cpu" } }] } }
        ] } })
    );
    assert_eq!(translated.companion.files["file-0"], "app=\"web\"\ntier=\"a\\\"b\"");
}

#[test]
fn what_has_no_honest_translation_is_refused() {
    let volume = |source: Value| {
        let mut spec = container(&json!({}));
        let mut volume = json!({ "name": "v" });
        volume.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        spec["volumes"] = json!([volume]);
        spec
    };
    let with = |field: &str, value: Value| {
        let mut spec = container(&json!({}));
        spec[field] = value;
        spec
    };
    let term = |term: Value| {
        with("affinity", json!({ "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term] } }))
    };
    let cases = [
        (
            volume(json!({ "persistentVolumeClaim": { "fromTheFuture": 1 } })),
            "spec.volumes[0].persistentVolumeClaim.fromTheFuture",
        ),
        (volume(json!({ "nfs": { "server": "s", "path": "/" } })), "spec.volumes[0].nfs"),
        (volume(json!({ "awsElasticBlockStore": { "volumeID": "v" } })), "spec.volumes[0].awsElasticBlockStore"),
        (volume(json!({ "csi": { "driver": "d" } })), "spec.volumes[0].csi"),
        (volume(json!({ "gitRepo": { "repository": "r" } })), "spec.volumes[0].gitRepo"),
        (volume(json!({ "fromTheFuture": {} })), "spec.volumes[0].fromTheFuture"),
        (
            volume(json!({ "projected": { "sources": [{ "clusterTrustBundle": { "path": "p" } }] } })),
            "spec.volumes[0].projected.sources[0].clusterTrustBundle",
        ),
        (with("schedulerName", json!("mine")), "spec.schedulerName"),
        (with("resourceClaims", json!([{ "name": "gpu" }])), "spec.resourceClaims"),
        (with("fromTheFuture", json!(true)), "spec.fromTheFuture"),
        (with("containers", json!("text")), "spec.containers"),
        (container(&json!({ "resources": { "claims": [{ "name": "gpu" }] } })), "spec.containers[0].resources.claims"),
        (
            container(&json!({ "securityContext": { "fromTheFuture": 1 } })),
            "spec.containers[0].securityContext.fromTheFuture",
        ),
        (
            term(
                json!({ "topologyKey": "k", "labelSelector": {}, "namespaceSelector": { "matchLabels": { "a": "b" } } }),
            ),
            "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].namespaceSelector",
        ),
        (
            term(json!({ "topologyKey": "k", "labelSelector": { "matchLabels": { "rowhouse.dev/tenant": "other" } } })),
            "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector",
        ),
        (
            term(
                json!({ "topologyKey": "k", "labelSelector": { "matchExpressions": [{ "key": "rowhouse.dev/namespace", "operator": "Exists" }] } }),
            ),
            "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector",
        ),
    ];
    for (spec, field) in cases {
        assert_eq!(translate(&spec).map(|_| ()).unwrap_err().field, field);
    }
}

#[test]
fn what_the_tenant_must_not_choose_is_left_out() {
    let mut spec = container(&json!({}));
    for (field, value) in [
        ("serviceAccountName", json!("default")),
        ("serviceAccount", json!("default")),
        ("automountServiceAccountToken", json!(true)),
        ("priorityClassName", json!("system-node-critical")),
        ("priority", json!(2_000_001_000)),
        ("preemptionPolicy", json!("PreemptLowerPriority")),
        ("overhead", json!({ "cpu": "1" })),
        ("enableServiceLinks", json!(true)),
        ("schedulerName", json!("default-scheduler")),
        ("nodeName", json!("n1")),
        ("resourceClaims", json!([])),
    ] {
        spec[field] = value;
    }
    let out = host_spec(&spec);
    for field in [
        "serviceAccount",
        "priorityClassName",
        "priority",
        "preemptionPolicy",
        "overhead",
        "schedulerName",
        "nodeName",
        "resourceClaims",
    ] {
        assert_eq!(out.get(field), None, "{field}");
    }
    assert_eq!(out["serviceAccountName"], POD_ACCOUNT);
    assert_eq!(out["automountServiceAccountToken"], false);
}

#[test]
fn hostnames_are_virtual() {
    let cases = [
        (json!({}), "web-0", json!({ "hostname": "web-0" })),
        (json!({ "hostname": "db", "subdomain": "dbs" }), "web-0", json!({ "hostname": "db" })),
        (json!({}), "web.example.com", json!({ "hostnameOverride": "web.example.com" })),
        (
            json!({ "subdomain": "s", "setHostnameAsFQDN": true }),
            "web-0",
            json!({ "hostnameOverride": "web-0.s.shop.svc.cluster.local" }),
        ),
        (json!({ "hostnameOverride": "any" }), "web-0", json!({ "hostnameOverride": "any" })),
        (json!({ "hostNetwork": true }), "web-0", json!({})),
    ];
    for (extra, name, expected) in cases {
        let mut spec = container(&json!({}));
        spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let who = Identity { name, ..WHO };
        let out = to_host(&place(), who, &pod(&spec), &[]).unwrap().object.0["spec"].clone();
        let got: Map<String, Value> = ["hostname", "hostnameOverride", "subdomain", "setHostnameAsFQDN"]
            .iter()
            .filter_map(|field| Some(((*field).to_owned(), out.get(*field)?.clone())))
            .collect();
        assert_eq!(Value::Object(got), expected, "{extra}");
    }
    let long = Identity { name: &"a".repeat(200), ..WHO };
    let out = to_host(&place(), long, &pod(&container(&json!({}))), &[]).unwrap().object.0;
    assert_eq!(out["spec"]["hostname"], "a".repeat(63));
    let mut spec = container(&json!({}));
    spec["setHostnameAsFQDN"] = json!(true);
    spec["subdomain"] = json!("s".repeat(60));
    assert_eq!(translate(&spec).unwrap_err().field, "spec.setHostnameAsFQDN");
}

#[test]
fn selectors_never_see_beyond_the_tenant() {
    let id = place().id;
    let term = |own: Value| {
        let mut spec = container(&json!({}));
        spec["affinity"] = json!({ "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 1, "podAffinityTerm": own }] } });
        host_spec(&spec)["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"].clone()
    };
    let own = json!({ "rowhouse.dev/tenant": id.as_str(), "rowhouse.dev/namespace": "shop" });
    assert_eq!(
        term(json!({ "topologyKey": "k", "labelSelector": {} })),
        json!({ "topologyKey": "k", "labelSelector": { "matchLabels": own } })
    );
    assert_eq!(
        term(json!({ "topologyKey": "k", "labelSelector": { "matchLabels": { "a": "b" } }, "namespaces": ["x", "y"] })),
        json!({ "topologyKey": "k", "labelSelector": {
            "matchLabels": { "a": "b", "rowhouse.dev/tenant": id.as_str() },
            "matchExpressions": [{ "key": "rowhouse.dev/namespace", "operator": "In", "values": ["x", "y"] }] } })
    );
    assert_eq!(
        term(json!({ "topologyKey": "k", "labelSelector": {}, "namespaces": ["x"], "namespaceSelector": {} })),
        json!({ "topologyKey": "k", "labelSelector": { "matchLabels": { "rowhouse.dev/tenant": id.as_str() } } })
    );
    // Without a selector a term matches no pod, on both sides.
    assert_eq!(term(json!({ "topologyKey": "k" })), json!({ "topologyKey": "k" }));
    let mut spec = container(&json!({}));
    // As the tenant's API has stored it: the keys are in the selector.
    let merged = json!([{ "key": "pod-template-hash", "operator": "In", "values": ["x"] }]);
    spec["topologySpreadConstraints"] = json!([{ "maxSkew": 1, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": { "matchLabels": { "a": "b" }, "matchExpressions": merged }, "matchLabelKeys": ["pod-template-hash"] }]);
    let out = host_spec(&spec);
    assert_eq!(out["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]["rowhouse.dev/namespace"], "shop");
    assert_eq!(out["topologySpreadConstraints"][0]["labelSelector"]["matchExpressions"], merged);
    assert_eq!(out["topologySpreadConstraints"][0].get("matchLabelKeys"), None);
}

#[test]
fn the_operators_isolation_is_laid_over() {
    let gpu = Toleration { key: Some("gpu".into()), operator: Some("Exists".into()), ..Toleration::default() };
    let isolation = Isolation {
        node_selector: [("pool".to_owned(), "tenants".to_owned())].into(),
        runtime_class_name: Some("gvisor".into()),
        tolerations: vec![gpu],
        ..Isolation::default()
    };
    let place = Place { isolation, ..place() };
    let plain = to_host(&place, WHO, &pod(&container(&json!({}))), &[]).unwrap().object.0;
    assert_eq!(plain["spec"]["nodeSelector"], json!({ "pool": "tenants" }));
    assert_eq!(plain["spec"]["runtimeClassName"], "gvisor");
    assert_eq!(plain["spec"]["tolerations"], json!([{ "key": "gpu", "operator": "Exists" }]));
    let mut spec = container(&json!({}));
    spec["nodeSelector"] = json!({ "pool": "control-plane", "disk": "ssd" });
    spec["tolerations"] = json!([{ "operator": "Exists" }, { "key": "node-role.kubernetes.io/control-plane", "operator": "Exists" },
        { "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5 },
        { "key": "gpu", "operator": "Exists" }]);
    let out = to_host(&place, WHO, &pod(&spec), &[]).unwrap();
    assert_eq!(out.object.0["spec"]["nodeSelector"], json!({ "pool": "tenants", "disk": "ssd" }));
    assert_eq!(
        out.object.0["spec"]["tolerations"],
        json!([
        { "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5 },
        { "key": "gpu", "operator": "Exists" }])
    );
    assert_eq!(out.notes, ["2 toleration(s) left out: not allowed for this cluster"]);
    spec["runtimeClassName"] = json!("runc");
    assert_eq!(to_host(&place, WHO, &pod(&spec), &[]).unwrap_err().field, "spec.runtimeClassName");
}

#[test]
fn service_links_are_those_of_the_virtual_namespace() {
    let service = |name: &str, ip: &str, ports: Value| {
        ServiceLink::of(&Virtual(json!({ "metadata": { "name": name }, "spec": { "clusterIP": ip, "ports": ports } })))
    };
    assert_eq!(service("headless", "None", json!([{ "port": 80 }])), None);
    assert_eq!(service("external", "", json!([{ "port": 80 }])), None);
    let links = [
        service("my-db", "10.0.0.1", json!([{ "name": "sql", "port": 5432, "protocol": "TCP" }, { "name": "m-x", "port": 9, "protocol": "UDP" }])).unwrap(),
        service("six", "fd00::1", json!([{ "port": 80 }])).unwrap(),
        service("kubernetes", "10.6.6.6", json!([{ "port": 443 }])).unwrap(),
    ];
    let spec = container(
        &json!({ "env": [{ "name": "MY_DB_PORT", "value": "mine" }, { "name": "URL", "value": "$(MY_DB_SERVICE_HOST)" }] }),
    );
    let out = to_host(&place(), WHO, &pod(&spec), &links).unwrap().object.0;
    let env = out["spec"]["containers"][0]["env"].as_array().unwrap();
    let all: Vec<(&str, &str)> = env.iter().map(|one| (json::text(one, "/name"), json::text(one, "/value"))).collect();
    let expected = [
        ("MY_DB_SERVICE_HOST", "10.0.0.1"),
        ("MY_DB_SERVICE_PORT", "5432"),
        ("MY_DB_SERVICE_PORT_SQL", "5432"),
        ("MY_DB_SERVICE_PORT_M_X", "9"),
        ("MY_DB_PORT_5432_TCP", "tcp://10.0.0.1:5432"),
        ("MY_DB_PORT_5432_TCP_PROTO", "tcp"),
        ("MY_DB_PORT_5432_TCP_PORT", "5432"),
        ("MY_DB_PORT_5432_TCP_ADDR", "10.0.0.1"),
        ("MY_DB_PORT_9_UDP", "udp://10.0.0.1:9"),
        ("SIX_PORT", "tcp://[fd00::1]:80"),
        ("SIX_PORT_80_TCP_ADDR", "fd00::1"),
        ("MY_DB_PORT", "mine"),
        ("KUBERNETES_SERVICE_HOST", "10.96.7.7"),
    ];
    for one in expected {
        assert!(all.contains(&one), "{one:?} in {all:?}");
    }
    for (name, _) in &all {
        assert_eq!(all.iter().filter(|(other, _)| other == name).count(), 1, "{name}");
    }
    assert_eq!(all.last(), Some(&("URL", "$(MY_DB_SERVICE_HOST)")));
    let mut off = container(&json!({}));
    off["enableServiceLinks"] = json!(false);
    let out = to_host(&place(), WHO, &pod(&off), &links).unwrap().object.0;
    assert!(!out.to_string().contains("MY_DB") && out.to_string().contains("KUBERNETES_SERVICE_HOST"));
}

#[test]
fn an_alias_of_the_api_address_is_extended() {
    let mut spec = container(&json!({}));
    spec["hostAliases"] = json!([{ "ip": "10.96.7.7", "hostnames": ["api"] }, { "ip": "1.2.3.4", "hostnames": ["x"] }]);
    let aliases = host_spec(&spec)["hostAliases"].clone();
    assert_eq!(aliases.as_array().unwrap().len(), 2);
    assert_eq!(aliases[0]["hostnames"][0], "api");
    assert_eq!(aliases[0]["hostnames"].as_array().unwrap().len(), 5);
}

#[test]
fn status_in_virtual_names_and_by_ownership() {
    let Virtual(mut own) = pod(&json!({
        "readinessGates": [{ "conditionType": "lb/ready" }, { "conditionType": "Ready" }],
        "containers": [{ "name": "c", "image": "i", "volumeMounts": [{ "name": "v", "mountPath": "/v" }] }],
        "volumes": [{ "name": "v", "configMap": { "name": "conf" } }]
    }));
    own["status"] = json!({ "qosClass": "BestEffort", "conditions": [
        { "type": "lb/ready", "status": "True", "message": "mine" }, { "type": "Ready", "status": "forged" }] });
    let names = Names::of_pod(&place(), WHO, &own);
    let missing = object_name("shop", "conf");
    let host = Host(json!({ "metadata": { "generation": 9 }, "status": {
        "phase": "Pending", "podIP": "10.1.1.1", "podIPs": [{ "ip": "10.1.1.1" }], "hostIP": "10.0.0.5", "qosClass": "Burstable",
        "observedGeneration": 9, "startTime": "2026-01-01T00:00:00Z", "fromTheFuture": 1,
        "conditions": [
            { "type": "Ready", "status": "False", "observedGeneration": 9, "message": "containers with unready status: [c proxy]" },
            { "type": "lb/ready", "status": "False" }],
        "containerStatuses": [
            { "name": "proxy", "ready": true },
            { "name": "c", "ready": false, "restartCount": 0, "fromTheFuture": 1,
              "state": { "waiting": { "reason": "CreateContainerConfigError", "message": format!("configmap \"{missing}\" not found in rowhouse-acme") } },
              "volumeMounts": [{ "name": "v", "mountPath": "/v" }, { "name": "injected", "mountPath": "/i" }] }],
        "initContainerStatuses": [{ "name": "injected-init" }]
    } }));
    let Virtual(status) = status_to_virtual(&Virtual(own.clone()), &host, &names, Observed::Yes);
    assert_eq!(
        status,
        json!({
            "phase": "Pending", "podIP": "10.1.1.1", "podIPs": [{ "ip": "10.1.1.1" }], "hostIP": "10.0.0.5", "qosClass": "BestEffort",
            "observedGeneration": 4, "startTime": "2026-01-01T00:00:00Z",
            "conditions": [
                { "type": "Ready", "status": "False", "observedGeneration": 4, "message": "containers with unready status: [c proxy]" },
                { "type": "lb/ready", "status": "True", "message": "mine" }],
            "containerStatuses": [{ "name": "c", "ready": false, "restartCount": 0,
                "state": { "waiting": { "reason": "CreateContainerConfigError", "message": "configmap \"conf\" not found in shop" } },
                "volumeMounts": [{ "name": "v", "mountPath": "/v" }] }]
        })
    );
    let Virtual(behind) = status_to_virtual(&Virtual(own.clone()), &host, &names, Observed::No);
    assert_eq!(behind.get("observedGeneration"), None);
    assert_eq!(gate_conditions(&Virtual(own)), [json!({ "type": "lb/ready", "status": "True" })]);
}
