//! A wall in front of a client: reads pass, writes only while the lease is held.

use std::future::{Ready, ready};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::future::{Either, MapErr, TryFutureExt};
use http::{Method, Request};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

/// A write was held back: this process may no longer write.
#[derive(Debug, thiserror::Error)]
#[error("not written: the lease is not held")]
pub struct Closed;

/// Lets writes through until a moment. Clones share it; as a layer it stands before a client.
#[derive(Clone, Debug)]
pub struct Fence {
    until: Arc<Mutex<Option<Instant>>>,
}

impl Fence {
    /// A fence that lets nothing through.
    pub(super) fn closed() -> Self {
        Self { until: Arc::default() }
    }

    /// Lets writes through until then.
    pub(super) fn open_until(&self, until: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// Lets nothing through from now on.
    pub(super) fn close(&self) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// When it closes by itself; None when it is closed.
    pub(super) fn until(&self) -> Option<Instant> {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether writes pass.
    pub fn is_open(&self) -> bool {
        self.until().is_some_and(|until| Instant::now() < until)
    }
}

impl<S> Layer<S> for Fence {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Fenced<S> {
        Fenced { inner, fence: self.clone() }
    }
}

/// A client behind a fence.
#[derive(Clone, Debug)]
pub struct Fenced<S> {
    inner: S,
    fence: Fence,
}

impl<S, B> Service<Request<B>> for Fenced<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Either<
        Ready<Result<S::Response, BoxError>>,
        MapErr<S::Future, fn(<S as Service<Request<B>>>::Error) -> BoxError>,
    >;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        if reads || self.fence.is_open() {
            let convert: fn(S::Error) -> BoxError = Into::into;
            Either::Right(self.inner.call(request).map_err(convert))
        } else {
            Either::Left(ready(Err(Box::new(Closed))))
        }
    }
}
