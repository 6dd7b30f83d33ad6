//! Parts die in the middle: what was acknowledged stays, what runs keeps running, what was asked for comes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use e2e::{Scenario, eventually};

use crate::fixtures::{await_pods, deploy_shop};

#[test]
fn control_plane_killed_in_the_middle() {
    let mut scenario = Scenario::start_split("control-plane-killed");
    let acme = scenario.tenant("acme");
    deploy_shop(&acme);
    let running = scenario.host.kubectl().json("get pods -n rowhouse-acme");

    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let writer = {
        let (acme, stop, acknowledged) = (acme.clone(), stop.clone(), acknowledged.clone());
        std::thread::spawn(move || {
            for index in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let name = format!("written-{index}");
                if acme.run(&format!("create configmap {name} -n shop --from-literal=index={index}")).code == Some(0) {
                    acknowledged.lock().unwrap().push(name);
                }
            }
        })
    };
    // A rollout is under way as well when the process dies.
    acme.run("set image deployment/web web=registry.example/web:2 -n shop").ok();
    eventually("some writes", || if acknowledged.lock().unwrap().len() >= 5 { Ok(()) } else { Err("not yet") });
    scenario.rowhouse.kill();
    let meanwhile = scenario.host.kubectl().json("get pods -n rowhouse-acme");
    assert!(!meanwhile["items"].as_array().unwrap().is_empty(), "pods run on without control plane: {running:#}");
    scenario.rowhouse.crash_and_restart();
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();

    let kept = acme.run("get configmaps -n shop -o name").ok();
    for name in acknowledged.lock().unwrap().iter() {
        assert!(kept.lines().any(|line| line == format!("configmap/{name}")), "{name} was acknowledged and is lost");
    }
    acme.run("rollout status deployment/web -n shop --timeout=90s").ok();
    acme.run("scale deployment web -n shop --replicas=3").ok();
    await_pods(&acme, "shop", "web", 3);
    eventually("the host has the same pods", || {
        let twins = scenario.host.kubectl().run("get pods -n rowhouse-acme -l app=web -o name").result();
        let twins = twins.map_err(|failed| failed.to_string())?;
        if twins.lines().count() == 3 { Ok(()) } else { Err(twins) }
    });
    scenario.tenant("umbrella").run("get namespaces").ok();
    scenario.rowhouse.terminate();
}

#[test]
fn host_api_restarted_in_the_middle() {
    let mut scenario = Scenario::start_split("host-api-restarted");
    let acme = scenario.tenant("acme");
    deploy_shop(&acme);
    scenario.host.kill_api();

    // Reads, and writes of what is not synced, need no host.
    acme.run("get pods,deployments -n shop").ok();
    acme.run("create configmap offline -n shop").ok();
    acme.run("create namespace later").ok();
    acme.run("scale deployment web -n shop --replicas=4").ok();
    let service = acme.run("create service clusterip waits -n shop --tcp=80").fails();
    assert!(service.contains("the host cluster that allocates Services cannot be reached"), "{service}");

    scenario.host.restart_api();
    await_pods(&acme, "shop", "web", 4);
    eventually("services are created again", || acme.run("create service clusterip waits -n shop --tcp=80").result());
    acme.run("delete deployment web -n shop").ok();
    eventually("the host follows deletions", || {
        let twins = scenario.host.kubectl().run("get pods -n rowhouse-acme -l app=web -o name").result();
        let twins = twins.map_err(|failed| failed.to_string())?;
        if twins.is_empty() { Ok(()) } else { Err(twins) }
    });
}
