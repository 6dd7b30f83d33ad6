//! watch: where it starts, what it shows, how it ends.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::Client;
use crate::world::World;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn put(admin: &Client, name: &str, labels: Value) -> String {
    let path = format!("{MAPS}/{name}");
    let body = json!({"metadata": {"name": name, "labels": labels}});
    let reply = if admin.get(&path).await.code == 404 {
        admin.post(MAPS, body).await.expect(201)
    } else {
        admin.put(&path, body).await.expect(200)
    };
    reply.version()
}

#[tokio::test]
async fn a_watch_shows_what_is_there_and_what_comes() {
    let world = World::start().await;
    let admin = world.admin().await;
    put(&admin, "a", json!({})).await;
    put(&admin, "b", json!({})).await;
    let mut watch = admin.watch(&format!("{MAPS}?watch=true")).await;
    let first: BTreeSet<String> = watch.names(2).await.into_iter().collect();
    assert_eq!(first.into_iter().collect::<Vec<_>>(), ["ADDED a", "ADDED b"]);
    let mut resumed =
        admin.watch(&format!("{MAPS}?watch=true&resourceVersion={}", put(&admin, "c", json!({})).await)).await;
    put(&admin, "a", json!({"x": "y"})).await;
    admin.delete(&format!("{MAPS}/b")).await.expect(200);
    assert_eq!(watch.names(3).await, ["ADDED c", "MODIFIED a", "DELETED b"]);
    assert_eq!(resumed.names(2).await, ["MODIFIED a", "DELETED b"]);
    // The deprecated path, and one object of a collection.
    let mut old = admin.watch("/api/v1/watch/namespaces/default/configmaps/c").await;
    assert_eq!(old.names(1).await, ["ADDED c"]);
    put(&admin, "a", json!({"x": "z"})).await;
    put(&admin, "c", json!({"x": "z"})).await;
    assert_eq!(old.names(1).await, ["MODIFIED c"]);
    let mut one = admin.watch(&format!("{MAPS}?watch=1&fieldSelector=metadata.name%3Da")).await;
    assert_eq!(one.names(1).await, ["ADDED a"]);
}

