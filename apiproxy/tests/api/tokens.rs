//! Service-account tokens: issued, bound, reviewed, and worth nothing elsewhere.

use serde_json::{Value, json};

use crate::client::{Client, Credential};
use crate::world::World;

const NS: &str = "/api/v1/namespaces/default";
const WHO: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const REVIEW: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

async fn token(admin: &Client, account: &str, spec: Value) -> String {
    let path = format!("{NS}/serviceaccounts/{account}/token");
    let reply = admin.post(&path, json!({"spec": spec})).await.expect(201);
    assert!(reply.body["status"]["expirationTimestamp"].is_string());
    reply.body["status"]["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_is_its_account() {
    let world = World::start().await;
    let admin = world.admin().await;
    let text = token(&admin, "default", json!({})).await;
    let account = world.client(&world.acme, Credential::Token(text.clone())).await;
    let who = account.post(WHO, json!({})).await.expect(201);
    let info = &who.body["status"]["userInfo"];
    assert_eq!(info["username"], "system:serviceaccount:default:default");
    let groups = info["groups"].as_array().unwrap();
    for group in ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"] {
        assert!(groups.contains(&json!(group)), "{groups:?}");
    }
    account.get(&format!("{NS}/pods")).await.expect(403);
    // Tokens die with their account, and a new account of the same name is another one.
    admin.delete(&format!("{NS}/serviceaccounts/default")).await.expect(200);
    account.post(WHO, json!({})).await.expect(401);
    admin.post(&format!("{NS}/serviceaccounts"), json!({"metadata": {"name": "default"}})).await.expect(201);
    account.post(WHO, json!({})).await.expect(401);
}

#[tokio::test]
async fn bound_tokens_die_with_what_they_are_bound_to() {
    let world = World::start().await;
    let admin = world.admin().await;
    let spec = json!({"containers": [{"name": "c", "image": "i"}]});
    let pod = admin.post(&format!("{NS}/pods"), json!({"metadata": {"name": "p"}, "spec": spec})).await.expect(201);
    let secret = admin.post(&format!("{NS}/secrets"), json!({"metadata": {"name": "s"}})).await.expect(201);
    let reference = |kind: &str, name: &str, uid: &Value| json!({"boundObjectRef": {"apiVersion": "v1", "kind": kind, "name": name, "uid": uid}});
    let pod_uid = &pod.body["metadata"]["uid"];
    let by_pod = token(&admin, "default", reference("Pod", "p", pod_uid)).await;
    let by_secret = token(&admin, "default", reference("Secret", "s", &secret.body["metadata"]["uid"])).await;
    let nobody = world.client(&world.acme, Credential::None).await;
    let who = nobody.with_token(&by_pod).post(WHO, json!({})).await.expect(201);
    let extra = &who.body["status"]["userInfo"]["extra"];
    assert_eq!(extra["authentication.kubernetes.io/pod-name"], json!(["p"]));
    assert_eq!(extra["authentication.kubernetes.io/pod-uid"], json!([pod_uid]));
    let path = format!("{NS}/serviceaccounts/default/token");
    for (spec, code) in [
        (reference("Pod", "none", &json!("")), 404),
        (reference("Pod", "p", &json!("other")), 409),
        (reference("ConfigMap", "p", &json!("")), 400),
        (json!({"expirationSeconds": 5}), 422),
        (json!({"expirationSeconds": 1_i64 << 33}), 422),
        (json!({"expirationSeconds": "x"}), 400),
        (json!({"audiences": "x"}), 400),
    ] {
        let reply = admin.post(&path, json!({"spec": spec})).await;
        assert_eq!(reply.code, code, "{spec}: {}", reply.body);
    }
    admin.post(&format!("{NS}/serviceaccounts/none/token"), json!({"spec": {}})).await.expect(404);
    admin.delete(&format!("{NS}/secrets/s")).await.expect(200);
    nobody.with_token(&by_secret).post(WHO, json!({})).await.expect(401);
    nobody.with_token(&by_pod).post(WHO, json!({})).await.expect(201);
    admin.delete(&format!("{NS}/pods/p?gracePeriodSeconds=0")).await.expect(200);
    nobody.with_token(&by_pod).post(WHO, json!({})).await.expect(401);
}

