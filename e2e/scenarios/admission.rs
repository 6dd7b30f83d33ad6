//! Admission: the host and a tenant are asked the same, and answer in the same words.

use e2e::{Kubectl, Scenario, eventually};

/// Namespaces with a policy each, and classes; `SIDE` keeps the classes of host and tenant apart.
const GROUND: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: limits}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: quota}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: secure, labels: {pod-security.kubernetes.io/enforce: restricted}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: warned, labels: {pod-security.kubernetes.io/warn: baseline}}}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high-SIDE}, value: 1000}
---
{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: boxed-SIDE}, handler: boxed,
  overhead: {podFixed: {cpu: 250m}}, scheduling: {nodeSelector: {boxed: 'yes'}, tolerations: [{operator: Exists}]}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: bounds, namespace: limits}
spec:
  limits:
  - {type: Container, default: {cpu: 500m}, defaultRequest: {cpu: 100m}, max: {cpu: '1'}, maxLimitRequestRatio: {cpu: '10'}}
  - {type: Pod, max: {cpu: '2'}}
  - {type: PersistentVolumeClaim, min: {storage: 1Mi}, max: {storage: 1Gi}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: all, namespace: quota}
spec: {hard: {pods: '1', requests.cpu: '1', count/configmaps: '2', services.nodeports: '0', requests.storage: 1Gi}}
";

/// What is asked, all in one go; some of it is taken, most is refused.
const ASKED: &str = "
{apiVersion: v1, kind: Pod, metadata: {name: unknown, namespace: limits}, spec: {priorityClassName: none,
  containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: number, namespace: limits}, spec: {priorityClassName: high-SIDE, priority: 3,
  containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: unboxed, namespace: limits}, spec: {runtimeClassName: none,
  containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: heavy, namespace: limits}, spec: {overhead: {cpu: 1},
  containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: filled, namespace: limits}, spec: {priorityClassName: high-SIDE,
  runtimeClassName: boxed-SIDE, containers: [{name: c, image: i}, {name: d, image: i, resources: {requests: {cpu: 200m}}}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: greedy, namespace: limits}, spec: {
  containers: [{name: c, image: i, resources: {limits: {cpu: '3'}}}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: wide, namespace: limits}, spec: {
  containers: [{name: c, image: i, resources: {requests: {cpu: 50m}, limits: {cpu: '1'}}}]}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: large, namespace: limits}, spec: {
  accessModes: [ReadWriteOnce], resources: {requests: {storage: 2Gi}}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: vague, namespace: quota}, spec: {containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: first, namespace: quota}, spec: {
  containers: [{name: c, image: i, resources: {requests: {cpu: 600m}}}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: second, namespace: quota}, spec: {
  containers: [{name: c, image: i, resources: {requests: {cpu: 600m}}}]}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: one, namespace: quota}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: two, namespace: quota}}
---
{apiVersion: v1, kind: Service, metadata: {name: open, namespace: quota}, spec: {type: NodePort, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: large, namespace: quota}, spec: {
  accessModes: [ReadWriteOnce], resources: {requests: {storage: 2Gi}}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: plain, namespace: secure}, spec: {hostNetwork: true,
  containers: [{name: c, image: i}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: warned, namespace: warned}
spec:
  replicas: 0
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {hostPID: true, containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: wrong, labels: {pod-security.kubernetes.io/enforce: strict}}}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: system-mine}, value: 1}
";

#[test]
fn host_and_tenant_admit_in_the_same_words() {
    let scenario = Scenario::start("admission");
    let tenant = scenario.tenant("acme");
    let [host, tenant] = [("host", scenario.host.kubectl()), ("tenant", &tenant)].map(|(side, cluster)| {
        println!("asking the {side}");
        ask(side, cluster)
    });
    assert!(tenant == host, "the host says\n{host}\nand the tenant\n{tenant}");
}

/// Everything a side says, without what tells the sides apart.
fn ask(side: &str, cluster: &Kubectl) -> String {
    let of_side = |text: &str| text.replace("SIDE", side);
    cluster.apply(&of_side(GROUND));
    for namespace in ["limits", "quota", "secure", "warned"] {
        eventually("the namespace has its account and its configuration", || {
            cluster.run(&format!("get serviceaccount default -n {namespace}")).result()?;
            cluster.run(&format!("get configmap kube-root-ca.crt -n {namespace}")).result()
        });
    }
    let used = |wanted: &str| {
        eventually("the quota is counted", || {
            cluster.run("get resourcequota all -n quota -o jsonpath={.status.used}").contains(wanted)
        });
    };
    used(r#""count/configmaps":"1","pods":"0""#);
    let mut said = String::new();
    let mut note = |output: &e2e::Output| {
        said.push_str(&output.stdout);
        said.push_str(&output.stderr);
    };
    note(&cluster.input("create -f -", &of_side(ASKED)));
    used(r#""count/configmaps":"2","pods":"1","requests.cpu":"600m""#);
    let path = "jsonpath={.metadata.annotations.kubernetes\\.io/limit-ranger} {.spec.priority} {.spec.preemptionPolicy} \
                {.spec.overhead} {.spec.nodeSelector} {.spec.tolerations} {.spec.containers[*].resources} {.status.qosClass}";
    note(&cluster.args(&["get", "pod", "filled", "-n", "limits", "-o", path]));
    note(&cluster.run("label namespace limits pod-security.kubernetes.io/enforce=restricted"));
    note(&cluster.run("label namespace limits --overwrite pod-security.kubernetes.io/enforce=lax"));
    note(&cluster.run("get resourcequota all -n quota -o jsonpath={.status}"));
    // What is given back counts again.
    cluster.run("delete pod first -n quota --now").ok();
    used(r#""pods":"0","requests.cpu":"0""#);
    note(&cluster.input("create --dry-run=server -f -", &of_side(ASKED)));
    said.replace(&format!("-{side}"), "-SIDE")
}
