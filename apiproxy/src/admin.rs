//! The process itself: `/livez /readyz /healthz /metrics`, outside any tenant.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use http::StatusCode;
use http::request::Parts;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::api::Api;
use crate::respond::{Answer, Error, text};
use crate::tls::Connection;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    code: u16,
}

/// Counters and gauges of the server. Labels never carry names of tenants or objects: their number is bounded.
#[derive(Default)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter<u64, AtomicU64>>,
    watches: Gauge<i64, AtomicI64>,
}

/// Counts a watch as held while it lives.
#[derive(Debug)]
pub struct HeldWatch(Gauge<i64, AtomicI64>);

impl Drop for HeldWatch {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Counts a finished request.
    pub fn request(&self, method: &str, code: u16) {
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
        let method = known.iter().find(|known| **known == method).copied().unwrap_or("OTHER");
        self.requests.get_or_create(&RequestLabels { method: method.to_owned(), code }).inc();
    }

    /// Counts a watch until the result is dropped.
    pub fn watch_started(&self) -> HeldWatch {
        self.watches.inc();
        HeldWatch(self.watches.clone())
    }

    pub(crate) fn encode(&self, api: &Api) -> Result<String, Error> {
        let mut registry = Registry::with_prefix("rowhouse_apiproxy");
        registry.register("requests", "Requests answered, by method and status code", self.requests.clone());
        registry.register("watches", "Watches held by clients", self.watches.clone());
        let tenants = Gauge::<i64, AtomicI64>::default();
        tenants.set(i64::try_from(api.routes.len()).unwrap_or(i64::MAX));
        registry.register("tenants", "Tenants being served", tenants);
        let revision = Gauge::<i64, AtomicI64>::default();
        revision.set(i64::try_from(api.store.revision().0).unwrap_or(i64::MAX));
        registry.register("store_revision", "Newest revision of the store", revision);
        let mut encoded = String::new();
        prometheus_client::encoding::text::encode(&mut encoded, &registry)
            .map_err(|_| Error::Internal("metrics cannot be encoded".to_owned()))?;
        Ok(encoded)
    }
}

/// Answers a request to the process. Errors: 401 for metrics without the operator's token, 404.
pub(crate) fn answer(api: &Arc<Api>, connection: &Connection, parts: &Parts) -> Result<Answer, Error> {
    match parts.uri.path() {
        "/livez" | "/healthz" => Ok(text(StatusCode::OK, "ok")),
        "/readyz" if api.leaving.load(Ordering::Relaxed) || api.draining.is_cancelled() => {
            Ok(text(StatusCode::INTERNAL_SERVER_ERROR, "shutting down"))
        }
        "/readyz" => Ok(text(StatusCode::OK, "ok")),
        "/metrics" => {
            let value = parts.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            let token = value.and_then(|value| value.strip_prefix("Bearer "));
            if !api.fleet_opens(connection, token) {
                return Err(Error::Unauthorized);
            }
            Ok(text(StatusCode::OK, api.metrics.encode(api)?))
        }
        _ => Err(Error::NoSuchPath),
    }
}
