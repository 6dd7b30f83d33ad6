//! Several servers over one store: they share nothing but its transactions.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use store::Store;
use tenancy::{TenantId, fleet};

use super::{of_namespace, recount};
use crate::admission::services::Allocator;
use crate::api::Api;
use crate::serve::handle;
use crate::tls::{Connection, Internal};

async fn post(api: &Arc<Api>, path: &str, body: &Value) -> u16 {
    let request = Request::post(path).header("content-type", "application/json");
    let request = request.body(Full::new(Bytes::from(body.to_string()))).unwrap();
    handle(api, &Connection::internal(Internal::Fleet), request).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_of_one_store_never_exceed_together() {
    let store = Store::open(store::Config::default()).unwrap();
    let server = || Arc::new(Api::new(store.clone(), Allocator::None, None, String::new()));
    let servers = [server(), server(), server()];
    let tenant = TenantId::from_uid("t");
    let namespace = fleet::join(tenant, "n");
    let path = format!("/api/v1/namespaces/{namespace}");
    assert_eq!(post(&servers[0], "/api/v1/namespaces", &json!({"metadata": {"name": namespace}})).await, 201);
    for (name, hard) in [("wide", json!({"configmaps": "20"})), ("narrow", json!({"count/configmaps": "9"}))] {
        let quota = json!({"metadata": {"name": name}, "spec": {"hard": hard}});
        assert_eq!(post(&servers[1], &format!("{path}/resourcequotas"), &quota).await, 201);
    }
    let mut creating = tokio::task::JoinSet::new();
    for number in 0..36 {
        let (api, path) = (servers[number % 3].clone(), format!("{path}/configmaps"));
        creating.spawn(async move { post(&api, &path, &json!({"metadata": {"name": format!("m{number}")}})).await });
    }
    // Counting at the same time changes nothing.
    let counting = servers[2].clone();
    let counted = tokio::spawn(async move {
        for _ in 0..20 {
            recount(&counting, tenant, "n").await;
        }
    });
    let codes = creating.join_all().await;
    counted.await.unwrap();
    assert_eq!(codes.iter().filter(|code| **code == 201).count(), 9, "{codes:?}");
    assert!(codes.iter().all(|code| matches!(code, 201 | 403)), "{codes:?}");
    let used: Vec<Value> =
        of_namespace(&servers[0], tenant, "n").iter().map(|quota| quota.value()["status"]["used"].clone()).collect();
    assert_eq!(used, [json!({"count/configmaps": "9"}), json!({"configmaps": "9"})]);
}
