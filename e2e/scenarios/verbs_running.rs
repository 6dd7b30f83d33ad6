//! kubectl's verbs for what runs: scale, rollout, wait, logs, exec, delete, against a tenant on the real host.

use e2e::{Kubectl, Scenario, eventually};

use crate::fixtures::{await_pods, deploy_shop, pods};

#[test]
fn kubectl_runs_things() {
    let scenario = Scenario::start("verbs-running");
    let acme = scenario.tenant("acme");
    deploy_shop(&acme);
    scale(&acme);
    rollout(&acme);
    wait(&acme);
    streams(&scenario, &acme);
    delete(&acme);
    eventually("the host has no pods left", || {
        let left =
            scenario.host.kubectl().run("get pods -n rowhouse-acme -o name").result().map_err(|e| e.to_string())?;
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}

fn scale(acme: &Kubectl) {
    acme.run("scale deployment web -n shop --replicas=4").ok();
    await_pods(acme, "shop", "web", 4);
    let refused = acme.run("scale deployment web -n shop --replicas=1 --current-replicas=9").fails();
    assert!(refused.contains("Expected replicas to be 9, was 4"), "{refused}");
    acme.run("scale deployment web -n shop --replicas=2").ok();
    await_pods(acme, "shop", "web", 2);
}

fn rollout(acme: &Kubectl) {
    let status = || acme.run("rollout status deployment/web -n shop --timeout=60s").ok();
    let image = || acme.run("get deployment web -n shop -o jsonpath={.spec.template.spec.containers[0].image}").ok();
    acme.run("set image deployment/web web=registry.example/web:2 -n shop").ok();
    assert!(status().contains("successfully rolled out"));
    let history = acme.run("rollout history deployment/web -n shop").ok();
    assert_eq!(history.lines().filter(|line| line.starts_with(['1', '2'])).count(), 2, "{history}");
    acme.run("rollout undo deployment/web -n shop").ok();
    status();
    assert_eq!(image(), "registry.example/web:1");
    let before = pods(acme, "shop", "web");
    acme.run("rollout restart deployment/web -n shop").ok();
    status();
    eventually("all pods are new", || {
        let now = pods(acme, "shop", "web");
        if now.len() == 2 && now.iter().all(|pod| !before.contains(pod)) { Ok(()) } else { Err(now.join(" ")) }
    });
    acme.run("rollout pause deployment/web -n shop").ok();
    acme.run("set image deployment/web web=registry.example/web:3 -n shop").ok();
    acme.run("rollout resume deployment/web -n shop").ok();
    status();
    assert_eq!(image(), "registry.example/web:3");
}

fn wait(acme: &Kubectl) {
    acme.run("wait --for=condition=Available deployment/web -n shop --timeout=60s").ok();
    acme.run("wait --for=jsonpath={.status.phase}=Running pods -l app=web -n shop --timeout=60s").ok();
    let late = acme.run("wait --for=condition=Nonsense deployment/web -n shop --timeout=1s").fails();
    assert!(late.contains("timed out waiting for the condition"), "{late}");
    acme.run("create configmap short -n shop").ok();
    acme.run("delete configmap short -n shop --wait=false").ok();
    acme.run("wait --for=delete configmap/short -n shop --timeout=30s").ok();
}

fn streams(scenario: &Scenario, acme: &Kubectl) {
    let pod = &pods(acme, "shop", "web")[0];
    for line in ["one", "two", "three"] {
        scenario.host.append_log("rowhouse-acme", line);
    }
    assert_eq!(acme.run("logs deployment/web -n shop --tail=2").ok(), "two\nthree\n");
    assert!(acme.run(&format!("logs {pod} -n shop --timestamps")).ok().contains("Z one"));
    let wrong = acme.run(&format!("logs {pod} -n shop -c nobody")).fails();
    assert!(wrong.contains(&format!("container nobody is not valid for pod {pod}")), "{wrong}");
    assert!(acme.run("logs nobody -n shop").fails().contains("pods \"nobody\" not found"));
    let failed =
        acme.args(&["exec", "-n", "shop", "deployment/web", "--", "sh", "-c", "echo oops >&2; exit 3"]).fails();
    assert!(failed.contains("oops"), "{failed}");
}

fn delete(acme: &Kubectl) {
    let apps = "deployments,replicasets,pods";
    acme.run("delete deployment web -n shop --cascade=orphan").ok();
    assert!(acme.run("get replicasets -n shop -o name").ok().contains("replicaset.apps/web-"));
    assert_eq!(pods(acme, "shop", "web").len(), 2);
    acme.run("delete replicasets --all -n shop --cascade=foreground --timeout=60s").ok();
    assert_eq!(acme.run(&format!("get {apps} -n shop -o name")).ok(), "", "foreground waits for dependants");

    deploy_shop(acme);
    acme.run("delete deployment web -n shop --cascade=background").ok();
    eventually("dependants are collected", || {
        let left = acme.run(&format!("get {apps} -n shop -o name")).result().map_err(|failed| failed.to_string())?;
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
    deploy_shop(acme);
    let pod = &pods(acme, "shop", "web")[0];
    acme.run(&format!("delete pod {pod} -n shop --timeout=60s")).ok();
    await_pods(acme, "shop", "web", 2);
    acme.run("delete namespace shop --timeout=90s").ok();
    assert!(acme.run("get namespace shop").fails().contains("NotFound"));
}
