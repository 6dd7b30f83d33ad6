//! RBAC: roles, bindings, no escalation, impersonation, reviews.

use serde_json::{Value, json};

use crate::client::Client;
use crate::world::World;

const NS: &str = "/api/v1/namespaces/default";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1";

fn rules(verbs: &[&str], resources: &[&str]) -> Value {
    json!([{"verbs": verbs, "apiGroups": [""], "resources": resources}])
}

async fn grant(admin: &Client, name: &str, user: &str, rules: Value) {
    let local = format!("{RBAC}/namespaces/default");
    admin.post(&format!("{local}/roles"), json!({"metadata": {"name": name}, "rules": rules})).await.expect(201);
    let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name});
    let subjects = json!([{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}]);
    let binding = json!({"metadata": {"name": name}, "roleRef": reference, "subjects": subjects});
    admin.post(&format!("{local}/rolebindings"), binding).await.expect(201);
}

#[tokio::test]
async fn nothing_is_allowed_until_it_is_granted_and_again_when_it_is_taken() {
    let world = World::start().await;
    let admin = world.admin().await;
    let bob = world.user("bob").await;
    let pods = format!("{NS}/pods");
    let refused = bob.get(&pods).await.expect(403);
    assert_eq!(
        refused.reason().1,
        "pods is forbidden: User \"bob\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
    );
    grant(&admin, "reader", "bob", rules(&["get", "list", "watch"], &["pods"])).await;
    bob.get(&pods).await.expect(200);
    let mut watch = bob.watch(&format!("{pods}?watch=1")).await;
    for (method, path, code) in [
        ("GET", pods.clone(), 200),
        ("GET", format!("{pods}/none"), 404),
        ("GET", format!("{pods}/none/log"), 403),
        ("GET", format!("{pods}/none/status"), 403),
        ("GET", "/api/v1/pods".to_owned(), 403),
        ("GET", format!("{NS}/secrets"), 403),
        ("GET", format!("{NS}/configmaps/x"), 403),
        ("GET", "/api/v1/nodes".to_owned(), 403),
        ("POST", pods.clone(), 403),
        ("PUT", format!("{pods}/none"), 403),
        ("PATCH", format!("{pods}/none"), 403),
        ("DELETE", format!("{pods}/none"), 403),
        ("DELETE", pods.clone(), 403),
        ("POST", format!("{pods}/none/exec"), 403),
        ("GET", "/metrics".to_owned(), 403),
        ("GET", "/version".to_owned(), 200),
        ("GET", "/api".to_owned(), 200),
    ] {
        let sent =
            bob.send(http::Method::from_bytes(method.as_bytes()).unwrap(), &path, "application/json", "{}").await;
        assert_eq!(sent.code, code, "{method} {path}: {}", sent.body);
    }
    admin.delete(&format!("{RBAC}/namespaces/default/rolebindings/reader")).await.expect(200);
    bob.get(&pods).await.expect(403);
    let spec = json!({"containers": [{"name": "c", "image": "i"}]});
    admin.post(&pods, json!({"metadata": {"name": "p"}, "spec": spec})).await.expect(201);
    assert_eq!(watch.names(1).await, ["ADDED p"], "an open watch was permitted when it began");
}

#[tokio::test]
async fn a_namespace_is_reached_only_by_its_own_path() {
    let world = World::start().await;
    let admin = world.admin().await;
    let bob = world.user("bob").await;
    admin.post("/api/v1/namespaces", json!({"metadata": {"name": "victim"}})).await.expect(201);
    grant(&admin, "all", "bob", json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}])).await;
    bob.get(&format!("{NS}/pods")).await.expect(200);
    for path in ["/namespaces/victim", "/nodes/n", "/namespaces/victim/finalize", "/persistentvolumes"] {
        for method in ["GET", "PUT", "PATCH", "DELETE"] {
            let method = http::Method::from_bytes(method.as_bytes()).unwrap();
            let sent = bob.send(method.clone(), &format!("{NS}{path}"), "application/merge-patch+json", "{}").await;
            assert!(matches!(sent.code, 404 | 405), "{method} {path}: {} {}", sent.code, sent.body);
        }
    }
    bob.delete("/api/v1/namespaces/victim").await.expect(403);
    let victim = admin.get("/api/v1/namespaces/victim").await.expect(200);
    assert!(victim.body["metadata"]["deletionTimestamp"].is_null());
}