#[tokio::test]
async fn the_version_of_a_deletion_is_new() {
    let world = World::start().await;
    let admin = world.admin().await;
    let since = put(&admin, "a", json!({})).await;
    let mut watch = admin.watch(&format!("{MAPS}?watch=1&resourceVersion={since}")).await;
    admin.delete(&format!("{MAPS}/a")).await.expect(200);
    let event = watch.next().await.unwrap();
    assert_eq!(event["type"], "DELETED");
    let version: u64 = event["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    assert!(version > since.parse().unwrap(), "{version} > {since}");
    // Who resumes from there sees nothing twice.
    let mut resumed = admin.watch(&format!("{MAPS}?watch=1&resourceVersion={version}")).await;
    put(&admin, "b", json!({})).await;
    assert_eq!(resumed.names(1).await, ["ADDED b"]);
}

#[tokio::test]
async fn what_leaves_a_selection_is_deleted_and_what_enters_is_added() {
    let world = World::start().await;
    let admin = world.admin().await;
    let since = put(&admin, "a", json!({"in": "yes"})).await;
    let mut watch = admin.watch(&format!("{MAPS}?watch=1&resourceVersion={since}&labelSelector=in%3Dyes")).await;
    let left = put(&admin, "a", json!({"in": "no"})).await;
    put(&admin, "a", json!({"in": "no", "still": "out"})).await;
    put(&admin, "a", json!({"in": "yes"})).await;
    put(&admin, "a", json!({"in": "yes", "x": "y"})).await;
    let gone = watch.next().await.unwrap();
    assert_eq!(gone["type"], "DELETED");
    assert_eq!(gone["object"]["metadata"]["labels"]["in"], "yes", "it is shown as it was");
    assert_eq!(gone["object"]["metadata"]["resourceVersion"], left.as_str(), "at the version it left at");
    assert_eq!(watch.names(2).await, ["ADDED a", "MODIFIED a"]);
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let since = admin.post(pods, pod).await.expect(201).version();
    let unassigned = format!("{pods}?watch=1&fieldSelector=spec.nodeName%3D&resourceVersion={since}");
    let mut queue = admin.watch(&unassigned).await;
    admin
        .post(&format!("{pods}/p/binding"), json!({"metadata": {"name": "p"}, "target": {"name": "n"}}))
        .await
        .expect(201);
    assert_eq!(queue.names(1).await, ["DELETED p"]);
}

#[tokio::test]
async fn initial_events_end_with_a_marked_bookmark() {
    let world = World::start().await;
    let admin = world.admin().await;
    put(&admin, "a", json!({})).await;
    put(&admin, "b", json!({})).await;
    let ask = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = admin.watch(&format!("{MAPS}?{ask}")).await;
    assert_eq!(watch.names(2).await, ["ADDED a", "ADDED b"]);
    let mark = watch.next().await.unwrap();
    assert_eq!(mark["type"], "BOOKMARK");
    assert_eq!(mark["object"]["kind"], "ConfigMap");
    assert_eq!(mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    let at = mark["object"]["metadata"]["resourceVersion"].as_str().unwrap();
    put(&admin, "c", json!({})).await;
    let mut resumed = admin.watch(&format!("{MAPS}?watch=1&resourceVersion={at}")).await;
    assert_eq!(watch.names(1).await, ["ADDED c"]);
    assert_eq!(resumed.names(1).await, ["ADDED c"]);
    let mut none = admin.watch(&format!("{MAPS}?{ask}&labelSelector=no%3Dsuch")).await;
    assert_eq!(none.next().await.unwrap()["type"], "BOOKMARK");
    for (query, part) in [
        ("sendInitialEvents=true", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
        ("resourceVersionMatch=NotOlderThan", "resourceVersionMatch is forbidden for watch unless sendInitialEvents"),
    ] {
        let refused = admin.get(&format!("{MAPS}?watch=1&{query}")).await.expect(422);
        assert!(refused.reason().1.contains(part), "{query}: {}", refused.reason().1);
    }
}

#[tokio::test]
async fn bookmarks_come_at_the_end_and_the_end_comes_when_asked() {
    let world = World::start().await;
    let admin = world.admin().await;
    let since = put(&admin, "a", json!({})).await;
    let asked = format!("{MAPS}?watch=1&resourceVersion={since}&timeoutSeconds=1");
    let mut watch = admin.watch(&format!("{asked}&allowWatchBookmarks=true")).await;
    let mut plain = admin.watch(&asked).await;
    let mark = watch.next().await.unwrap();
    assert_eq!((&mark["type"], &mark["object"]["metadata"]["name"]), (&json!("BOOKMARK"), &Value::Null));
    assert!(mark["object"]["metadata"]["annotations"].is_null());
    assert!(watch.next().await.is_none());
    assert!(plain.next().await.is_none(), "who has not asked for bookmarks gets none");
}

#[tokio::test]
async fn a_watch_from_beyond_the_history_says_so_in_the_stream() {
    let world = World::with_short_history().await;
    let admin = world.admin().await;
    let old = put(&admin, "a", json!({})).await;
    for at in 0..10 {
        put(&admin, "a", json!({"x": at.to_string()})).await;
    }
    let mut watch = admin.watch(&format!("{MAPS}?watch=1&resourceVersion={old}")).await;
    let event = watch.next().await.unwrap();
    assert_eq!(event["type"], "ERROR");
    assert_eq!((&event["object"]["kind"], &event["object"]["code"]), (&json!("Status"), &json!(410)));
    assert_eq!(event["object"]["reason"], "Expired");
    assert!(event["object"]["message"].as_str().unwrap().starts_with(&format!("too old resource version: {old} (")));
    assert!(watch.next().await.is_none());
    admin.get(&format!("{MAPS}?watch=1&resourceVersion=x")).await.expect(500);
}

#[tokio::test]
async fn tables_and_metadata_are_watched() {
    let world = World::start().await;
    let admin = world.admin().await;
    put(&admin, "a", json!({})).await;
    let tables = admin.with("accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
    let mut watch = tables.watch(&format!("{MAPS}?watch=1")).await;
    let first = watch.next().await.unwrap();
    assert_eq!((&first["type"], &first["object"]["kind"]), (&json!("ADDED"), &json!("Table")));
    assert_eq!(first["object"]["columnDefinitions"][0]["name"], "Name");
    assert_eq!(first["object"]["rows"][0]["cells"][0], "a");
    assert_eq!(first["object"]["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    put(&admin, "b", json!({})).await;
    let second = watch.next().await.unwrap();
    assert!(second["object"]["columnDefinitions"].is_null(), "headings come once");
    let partial = admin.with("accept", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
    let mut watch = partial.watch(&format!("{MAPS}?watch=1")).await;
    let event = watch.next().await.unwrap();
    assert_eq!(event["object"]["kind"], "PartialObjectMetadata");
    assert!(event["object"]["data"].is_null());
}

#[tokio::test]
async fn watches_of_a_namespace_see_only_it() {
    let world = World::start().await;
    let admin = world.admin().await;
    admin.post("/api/v1/namespaces", json!({"metadata": {"name": "other"}})).await.expect(201);
    let mut here = admin.watch(&format!("{MAPS}?watch=1")).await;
    let mut all = admin.watch("/api/v1/configmaps?watch=1").await;
    let there = "/api/v1/namespaces/other/configmaps";
    admin.post(there, json!({"metadata": {"name": "there"}})).await.expect(201);
    put(&admin, "here", json!({})).await;
    assert_eq!(here.names(1).await, ["ADDED here"]);
    assert_eq!(all.names(2).await, ["ADDED there", "ADDED here"]);
}

#[tokio::test]
async fn watches_end_when_the_server_stops() {
    let world = World::start().await;
    let admin = world.admin().await;
    let mut watch = admin.watch(&format!("{MAPS}?watch=1")).await;
    world.server.shutdown().await;
    assert!(watch.next().await.is_none());
}
