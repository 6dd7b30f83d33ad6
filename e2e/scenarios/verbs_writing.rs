//! kubectl's ways to change objects. Asked of the host first, so that what is expected is upstream's answer, then of a
//! tenant.

use e2e::{Kubectl, Scenario};

const SETTINGS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {a: '1'}}
data: {colour: blue, size: '3'}
";

#[test]
fn kubectl_writes() {
    let scenario = Scenario::start("verbs-writing");
    for (side, cluster) in [("host", scenario.host.kubectl()), ("tenant", &scenario.tenant("acme"))] {
        println!("asking the {side}");
        apply_client_side(cluster);
        apply_server_side(cluster);
        diff(cluster);
        patch(cluster);
        edit(cluster);
        label_and_annotate(cluster);
        create_and_replace(cluster);
        dry_run_and_validation(cluster);
    }
}

fn data(cluster: &Kubectl, key: &str) -> String {
    cluster.run(&format!("get configmap settings -o jsonpath={{.data.{key}}}")).ok()
}

fn apply_client_side(cluster: &Kubectl) {
    assert!(cluster.input("apply -f -", SETTINGS).ok().contains("created"));
    assert!(cluster.input("apply -f -", SETTINGS).ok().contains("unchanged"));
    cluster.run("patch configmap settings --type=merge -p {\"data\":{\"other\":\"kept\"}}").ok();
    assert!(cluster.input("apply -f -", &SETTINGS.replace("size: '3'", "shape: round")).ok().contains("configured"));
    assert_eq!(
        (data(cluster, "size"), data(cluster, "shape"), data(cluster, "other")),
        (String::new(), "round".into(), "kept".into())
    );
}

fn apply_server_side(cluster: &Kubectl) {
    let manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: owned}, data: {a: one}}";
    let apply = |manager: &str, manifest: &str, more: &str| {
        cluster.input(&format!("apply --server-side --field-manager={manager} {more} -f -"), manifest)
    };
    assert!(apply("first", manifest, "").ok().contains("serverside-applied"));
    let other = manifest.replace("one", "two");
    let conflict = apply("second", &other, "").fails();
    assert!(conflict.contains("conflict with \"first\"") && conflict.contains(".data.a"), "{conflict}");
    apply("second", &other, "--force-conflicts").ok();
    let object = cluster.json("get configmap owned --show-managed-fields");
    assert_eq!(object["data"]["a"], "two");
    let managers = object["metadata"]["managedFields"].to_string();
    assert!(managers.contains("second") && !managers.contains("\"f:a\":{}},\"first"), "{managers}");
}

fn diff(cluster: &Kubectl) {
    let same = cluster.input("diff -f -", &SETTINGS.replace("size: '3'", "shape: round"));
    assert_eq!(same.code, Some(0), "{same}");
    let changed = cluster.input("diff -f -", &SETTINGS.replace("blue", "red"));
    assert!(changed.code == Some(1) && changed.stdout.contains("+  colour: red"), "{changed}");
    assert_eq!(data(cluster, "colour"), "blue", "a diff changes nothing");
}

fn patch(cluster: &Kubectl) {
    let patch =
        |kind: &str, patch: &str| cluster.args(&["patch", "configmap", "settings", "--type", kind, "-p", patch]);
    patch("merge", r#"{"data":{"colour":null,"m":"1"}}"#).ok();
    patch("json", r#"[{"op":"test","path":"/data/m","value":"1"},{"op":"add","path":"/data/j","value":"2"}]"#).ok();
    patch("strategic", r#"{"data":{"s":"3"}}"#).ok();
    assert_eq!((data(cluster, "m"), data(cluster, "j"), data(cluster, "s")), ("1".into(), "2".into(), "3".into()));
    assert_eq!(data(cluster, "colour"), "");
    let failed = patch("json", r#"[{"op":"test","path":"/data/m","value":"9"}]"#).fails();
    assert!(failed.contains("The request is invalid"), "{failed}");
}

fn edit(cluster: &Kubectl) {
    assert!(cluster.edit("configmap settings", "sed -i 's/m: \"1\"/m: edited/' \"$1\"").ok().contains("edited"));
    assert_eq!(data(cluster, "m"), "edited");
    let cancelled = cluster.edit("configmap settings", "true");
    assert!(cancelled.code == Some(0) && cancelled.stderr.contains("Edit cancelled"), "{cancelled}");
}

fn label_and_annotate(cluster: &Kubectl) {
    cluster.run("label configmap settings tier=front").ok();
    assert!(cluster.run("label configmap settings tier=back").fails().contains("--overwrite"));
    cluster.run("label configmap settings tier=back --overwrite").ok();
    assert_eq!(cluster.run("get configmaps -l tier=back -o name").ok(), "configmap/settings\n");
    cluster.run("label configmap settings tier-").ok();
    assert_eq!(cluster.run("get configmaps -l tier -o name").ok(), "");
    cluster.run("annotate configmap settings note=kept").ok();
    assert_eq!(cluster.json("get configmap settings")["metadata"]["annotations"]["note"], "kept");
    let wrong = cluster.args(&["label", "configmap", "settings", "a=not a label"]).fails();
    assert!(wrong.contains("a valid label must be"), "{wrong}");
}

fn create_and_replace(cluster: &Kubectl) {
    cluster.run("create configmap made --from-literal=a=1").ok();
    let again = cluster.run("create configmap made --from-literal=a=1").fails();
    assert!(again.contains("configmaps \"made\" already exists"), "{again}");
    let mut object = cluster.json("get configmap made");
    cluster.run("label configmap made newer=yes").ok();
    let stale = cluster.input("replace -f -", &object.to_string()).fails();
    assert!(stale.contains("the object has been modified"), "{stale}");
    object["metadata"]["resourceVersion"].take();
    cluster.input("replace -f -", &object.to_string()).ok();
    cluster.run("delete configmap made").ok();
    assert!(cluster.run("delete configmap made").fails().contains("not found"));
    cluster.run("delete configmap made --ignore-not-found").ok();
}

fn dry_run_and_validation(cluster: &Kubectl) {
    cluster.run("create configmap dry --from-literal=a=1 --dry-run=server").ok();
    assert!(cluster.run("get configmap dry").fails().contains("NotFound"));
    let unknown =
        "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i, imagee: i}]}}";
    let refused = cluster.input("create -f -", unknown).fails();
    assert!(refused.contains("unknown field \"spec.containers[0].imagee\""), "{refused}");
    let warned = cluster.input("create --validate=warn --dry-run=server -f -", unknown);
    assert!(warned.code == Some(0) && warned.stderr.contains("unknown field"), "{warned}");
    let invalid = "{apiVersion: v1, kind: Pod, metadata: {name: P}, spec: {containers: []}}";
    let refused = cluster.input("create -f -", invalid).fails();
    for text in ["metadata.name: Invalid value: \"P\"", "spec.containers: Required value"] {
        assert!(refused.contains(text), "{text}: {refused}");
    }
}
