//! What stays, what comes, and that the file is never half written.

use super::*;

const ADDED: &str = r#"
apiVersion: v1
kind: Config
current-context: admin@acme
clusters: [{name: acme, cluster: {server: "https://127.0.0.1:8443/tenants/acme", certificate-authority-data: QQ==}}]
users: [{name: admin, user: {client-certificate-data: Qg==, client-key-data: Qw==}}]
contexts: [{name: admin@acme, context: {cluster: acme, user: admin, namespace: default}}]
"#;

const EXISTING: &str = r#"
apiVersion: v1
kind: Config
current-context: prod
x-tool: {keep: "1.10"}
preferences: {colors: true}
clusters:
- name: prod
  cluster: {server: https://prod.example, extensions: [{name: minikube, extension: {version: "v1"}}]}
- name: rowhouse-acme
  cluster: {server: https://old.example}
users:
- name: prod
  user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: login, args: ["yes", "no"], unknown: 1}}
contexts:
- name: prod
  context: {cluster: prod, user: prod}
"#;

fn merged(existing: &str) -> Value {
    merge(&parse(existing).unwrap(), &parse(ADDED).unwrap(), "rowhouse-acme").unwrap()
}

#[test]
fn adds_one_context_and_keeps_the_rest() {
    let before = parse(EXISTING).unwrap();
    let after = merged(EXISTING);
    assert_eq!(after["current-context"], "prod");
    assert_eq!(after["x-tool"], before["x-tool"]);
    assert_eq!(after["clusters"][0], before["clusters"][0]);
    assert_eq!(after["users"][0], before["users"][0]);
    assert_eq!(after["clusters"][1]["cluster"]["server"], "https://127.0.0.1:8443/tenants/acme");
    assert_eq!(after["clusters"].as_array().unwrap().len(), 2, "the old one is replaced");
    let context = json!({"cluster": "rowhouse-acme", "user": "rowhouse-acme", "namespace": "default"});
    assert_eq!(entry(&after, "contexts", "rowhouse-acme", "context"), Some(context));
    assert_eq!(merge(&after, &parse(ADDED).unwrap(), "rowhouse-acme").unwrap(), after, "merging twice changes nothing");
}

#[test]
fn an_empty_file_becomes_a_kubeconfig() {
    for empty in ["", "\n", "{}", "apiVersion: v1\nclusters: null\nusers: []\n"] {
        let after = merged(empty);
        assert_eq!(after["current-context"], "rowhouse-acme", "{empty:?}");
        assert_eq!(after["users"][0]["user"]["client-key-data"], "Qw==");
    }
}

#[test]
fn nonsense_is_refused() {
    for nonsense in ["[]", "text", "clusters: text", "clusters: {a: b}"] {
        assert!(merge(&parse(nonsense).unwrap(), &parse(ADDED).unwrap(), "n").is_err(), "{nonsense}");
    }
    assert!(parse("a: [").is_err());
    assert!(merge(&parse("").unwrap(), &parse("current-context: gone").unwrap(), "n").is_err());
}

#[test]
fn the_file_keeps_its_mode_and_place() {
    let directory = tempfile::tempdir().unwrap();
    let (real, link) = (directory.path().join("real"), directory.path().join("link"));
    fs::write(&real, EXISTING).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    into_file(&link, ADDED, "rowhouse-acme").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(parse(&fs::read_to_string(&real).unwrap()).unwrap(), merged(EXISTING));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "neither lock nor partial file stays");
}

#[test]
fn a_new_file_is_private() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(".kube/config");
    into_file(&path, ADDED, "rowhouse-acme").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_locked_file_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    fs::write(&path, EXISTING).unwrap();
    fs::write(directory.path().join("config.lock"), "").unwrap();
    assert!(matches!(into_file(&path, ADDED, "n"), Err(Error::Locked(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), EXISTING);
    assert!(directory.path().join("config.lock").exists(), "somebody else's lock stays");
}

#[test]
fn a_broken_file_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    fs::write(&path, "clusters: [").unwrap();
    assert!(matches!(into_file(&path, ADDED, "n"), Err(Error::File { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "clusters: [");
    assert!(!directory.path().join("config.lock").exists());
}
