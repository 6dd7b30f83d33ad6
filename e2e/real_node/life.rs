//! The life of pods as their status tells it: probes, init containers and sidecars, exits, restarts, endings.

use e2e::{Kubectl, eventually};
use serde_json::{Value, json};

use crate::ground::{Ground, STAY, container, pod};

const STATUS: &str = "/status/containerStatuses/0";

pub(crate) fn probes(ground: &Ground<'_>) {
    let probe =
        |script: &str| json!({"exec": {"command": ["sh", "-c", script]}, "periodSeconds": 1, "failureThreshold": 1});
    let mut probed = pod("probed", STAY);
    let main = &mut probed["spec"]["containers"][0];
    main["startupProbe"] = probe("test -e /tmp/started");
    main["startupProbe"]["failureThreshold"] = json!(600);
    main["readinessProbe"] = probe("test -e /tmp/ready");
    main["livenessProbe"] = probe("test ! -e /tmp/broken");
    main["ports"] = json!([{"containerPort": 80}]);
    ground.create(&probed);
    ground.kubectl.run("expose pod probed --port=80").ok();
    let at = |field: &str, wanted: Value| ground.await_pod("probed", &format!("{STATUS}/{field}"), &wanted);
    let endpoint = |ready: bool| {
        eventually(&format!("the endpoint has ready={ready}"), || {
            let slices = ground.kubectl.json("get endpointslices -l kubernetes.io/service-name=probed");
            let is = &slices["items"][0]["endpoints"][0]["conditions"]["ready"];
            if *is == ready { Ok(()) } else { Err(slices.to_string()) }
        });
    };
    ground.await_running("probed");
    let status = ground.get("probed")["status"]["containerStatuses"][0].clone();
    assert_eq!((&status["started"], &status["ready"]), (&json!(false), &json!(false)), "{status:#}");
    ground.exec("probed", "touch /tmp/started").ok();
    at("started", json!(true));
    endpoint(false);
    ground.exec("probed", "touch /tmp/ready").ok();
    ground.kubectl.run("wait --for=condition=Ready pod/probed --timeout=60s").ok();
    endpoint(true);
    ground.exec("probed", "rm /tmp/ready").ok();
    ground.kubectl.run("wait --for=condition=Ready=False pod/probed --timeout=60s").ok();
    endpoint(false);
    ground.exec("probed", "touch /tmp/broken").ok();
    at("restartCount", json!(1));
    for said in [
        "Startup probe failed",
        "Readiness probe failed",
        "Liveness probe failed",
        "failed liveness probe, will be restarted",
    ] {
        eventually(&format!("an event says {said}"), || {
            ground.kubectl.run("get events --field-selector involvedObject.name=probed").contains(said)
        });
    }
}

