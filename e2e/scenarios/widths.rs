//! More of the cluster: claims, ingresses, policies, budgets, Services without a selector, and classes of the host.

use e2e::{Kubectl, Scenario, eventually};
use serde_json::{Value, json};

/// What the host's administrator has: a class with one volume, one that tenants do not see, a class for ingresses.
const HOST: &str = r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shelf, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/no-provisioner
parameters: {secret: of-the-host}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: vault, labels: {rowhouse.dev/tenants: "false"}}
provisioner: kubernetes.io/no-provisioner
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edge}
spec: {controller: example.com/edge}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk-of-the-host}
spec: {capacity: {storage: 2Gi}, accessModes: [ReadWriteOnce], storageClassName: shelf, hostPath: {path: /srv/disk}}
"#;

/// What a tenant makes.
const TENANT: &str = r#"
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], storageClassName: shelf, resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: forbidden}
spec: {accessModes: [ReadWriteOnce], storageClassName: vault, resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: c, image: nginx, volumeMounts: [{name: data, mountPath: /data}]}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {maxUnavailable: 50%, selector: {matchLabels: {app: web}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: edge
  tls: [{hosts: [a.example], secretName: cert}]
  defaultBackend: {service: {name: web, port: {number: 80}}}
---
apiVersion: v1
kind: Secret
metadata: {name: cert}
stringData: {tls.key: x}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress:
  - from: [{namespaceSelector: {matchLabels: {team: front}}}, {ipBlock: {cidr: 10.0.0.0/8}}]
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {ports: [{port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: outside}
subsets: [{addresses: [{ip: 8.8.8.8}], ports: [{port: 53, protocol: UDP}]}]
"#;

fn is(what: &str, found: &Value, wanted: &Value) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what}: {found}, wanted {wanted}")) }
}

/// The host's objects of a kind that belong to the tenant's object of this name.
fn twin(host: &Kubectl, kind: &str, name: &str) -> Result<Value, String> {
    let list = host.json(&format!("get {kind} -n rowhouse-acme"));
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let own = |one: &Value| one["metadata"]["annotations"]["rowhouse.dev/name"] == name;
    items.into_iter().find(own).ok_or_else(|| format!("{kind} {name} is not on the host"))
}

#[test]
fn widths() {
    let scenario = Scenario::start("widths");
    let host = scenario.host.kubectl();
    host.apply(HOST);
    let acme = scenario.tenant("acme");
    eventually("classes of the host are seen", || {
        let classes = acme.run("get storageclasses,ingressclasses -o name").result().map_err(|e| e.to_string())?;
        let wanted = ["ingressclass.networking.k8s.io/edge", "storageclass.storage.k8s.io/shelf"];
        let mut found: Vec<&str> = classes.split_whitespace().collect();
        found.sort_unstable();
        if found == wanted { Ok(()) } else { Err(classes.clone()) }
    });
    assert_eq!(acme.json("get storageclass shelf")["parameters"], Value::Null);
    acme.apply(TENANT);
    claims(host, &acme);
    budgets(host, &acme);
    ingresses(host, &acme);
    policies(host, &acme);
    slices(host, &acme);
    acme.run("delete deployment web --wait=false").ok();
    acme.run("delete pvc data --timeout=60s").ok();
    eventually("with a claim goes what is seen of its volume", || {
        is("volumes", &acme.json("get pv")["items"], &json!([]))?;
        twin(host, "pvc", "data").map_or(Ok(()), |twin| Err(twin.to_string()))
    });
}

fn claims(host: &Kubectl, acme: &Kubectl) {
    eventually("the claim is bound, and pods that use it run", || {
        let claim = acme.json("get pvc data");
        is("phase", &claim["status"]["phase"], &json!("Bound"))?;
        is("capacity", &claim["status"]["capacity"]["storage"], &json!("2Gi"))?;
        let volume = acme.json("get pv")["items"][0].clone();
        is("volume", &volume["metadata"]["name"], &claim["spec"]["volumeName"])?;
        is("volume's claim", &volume["spec"]["claimRef"]["uid"], &claim["metadata"]["uid"])?;
        is("ready pods", &acme.json("get deployment web")["status"]["readyReplicas"], &json!(2))
    });
    assert!(!acme.run("get pv,pvc -o yaml").ok().contains("disk-of-the-host"));
    assert_eq!(twin(host, "pvc", "data").unwrap()["spec"]["volumeName"], "disk-of-the-host");
    eventually("a class that is hidden is refused", || {
        let events = acme.run("get events --field-selector=reason=SyncRefused").result().map_err(|e| e.to_string())?;
        if events.contains("spec.storageClassName") { Ok(()) } else { Err(events.clone()) }
    });
    assert!(twin(host, "pvc", "forbidden").is_err());
}

fn budgets(host: &Kubectl, acme: &Kubectl) {
    eventually("the budget is computed in the tenant and kept by the host", || {
        let status = acme.json("get pdb web")["status"].clone();
        is("allowed", &status["disruptionsAllowed"], &json!(1))?;
        is("expected", &status["expectedPods"], &json!(2))?;
        is("host", &twin(host, "pdb", "web")?["spec"]["minAvailable"], &json!(1))
    });
}

fn ingresses(host: &Kubectl, acme: &Kubectl) {
    eventually("the ingress leads to twins", || {
        let spec = twin(host, "ingress", "web")?["spec"].clone();
        let service = twin(host, "service", "web")?["metadata"]["name"].clone();
        is("backend", &spec["defaultBackend"]["service"]["name"], &service)?;
        let secret = twin(host, "secret", "cert")?["metadata"]["name"].clone();
        is("certificate", &spec["tls"][0]["secretName"], &secret)
    });
    let name = twin(host, "ingress", "web").unwrap()["metadata"]["name"].as_str().unwrap().to_owned();
    let status = r#"{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.7"}]}}}"#;
    host.args(&[
        "patch",
        "ingress",
        &name,
        "-n",
        "rowhouse-acme",
        "--subresource=status",
        "--type=merge",
        "-p",
        status,
    ])
    .ok();
    eventually("the address comes back", || {
        let status = acme.json("get ingress web")["status"].clone();
        is("address", &status["loadBalancer"]["ingress"][0]["ip"], &json!("192.0.2.7"))
    });
}

fn policies(host: &Kubectl, acme: &Kubectl) {
    let front = |wanted: Value| {
        eventually("the policy follows the labels of namespaces", || {
            let from = twin(host, "networkpolicy", "web")?["spec"]["ingress"][0]["from"].clone();
            is("peers", &json!(from.as_array().map(Vec::len)), &json!(1))?;
            is("namespaces", &from[0]["podSelector"]["matchExpressions"][0]["values"], &wanted)
        });
    };
    front(Value::Null);
    acme.run("create namespace blog").ok();
    acme.run("label namespace blog team=front").ok();
    front(json!(["blog"]));
    eventually("pods it isolates are told to the wall", || {
        let pods = host.json("get pods -n rowhouse-acme -l rowhouse.dev/isolated-ingress=true");
        is("pods", &json!(pods["items"].as_array().map(Vec::len)), &json!(2))?;
        let wall = host.json("get networkpolicy rowhouse -n rowhouse-acme")["spec"].clone();
        is("what everybody may receive", &wall["ingress"], &Value::Null)
    });
}

fn slices(host: &Kubectl, acme: &Kubectl) {
    eventually("endpoints kept by hand reach the host", || {
        let service = twin(host, "service", "outside")?["metadata"]["name"].clone();
        let slices = host.json("get endpointslices -n rowhouse-acme");
        let own = |one: &&Value| one["metadata"]["labels"]["kubernetes.io/service-name"] == service;
        let slice = slices["items"].as_array().and_then(|all| all.iter().find(own)).cloned().unwrap_or_default();
        is("address", &slice["endpoints"][0]["addresses"], &json!(["8.8.8.8"]))
    });
    let patch = r#"{"subsets":[{"addresses":[{"ip":"10.96.0.1"}],"ports":[{"port":443,"protocol":"TCP"}]}]}"#;
    acme.args(&["patch", "endpoints", "outside", "--type=merge", "-p", patch]).ok();
    eventually("nobody is led to addresses of the host", || {
        let events = acme.run("get events --field-selector=reason=SyncRefused").result().map_err(|e| e.to_string())?;
        if events.contains("10.96.0.1 is a private address") { Ok(()) } else { Err(events.clone()) }
    });
    assert!(!host.run("get endpointslices -n rowhouse-acme -o yaml").ok().contains("10.96.0.1"));
}
