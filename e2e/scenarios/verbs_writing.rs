//! kubectl's ways to change objects, against a tenant on the real host.

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
    let acme = scenario.tenant("acme");
    apply_client_side(&acme);
    apply_server_side(&acme);
    diff(&acme);
    patch(&acme);
    edit(&acme);
    label_and_annotate(&acme);
    create_and_replace(&acme);
    dry_run_and_validation(&acme);
}

fn data(acme: &Kubectl, key: &str) -> String {
    acme.run(&format!("get configmap settings -o jsonpath={{.data.{key}}}")).ok()
}

fn apply_client_side(acme: &Kubectl) {
    assert!(acme.input("apply -f -", SETTINGS).ok().contains("created"));
    assert!(acme.input("apply -f -", SETTINGS).ok().contains("unchanged"));
    acme.run("patch configmap settings --type=merge -p {\"data\":{\"other\":\"kept\"}}").ok();
    assert!(acme.input("apply -f -", &SETTINGS.replace("size: '3'", "shape: round")).ok().contains("configured"));
    assert_eq!(
        (data(acme, "size"), data(acme, "shape"), data(acme, "other")),
        (String::new(), "round".into(), "kept".into())
    );
}

fn apply_server_side(acme: &Kubectl) {
    let manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: owned}, data: {a: one}}";
    let apply = |manager: &str, manifest: &str, more: &str| {
        acme.input(&format!("apply --server-side --field-manager={manager} {more} -f -"), manifest)
    };
    assert!(apply("first", manifest, "").ok().contains("serverside-applied"));
    let other = manifest.replace("one", "two");
    let conflict = apply("second", &other, "").fails();
    assert!(conflict.contains("conflict with \"first\"") && conflict.contains(".data.a"), "{conflict}");
    apply("second", &other, "--force-conflicts").ok();
    let object = acme.json("get configmap owned --show-managed-fields");
    assert_eq!(object["data"]["a"], "two");
    let managers = object["metadata"]["managedFields"].to_string();
    assert!(managers.contains("second") && !managers.contains("\"f:a\":{}},\"first"), "{managers}");
}

fn diff(acme: &Kubectl) {
    let same = acme.input("diff -f -", &SETTINGS.replace("size: '3'", "shape: round"));
    assert_eq!(same.code, Some(0), "{same}");
    let changed = acme.input("diff -f -", &SETTINGS.replace("blue", "red"));
    assert!(changed.code == Some(1) && changed.stdout.contains("+  colour: red"), "{changed}");
    assert_eq!(data(acme, "colour"), "blue", "a diff changes nothing");
}

fn patch(acme: &Kubectl) {
    let patch = |kind: &str, patch: &str| acme.args(&["patch", "configmap", "settings", "--type", kind, "-p", patch]);
    patch("merge", r#"{"data":{"colour":null,"m":"1"}}"#).ok();
    patch("json", r#"[{"op":"test","path":"/data/m","value":"1"},{"op":"add","path":"/data/j","value":"2"}]"#).ok();
    patch("strategic", r#"{"data":{"s":"3"}}"#).ok();
    assert_eq!((data(acme, "m"), data(acme, "j"), data(acme, "s")), ("1".into(), "2".into(), "3".into()));
    assert_eq!(data(acme, "colour"), "");
    let failed = patch("json", r#"[{"op":"test","path":"/data/m","value":"9"}]"#).fails();
    assert!(failed.contains("testing value /data/m failed"), "{failed}");
}

fn edit(acme: &Kubectl) {
    assert!(acme.edit("configmap settings", "sed -i 's/m: \"1\"/m: edited/' \"$1\"").ok().contains("edited"));
    assert_eq!(data(acme, "m"), "edited");
    assert!(acme.edit("configmap settings", "true").ok().contains("Edit cancelled, no changes made."));
}

fn label_and_annotate(acme: &Kubectl) {
    acme.run("label configmap settings tier=front").ok();
    assert!(acme.run("label configmap settings tier=back").fails().contains("--overwrite"));
    acme.run("label configmap settings tier=back --overwrite").ok();
    assert_eq!(acme.run("get configmaps -l tier=back -o name").ok(), "configmap/settings\n");
    acme.run("label configmap settings tier-").ok();
    assert_eq!(acme.run("get configmaps -l tier -o name").ok(), "");
    acme.run("annotate configmap settings note=kept").ok();
    assert_eq!(acme.json("get configmap settings")["metadata"]["annotations"]["note"], "kept");
    let wrong = acme.args(&["label", "configmap", "settings", "a=not a label"]).fails();
    assert!(wrong.contains("a valid label must be"), "{wrong}");
}

fn create_and_replace(acme: &Kubectl) {
    acme.run("create configmap made --from-literal=a=1").ok();
    let again = acme.run("create configmap made --from-literal=a=1").fails();
    assert!(again.contains("configmaps \"made\" already exists"), "{again}");
    let mut object = acme.json("get configmap made");
    acme.run("label configmap made newer=yes").ok();
    let stale = acme.input("replace -f -", &object.to_string()).fails();
    assert!(stale.contains("the object has been modified"), "{stale}");
    object["metadata"]["resourceVersion"].take();
    acme.input("replace -f -", &object.to_string()).ok();
    acme.run("delete configmap made").ok();
    assert!(acme.run("delete configmap made").fails().contains("not found"));
    acme.run("delete configmap made --ignore-not-found").ok();
}

fn dry_run_and_validation(acme: &Kubectl) {
    acme.run("create configmap dry --from-literal=a=1 --dry-run=server").ok();
    assert!(acme.run("get configmap dry").fails().contains("NotFound"));
    let unknown =
        "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i, imagee: i}]}}";
    let refused = acme.input("create -f -", unknown).fails();
    assert!(refused.contains("unknown field \"spec.containers[0].imagee\""), "{refused}");
    let warned = acme.input("create --validate=warn --dry-run=server -f -", unknown);
    assert!(warned.code == Some(0) && warned.stderr.contains("unknown field"), "{warned}");
    let invalid = "{apiVersion: v1, kind: Pod, metadata: {name: P}, spec: {containers: []}}";
    let refused = acme.input("create -f -", invalid).fails();
    for text in ["metadata.name: Invalid value: \"P\"", "spec.containers: Required value"] {
        assert!(refused.contains(text), "{text}: {refused}");
    }
}
