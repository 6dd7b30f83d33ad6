//! Jobs, CronJobs and StatefulSets of a tenant: pods that end, pods at times, pods with names. Aggregated roles and token
//! Secrets, too: what else the controllers do is promised here.

use e2e::{Kubectl, Scenario, eventually};
use serde_json::Value;

const WORK: &str = include_str!("workloads.yaml");

#[test]
fn workloads_run_as_anywhere() {
    let scenario = Scenario::start("workloads");
    let acme = scenario.tenant("acme");
    acme.apply(WORK);
    jobs_end(&acme);
    suspended_jobs_wait(&acme);
    sets_have_names(&acme);
    times_come(&acme);
    roles_gather(&acme);
    tokens_are_kept(&scenario, &acme);
    // What ran has left nothing behind on the host but what still runs.
    eventually("only the running pods have twins", || {
        let host = scenario.host.kubectl();
        let twins = host.run("get pods -n rowhouse-acme --field-selector=status.phase=Running -o name").ok();
        // Two of the set, one of the resumed Job.
        if twins.lines().count() == 3 { Ok(()) } else { Err(twins) }
    });
}

fn condition(job: &Value, kind: &str) -> Option<String> {
    let conditions = job["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|c| c["type"] == kind && c["status"] == "True")?;
    found["reason"].as_str().map(str::to_owned)
}

fn jobs_end(acme: &Kubectl) {
    acme.run("wait --for=condition=Complete job/squares --timeout=60s").ok();
    let squares = acme.json("get job squares");
    let status = &squares["status"];
    assert_eq!((&status["completedIndexes"], &status["succeeded"]), (&"0-2".into(), &3.into()), "{status:#}");
    assert_eq!(condition(&squares, "Complete").as_deref(), Some("CompletionsReached"));
    let pods = acme.json("get pods -l batch.kubernetes.io/job-name=squares");
    let mut names: Vec<&str> =
        pods["items"].as_array().unwrap().iter().map(|pod| pod["spec"]["hostname"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["squares-0", "squares-1", "squares-2"]);
    assert!(pods["items"][0]["metadata"]["finalizers"].is_null(), "counted pods are let go");

    acme.run("wait --for=condition=Failed job/broken --timeout=60s").ok();
    let broken = acme.json("get job broken");
    assert_eq!(condition(&broken, "Failed").as_deref(), Some("BackoffLimitExceeded"));
    assert_eq!(broken["status"]["failed"], 1);
    let text = acme.run("describe job broken").ok();
    assert!(text.contains("Job has reached the specified backoff limit"), "{text}");

    // Gone with its pods as soon as it is done.
    acme.run("wait --for=delete job/brief --timeout=60s").ok();
    acme.run("wait --for=delete pod -l batch.kubernetes.io/job-name=brief --timeout=60s").ok();
}

fn suspended_jobs_wait(acme: &Kubectl) {
    acme.run("wait --for=condition=Suspended job/patient --timeout=60s").ok();
    assert_eq!(acme.run("get pods -l batch.kubernetes.io/job-name=patient -o name").ok(), "");
    let patch = |suspend: bool| {
        let body = format!("{{\"spec\":{{\"suspend\":{suspend}}}}}");
        acme.args(&["patch", "job", "patient", "--type=merge", "-p", &body]).ok();
    };
    patch(false);
    acme.run("wait --for=jsonpath={.status.ready}=1 job/patient --timeout=60s").ok();
    patch(true);
    acme.run("wait --for=condition=Suspended job/patient --timeout=60s").ok();
    acme.run("wait --for=delete pod -l batch.kubernetes.io/job-name=patient --timeout=60s").ok();
    assert!(acme.json("get job patient")["status"]["failed"].is_null(), "suspending is no failure");
    patch(false);
    acme.run("wait --for=jsonpath={.status.ready}=1 job/patient --timeout=60s").ok();
}

fn sets_have_names(acme: &Kubectl) {
    acme.run("rollout status statefulset/db --timeout=60s").ok();
    acme.run("set image statefulset/db db=registry.example/db:2").ok();
    acme.run("rollout status statefulset/db --timeout=60s").ok();
    let images = acme.run("get pods -l app=db -o jsonpath={.items[*].spec.containers[0].image}").ok();
    assert_eq!(images, "registry.example/db:2 registry.example/db:2");
    let history = acme.run("rollout history statefulset/db").ok();
    assert!(history.contains('1') && history.contains('2'), "{history}");
    acme.run("rollout undo statefulset/db").ok();
    acme.run("rollout status statefulset/db --timeout=60s").ok();
    let names = acme.run("get pods -l app=db -o jsonpath={.items[*].metadata.name}").ok();
    assert_eq!(names, "db-0 db-1");
}

fn times_come(acme: &Kubectl) {
    eventually("the first Job of a CronJob is done", || {
        let tick = acme.json("get cronjob tick");
        if tick["status"]["lastSuccessfulTime"].is_string() { Ok(()) } else { Err(tick["status"].to_string()) }
    });
    // By hand, as often as one likes.
    acme.run("create job by-hand --from=cronjob/tick").ok();
    acme.run("wait --for=condition=Complete job/by-hand --timeout=60s").ok();
    acme.run("delete cronjob tick").ok();
}

fn roles_gather(acme: &Kubectl) {
    eventually("the role has the rules of those it selects", || {
        let role = acme.json("get clusterrole gathered");
        if role["rules"][0]["resources"][0] == "widgets" { Ok(()) } else { Err(role["rules"].to_string()) }
    });
    // A role of the tenant's own is part of a role that every cluster starts with.
    eventually("edit may do it", || {
        let rules = acme.json("get clusterrole edit")["rules"].to_string();
        if rules.contains("widgets") { Ok(()) } else { Err("not yet") }
    });
}

fn tokens_are_kept(scenario: &Scenario, acme: &Kubectl) {
    let data = eventually("the Secret is filled", || {
        let data = acme.json("get secret robot-token")["data"].clone();
        if data["token"].is_string() && data["ca.crt"].is_string() { Ok(data) } else { Err(data.to_string()) }
    });
    assert_eq!(data["namespace"], "ZGVmYXVsdA==");
    let text = acme.run("get secret robot-token -o go-template={{.data.token|base64decode}}").ok();
    let view: Value = serde_json::from_str(&acme.run("config view --raw -o json").ok()).unwrap();
    let mut config = view;
    config["users"][0]["user"] = serde_json::json!({ "token": text });
    let robot = scenario.kubectl_with("robot", &config.to_string());
    assert!(robot.run("auth whoami").ok().contains("system:serviceaccount:default:robot"));
    acme.run("delete serviceaccount robot").ok();
    acme.run("wait --for=delete secret/robot-token --timeout=60s").ok();
}
