//! What every scenario stands on: a cluster to ask, pods made of one image, waits.

use std::path::PathBuf;

use e2e::{Host, Kubectl, Output, eventually};
use serde_json::{Value, json};

/// busybox and curl.
pub(crate) const IMAGE: &str = "registry.example/box:1";

/// A namespace of a cluster: of the host, or of a tenant on it. What is asked of one is asked of the other, so that what is expected
/// is upstream's answer.
pub(crate) struct Ground<'a> {
    /// kubectl in the namespace.
    pub(crate) kubectl: Kubectl,
    /// The namespace; named after the scenario.
    pub(crate) namespace: &'a str,
    /// The cluster underneath.
    pub(crate) host: &'a Host,
    /// For files of the scenario.
    pub(crate) directory: PathBuf,
}

/// A pod of one container, `main`, that runs a shell script. It has a second to end.
pub(crate) fn pod(name: &str, script: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container("main", script)]},
    })
}

/// A container that runs a shell script.
pub(crate) fn container(name: &str, script: &str) -> Value {
    json!({"name": name, "image": IMAGE, "command": ["sh", "-c", script]})
}

/// A script that stays until it is told to end.
pub(crate) const STAY: &str = "trap exit TERM; while true; do sleep 0.1; done";

impl Ground<'_> {
    /// Creates an object.
    #[track_caller]
    pub(crate) fn create(&self, object: &Value) {
        self.kubectl.input("create -f -", &object.to_string()).ok();
    }

    /// Creates a pod and waits until it is ready.
    #[track_caller]
    pub(crate) fn run(&self, pod: &Value) {
        self.create(pod);
        self.kubectl.run(&format!("wait --for=condition=Ready pod/{} --timeout=90s", name(pod))).ok();
    }

    /// Creates a pod of one container that stays, and waits until it is ready.
    #[track_caller]
    pub(crate) fn stay(&self, name: &str) {
        self.run(&pod(name, STAY));
    }

    /// Runs a script in a pod's default container.
    pub(crate) fn exec(&self, pod: &str, script: &str) -> Output {
        self.kubectl.args(&["exec", pod, "--", "sh", "-c", script])
    }

    /// The pod.
    #[track_caller]
    pub(crate) fn get(&self, pod: &str) -> Value {
        self.kubectl.json(&format!("get pod {pod}"))
    }

    /// Waits until what the pod shows at a path is as wanted.
    #[track_caller]
    pub(crate) fn await_pod(&self, pod: &str, path: &str, wanted: &Value) -> Value {
        eventually(&format!("{path} of pod {pod} is {wanted}"), || {
            let text = self.kubectl.run(&format!("get pod {pod} -o json")).result().map_err(|e| e.to_string())?;
            let pod: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            if pod.pointer(path) == Some(wanted) { Ok(pod) } else { Err(format!("{:#}", pod["status"])) }
        })
    }

    /// Waits until the first container of a pod runs, ready or not.
    #[track_caller]
    pub(crate) fn await_running(&self, pod: &str) {
        eventually(&format!("pod {pod} runs"), || {
            let state = self.get(pod)["status"]["containerStatuses"][0]["state"].clone();
            if state["running"].is_object() { Ok(()) } else { Err(state.to_string()) }
        });
    }

    /// Waits until a script run in a pod says what it should.
    #[track_caller]
    pub(crate) fn await_said(&self, pod: &str, script: &str, wanted: &str) {
        eventually(&format!("{script} in pod {pod} says {wanted}"), || {
            let said = self.exec(pod, script);
            if said.stdout.trim() == wanted { Ok(()) } else { Err(said) }
        });
    }
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}
