//! Candidates for one lease, over a pretend host that knows compare-and-set. Time is paused: waiting costs nothing.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::{Body, ClientBuilder};
use serde_json::{Value, json};

use super::*;

/// One lease, and whether anybody answers.
#[derive(Clone, Default)]
struct Host {
    lease: Arc<Mutex<Option<Value>>>,
    is_away: Arc<AtomicBool>,
}

impl Host {
    fn client(&self, fence: Option<&Fence>) -> Client {
        let this = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let this = this.clone();
            async move {
                if this.is_away.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
                let (parts, body) = request.into_parts();
                let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                let (code, value) = this.answer(parts.method.as_str(), &bytes);
                let mut response = Response::new(Body::from(value.to_string().into_bytes()));
                *response.status_mut() = StatusCode::from_u16(code).unwrap();
                Ok::<_, Infallible>(response)
            }
        });
        match fence {
            None => Client::new(service, "x"),
            Some(fence) => ClientBuilder::new(service, "x").with_layer(fence).build(),
        }
    }

    fn answer(&self, method: &str, body: &[u8]) -> (u16, Value) {
        let mut lease = self.lease.lock().unwrap();
        let status = |code: u16, reason: &str| {
            (code, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}))
        };
        let version = |lease: &Value| lease["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
        match (method, &mut *lease) {
            ("GET", Some(lease)) => (200, lease.clone()),
            ("GET", None) => status(404, "NotFound"),
            ("POST", Some(_)) => status(409, "AlreadyExists"),
            (_, there) => {
                let mut value: Value = serde_json::from_slice(body).unwrap();
                let next = there.as_ref().map_or(1, |there| version(there) + 1);
                if there.as_ref().is_some_and(|there| version(there) != version(&value)) {
                    return status(409, "Conflict");
                }
                value["metadata"]["resourceVersion"] = json!(next.to_string());
                *there = Some(value.clone());
                (200, value)
            }
        }
    }

    fn candidate(&self, identity: &str) -> Lease {
        Lease::new(self.client(None), "system", "syncer", identity, Timing::default())
    }

    fn holder(&self) -> String {
        let lease = self.lease.lock().unwrap();
        lease.as_ref().unwrap()["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    }
}

#[test]
fn what_is_there_decides() {
    let held = |holder: &str| LeaseSpec { holder_identity: Some(holder.to_owned()), ..LeaseSpec::default() };
    let cases = [
        (None, false, Step::Create),
        (Some(LeaseSpec::default()), false, Step::Take),
        (Some(held("")), false, Step::Take),
        (Some(held("me")), false, Step::Renew),
        (Some(held("me")), true, Step::Renew),
        (Some(held("other")), false, Step::Wait("other".to_owned())),
        (Some(held("other")), true, Step::Take),
    ];
    for (there, is_stale, step) in cases {
        assert_eq!(decide(there.as_ref(), "me", is_stale), step, "{there:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_second_waits_until_the_first_is_silent() {
    let host = Host::default();
    let (mut first, mut second) = (host.candidate("first"), host.candidate("second"));
    first.acquire().await;
    assert!(first.fence().is_open() && !second.fence().is_open());
    // The first renews for a minute: the second never gets in.
    let contest = async {
        tokio::select! {
            lost = first.keep() => panic!("{lost}"),
            () = second.acquire() => panic!("two holders"),
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), contest).await.is_err());
    // Then it says nothing more.
    let silent = Instant::now();
    second.acquire().await;
    assert!(!first.fence().is_open(), "closed before the second came");
    assert!(silent.elapsed() >= Duration::from_secs(12));
    assert_eq!(host.holder(), "second");
    assert_eq!(host.lease.lock().unwrap().as_ref().unwrap()["spec"]["leaseTransitions"], 1);
    assert!(matches!(first.attempt().await, Ok(Outcome::HeldBy(holder)) if holder == "second"));
}

#[tokio::test(start_paused = true)]
async fn a_holder_without_host_gives_up_before_others_may_take_over() {
    let host = Host::default();
    let mut lease = host.candidate("first");
    lease.acquire().await;
    let held = Instant::now();
    host.is_away.store(true, Ordering::Relaxed);
    assert!(matches!(lease.keep().await, Lost::Expired));
    assert!(held.elapsed() <= Timing::default().deadline && !lease.fence().is_open());
    // The end of a process does not wait for the host.
    lease.release().await;
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_is_free_at_once_and_a_restart_takes_its_own() {
    let host = Host::default();
    let mut first = host.candidate("first");
    first.acquire().await;
    let mut again = host.candidate("first");
    let began = Instant::now();
    again.acquire().await;
    again.release().await;
    assert_eq!(host.holder(), "");
    host.candidate("second").acquire().await;
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(matches!(again.attempt().await, Ok(Outcome::HeldBy(_))));
}

#[tokio::test(start_paused = true)]
async fn without_the_lease_only_reads_pass() {
    let host = Host::default();
    let mut lease = host.candidate("first");
    let client = host.client(Some(&lease.fence()));
    let send = |method: &str| {
        let body = json!({"metadata": {"name": "syncer", "resourceVersion": "1"}}).to_string().into_bytes();
        client.request::<Value>(Request::builder().method(method).uri("/x").body(body).unwrap())
    };
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert!(matches!(send(method).await, Err(Error::Service(error)) if error.is::<Closed>()), "{method}");
    }
    assert!(matches!(send("GET").await, Err(Error::Api(_))), "the host was asked");
    lease.acquire().await;
    send("PUT").await.unwrap();
    tokio::time::advance(Timing::default().deadline).await;
    assert!(send("PUT").await.is_err());
    send("GET").await.unwrap();
}
