//! kubectl's questions. Asked of the host first, so that what is expected is upstream's answer, then of a tenant.

use e2e::{Kubectl, Scenario};

use crate::fixtures::{deploy_shop, pods};

#[test]
fn kubectl_reads() {
    let scenario = Scenario::start("verbs-reading");
    for (side, cluster) in [("host", scenario.host.kubectl()), ("tenant", &scenario.tenant("acme"))] {
        println!("asking the {side}");
        deploy_shop(cluster);
        get(cluster);
        describe(cluster);
        explain(cluster);
        api_resources(cluster);
        auth(cluster);
        token(&scenario, cluster);
    }
}

fn get(cluster: &Kubectl) {
    let all = cluster.run("get all -n shop").ok();
    for line in ["pod/web-", "service/web", "deployment.apps/web", "replicaset.apps/web-"] {
        assert!(all.contains(line), "{line}: {all}");
    }
    let wide = cluster.run("get pods -n shop -o wide").ok();
    for column in ["READY", "NOMINATED NODE", "READINESS GATES", "node-", "10.244."] {
        assert!(wide.contains(column), "{column}: {wide}");
    }
    assert!(cluster.run("get deployment web -n shop").ok().contains("2/2"));
    let columns =
        ["get", "pods", "-A", "-o", "custom-columns=N:.metadata.name,IP:.status.podIP", "--sort-by=.metadata.name"];
    assert!(cluster.args(&columns).ok().starts_with("N "));
    assert_eq!(cluster.run("get pods -n shop -l app=nobody -o name").ok(), "");
    assert!(cluster.run("get pods -n shop --field-selector=spec.nodeName=nowhere -o name").ok().is_empty());
    assert!(cluster.run("get pod nobody -n shop").fails().contains("pods \"nobody\" not found"));
    assert!(cluster.run("get gadgets").fails().contains("the server doesn't have a resource type \"gadgets\""));
    assert!(cluster.run("get --raw /readyz").ok().contains("ok"));
}

fn describe(cluster: &Kubectl) {
    let pod = &pods(cluster, "shop", "web")[0];
    let text = cluster.run(&format!("describe pod {pod} -n shop")).ok();
    for line in ["Status:           Running", "Image:          registry.example/web:1", "Events:", "ConfigMap"] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    let text = cluster.run("describe deployment web -n shop").ok();
    assert!(
        text.contains("2 desired | 2 updated | 2 total | 2 available") && text.contains("ScalingReplicaSet"),
        "{text}"
    );
    assert!(cluster.run("describe service web -n shop").ok().contains("Endpoints:"));
    assert!(cluster.run("describe namespace shop").ok().contains("Status:       Active"));
    assert!(cluster.run("describe node node-a").ok().contains("Ready"));
}

fn explain(cluster: &Kubectl) {
    let text = cluster.run("explain deployment.spec.strategy.rollingUpdate").ok();
    assert!(text.contains("GROUP:      apps") && text.contains("maxSurge"), "{text}");
    assert!(text.contains("Rolling update config params."), "{text}");
    assert!(cluster.run("explain pod --recursive").ok().contains("ephemeralContainers"));
}

fn api_resources(cluster: &Kubectl) {
    let text = cluster.run("api-resources").ok();
    for line in ["po           v1", "deploy       apps/v1", "crd,crds     apiextensions.k8s.io/v1"] {
        let [short, version] = line.split_whitespace().collect::<Vec<_>>()[..] else { unreachable!() };
        assert!(text.lines().any(|row| row.contains(short) && row.contains(version)), "{line}:\n{text}");
    }
    assert!(cluster.run("api-versions").ok().contains("rbac.authorization.k8s.io/v1"));
}

fn auth(cluster: &Kubectl) {
    assert_eq!(cluster.run("auth can-i create deployments -A").ok().trim(), "yes");
    assert!(cluster.run("auth can-i --list").ok().contains("*.*"));
    let nobody = cluster.run("auth can-i get secrets --as=nobody");
    assert_eq!((nobody.code, nobody.stdout.trim()), (Some(1), "no"));
    assert!(cluster.run("auth whoami").ok().contains("system:masters"));
}

fn token(scenario: &Scenario, cluster: &Kubectl) {
    cluster.run("create serviceaccount robot -n shop").ok();
    cluster.run("create rolebinding robot -n shop --clusterrole=view --serviceaccount=shop:robot").ok();
    let token = cluster.run("create token robot -n shop --duration=20m").ok();
    let robot = scenario.kubectl_with("robot", &anonymous_kubeconfig(cluster));
    let with = |arguments: &str| robot.run(&format!("{arguments} --token={}", token.trim()));
    assert!(with("get pods -n shop").ok().contains("web-"));
    assert!(with("auth whoami").ok().contains("system:serviceaccount:shop:robot"));
    assert!(with("get secrets -n shop").fails().contains("Forbidden"));
    assert!(with("get pods -n default").fails().contains("Forbidden"));
    let forged = format!("get pods -n shop --token={}x", token.trim());
    assert!(robot.run(&forged).fails().contains("Unauthorized"));
}

/// A tenant's kubeconfig without its credentials.
pub(crate) fn anonymous_kubeconfig(tenant: &Kubectl) -> String {
    let mut config = tenant.json("config view --raw --minify");
    config["users"][0]["user"] = serde_json::json!({});
    config.to_string()
}