pub(crate) fn init_and_sidecars(ground: &Ground<'_>) {
    let mut object = pod("ordered", "echo main >> /data/order; cat /data/order");
    let mut sidecar = container(
        "sidecar",
        "echo sidecar >> /data/order; trap 'echo stopped; exit' TERM; while true; do sleep 0.1; done",
    );
    sidecar["restartPolicy"] = json!("Always");
    sidecar["startupProbe"] = json!({"exec": {"command": ["grep", "sidecar", "/data/order"]}, "periodSeconds": 1});
    let init = |name: &str| container(name, &format!("echo {name} >> /data/order"));
    object["spec"]["initContainers"] = json!([init("first"), sidecar, init("second")]);
    object["spec"]["restartPolicy"] = json!("Never");
    object["spec"]["terminationGracePeriodSeconds"] = json!(20);
    object["spec"]["volumes"] = json!([{"name": "data", "emptyDir": {"medium": "Memory"}}]);
    for list in ["initContainers", "containers"] {
        for container in object["spec"][list].as_array_mut().unwrap() {
            container["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
        }
    }
    ground.create(&object);
    let done = ground.await_pod("ordered", "/status/phase", &json!("Succeeded"));
    assert_eq!(ground.kubectl.run("logs ordered -c main").ok(), "first\nsidecar\nsecond\nmain\n");
    assert_eq!(
        ground.kubectl.run("logs ordered -c sidecar").ok(),
        "stopped\n",
        "a sidecar ends after the main container"
    );
    for status in done["status"]["initContainerStatuses"].as_array().unwrap() {
        assert_eq!(status["state"]["terminated"]["exitCode"], 0, "{status:#}");
    }
    let all = ground.kubectl.run("logs ordered --all-containers --prefix").ok();
    assert!(all.contains("[pod/ordered/main] main\n") && all.contains("[pod/ordered/sidecar] stopped\n"), "{all}");
    assert_eq!(columns(&ground.kubectl, "ordered"), ["ordered", "0/2", "Completed", "0"]);

    let mut stuck = pod("stuck", STAY);
    stuck["spec"]["initContainers"] = json!([container("first", "exit 5")]);
    ground.create(&stuck);
    eventually("the table says that the init container fails", || {
        let columns = columns(&ground.kubectl, "stuck");
        let is_failing = ["Init:Error", "Init:CrashLoopBackOff"].contains(&columns[2].as_str());
        if is_failing { Ok(()) } else { Err(columns.join(" ")) }
    });
}

/// NAME, READY, STATUS and RESTARTS of a pod.
fn columns(kubectl: &Kubectl, pod: &str) -> Vec<String> {
    let line = kubectl.run(&format!("get pod {pod} --no-headers")).ok();
    line.split_whitespace().take(4).map(str::to_owned).collect()
}

/// How containers end, or cannot begin: what the status and the table say.
pub(crate) fn endings(ground: &Ground<'_>) {
    let greedy = "x=0123456789abcdef; while true; do x=$x$x; done";
    let cases = [
        ("fine", "exit 0", "Succeeded", json!({"exitCode": 0, "reason": "Completed"}), "Completed"),
        ("wrong", "exit 3", "Failed", json!({"exitCode": 3, "reason": "Error"}), "Error"),
        ("greedy", greedy, "Failed", json!({"exitCode": 137, "reason": "OOMKilled"}), "OOMKilled"),
        (
            "telling",
            "printf because > /dev/termination-log; exit 4",
            "Failed",
            json!({"exitCode": 4, "reason": "Error", "message": "because"}),
            "Error",
        ),
    ];
    for (name, script, ..) in &cases {
        let mut object = pod(name, script);
        object["spec"]["restartPolicy"] = json!("Never");
        object["spec"]["containers"][0]["resources"] = json!({"limits": {"memory": "24Mi"}});
        ground.create(&object);
    }
    begin_badly(ground);
    for (name, _, phase, wanted, shown) in &cases {
        let is = ground.await_pod(name, "/status/phase", &json!(phase));
        let terminated = &is["status"]["containerStatuses"][0]["state"]["terminated"];
        for (field, value) in wanted.as_object().unwrap() {
            assert_eq!(terminated[field], *value, "{name}: {terminated:#}");
        }
        assert_eq!(columns(&ground.kubectl, name), [name, "0/1", shown, "0"]);
    }
    for (name, shown) in [
        ("absent-image", "ErrImageNeverPull"),
        ("absent-setting", "CreateContainerConfigError"),
        ("absent-program", "StartError"),
    ] {
        eventually(&format!("the table says {shown}"), || {
            let columns = columns(&ground.kubectl, name);
            let says = columns[2] == shown || (shown == "StartError" && columns[2] == "RunContainerError");
            if says { Ok(()) } else { Err(columns.join(" ")) }
        });
    }
    crashing(ground);
}

fn begin_badly(ground: &Ground<'_>) {
    let mut image = pod("absent-image", STAY);
    image["spec"]["containers"][0]["image"] = json!("registry.example/absent:1");
    image["spec"]["containers"][0]["imagePullPolicy"] = json!("Never");
    ground.create(&image);
    let mut setting = pod("absent-setting", STAY);
    setting["spec"]["containers"][0]["env"] =
        json!([{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "absent", "key": "a"}}}]);
    ground.create(&setting);
    let mut program = pod("absent-program", STAY);
    program["spec"]["restartPolicy"] = json!("Never");
    program["spec"]["containers"][0]["command"] = json!(["/no/such/program"]);
    ground.create(&program);
}

fn crashing(ground: &Ground<'_>) {
    ground.create(&pod("crashing", "exit 6"));
    eventually("restarts are counted, and the last end is told", || {
        let status = ground.get("crashing")["status"]["containerStatuses"][0].clone();
        let counted = status["restartCount"].as_u64().is_some_and(|count| count >= 2);
        let told = status["lastState"]["terminated"]["exitCode"] == 6;
        let waits = status["state"]["waiting"]["reason"] == "CrashLoopBackOff";
        if counted && told && waits { Ok(()) } else { Err(format!("{status:#}")) }
    });
    eventually("events tell of it", || {
        ground
            .kubectl
            .run("get events --field-selector involvedObject.name=crashing,reason=BackOff")
            .contains("restarting failed container")
    });
}