#[tokio::test]
async fn names_limit_what_is_granted() {
    let world = World::start().await;
    let admin = world.admin().await;
    let bob = world.user("bob").await;
    let mut rules = rules(&["get", "list", "watch", "update", "create"], &["configmaps"]);
    rules[0]["resourceNames"] = json!(["mine"]);
    grant(&admin, "named", "bob", rules).await;
    let maps = format!("{NS}/configmaps");
    for name in ["mine", "other"] {
        admin.post(&maps, json!({"metadata": {"name": name}})).await.expect(201);
    }
    bob.get(&format!("{maps}/mine")).await.expect(200);
    bob.get(&format!("{maps}/other")).await.expect(403);
    bob.get(&maps).await.expect(403);
    let one = bob.get(&format!("{maps}?fieldSelector=metadata.name%3Dmine")).await.expect(200);
    assert_eq!(one.names(), ["mine"]);
    for trick in
        ["metadata.name%3Dother", "metadata.name!%3Dmine", "metadata.name%3D%3Dother", "metadata.namespace%3Dmine"]
    {
        bob.get(&format!("{maps}?fieldSelector={trick}")).await.expect(403);
    }
    let both = bob.get(&format!("{maps}?fieldSelector=metadata.name%3Dmine,metadata.name%3Dother")).await;
    assert!(both.code == 403 || both.names().is_empty(), "{}", both.body);
    bob.post(&maps, json!({"metadata": {"name": "mine2"}})).await.expect(403);
}

#[tokio::test]
async fn nobody_grants_more_than_they_have() {
    let world = World::start().await;
    let admin = world.admin().await;
    let bob = world.user("bob").await;
    let own = json!([
        {"verbs": ["*"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"]},
        {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]},
    ]);
    // `*` holds `escalate` and `bind` too; the plain verbs do not.
    let mut plain = own.clone();
    plain[0]["verbs"] = json!(["get", "list", "create", "update", "patch", "delete"]);
    grant(&admin, "plain", "bob", plain).await;
    let roles = format!("{RBAC}/namespaces/default/roles");
    let bindings = format!("{RBAC}/namespaces/default/rolebindings");
    let role = |name: &str, verbs: &[&str]| json!({"metadata": {"name": name}, "rules": rules(verbs, &["pods"])});
    bob.post(&roles, role("same", &["get"])).await.expect(201);
    let refused = bob.post(&roles, role("more", &["get", "delete"])).await.expect(403);
    assert!(refused.reason().1.contains("is attempting to grant RBAC permissions not currently held"));
    assert!(refused.reason().1.contains("Verbs:[\"delete\"]"), "{}", refused.reason().1);
    bob.merge(&format!("{roles}/same"), json!({"rules": rules(&["*"], &["pods"])})).await.expect(403);
    bob.apply(&format!("{roles}/same"), "bob", {
        let mut body = role("same", &["delete"]);
        body["apiVersion"] = json!("rbac.authorization.k8s.io/v1");
        body["kind"] = json!("Role");
        body
    })
    .await;
    assert_eq!(admin.get(&format!("{roles}/same")).await.body["rules"][0]["verbs"], json!(["get"]));
    bob.merge(&format!("{roles}/same"), json!({"metadata": {"labels": {"a": "b"}}})).await.expect(200);
    let bind = |name: &str, kind: &str, role: &str| {
        let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role});
        let subjects = json!([{"kind": "User", "name": "bob", "apiGroup": "rbac.authorization.k8s.io"}]);
        json!({"metadata": {"name": name}, "roleRef": reference, "subjects": subjects})
    };
    bob.post(&bindings, bind("ok", "Role", "same")).await.expect(201);
    bob.post(&bindings, bind("up", "ClusterRole", "cluster-admin")).await.expect(403);
    bob.post(&bindings, bind("none", "Role", "none")).await.expect(404);
    bob.post(&format!("{RBAC}/clusterrolebindings"), bind("up", "ClusterRole", "cluster-admin")).await.expect(403);
    let moved = bob.merge(&format!("{bindings}/ok"), json!({"roleRef": {"name": "plain"}})).await;
    assert!(matches!(moved.code, 403 | 422), "{}", moved.body);
    grant(&admin, "starred", "bob", own).await;
    bob.post(&roles, role("more", &["get", "delete"])).await.expect(201);
}