#[tokio::test]
async fn reviews_know_good_tokens_for_the_right_audience() {
    let world = World::start().await;
    let admin = world.admin().await;
    let plain = token(&admin, "default", json!({})).await;
    let vault = token(&admin, "default", json!({"audiences": ["vault"]})).await;
    let review = |token: &str, audiences: Value| json!({"spec": {"token": token, "audiences": audiences}});
    for (token, audiences, good) in [
        (&plain, json!([]), true),
        (&plain, json!(["vault"]), false),
        (&vault, json!([]), false),
        (&vault, json!(["vault", "other"]), true),
        (&"x.y.z".to_owned(), json!([]), false),
    ] {
        let reply = admin.post(REVIEW, review(token, audiences.clone())).await.expect(201);
        assert_eq!(reply.body["status"]["authenticated"] == true, good, "{audiences}: {}", reply.body);
        if good && audiences != json!([]) {
            assert_eq!(reply.body["status"]["audiences"], json!(["vault"]), "only those the token is for");
        }
    }
    let nobody = world.client(&world.acme, Credential::None).await;
    nobody.with_token(&vault).get("/version").await.expect(401);
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    use base64::Engine as _;
    let world = World::start().await;
    let admin = world.admin().await;
    let good = token(&admin, "default", json!({})).await;
    let parts: Vec<&str> = good.split('.').collect();
    let engine = base64::prelude::BASE64_URL_SAFE_NO_PAD;
    let unsigned = format!("{}.{}.", engine.encode(r#"{"alg":"none","typ":"JWT"}"#), parts[1]);
    let claims: Value = serde_json::from_slice(&engine.decode(parts[1]).unwrap()).unwrap();
    let mut other = claims.clone();
    other["sub"] = json!("system:serviceaccount:kube-system:admin");
    let changed = format!("{}.{}.{}", parts[0], engine.encode(other.to_string()), parts[2]);
    let symmetric = format!("{}.{}.{}", engine.encode(r#"{"alg":"HS256","typ":"JWT"}"#), parts[1], parts[2]);
    let cut = &good[..good.len() - 8];
    let nobody = world.client(&world.acme, Credential::None).await;
    for forged in
        [unsigned.as_str(), changed.as_str(), symmetric.as_str(), cut, "x", "..", "a.b.c", crate::world::FLEET_TOKEN]
    {
        nobody.with_token(forged).get("/version").await.expect(401);
    }
    nobody.with_token(&good).get("/version").await.expect(200);
}

#[tokio::test]
async fn a_token_taken_out_of_its_secret_is_revoked() {
    let world = World::start().await;
    let admin = world.admin().await;
    let metadata = json!({"name": "s", "annotations": {"kubernetes.io/service-account.name": "default"}});
    let body = json!({"metadata": metadata, "type": "kubernetes.io/service-account-token"});
    let uid = admin.post(&format!("{NS}/secrets"), body).await.expect(201).body["metadata"]["uid"].clone();
    let reference = json!({"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": uid});
    let spec = |seconds: i64| json!({"expirationSeconds": seconds, "boundObjectRef": reference});
    let (kept, short) = (token(&admin, "default", spec(1 << 32)).await, token(&admin, "default", spec(3600)).await);
    let nobody = world.client(&world.acme, Credential::None).await;
    let hold = async |text: &str| {
        let data = json!({"stringData": {"token": text}});
        admin.merge(&format!("{NS}/secrets/s"), data).await.expect(200);
    };
    nobody.with_token(&kept).post(WHO, json!({})).await.expect(401);
    hold(&kept).await;
    nobody.with_token(&kept).post(WHO, json!({})).await.expect(201);
    hold("another").await;
    nobody.with_token(&kept).post(WHO, json!({})).await.expect(401);
    nobody.with_token(&short).post(WHO, json!({})).await.expect(201);
}
