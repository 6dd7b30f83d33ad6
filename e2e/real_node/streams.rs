//! Connections into pods: logs, exec, attach, cp, port-forward.

use e2e::{Kubectl, Process, eventually};
use serde_json::json;

use crate::ground::{Ground, STAY, container, pod};

/// How kubectl speaks when it may choose, and when it may not: WebSocket, SPDY.
fn protocols(kubectl: &Kubectl) -> [(&'static str, Kubectl); 2] {
    let spdy = kubectl
        .with_environment("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false")
        .with_environment("KUBECTL_PORT_FORWARD_WEBSOCKETS", "false");
    [("websocket", kubectl.clone()), ("spdy", spdy)]
}

/// More than fits into a pipe or a frame.
fn bulk() -> String {
    (0..20_000).map(|line| format!("line {line}\n")).collect()
}

pub(crate) fn logs(ground: &Ground<'_>) {
    let script = "echo first; echo second; if [ ! -e /data/again ]; then touch /data/again; exit 7; fi; \
                  echo again; until [ -e /data/more ]; do sleep 0.1; done; echo more; until [ -e /data/end ]; do sleep 0.1; done";
    let mut talker = pod("talker", script);
    talker["spec"]["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
    talker["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    talker["spec"]["restartPolicy"] = json!("OnFailure");
    ground.create(&talker);
    let kubectl = &ground.kubectl;
    eventually("the second life speaks", || kubectl.run("logs talker").contains("again"));
    assert_eq!(kubectl.run("logs talker").ok(), "first\nsecond\nagain\n");
    assert_eq!(kubectl.run("logs talker --previous").ok(), "first\nsecond\n");
    assert_eq!(kubectl.run("logs talker --tail=1").ok(), "again\n");
    assert_eq!(kubectl.run("logs talker --limit-bytes=3").ok(), "fir");
    assert_eq!(kubectl.run("logs talker --since-time=2999-01-01T00:00:00Z").ok(), "");
    assert!(kubectl.run("logs talker --timestamps --tail=1").ok().ends_with("Z again\n"));
    assert!(kubectl.run("logs -l app=talker --prefix").ok().contains("[pod/talker/main] again\n"));
    let none = kubectl.run("logs talker -c nobody").fails();
    assert!(none.contains("container nobody is not valid for pod talker"), "{none}");

    let follower = kubectl.start("logs -f talker", &ground.directory.join("follow.log"));
    let heard = |text: &str| {
        eventually(&format!("the follower hears {text}"), || {
            let log = follower.log();
            if log.contains(text) { Ok(()) } else { Err(log) }
        });
    };
    heard("again\n");
    ground.exec("talker", "touch /data/more").ok();
    heard("more\n");
    ground.exec("talker", "touch /data/end").ok();
    ground.await_pod("talker", "/status/phase", &json!("Succeeded"));
    assert!(kubectl.run("logs -f talker").ok().ends_with("more\n"), "following ends with the container");
}

pub(crate) fn exec(ground: &Ground<'_>) {
    let mut both = pod("box", STAY);
    both["spec"]["containers"].as_array_mut().unwrap().push(container("second", STAY));
    ground.run(&both);
    for (protocol, kubectl) in protocols(&ground.kubectl) {
        let said = kubectl.args(&["exec", "box", "-c", "main", "--", "sh", "-c", "echo out; echo err >&2; exit 3"]);
        assert_eq!((said.code, said.stdout.as_str()), (Some(3), "out\n"), "{protocol}: {said}");
        assert!(said.stderr.starts_with("err\n"), "{protocol}: {said}");
        assert!(said.stderr.contains("command terminated with exit code 3"), "{protocol}: {said}");
        let all = bulk();
        assert!(kubectl.input("exec -i box -c second -- cat", &all).ok() == all, "{protocol}: what goes in comes out");
        let count = kubectl.input("exec -i box -c main -- wc -l", &all).ok();
        assert_eq!(count.trim(), "20000", "{protocol}: the end of the input arrives");
        let unknown = kubectl.run("exec box -c main -- no-such-program").fails();
        assert!(unknown.contains("executable file not found"), "{protocol}: {unknown}");
        let nobody = kubectl.run("exec box -c nobody -- true").fails();
        assert!(nobody.contains("container nobody is not valid for pod box"), "{protocol}: {nobody}");
        // The container's own name for itself.
        assert_eq!(kubectl.run("exec box -c main -- hostname").ok(), "box\n", "{protocol}");
    }
    let default = ground.kubectl.run("exec box -- true");
    assert!(default.stderr.contains("Defaulted container \"main\" out of: main, second"), "{default}");
}

pub(crate) fn attach(ground: &Ground<'_>) {
    for (protocol, kubectl) in protocols(&ground.kubectl) {
        let mut echo = pod(protocol, "echo ready; cat");
        echo["spec"]["restartPolicy"] = json!("Never");
        for setting in ["stdin", "stdinOnce"] {
            echo["spec"]["containers"][0][setting] = json!(true);
        }
        ground.run(&echo);
        let heard = kubectl.input(&format!("attach -i {protocol}"), "round trip\n").ok();
        assert!(heard.ends_with("round trip\n"), "{protocol}: {heard}");
        ground.await_pod(protocol, "/status/phase", &json!("Succeeded"));
        assert_eq!(kubectl.run(&format!("logs {protocol}")).ok(), "ready\nround trip\n");
    }
    let run = format!("run once -i --rm --restart=Never --image={} -- cat", crate::ground::IMAGE);
    let heard = ground.kubectl.input(&run, "hello\n").ok();
    assert!(heard.contains("hello\n") && heard.contains("pod \"once\" deleted"), "{heard}");
}

/// A debugging container in a running pod, in the namespaces of one of its containers.
pub(crate) fn debug(ground: &Ground<'_>) {
    ground.stay("box");
    let begin = |name: &str, mode: &str| {
        format!("debug box --image={} --profile=baseline --target=main -c {name} {mode} --", crate::ground::IMAGE)
    };
    for (protocol, kubectl) in protocols(&ground.kubectl) {
        // The end of the input detaches, so what the container answers to it may only be in its log.
        kubectl.input(&format!("{} head -n1", begin(protocol, "-i")), "knock\n").ok();
        eventually("what was typed arrived", || {
            ground.kubectl.run(&format!("logs box -c {protocol}")).contains("knock\n")
        });
    }
    let see = "tr '\\000' ' ' < /proc/1/cmdline; echo; trap exit TERM; while true; do sleep 0.1; done";
    let arguments = begin("peek", "");
    ground.kubectl.args(&[&arguments.split_whitespace().collect::<Vec<_>>()[..], &["sh", "-c", see]].concat()).ok();
    eventually("it sees the processes of its target", || {
        ground.kubectl.run("logs box -c peek").contains("while true; do sleep 0.1; done")
    });
    assert_eq!(ground.kubectl.run("exec box -c peek -- hostname").ok(), "box\n");
    let is_over = |status: &serde_json::Value| status["state"]["terminated"]["exitCode"] == 0;
    eventually("the status tells of all three", || {
        let status = ground.get("box")["status"].clone();
        let all = status["ephemeralContainerStatuses"].as_array().cloned().unwrap_or_default();
        let over = all.iter().filter(|status| is_over(status)).count();
        let runs = all.iter().any(|status| status["name"] == "peek" && status["state"]["running"].is_object());
        if over == 2 && runs { Ok(()) } else { Err(format!("{all:#?}")) }
    });
    let pod = ground.get("box");
    assert_eq!(pod["spec"]["ephemeralContainers"].as_array().map(Vec::len), Some(3));
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0);
    assert!(ground.kubectl.run("describe pod box").ok().contains("Ephemeral Containers:"));
}

pub(crate) fn cp(ground: &Ground<'_>) {
    ground.stay("box");
    let all = bulk();
    let (sent, back) = (ground.directory.join("sent"), ground.directory.join("back"));
    std::fs::create_dir_all(sent.join("below")).unwrap();
    std::fs::write(sent.join("bulk"), &all).unwrap();
    std::fs::write(sent.join("below/small"), "small\n").unwrap();
    for (protocol, kubectl) in protocols(&ground.kubectl) {
        let remote = format!("box:/tmp/{protocol}");
        kubectl.run(&format!("cp {} {remote}", sent.display())).ok();
        assert_eq!(
            ground.exec("box", &format!("cat /tmp/{protocol}/below/small; wc -l < /tmp/{protocol}/bulk")).ok(),
            "small\n20000\n"
        );
        let file = back.join(protocol);
        kubectl.run(&format!("cp {remote}/bulk {}", file.display())).ok();
        assert!(std::fs::read_to_string(file).unwrap() == all, "{protocol}: a file comes back as it was");
    }
}

pub(crate) fn port_forward(ground: &Ground<'_>) {
    let mut web = pod(
        "web",
        "trap exit TERM; mkdir /www; hostname > /www/index.html; httpd -p 8080 -h /www; while true; do sleep 0.1; done",
    );
    web["spec"]["containers"][0]["ports"] = json!([{"name": "http", "containerPort": 8080}]);
    ground.run(&web);
    ground.kubectl.run("expose pod web --port=80 --target-port=http").ok();
    for (protocol, kubectl) in protocols(&ground.kubectl) {
        for target in ["pod/web :8080", "pod/web :http", "service/web :80"] {
            let log = ground.directory.join(format!("{protocol}-{}.log", target.replace(['/', ' ', ':'], "-")));
            let forward = kubectl.start(&format!("port-forward {target}"), &log);
            let port = forwarded(&forward);
            for _ in 0..2 {
                assert_eq!(curl(port).ok(), "web\n", "{protocol}: {target}");
            }
        }
        let forward = kubectl.start("port-forward pod/web :9", &ground.directory.join(format!("{protocol}-9.log")));
        assert!(curl(forwarded(&forward)).code != Some(0), "{protocol}: nobody listens");
        eventually("kubectl says so", || {
            let log = forward.log();
            if log.to_lowercase().contains("refused") { Ok(()) } else { Err(log) }
        });
    }
}

fn forwarded(forward: &Process) -> u16 {
    eventually("a port is forwarded", || {
        let log = forward.log();
        let port = log.split("Forwarding from 127.0.0.1:").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        port.ok_or(log)
    })
}

fn curl(port: u16) -> e2e::Output {
    let url = format!("http://127.0.0.1:{port}/");
    e2e::run("curl", &["--silent", "--show-error", "--max-time", "30", &url])
}
