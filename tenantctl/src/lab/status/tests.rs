//! What a pod on a simulated node looks like, and that it settles.

use super::*;

const HOST: Ipv4Addr = Ipv4Addr::new(10, 243, 0, 1);
const POD: Ipv4Addr = Ipv4Addr::new(10, 244, 1, 2);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn pod() -> Value {
    json!({
        "metadata": {"name": "web", "generation": 1},
        "spec": {
            "initContainers": [{"name": "setup", "image": "i:1"}, {"name": "proxy", "image": "p:1", "restartPolicy": "Always"}],
            "containers": [{"name": "web", "image": "w:1"}],
        },
        "status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2023-11-14T00:00:00Z"},
        ]},
    })
}

/// What a server makes of the patch, as far as these fields go.
fn patched(mut pod: Value, play: &Play) -> Value {
    let mut conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    for wanted in play.status["conditions"].as_array().unwrap() {
        let mut wanted = wanted.clone();
        wanted.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        conditions.retain(|old| old["type"] != wanted["type"]);
        conditions.push(wanted);
    }
    for (key, value) in play.status.as_object().unwrap() {
        pod["status"][key] = value.clone();
    }
    pod["status"]["conditions"] = json!(conditions);
    pod
}

fn condition<'a>(pod: &'a Value, kind: &str) -> &'a Value {
    pod["status"]["conditions"].as_array().unwrap().iter().find(|condition| condition["type"] == kind).unwrap()
}

#[test]
fn a_pod_runs_and_settles() {
    let play_once = play(&pod(), HOST, POD, at(0)).unwrap();
    let names: Vec<_> = play_once.started.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["setup", "proxy", "web"]);
    let running = patched(pod(), &play_once);
    let status = &running["status"];
    assert_eq!(
        (&status["phase"], &status["podIP"], &status["hostIP"]),
        (&json!("Running"), &json!("10.244.1.2"), &json!("10.243.0.1"))
    );
    assert_eq!(status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"], 0);
    assert!(status["initContainerStatuses"][1]["state"]["running"].is_object(), "a sidecar keeps running");
    assert_eq!(status["containerStatuses"][0]["ready"], true);
    assert_eq!(condition(&running, "PodScheduled")["lastTransitionTime"], "2023-11-14T00:00:00Z");
    assert_eq!(condition(&running, "Ready")["status"], "True");
    assert_eq!(play(&running, HOST, POD, at(100)), None, "nothing more to do, however late it is");
}

#[test]
fn a_new_image_restarts_its_container_only() {
    let mut running = patched(pod(), &play(&pod(), HOST, POD, at(0)).unwrap());
    running["spec"]["containers"][0]["image"] = json!("w:2");
    let again = play(&running, HOST, POD, at(60)).unwrap();
    assert_eq!(again.started, [("web".to_owned(), "w:2".to_owned())]);
    let status = &again.status;
    assert_eq!(status["containerStatuses"][0]["restartCount"], 1);
    assert_eq!(status["initContainerStatuses"][1]["restartCount"], 0);
    assert_eq!(status["startTime"], time(at(0)));
}

#[test]
fn a_readiness_gate_keeps_a_pod_from_being_ready() {
    let mut gated = pod();
    gated["spec"]["readinessGates"] = json!([{"conditionType": "example.com/open"}]);
    let running = patched(gated.clone(), &play(&gated, HOST, POD, at(0)).unwrap());
    assert_eq!(condition(&running, "Ready")["reason"], "ReadinessGatesNotReady");
    assert_eq!(condition(&running, "ContainersReady")["status"], "True");
    assert_eq!(play(&running, HOST, POD, at(1)), None);

    let mut opened = running;
    let open = json!({"type": "example.com/open", "status": "True"});
    opened["status"]["conditions"].as_array_mut().unwrap().push(open.clone());
    let ready = patched(opened.clone(), &play(&opened, HOST, POD, at(9)).unwrap());
    assert_eq!(
        *condition(&ready, "Ready"),
        json!({"type": "Ready", "status": "True", "lastTransitionTime": time(at(9))})
    );
    assert_eq!(*condition(&ready, "example.com/open"), open);
    assert_eq!(play(&ready, HOST, POD, at(10)), None);
}

#[test]
fn an_ephemeral_container_joins() {
    let mut running = patched(pod(), &play(&pod(), HOST, POD, at(0)).unwrap());
    running["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "d"}]);
    let joined = play(&running, HOST, POD, at(5)).unwrap();
    assert_eq!(joined.started, [("debug".to_owned(), "d".to_owned())]);
    assert!(joined.status["ephemeralContainerStatuses"][0]["state"]["running"].is_object());
}

#[test]
fn a_pod_that_has_ended_stays_so() {
    for phase in ["Succeeded", "Failed"] {
        let mut ended = pod();
        ended["status"]["phase"] = json!(phase);
        assert_eq!(play(&ended, HOST, POD, at(0)), None);
    }
}

#[test]
fn pods_of_jobs_end() {
    // (restart policy, command, args) → exit code
    let cases = [
        ("Never", json!(null), json!(null), Some(0)),
        ("Never", json!(["sh", "-c", "echo hello"]), json!(null), Some(0)),
        ("Never", json!(["sh", "-c", "echo no; exit 3"]), json!(null), Some(3)),
        ("Never", json!(["sh", "-c"]), json!(["exit 0"]), Some(0)),
        ("Never", json!(["false"]), json!(null), Some(1)),
        ("Never", json!(["sh", "-c", "exit much"]), json!(null), Some(2)),
        ("Never", json!(["sleep", "3600"]), json!(null), None),
        ("OnFailure", json!(["true"]), json!(null), Some(0)),
        ("OnFailure", json!(["false"]), json!(null), None),
        ("Always", json!(["true"]), json!(null), None),
    ];
    for (restart, command, args, want) in cases {
        let mut pod = pod();
        pod["metadata"]["labels"] = json!({"batch.kubernetes.io/job-name": "j"});
        pod["spec"]["restartPolicy"] = json!(restart);
        pod["spec"]["containers"][0]["command"] = command.clone();
        pod["spec"]["containers"][0]["args"] = args;
        let running = patched(pod.clone(), &play(&pod, HOST, POD, at(0)).unwrap());
        assert_eq!(running["status"]["phase"], "Running", "it runs first");
        let Some(end) = play(&running, HOST, POD, at(5)) else {
            assert_eq!(want, None, "{restart} {command}");
            continue;
        };
        let code = &end.status["containerStatuses"][0]["state"]["terminated"]["exitCode"];
        assert_eq!(code.as_i64(), want, "{restart} {command}");
        let phase = if want == Some(0) { "Succeeded" } else { "Failed" };
        assert_eq!(end.status["phase"], phase);
        let over = patched(running, &end);
        assert_eq!(condition(&over, "Ready")["status"], "False");
        assert!(play(&over, HOST, POD, at(6)).is_none(), "and that is all");
    }
    assert_eq!(exit_code(&pod()), None, "not of a Job");
}