/// A deleted pod gets its hook, its signal and its time, and ends by itself or is killed.
pub(crate) fn grace(ground: &Ground<'_>) {
    let mut polite =
        pod("polite", "trap 'echo signal; sleep 0.2; exit 9' TERM; echo ready; while true; do sleep 0.1; done");
    polite["spec"]["terminationGracePeriodSeconds"] = json!(60);
    polite["spec"]["containers"][0]["lifecycle"] =
        json!({"preStop": {"exec": {"command": ["sh", "-c", "echo hook > /proc/1/fd/1; sleep 0.5"]}}});
    ground.run(&polite);
    let deaf = pod("deaf", "trap '' TERM; while true; do sleep 0.1; done");
    ground.run(&deaf);
    let log = |name: &str| ground.directory.join(format!("{name}.log"));
    let follower = ground.kubectl.start("logs -f polite", &log("polite"));
    let codes = "jsonpath={.metadata.name}={.status.containerStatuses[0].state.terminated.exitCode};";
    let watcher = ground.kubectl.start(&format!("get pods --watch -o {codes}"), &log("watch"));
    for (process, begun) in [(&follower, "ready"), (&watcher, "deaf=")] {
        eventually("the watchers watch", || if process.log().contains(begun) { Ok(()) } else { Err(process.log()) });
    }
    ground.kubectl.run("delete pod polite deaf --timeout=60s").ok();
    assert_eq!(follower.log(), "ready\nhook\nsignal\n", "the hook comes before the signal");
    for ended in ["polite=9;", "deaf=137;"] {
        eventually("the watcher saw how they ended", || {
            if watcher.log().contains(ended) { Ok(()) } else { Err(watcher.log()) }
        });
    }
    let events = ground.kubectl.run("get events --field-selector involvedObject.name=polite").ok();
    assert!(events.contains("Stopping container main"), "{events}");
}

/// Resources of running containers change in place, or by a restart where the pod asks for one.
pub(crate) fn resize(ground: &Ground<'_>) {
    let mut object = pod("box", STAY);
    let main = &mut object["spec"]["containers"][0];
    let both = json!({"cpu": "100m", "memory": "32Mi"});
    main["resources"] = json!({"requests": both, "limits": both});
    main["resizePolicy"] = json!([{"resourceName": "memory", "restartPolicy": "RestartContainer"}]);
    ground.run(&object);
    let quota = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d ' ' -f 1 /sys/fs/cgroup/cpu.max";
    ground.await_said("box", quota, "10000");
    let patch = |resource: &str, value: &str| {
        let wanted = json!({resource: value});
        let container = json!({"name": "main", "resources": {"requests": wanted, "limits": wanted}});
        let patch = json!({"spec": {"containers": [container]}}).to_string();
        ground.kubectl.args(&["patch", "pod", "box", "--subresource=resize", "-p", &patch])
    };
    patch("cpu", "200m").ok();
    ground.await_said("box", quota, "20000");
    ground.await_pod("box", &format!("{STATUS}/resources/limits/cpu"), &json!("200m"));
    ground.await_pod("box", &format!("{STATUS}/allocatedResources/cpu"), &json!("200m"));
    let resized = ground.get("box");
    assert_eq!(resized["spec"]["containers"][0]["resources"]["limits"]["cpu"], "200m");
    assert_eq!(resized["status"]["containerStatuses"][0]["restartCount"], 0, "in place");
    patch("memory", "48Mi").ok();
    ground.await_pod("box", &format!("{STATUS}/restartCount"), &json!(1));
    ground.await_pod("box", &format!("{STATUS}/resources/limits/memory"), &json!("48Mi"));
    let refused = patch("memory", "32Gx").fails();
    assert!(refused.contains("quantities must match the regular expression"), "{refused}");
    let refused = patch("cpu", "900").fails();
    assert!(refused.contains("node didn't have enough allocatable resources: cpu, requested: 900000"), "{refused}");
    assert_eq!(ground.get("box")["spec"]["containers"][0]["resources"]["limits"]["cpu"], "200m");
}
