//! list: paging at one revision, versions, selectors.

use serde_json::{Value, json};

use crate::client::Client;
use crate::world::World;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn fill(admin: &Client, count: usize) {
    for at in 0..count {
        let labels = json!({"n": at.to_string(), "half": if at % 2 == 0 { "even" } else { "odd" }});
        let body = json!({"metadata": {"name": format!("m{at:02}"), "labels": labels}});
        admin.post(MAPS, body).await.expect(201);
    }
}

fn token(reply: &crate::client::Reply) -> String {
    reply.body["metadata"]["continue"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn pages_show_one_revision() {
    let world = World::start().await;
    let admin = world.admin().await;
    fill(&admin, 10).await;
    let first = admin.get(&format!("{MAPS}?limit=4")).await.expect(200);
    assert_eq!(first.names(), ["m00", "m01", "m02", "m03"]);
    assert_eq!(first.body["metadata"]["remainingItemCount"], 6);
    // What changes between pages does not change the list.
    admin.delete(&format!("{MAPS}/m05")).await.expect(200);
    admin.post(MAPS, json!({"metadata": {"name": "m051"}})).await.expect(201);
    let second = admin.get(&format!("{MAPS}?limit=4&continue={}", token(&first))).await.expect(200);
    assert_eq!(second.names(), ["m04", "m05", "m06", "m07"]);
    assert_eq!(second.version(), first.version());
    assert_eq!(second.body["metadata"]["remainingItemCount"], 2);
    let third = admin.get(&format!("{MAPS}?limit=4&continue={}", token(&second))).await.expect(200);
    assert_eq!(third.names(), ["m08", "m09"]);
    assert_eq!((token(&third).as_str(), &third.body["metadata"]["remainingItemCount"]), ("", &Value::Null));
    let whole = admin.get(MAPS).await.expect(200);
    assert_eq!(whole.names().len(), 10);
    let exact = format!("{MAPS}?resourceVersion={}&resourceVersionMatch=Exact", first.version());
    assert_eq!(admin.get(&exact).await.expect(200).names()[5], "m05");
    // A page that is exactly the rest has no continue token.
    let all = admin.get(&format!("{MAPS}?limit=10")).await.expect(200);
    assert_eq!((all.names().len(), token(&all).as_str()), (10, ""));
}

#[tokio::test]
async fn selectors_select() {
    let world = World::start().await;
    let admin = world.admin().await;
    fill(&admin, 6).await;
    for (query, want) in [
        ("labelSelector=half%3Deven", "m00 m02 m04"),
        ("labelSelector=half%3D%3Deven,n!%3D2", "m00 m04"),
        ("labelSelector=n%20in%20(1,3)", "m01 m03"),
        ("labelSelector=n%20notin%20(0,1,2,3,4)", "m05"),
        ("labelSelector=!half", ""),
        ("labelSelector=n,half%3Dodd", "m01 m03 m05"),
        ("fieldSelector=metadata.name%3Dm03", "m03"),
        ("fieldSelector=metadata.name!%3Dm03&labelSelector=half%3Dodd", "m01 m05"),
        ("fieldSelector=metadata.namespace%3Dother", ""),
        ("labelSelector=half%3Deven&limit=2", "m00 m02"),
    ] {
        let list = admin.get(&format!("{MAPS}?{query}")).await.expect(200);
        assert_eq!(list.names().join(" "), want, "{query}");
        assert_eq!(list.body["metadata"]["remainingItemCount"], Value::Null, "{query}");
    }
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}});
    admin.post("/api/v1/namespaces/default/pods", pod).await.expect(201);
    for (selector, count) in [("spec.nodeName%3Dn1", 1), ("spec.nodeName%3D", 0), ("status.phase%3DPending", 1)] {
        let list = admin.get(&format!("/api/v1/pods?fieldSelector={selector}")).await.expect(200);
        assert_eq!(list.names().len(), count, "{selector}");
    }
}

#[tokio::test]
async fn bad_options_are_refused() {
    let world = World::start().await;
    let admin = world.admin().await;
    fill(&admin, 3).await;
    let page = token(&admin.get(&format!("{MAPS}?limit=1")).await);
    let mixed = format!("continue={page}&resourceVersion=5");
    for (query, code, part) in [
        ("labelSelector=a+b", 400, "unable to parse requirement"),
        ("fieldSelector=foo%3Da", 400, "foo"),
        ("limit=x", 400, "limit"),
        ("continue=xx", 400, "continue key is not valid"),
        ("resourceVersion=x", 400, "resourceVersion"),
        ("resourceVersionMatch=Exact", 422, "resourceVersionMatch is forbidden unless resourceVersion is provided"),
        ("resourceVersionMatch=Exact&resourceVersion=0", 422, "forbidden for resourceVersion \"0\""),
        ("resourceVersionMatch=Odd&resourceVersion=1", 422, "Unsupported value"),
        (mixed.as_str(), 400, "specifying resource version is not allowed when using continue"),
    ] {
        let reply = admin.get(&format!("{MAPS}?{query}")).await;
        assert_eq!(reply.code, code, "{query}: {}", reply.body);
        assert!(code == 400 || reply.reason().1.contains(part), "{query}: {}", reply.reason().1);
    }
}

#[tokio::test]
async fn a_version_from_the_future_is_waited_for_and_then_refused() {
    let world = World::start().await;
    let admin = world.admin().await;
    let now: u64 = admin.get(MAPS).await.version().parse().unwrap();
    let ahead = now + 1;
    let asked = format!("{MAPS}?resourceVersion={ahead}&resourceVersionMatch=NotOlderThan");
    let (list, _) = tokio::join!(admin.get(&asked), admin.post(MAPS, json!({"metadata": {"name": "new"}})));
    assert!(list.expect(200).version().parse::<u64>().unwrap() >= ahead);
    let refused = admin.get(&format!("{MAPS}?resourceVersion=999999999999")).await.expect(504);
    assert_eq!(refused.reason().0, "Timeout");
    assert_eq!(refused.body["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
}

#[tokio::test]
async fn lists_beyond_the_history_say_410() {
    let world = World::with_short_history().await;
    let admin = world.admin().await;
    fill(&admin, 3).await;
    let first = admin.get(&format!("{MAPS}?limit=1")).await.expect(200);
    for at in 0..10 {
        admin.merge(&format!("{MAPS}/m02"), json!({"data": {"k": at.to_string()}})).await.expect(200);
    }
    let old = admin.get(&format!("{MAPS}?resourceVersion={}&resourceVersionMatch=Exact", first.version())).await;
    assert_eq!(old.expect(410).reason().0, "Expired");
    let page = admin.get(&format!("{MAPS}?limit=1&continue={}", token(&first))).await.expect(410);
    assert!(page.reason().1.starts_with("The provided continue parameter is too old"), "{}", page.body);
    // The answer has a token to go on with, at the newest revision.
    let rest = admin.get(&format!("{MAPS}?continue={}", token(&page))).await.expect(200);
    assert_eq!(rest.names(), ["m01", "m02"]);
    assert_eq!(rest.body["items"][1]["data"]["k"], "9");
    // "Not older than" something old is anything newer.
    let any = format!("{MAPS}?resourceVersion={}&resourceVersionMatch=NotOlderThan", first.version());
    assert_eq!(admin.get(&any).await.expect(200).names().len(), 3);
}
