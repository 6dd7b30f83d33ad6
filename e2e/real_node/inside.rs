//! What a program in a pod finds: its API, its token, its files, its neighbours.

use e2e::eventually;
use serde_json::{Value, json};

use crate::ground::{Ground, STAY, pod};

/// Asks the API the way a client library with in-cluster configuration does. `$1` is a path, the rest goes to curl.
const ASK: &str = r#"d=/var/run/secrets/kubernetes.io/serviceaccount; path=$1; shift; curl --silent --show-error --max-time 20 --cacert $d/ca.crt -H "Authorization: Bearer $(cat $d/token)" -H 'Content-Type: application/json' "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT$path" "$@""#;
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const REVIEW: &str = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;

impl Ground<'_> {
    /// What the API tells a pod.
    #[track_caller]
    fn ask(&self, pod: &str, path: &str, more: &[&str]) -> Value {
        let said = self.kubectl.args(&[&["exec", pod, "--", "sh", "-c", ASK, "ask", path], more].concat()).ok();
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }
}

/// The API by its Service, with the token and authority that are in the pod's files.
pub(crate) fn api(ground: &Ground<'_>) {
    let namespace = ground.namespace;
    ground.stay("client");
    let who = ground.ask("client", REVIEWS, &["-d", REVIEW]);
    let user = &who["status"]["userInfo"];
    assert_eq!(user["username"], format!("system:serviceaccount:{namespace}:default"), "{who:#}");
    assert_eq!(user["extra"]["authentication.kubernetes.io/pod-name"], json!(["client"]), "{who:#}");
    let pods = format!("/api/v1/namespaces/{namespace}/pods");
    assert_eq!(ground.ask("client", &pods, &[])["code"], 403);
    ground
        .kubectl
        .run(&format!("create rolebinding view --clusterrole=view --serviceaccount={namespace}:default"))
        .ok();
    eventually("the pod may read now", || {
        let list = ground.ask("client", &pods, &[]);
        if list["items"][0]["metadata"]["name"] == "client" { Ok(()) } else { Err(list.to_string()) }
    });
    // A watch is answered piece by piece, through the same door.
    let watched = ground
        .kubectl
        .args(&["exec", "client", "--", "sh", "-c", ASK, "ask", &format!("{pods}?watch=true&timeoutSeconds=1")])
        .ok();
    assert!(watched.contains(r#""type":"ADDED""#), "{watched}");
    assert_eq!(ground.exec("client", "cat /var/run/secrets/kubernetes.io/serviceaccount/namespace").ok(), namespace);
    // By its name, which clients elsewhere in a pod use; there is no DNS on this node, so curl is told.
    let named = r#"cd /var/run/secrets/kubernetes.io/serviceaccount; curl --silent --show-error --cacert ca.crt --resolve kubernetes.default.svc:443:$KUBERNETES_SERVICE_HOST https://kubernetes.default.svc/version"#;
    assert!(ground.exec("client", named).ok().contains("\"gitVersion\""));

    let mut other = pod("other", STAY);
    other["spec"]["volumes"] = json!([{"name": "t", "projected": {"sources": [
        {"serviceAccountToken": {"path": "vault", "audience": "vault", "expirationSeconds": 600}}]}}]);
    other["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "t", "mountPath": "/t"}]);
    ground.run(&other);
    let token = ground.exec("other", "cat /t/vault").ok();
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
                        "spec": {"token": token, "audiences": ["vault"]}});
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let reviewed = ground.kubectl.input(&format!("create --raw {reviews} -f -"), &review.to_string()).ok();
    let reviewed: Value = serde_json::from_str(&reviewed).unwrap();
    assert_eq!(reviewed["status"]["authenticated"], true, "{reviewed:#}");
    assert_eq!(reviewed["status"]["audiences"], json!(["vault"]), "{reviewed:#}");
}

/// A token is replaced in the files of a running pod when it is due.
pub(crate) fn rotation(ground: &Ground<'_>) {
    let mut rotated = pod("rotated", STAY);
    rotated["spec"]["volumes"] = json!([{"name": "t", "projected": {"sources": [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}}]}}]);
    rotated["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "t", "mountPath": "/t"}]);
    ground.run(&rotated);
    let token = || ground.exec("rotated", "cat /t/token").ok();
    let (before, mounted) =
        (token(), ground.exec("rotated", "cat /var/run/secrets/kubernetes.io/serviceaccount/token").ok());
    // Time passes by telling Rowhouse that the tokens were due long ago.
    let host = ground.host.kubectl();
    let secrets = host.json("get secrets -n rowhouse-acme");
    let is_ours = |secret: &&Value| {
        let of = &secret["metadata"]["annotations"]["rowhouse.dev/companion-of"];
        *of == "rotated" && secret["metadata"]["labels"]["rowhouse.dev/namespace"] == ground.namespace
    };
    let secret = secrets["items"].as_array().unwrap().iter().find(is_ours).expect("the pod has a Secret of tokens");
    let name = secret["metadata"]["name"].as_str().unwrap();
    host.run(&format!(
        "annotate secret {name} -n rowhouse-acme rowhouse.dev/renew-at=2020-01-01T00:00:00Z --overwrite"
    ))
    .ok();
    eventually("the file holds another token", || {
        let now = ground.exec("rotated", "cat /t/token").result().map_err(|failed| failed.to_string())?;
        if now != before { Ok(()) } else { Err(now) }
    });
    eventually("so does the file that clients read", || {
        let now = ground.exec("rotated", "cat /var/run/secrets/kubernetes.io/serviceaccount/token").ok();
        if now != mounted { Ok(()) } else { Err(now) }
    });
    let who = ground.ask("rotated", REVIEWS, &["-d", REVIEW]);
    assert_eq!(who["status"]["userInfo"]["extra"]["authentication.kubernetes.io/pod-name"], json!(["rotated"]));
    assert_eq!(ground.get("rotated")["status"]["containerStatuses"][0]["restartCount"], 0);
}

