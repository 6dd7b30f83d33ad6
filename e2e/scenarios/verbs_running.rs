//! kubectl's verbs for what runs: scale, rollout, wait, logs, exec, delete. Asked of the host first, so that what is
//! expected is upstream's answer, then of a tenant.

use e2e::{Kubectl, Scenario, eventually};

use crate::fixtures::{await_pods, deploy_shop, pods};

#[test]
fn kubectl_runs_things() {
    let scenario = Scenario::start("verbs-running");
    for (cluster, log) in [(scenario.host.kubectl(), "shop"), (&scenario.tenant("acme"), "rowhouse-acme")] {
        println!("asking the cluster whose pods log to {log}");
        deploy_shop(cluster);
        scale(cluster);
        rollout(cluster);
        wait(cluster);
        streams(cluster, |line| scenario.host.append_log(log, line));
        delete(cluster);
    }
    eventually("the host has no pods left", || {
        let left =
            scenario.host.kubectl().run("get pods -n rowhouse-acme -o name").result().map_err(|e| e.to_string())?;
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}

fn scale(cluster: &Kubectl) {
    cluster.run("scale deployment web -n shop --replicas=4").ok();
    await_pods(cluster, "shop", "web", 4);
    let refused = cluster.run("scale deployment web -n shop --replicas=1 --current-replicas=9").fails();
    assert!(refused.contains("Expected replicas to be 9, was 4"), "{refused}");
    cluster.run("scale deployment web -n shop --replicas=2").ok();
    await_pods(cluster, "shop", "web", 2);
}

fn rollout(cluster: &Kubectl) {
    let status = || cluster.run("rollout status deployment/web -n shop --timeout=60s").ok();
    let image = || cluster.run("get deployment web -n shop -o jsonpath={.spec.template.spec.containers[0].image}").ok();
    cluster.run("set image deployment/web web=registry.example/web:2 -n shop").ok();
    assert!(status().contains("successfully rolled out"));
    let history = cluster.run("rollout history deployment/web -n shop").ok();
    assert_eq!(history.lines().filter(|line| line.starts_with(['1', '2'])).count(), 2, "{history}");
    cluster.run("rollout undo deployment/web -n shop").ok();
    status();
    assert_eq!(image(), "registry.example/web:1");
    let before = pods(cluster, "shop", "web");
    cluster.run("rollout restart deployment/web -n shop").ok();
    status();
    eventually("all pods are new", || {
        let now = pods(cluster, "shop", "web");
        if now.len() == 2 && now.iter().all(|pod| !before.contains(pod)) { Ok(()) } else { Err(now.join(" ")) }
    });
    cluster.run("rollout pause deployment/web -n shop").ok();
    cluster.run("set image deployment/web web=registry.example/web:3 -n shop").ok();
    cluster.run("rollout resume deployment/web -n shop").ok();
    status();
    assert_eq!(image(), "registry.example/web:3");
}

fn wait(cluster: &Kubectl) {
    cluster.run("wait --for=condition=Available deployment/web -n shop --timeout=60s").ok();
    cluster.run("wait --for=jsonpath={.status.phase}=Running pods -l app=web -n shop --timeout=60s").ok();
    let late = cluster.run("wait --for=condition=Nonsense deployment/web -n shop --timeout=1s").fails();
    assert!(late.contains("timed out waiting for the condition"), "{late}");
    cluster.run("create configmap short -n shop").ok();
    cluster.run("delete configmap short -n shop --wait=false").ok();
    cluster.run("wait --for=delete configmap/short -n shop --timeout=30s").ok();
}

fn streams(cluster: &Kubectl, say: impl Fn(&str)) {
    let pod = &pods(cluster, "shop", "web")[0];
    for line in ["one", "two", "three"] {
        say(line);
    }
    assert_eq!(cluster.run("logs deployment/web -n shop --tail=2").ok(), "two\nthree\n");
    assert!(cluster.run(&format!("logs {pod} -n shop --timestamps")).ok().contains("Z one"));
    let wrong = cluster.run(&format!("logs {pod} -n shop -c nobody")).fails();
    assert!(wrong.contains(&format!("container nobody is not valid for pod {pod}")), "{wrong}");
    assert!(cluster.run("logs nobody -n shop").fails().contains("pods \"nobody\" not found"));
    let failed =
        cluster.args(&["exec", "-n", "shop", "deployment/web", "--", "sh", "-c", "echo oops >&2; exit 3"]).fails();
    assert!(failed.contains("oops"), "{failed}");
}

fn delete(cluster: &Kubectl) {
    let apps = "deployments,replicasets,pods";
    cluster.run("delete deployment web -n shop --cascade=orphan").ok();
    assert!(cluster.run("get replicasets -n shop -o name").ok().contains("replicaset.apps/web-"));
    assert_eq!(pods(cluster, "shop", "web").len(), 2);
    cluster.run("delete replicasets --all -n shop --cascade=foreground --timeout=60s").ok();
    assert_eq!(cluster.run(&format!("get {apps} -n shop -o name")).ok(), "", "foreground waits for dependants");

    deploy_shop(cluster);
    cluster.run("delete deployment web -n shop --cascade=background").ok();
    eventually("dependants are collected", || {
        let left = cluster.run(&format!("get {apps} -n shop -o name")).result().map_err(|failed| failed.to_string())?;
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
    deploy_shop(cluster);
    let pod = &pods(cluster, "shop", "web")[0];
    cluster.run(&format!("delete pod {pod} -n shop --timeout=60s")).ok();
    await_pods(cluster, "shop", "web", 2);
    cluster.run("delete namespace shop --timeout=90s").ok();
    assert!(cluster.run("get namespace shop").fails().contains("NotFound"));
}