#[tokio::test]
async fn acting_as_somebody_else_needs_leave() {
    let world = World::start().await;
    let admin = world.admin().await;
    let bob = world.user("bob").await;
    grant(&admin, "reader", "carol", rules(&["get", "list"], &["pods"])).await;
    let pods = format!("{NS}/pods");
    let as_carol = admin.with("impersonate-user", "carol");
    as_carol.get(&pods).await.expect(200);
    as_carol.get(&format!("{NS}/secrets")).await.expect(403);
    let refused = bob.with("impersonate-user", "carol").get(&pods).await.expect(403);
    assert!(refused.reason().1.contains("cannot impersonate resource \"users\""), "{}", refused.reason().1);
    admin
        .post(
            &format!("{RBAC}/clusterroles"),
            json!({"metadata": {"name": "act"}, "rules": [
                {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["carol"]},
            ]}),
        )
        .await
        .expect(201);
    let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "act"});
    let binding =
        json!({"metadata": {"name": "act"}, "roleRef": reference, "subjects": [{"kind": "User", "name": "bob"}]});
    admin.post(&format!("{RBAC}/clusterrolebindings"), binding).await.expect(201);
    bob.with("impersonate-user", "carol").get(&pods).await.expect(200);
    bob.with("impersonate-user", "admin").get(&pods).await.expect(403);
    let masters = bob.with("impersonate-user", "carol").with("impersonate-group", "system:masters");
    masters.get(&format!("{NS}/secrets")).await.expect(403);
    bob.with("impersonate-user", "carol").with("impersonate-uid", "1").get(&pods).await.expect(403);
    bob.with("impersonate-user", "carol").with("impersonate-extra-scopes", "x").get(&pods).await.expect(403);
    let groupless = bob.with("impersonate-group", "system:masters").get(&pods).await;
    let message = "requested &user.DefaultInfo{Name:\"\", UID:\"\", Groups:[]string{\"system:masters\"}, \
                   Extra:map[string][]string(nil)} without impersonating a user name";
    assert_eq!((groupless.code, groupless.reason()), (400, ("BadRequest", message)));
    let carol = admin.with("impersonate-user", "carol").with("impersonate-group", "g");
    let who = carol.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json!({})).await.expect(201);
    assert_eq!(who.body["status"]["userInfo"]["username"], "carol");
    assert_eq!(who.body["status"]["userInfo"]["groups"], json!(["g", "system:authenticated"]));
}

#[tokio::test]
async fn reviews_tell_what_requests_would() {
    let world = World::start().await;
    let admin = world.admin().await;
    let bob = world.user("bob").await;
    grant(&admin, "reader", "bob", rules(&["get"], &["pods"])).await;
    let attributes = |verb: &str| json!({"verb": verb, "resource": "pods", "namespace": "default"});
    let own = format!("{REVIEWS}/selfsubjectaccessreviews");
    for (verb, allowed) in [("get", true), ("delete", false)] {
        let review = bob.post(&own, json!({"spec": {"resourceAttributes": attributes(verb)}})).await.expect(201);
        assert_eq!(review.body["status"]["allowed"], allowed, "{verb}");
    }
    let other = format!("{REVIEWS}/subjectaccessreviews");
    let spec = json!({"spec": {"user": "bob", "resourceAttributes": attributes("get")}});
    bob.post(&other, spec.clone()).await.expect(403);
    let review = admin.post(&other, spec).await.expect(201);
    assert_eq!(review.body["status"]["allowed"], true);
    assert_eq!(
        review.body["status"]["reason"],
        "RBAC: allowed by RoleBinding \"reader/default\" of Role \"reader\" to User \"bob\""
    );
    admin.post(&other, json!({"spec": {"resourceAttributes": attributes("get")}})).await.expect(422);
    admin.post(&other, json!({"spec": {"user": "bob"}})).await.expect(422);
    let rules =
        bob.post(&format!("{REVIEWS}/selfsubjectrulesreviews"), json!({"spec": {"namespace": "default"}})).await;
    let rules = rules.expect(201).body["status"]["resourceRules"].clone();
    assert!(
        rules.as_array().unwrap().contains(&json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]})),
        "{rules}"
    );
    let local = format!("{REVIEWS}/namespaces/default/localsubjectaccessreviews");
    let mut elsewhere = attributes("get");
    elsewhere["namespace"] = json!("kube-system");
    admin.post(&local, json!({"spec": {"user": "bob", "resourceAttributes": elsewhere}})).await.expect(422);
}

