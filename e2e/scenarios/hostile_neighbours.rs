//! Two tenants, each cluster-admin inside, one of them hostile: nothing of the other is reached, seen or disturbed.

use e2e::{Kubectl, Output, Scenario, eventually};
use serde_json::{Value, json};

use crate::fixtures::{deploy_shop, pods};
use crate::verbs_reading::anonymous_kubeconfig;

#[test]
fn a_hostile_tenant_stays_outside() {
    let scenario = Scenario::start_split("hostile-neighbours");
    let (acme, umbrella) = (scenario.tenant("acme"), scenario.tenant("umbrella"));
    deploy_shop(&acme);
    deploy_shop(&umbrella);
    credentials_are_bound(&scenario, &acme, &umbrella);
    paths_lead_nowhere(&scenario, &acme, &umbrella);
    traffic_stays_apart(&scenario, &acme, &umbrella);
    reserved_words_are_ours(&scenario, &umbrella);
    the_host_is_not_reached(&scenario, &umbrella);
    limits_hold(&umbrella);
    // After all this the neighbour works as before.
    acme.run("rollout status deployment/web -n shop --timeout=60s").ok();
    acme.run("create configmap still-here -n shop").ok();
}

/// 401, in one of the ways kubectl says it.
#[track_caller]
fn unauthenticated(output: &Output) {
    let said = output.clone().fails();
    let ways = ["Unauthorized", "provide credentials", "must be logged in"];
    assert!(ways.iter().any(|way| said.contains(way)), "{output}");
}

/// A certificate or token of one tenant is no credential at the other.
fn credentials_are_bound(scenario: &Scenario, acme: &Kubectl, umbrella: &Kubectl) {
    let mut config = acme.json("config view --raw --minify");
    let own = umbrella.json("config view --raw --minify");
    config["users"][0]["user"] = own["users"][0]["user"].clone();
    let thief = scenario.kubectl_with("thief", &config.to_string());
    unauthenticated(&thief.run("get namespaces"));
    unauthenticated(&thief.run("get --raw /api/v1/namespaces/shop/secrets"));

    umbrella.run("create serviceaccount spy -n shop").ok();
    let grant = "create clusterrolebinding spy --clusterrole=cluster-admin --serviceaccount=shop:spy";
    umbrella.run(grant).ok();
    // The same account with the same rights exists at the neighbour; the token still is not his.
    acme.run("create serviceaccount spy -n shop").ok();
    acme.run(grant).ok();
    let token = umbrella.run("create token spy -n shop").ok();
    let at_home = scenario.kubectl_with("spy-home", &anonymous_kubeconfig(umbrella));
    at_home.run(&format!("get secrets -n shop --token={}", token.trim())).ok();
    let abroad = scenario.kubectl_with("spy-abroad", &anonymous_kubeconfig(acme));
    unauthenticated(&abroad.run(&format!("get secrets -n shop --token={}", token.trim())));
    // Without any credentials kubectl would ask for some; a password is no credential, as upstream.
    let anonymous = abroad.run("get --raw /api/v1/namespaces/shop/secrets --username=nobody --password=x").fails();
    assert!(anonymous.contains("orbidden"), "{anonymous}");
}

fn paths_lead_nowhere(scenario: &Scenario, acme: &Kubectl, umbrella: &Kubectl) {
    let secrets = "api/v1/namespaces/shop/secrets";
    let escapes = [
        format!("/tenants/acme/{secrets}"),
        format!("/../acme/{secrets}"),
        format!("/%2e%2e/acme/{secrets}"),
        format!("/fleet/{secrets}"),
        "/api/v1/namespaces/..%2f..%2facme/secrets".to_owned(),
    ];
    for path in &escapes {
        let answer = umbrella.run(&format!("get --raw {path}"));
        assert!(answer.code != Some(0), "{path}: {answer}");
        assert!(!answer.stdout.contains("items"), "{path}: {answer}");
    }
    // The operator's view, with a tenant's credentials.
    let mut config = umbrella.json("config view --raw --minify");
    let server = config["clusters"][0]["cluster"]["server"].as_str().unwrap().to_owned();
    config["clusters"][0]["cluster"]["server"] = json!(server.replace("/tenants/umbrella", "/fleet"));
    let operator = scenario.kubectl_with("operator", &config.to_string());
    unauthenticated(&operator.run("get --raw /api/v1/secrets"));
    let pod = &pods(acme, "shop", "web")[0];
    for verb in ["logs", "get pod", "delete pod"] {
        assert!(umbrella.run(&format!("{verb} {pod} -n shop")).fails().contains("not found"), "{verb}");
    }
    assert!(umbrella.args(&["exec", "-n", "shop", pod, "--", "id"]).fails().contains("not found"));
}