/// Updates of ConfigMaps, Secrets and labels reach files of a running pod, and what is fixed stays.
pub(crate) fn files(ground: &Ground<'_>) {
    let kubectl = &ground.kubectl;
    kubectl.run("create configmap settings --from-literal=colour=blue").ok();
    kubectl.run("create secret generic key --from-literal=key=one").ok();
    let mut reader = pod("reader", STAY);
    reader["spec"]["volumes"] = json!([
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "key", "secret": {"secretName": "key", "defaultMode": 256}},
        {"name": "own", "downwardAPI": {"items": [
            {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
            {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]);
    let main = &mut reader["spec"]["containers"][0];
    main["volumeMounts"] = json!([
        {"name": "settings", "mountPath": "/settings"}, {"name": "key", "mountPath": "/key"},
        {"name": "own", "mountPath": "/own"},
        {"name": "settings", "mountPath": "/fixed", "subPath": "colour"},
    ]);
    let field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
    main["env"] = json!([
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "WHO", "valueFrom": field("metadata.name")}, {"name": "WHERE", "valueFrom": field("metadata.namespace")},
        {"name": "ADDRESS", "valueFrom": field("status.podIP")}, {"name": "ACCOUNT", "valueFrom": field("spec.serviceAccountName")},
        {"name": "IDENTITY", "valueFrom": field("metadata.uid")},
    ]);
    ground.run(&reader);
    let own = ground.get("reader");
    let text = |path: &str| own.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    assert_eq!(
        ground.exec("reader", "echo $WHO $WHERE $ADDRESS $ACCOUNT $IDENTITY; cat /own/namespace").ok(),
        format!("reader {0} {1} default {2}\n{0}", ground.namespace, text("/status/podIP"), text("/metadata/uid")),
    );
    assert_eq!(ground.exec("reader", "stat -L -c %a /key/key").ok(), "400\n");
    ground.await_said("reader", "cat /settings/colour /key/key", "blueone");
    kubectl.args(&["patch", "configmap", "settings", "-p", r#"{"data":{"colour":"green"}}"#]).ok();
    kubectl.args(&["patch", "secret", "key", "-p", r#"{"stringData":{"key":"two"}}"#]).ok();
    kubectl.run("label pod reader tier=front").ok();
    ground.await_said("reader", "cat /settings/colour /key/key; grep -c tier=.front /own/labels", "greentwo1");
    assert_eq!(ground.exec("reader", "echo $COLOUR; cat /fixed").ok(), "blue\nblue");
}

/// Pods find each other by the addresses of Services.
pub(crate) fn services(ground: &Ground<'_>) {
    let serve =
        "trap exit TERM; mkdir /www; hostname > /www/index.html; httpd -p 8080 -h /www; while true; do sleep 0.1; done";
    for name in ["one", "two"] {
        let mut web = pod(name, serve);
        web["metadata"]["labels"] = json!({"app": "web"});
        web["spec"]["containers"][0]["readinessProbe"] =
            json!({"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1});
        ground.create(&web);
    }
    ground.kubectl.run("create service nodeport web --tcp=80:8080").ok();
    ground.kubectl.run("wait --for=condition=Ready pod/one pod/two --timeout=60s").ok();
    ground.stay("client");
    let service = ground.kubectl.json("get service web");
    let address = service["spec"]["clusterIP"].as_str().unwrap();
    assert_eq!(ground.exec("client", "echo $WEB_SERVICE_HOST:$WEB_SERVICE_PORT").ok(), format!("{address}:80\n"));
    let fetch = "curl --silent --show-error --max-time 5 http://$WEB_SERVICE_HOST";
    for name in ["one", "two"] {
        eventually(&format!("the Service leads to {name}"), || ground.exec("client", fetch).contains(name));
    }
    let port = service["spec"]["ports"][0]["nodePort"].as_u64().unwrap();
    let url = format!("http://{}:{port}/", e2e::Node::ADDRESS);
    eventually("the port of the node leads there too", || {
        e2e::run("curl", &["--silent", "--max-time", "5", &url]).result()
    });
    ground.kubectl.run("delete pod one --timeout=60s").ok();
    eventually("only what is there is served", || {
        let said = ground.exec("client", &format!("for i in 1 2 3 4 5 6; do {fetch} || exit 1; done"));
        if said.code == Some(0) && !said.stdout.contains("one") { Ok(()) } else { Err(said) }
    });
}
