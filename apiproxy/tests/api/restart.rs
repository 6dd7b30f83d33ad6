//! A server that comes back over the same data directory.

use serde_json::json;

use crate::definitions::{WIDGETS, widget, widgets};
use crate::world::World;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn everything_is_there_again_and_watches_resume() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::start_in(directory.path().to_owned()).await;
    let admin = world.admin().await;
    widgets(&admin).await;
    admin.post(WIDGETS, widget("w", json!({"size": 1}))).await.expect(201);
    let since = admin.post(MAPS, json!({"metadata": {"name": "before"}})).await.expect(201).version();
    admin.post(MAPS, json!({"metadata": {"name": "between"}})).await.expect(201);
    admin.delete(&format!("{MAPS}/before")).await.expect(200);
    let list = admin.get(MAPS).await.expect(200);
    let old = world.client(&world.acme, world.acme.certificate("admin", &["system:masters"])).await;
    let world = world.restart_in(directory.path().to_owned()).await;
    drop(old);
    let admin = world.admin().await;
    let again = admin.get(MAPS).await.expect(200);
    assert_eq!((again.names(), again.body["items"].clone()), (vec!["between".to_owned()], list.body["items"].clone()));
    assert!(again.version().parse::<u64>().unwrap() >= list.version().parse().unwrap());
    let mut watch = admin.watch(&format!("{MAPS}?watch=1&resourceVersion={since}")).await;
    assert_eq!(watch.names(2).await, ["ADDED between", "DELETED before"]);
    admin.post(MAPS, json!({"metadata": {"name": "after"}})).await.expect(201);
    assert_eq!(watch.names(1).await, ["ADDED after"]);
    assert_eq!(admin.get(&format!("{WIDGETS}/w")).await.expect(200).body["spec"]["size"], 1);
    let old = format!("{MAPS}?resourceVersion={since}&resourceVersionMatch=Exact");
    assert_eq!(admin.get(&old).await.expect(200).names(), ["before"]);
}

#[tokio::test]
async fn what_was_on_its_way_out_goes_on_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::start_in(directory.path().to_owned()).await;
    let admin = world.admin().await;
    admin.post("/api/v1/namespaces", json!({"metadata": {"name": "short"}})).await.expect(201);
    let maps = "/api/v1/namespaces/short/configmaps";
    admin.post(maps, json!({"metadata": {"name": "held", "finalizers": ["x.test/hold"]}})).await.expect(201);
    admin.delete("/api/v1/namespaces/short").await.expect(200);
    admin.until(&format!("{maps}/held"), |reply| reply.body["metadata"]["deletionTimestamp"].is_string()).await;
    let world = world.restart_in(directory.path().to_owned()).await;
    let admin = world.admin().await;
    admin.merge(&format!("{maps}/held"), json!({"metadata": {"finalizers": null}})).await.expect(200);
    admin.until_gone("/api/v1/namespaces/short").await;
}
