//! The ground the other scenarios stand on: the harness' own host schedules, logs and executes.

use e2e::{Assets, Host, Rowhouse, eventually};

const POD: &str = r#"{
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "web", "image": "registry.example/web:1"}]}
}"#;

#[test]
fn host_runs_pods_with_logs_and_exec() {
    let assets = Assets::locate();
    let directory = tempfile::TempDir::new().unwrap();
    let logs = Rowhouse::target_directory().join("e2e/host-alone");
    std::fs::create_dir_all(&logs).unwrap();
    let host = Host::start(&assets, directory.path(), &logs, &["default"]);
    let kubectl = host.kubectl();
    kubectl.input("create -f -", POD).ok();
    kubectl.run("wait --for=condition=Ready pod/web --timeout=60s").ok();

    host.append_log("default", "first line");
    assert_eq!(kubectl.run("logs web").ok(), "first line\n");
    let follower = kubectl.start("logs -f web", &directory.path().join("follow.log"));
    host.append_log("default", "second line");
    eventually("the follower sees the second line", || {
        let log = follower.log();
        if log.contains("second line") { Ok(()) } else { Err(log) }
    });

    assert_eq!(kubectl.args(&["exec", "web", "--", "sh", "-c", "echo hello"]).ok(), "hello\n");
    // The simulated kubelet never closes the command's standard input, so the command must end by itself.
    assert_eq!(kubectl.input("exec -i web -- head -n1", "round trip\n").ok(), "round trip\n");
    let failed = kubectl.args(&["exec", "web", "--", "sh", "-c", "echo oops >&2; exit 3"]);
    assert!(failed.fails().contains("oops"));

    kubectl.run("delete pod web").ok();
}
