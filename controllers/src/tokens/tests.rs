//! Tests of token Secrets: what is complete, and the whole loop over an in-memory API.

use tenancy::{TenantId, fleet};

use super::*;
use crate::fake::Fake;
use crate::run::{Config, Which};

fn secret(namespace: &str, name: &str, annotations: &Value, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "type": TYPE, "data": data,
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations}})
}

#[test]
fn what_is_complete() {
    let ca = base64.encode("CA");
    let all = json!({"token": "dA==", "namespace": "bg==", "ca.crt": ca});
    // (data, CA of the tenant) → complete
    let cases = [
        (all.clone(), Some("CA"), true),
        (all.clone(), Some("other"), false),
        (all, None, true),
        (json!({"token": "dA==", "namespace": "bg=="}), None, true),
        (json!({"token": "dA==", "namespace": "bg=="}), Some("CA"), false),
        (json!({"token": "dA=="}), None, false),
        (json!({"namespace": "bg==", "token": ""}), None, false),
        (Value::Null, None, false),
    ];
    for (data, ca, want) in cases {
        let mut object = secret("n", "s", &json!({NAME: "robot"}), &data);
        prune(&mut object);
        assert!(!object.to_string().contains("dA=="), "no token is kept: {object}");
        let view: Secret = serde_json::from_value(object).unwrap();
        let ca = ca.map(|ca| base64.encode(ca));
        assert_eq!(view.is_complete(ca.as_deref()), want, "{data} {ca:?}");
        assert!(view.means("any"));
    }
}

#[tokio::test(start_paused = true)]
async fn secrets_are_filled_and_die_with_their_account() {
    let fake = Fake::default();
    let namespace = fleet::join(TenantId::from_uid("1"), "default");
    let space = namespace.as_str();
    let (secrets, accounts) = (kinds::secrets(), kinds::service_accounts());
    let ca = json!({"spec": {"ca": {"certificate": "CA"}}, "metadata": {"name": TenantId::from_uid("1").as_str()}});
    fake.put(&kinds::routes(), ca);
    fake.put(&accounts, json!({"metadata": {"name": "robot", "namespace": space, "uid": "r"}}));
    fake.put(&secrets, secret(space, "good", &json!({NAME: "robot"}), &Value::Null));
    fake.put(&secrets, secret(space, "stranger", &json!({NAME: "robot", UID: "old"}), &Value::Null));
    fake.put(&secrets, secret(space, "lost", &json!({NAME: "nobody"}), &Value::Null));
    let config = Config { fleet: fake.client(), which: [Which::ServiceAccountToken].into() };
    let stop = CancellationToken::new();
    let running = tokio::spawn(crate::run::run(config, stop.clone()));
    fake.eventually("strangers are gone", |fake| {
        ["stranger", "lost"].iter().all(|name| fake.get(&secrets, space, name).is_none())
    })
    .await;
    fake.eventually("the token", |fake| {
        let secret = fake.get(&secrets, space, "good").unwrap_or_default();
        secret["data"]
            == json!({"ca.crt": base64.encode("CA"), "namespace": base64.encode("default"),
                "token": base64.encode("signed for robot")})
            && secret["metadata"]["annotations"] == json!({NAME: "robot", UID: "r"})
    })
    .await;
    fake.remove(&accounts, space, "robot");
    fake.eventually("it dies with its account", |fake| fake.get(&secrets, space, "good").is_none()).await;
    stop.cancel();
    running.await.unwrap();
}