/// What kube-apiserver 1.36 says of the same reviews.
#[tokio::test]
async fn reviews_are_judged_before_they_are_answered() {
    let world = World::start().await;
    let admin = world.admin().await;
    let own = format!("{REVIEWS}/selfsubjectaccessreviews");
    let local = format!("{REVIEWS}/namespaces/default/localsubjectaccessreviews");
    let asked = |more: Value| {
        let mut asked = json!({"verb": "get", "resource": "pods", "namespace": "default"});
        asked.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        json!({"spec": {"user": "u", "resourceAttributes": asked}})
    };
    let listed = json!([{"key": "k", "operator": "In", "values": ["v"]}]);
    let path = json!({"spec": {"user": "u", "nonResourceAttributes": {"path": "/version", "verb": "get"}}});
    for (url, body, message) in [
        (
            &own,
            asked(json!({"labelSelector": {"rawSelector": "a=b", "requirements": listed}})),
            "spec.resourceAttributes.labelSelector.rawSelector: Invalid value: \"a=b\": may not specified at the same \
             time as requirements",
        ),
        (
            &own,
            asked(json!({"fieldSelector": {}})),
            "spec.resourceAttributes.fieldSelector.requirements: Required value: when \
             spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required",
        ),
        (
            &local,
            path,
            "spec.nonResourceAttributes: Invalid value: {\"Path\":\"/version\",\"Verb\":\"get\"}: disallowed on \
             this kind of request",
        ),
        (
            &local,
            json!({"spec": {"user": "u"}}),
            "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes \
             must be specified",
        ),
    ] {
        let refused = admin.post(url, body).await.expect(422);
        assert_eq!(refused.reason(), ("Invalid", format!(".authorization.k8s.io \"\" is invalid: {message}").as_str()));
    }
    let named = json!({"metadata": {"name": "n"}, "spec": asked(json!({}))["spec"]});
    assert!(admin.post(&local, named).await.expect(422).reason().1.contains("must be empty except for namespace"));
    let elsewhere = json!({"metadata": {"namespace": "other"}, "spec": asked(json!({}))["spec"]});
    admin.post(&local, elsewhere).await.expect(400);
    let unknown = json!({"fieldSelector": {"requirements": [{"key": "k", "operator": "Foo", "values": ["v"]}]}});
    let answered = admin.post(&own, asked(unknown)).await.expect(201).body;
    let ignored = "spec.resourceAttributes.fieldSelector ignored due to parse error";
    assert_eq!(answered["status"], json!({"allowed": true, "evaluationError": ignored}));
    let pod = admin.post(&own, json!({"kind": "Pod", "apiVersion": "v1"})).await.expect(400);
    let message = "Pod in version \"v1\" cannot be handled as a SelfSubjectAccessReview: converting (v1.Pod) to \
                   (authorization.SelfSubjectAccessReview): unknown conversion";
    assert_eq!(pod.reason().1, message);
    let who = admin.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json!({})).await.expect(201).body;
    let credential = who.pointer("/status/userInfo/extra/authentication.kubernetes.io~1credential-id/0");
    assert!(credential.and_then(Value::as_str).unwrap_or_default().starts_with("X509SHA256="), "{who}");
}

#[tokio::test]
async fn every_tenant_has_the_same_first_roles_and_may_change_its_own() {
    let world = World::start().await;
    let admin = world.admin().await;
    let beta = world.client(&world.beta, world.beta.certificate("admin", &["system:masters"])).await;
    let role = format!("{RBAC}/clusterroles/view");
    let ours = admin.get(&role).await.expect(200);
    let theirs = beta.get(&role).await.expect(200);
    assert_eq!(ours.body, theirs.body);
    let mut watch = admin
        .watch(&format!(
            "{RBAC}/clusterroles?watch=1&resourceVersion={}",
            admin.get(&format!("{RBAC}/clusterroles")).await.version()
        ))
        .await;
    admin.merge(&role, json!({"metadata": {"labels": {"changed": "yes"}}})).await.expect(200);
    assert_eq!(watch.names(1).await, ["MODIFIED view"]);
    assert_eq!(beta.get(&role).await.body, theirs.body, "the other tenant's stays as it was");
    admin.delete(&role).await.expect(200);
    assert_eq!(watch.names(1).await, ["DELETED view"]);
    admin.get(&role).await.expect(404);
    beta.get(&role).await.expect(200);
    assert!(!admin.get(&format!("{RBAC}/clusterroles")).await.names().contains(&"view".to_owned()));
    let class = "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical";
    assert_eq!(admin.get(class).await.expect(200).body["value"], 2_000_001_000);
    let nobody = world.client(&world.acme, crate::client::Credential::None).await;
    nobody.get("/version").await.expect(200);
    nobody.get("/api").await.expect(403);
}
