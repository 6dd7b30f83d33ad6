//! The main job, end to end: a tenant gets a cluster, works in it with plain kubectl, and leaves nothing behind.

use e2e::{Kubectl, Scenario, eventually};

use crate::fixtures::{SHOP, WIDGETS, deploy_shop, pods};

#[test]
fn a_tenant_works_in_a_cluster_of_its_own() {
    let scenario = Scenario::start_split("main-job");
    let acme = scenario.tenant("acme");
    let version = acme.run("version").ok();
    assert!(version.contains("Server Version: v1.36"), "{version}");

    custom_resources(&acme);
    roles(&acme);
    deploy_shop(&acme);
    host_side(&scenario, &acme);
    events_and_nodes(&acme);
    streams(&scenario, &acme);

    let umbrella = scenario.tenant("umbrella");
    let namespaces = umbrella.run("get namespaces -o name").ok();
    assert!(!namespaces.contains("shop"), "{namespaces}");
    assert_eq!(umbrella.run("get pods,services,configmaps,secrets -n shop -o name").ok(), "");
    assert_eq!(umbrella.run("get customresourcedefinitions -o name").ok(), "");

    let deleted = scenario.rowhouse.tenantctl("delete acme").ok();
    assert!(deleted.contains("tenant/acme deleted"), "{deleted}");
    assert!(scenario.host.kubectl().run("get namespace rowhouse-acme").fails().contains("NotFound"));
    assert!(acme.run("get namespaces").code != Some(0), "the API of a deleted tenant is gone");
    umbrella.run("get namespaces").ok();
}

fn custom_resources(acme: &Kubectl) {
    acme.apply(WIDGETS);
    acme.run("wait --for=condition=Established crd/widgets.example.com --timeout=30s").ok();
    let widget = |size: u8| {
        format!("{{apiVersion: example.com/v1, kind: Widget, metadata: {{name: w}}, spec: {{size: {size}}}}}")
    };
    acme.apply(&widget(3));
    let table = acme.run("get wd").ok();
    assert!(table.contains("SIZE") && table.contains('3'), "{table}");
    assert_eq!(acme.json("get widget w")["spec"]["colour"], "blue", "defaults of the schema");
    let refused = acme.input("apply -f -", &widget(10)).fails();
    assert!(refused.contains("spec.size in body should be less than or equal to 9"), "{refused}");
    assert!(acme.run("explain widget.spec").ok().contains("How large it is."));
}

fn roles(acme: &Kubectl) {
    acme.run("create namespace team").ok();
    acme.run("create serviceaccount reader -n team").ok();
    acme.run("create role reader -n team --verb=get,list --resource=pods").ok();
    acme.run("create rolebinding reader -n team --role=reader --serviceaccount=team:reader").ok();
    let can =
        |what: &str| acme.run(&format!("auth can-i {what} -n team --as=system:serviceaccount:team:reader")).stdout;
    assert_eq!(can("list pods").trim(), "yes");
    assert_eq!(can("delete pods").trim(), "no");
}