/// Equal labels at both: each Service has its own pods behind it, on the host too.
fn traffic_stays_apart(scenario: &Scenario, acme: &Kubectl, umbrella: &Kubectl) {
    let addresses = |tenant: &Kubectl| -> Vec<String> {
        let slices = tenant.json("get endpointslices -n shop -l kubernetes.io/service-name=web");
        let endpoints = slices["items"][0]["endpoints"].as_array().cloned().unwrap_or_default();
        endpoints.iter().filter_map(|one| one["addresses"][0].as_str().map(str::to_owned)).collect()
    };
    for tenant in [acme, umbrella] {
        eventually("two endpoints", || {
            let found = addresses(tenant);
            if found.len() == 2 { Ok(()) } else { Err(found.join(" ")) }
        });
    }
    assert!(addresses(acme).iter().all(|address| !addresses(umbrella).contains(address)));
    for tenant in ["acme", "umbrella"] {
        let services = scenario.host.kubectl().json(&format!("get services -n rowhouse-{tenant}"));
        for service in services["items"].as_array().unwrap() {
            if let Some(selector) = service["spec"]["selector"].as_object() {
                assert!(selector.contains_key("rowhouse.dev/tenant"), "{service:#}");
            }
        }
    }
}

fn reserved_words_are_ours(scenario: &Scenario, umbrella: &Kubectl) {
    let host = scenario.host.kubectl();
    let acme = host.json("get tenant acme")["status"]["id"].clone();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "disguised", "namespace": "shop",
            "labels": {"app": "disguised", "rowhouse.dev/tenant": acme, "rowhouse.dev/managed-by": "somebody"},
            "annotations": {"rowhouse.dev/uid": "0", "rowhouse.dev/name": "web", "rowhouse.dev/tenant-name": "acme"},
        },
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    });
    let created = umbrella.input("create -f -", &pod.to_string());
    if created.code != Some(0) {
        return; // Refused at the door is as good.
    }
    let twin = |namespace: &str| {
        let pods = host.json(&format!("get pods -n {namespace} -l app=disguised"));
        pods["items"].as_array().cloned().unwrap_or_default()
    };
    eventually("the disguised pod is on the host", || {
        if twin("rowhouse-umbrella").len() == 1 { Ok(()) } else { Err("not yet") }
    });
    assert!(twin("rowhouse-acme").is_empty());
    let meta: Value = twin("rowhouse-umbrella")[0]["metadata"].clone();
    assert_ne!(meta["labels"]["rowhouse.dev/tenant"], acme);
    assert_eq!(meta["annotations"]["rowhouse.dev/name"], "disguised");
}

/// Pods that would break out of the host namespace never reach a node, and the tenant learns why.
fn the_host_is_not_reached(scenario: &Scenario, umbrella: &Kubectl) {
    let container = json!([{"name": "c", "image": "i"}]);
    let breakouts = [
        ("host-path", json!({"containers": container, "volumes": [{"name": "root", "hostPath": {"path": "/"}}]})),
        ("host-network", json!({"containers": container, "hostNetwork": true})),
        ("host-pid", json!({"containers": container, "hostPID": true})),
        ("privileged", json!({"containers": [{"name": "c", "image": "i", "securityContext": {"privileged": true}}]})),
    ];
    for (name, spec) in breakouts {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": spec,
            "metadata": {"name": name, "namespace": "shop", "labels": {"breakout": name}}});
        umbrella.input("create -f -", &pod.to_string()).ok();
        eventually(&format!("the reason why {name} does not run"), || {
            let events = umbrella.run(&format!("get events -n shop --field-selector=involvedObject.name={name}"));
            let events = events.result().map_err(|failed| failed.to_string())?;
            if events.contains("Warning") { Ok(events) } else { Err(events) }
        });
        let twins = scenario.host.kubectl().run(&format!("get pods -A -l breakout={name} -o name")).ok();
        assert_eq!(twins, "", "{name} reached the host");
    }
    let external = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "grab", "namespace": "shop"},
        "spec": {"externalIPs": ["192.0.2.1"], "ports": [{"port": 443}]}});
    // Refused or without effect: either way the host does not redirect the address.
    let _ = umbrella.input("create -f -", &external.to_string());
    let grabbed = scenario.host.kubectl().run("get services -A -o jsonpath={.items[*].spec.externalIPs}").ok();
    assert_eq!(grabbed.trim(), "");
    let twins = scenario.host.kubectl().json("get pods -n rowhouse-umbrella");
    for twin in twins["items"].as_array().unwrap() {
        assert_eq!(twin["spec"]["automountServiceAccountToken"], false, "{twin:#}");
    }
}

fn limits_hold(umbrella: &Kubectl) {
    let large = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large"},
        "data": {"a": "x".repeat(4 << 20)}});
    let refused = umbrella.input("create -f -", &large.to_string()).fails();
    assert!(refused.contains("too large") || refused.contains("RequestEntityTooLarge"), "{refused}");
    let deep = format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{}1{}}}",
        "{\"a\":".repeat(20_000),
        "}".repeat(20_000)
    );
    let raw = umbrella.input("create --raw /api/v1/namespaces/shop/configmaps -f -", &deep);
    assert!(raw.code != Some(0), "{raw}");
    umbrella.run("get --raw /readyz").ok();
}