/// The twins on the host: in one namespace, powerless, translated.
fn host_side(scenario: &Scenario, acme: &Kubectl) {
    let host = scenario.host.kubectl();
    let virtual_pods = pods(acme, "shop", "web");
    let twins = host.json("get pods -n rowhouse-acme -l app=web");
    let twins = twins["items"].as_array().unwrap();
    assert_eq!((virtual_pods.len(), twins.len()), (2, 2));
    for twin in twins {
        let spec = &twin["spec"];
        assert_eq!(spec["automountServiceAccountToken"], false, "{spec:#}");
        let name = twin["metadata"]["annotations"]["rowhouse.dev/name"].as_str().unwrap();
        assert!(virtual_pods.iter().any(|pod| pod == name), "{name}");
        let virtual_pod = acme.json(&format!("get pod {name} -n shop"));
        for (path, what) in [("/status/podIP", "address"), ("/spec/nodeName", "node"), ("/status/phase", "phase")] {
            assert_eq!(virtual_pod.pointer(path), twin.pointer(path), "{what}");
        }
    }
    let service = acme.json("get service web -n shop");
    let address = service["spec"]["clusterIP"].as_str().unwrap();
    let services = host.run("get services -n rowhouse-acme -o jsonpath={.items[*].spec.clusterIP}").ok();
    assert!(address.starts_with("10.96.") && services.contains(address), "{address}: {services}");
    eventually("endpoints of both pods", || {
        let slices = acme.json("get endpointslices -n shop -l kubernetes.io/service-name=web");
        let ready = slices["items"][0]["endpoints"].as_array().map_or(0, Vec::len);
        if ready == 2 { Ok(()) } else { Err(slices.to_string()) }
    });
    let security = host.json("get namespace rowhouse-acme");
    assert_eq!(security["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "baseline");
    let policies = host.run("get networkpolicies -n rowhouse-acme -o name").ok();
    assert!(!policies.is_empty(), "a tenant is walled in");
}

fn events_and_nodes(acme: &Kubectl) {
    for reason in ["Scheduled", "Started"] {
        eventually(&format!("event {reason} of the host"), || acme.run("get events -n shop").contains(reason));
    }
    let nodes = acme.run("get nodes").ok();
    assert!(nodes.contains("node-a") && nodes.contains("Ready"), "{nodes}");
    for kinds in ["pods,services,configmaps,secrets,events,endpointslices", "nodes"] {
        let all = acme.run(&format!("get {kinds} -A -o yaml")).ok();
        assert!(!all.contains("rowhouse-acme"), "names of the host leak into {kinds}:\n{all}");
    }
}

fn streams(scenario: &Scenario, acme: &Kubectl) {
    let pod = &pods(acme, "shop", "web")[0];
    scenario.host.append_log("rowhouse-acme", "the shop is open");
    assert_eq!(acme.run(&format!("logs -n shop {pod}")).ok(), "the shop is open\n");
    let follower = acme.start(&format!("logs -f -n shop {pod}"), &scenario.directory().join("follow.log"));
    scenario.host.append_log("rowhouse-acme", "a customer comes in");
    eventually("a followed log", || {
        let log = follower.log();
        if log.contains("a customer comes in") { Ok(()) } else { Err(log) }
    });
    assert_eq!(acme.args(&["exec", "-n", "shop", pod, "--", "sh", "-c", "echo inside"]).ok(), "inside\n");
    let input = acme.input(&format!("exec -i -n shop {pod} -- head -n1"), "round trip\n");
    assert_eq!(input.ok(), "round trip\n");
}

#[test]
fn the_command_line_says_what_happens() {
    let scenario = Scenario::start("command-line");
    let ctl = |arguments: &str| scenario.rowhouse.tenantctl(arguments);
    assert!(ctl("list").ok().contains("No tenants found"));
    let created = ctl("create acme").ok();
    assert!(created.contains("tenant/acme is ready") && created.contains("namespace rowhouse-acme"), "{created}");
    let again = ctl("create acme");
    assert!(again.code == Some(1) && again.stderr.contains("already"), "{again}");
    let missing = ctl("get nobody");
    assert!(missing.code == Some(3) && missing.stderr.contains("tenantctl list"), "{missing}");
    assert_eq!(ctl("create Not_A_Name").code, Some(2));

    let table = ctl("list").ok();
    assert!(table.starts_with("NAME") && table.contains("acme") && table.contains("Ready"), "{table}");
    let object: serde_json::Value = serde_json::from_str(&ctl("get acme -o json").ok()).unwrap();
    assert_eq!((&object["kind"], &object["status"]["phase"]), (&"Tenant".into(), &"Ready".into()));
    assert!(ctl("get acme -o yaml").ok().contains("phase: Ready"));
    // The API server of the host prints the same columns: the definition carries them.
    assert!(scenario.host.kubectl().run("get tenants").ok().contains("Ready"));

    let version = ctl("version").ok();
    assert!(version.contains("v1.36"), "{version}");
    assert!(ctl("completion bash").ok().contains("tenantctl"));

    let acme = scenario.tenant_kubectl("acme");
    acme.apply(SHOP);
    assert!(ctl("delete acme").ok().contains("deleted"));
    assert_eq!(ctl("get acme").code, Some(3));
}
