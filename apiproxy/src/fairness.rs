//! Seats per tenant: one tenant's flood takes its own seats, not those of others (upstream: API Priority and Fairness,
//! much reduced: the unit is the tenant).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tenancy::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::respond::Error;

/// Requests of one tenant served at the same time (upstream: 400 + 200 for the whole cluster).
const REQUESTS: usize = 400;
/// Watches of one tenant held at the same time.
const WATCHES: usize = 5_000;
/// Streams (exec, logs …) of one tenant open at the same time.
const STREAMS: usize = 500;
/// Connections of one tenant open at the same time.
pub(crate) const CONNECTIONS: usize = 2_000;

/// What a seat is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Seat {
    /// A request that ends by itself.
    Request,
    /// A watch.
    Watch,
    /// A stream to the host.
    Stream,
    /// A connection.
    Connection,
}

/// A taken seat; free again when dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    _seat: Option<OwnedSemaphorePermit>,
}

/// The seats of all tenants that have used one. Tenants without requests in flight are forgotten now and then.
#[derive(Default)]
pub(crate) struct Seats {
    rows: Mutex<HashMap<(TenantId, Seat), Arc<Semaphore>>>,
}

/// Rows kept before idle ones are dropped.
const MAX_ROWS: usize = 1024;

impl Seats {
    /// Takes a seat. Our own loops (no tenant) need none. Errors: 429 when all are taken.
    pub(crate) fn take(&self, tenant: Option<TenantId>, seat: Seat) -> Result<Taken, Error> {
        let Some(tenant) = tenant else { return Ok(Taken { _seat: None }) };
        let size = match seat {
            Seat::Request => REQUESTS,
            Seat::Watch => WATCHES,
            Seat::Stream => STREAMS,
            Seat::Connection => CONNECTIONS,
        };
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.len() > MAX_ROWS {
            rows.retain(|_, row| Arc::strong_count(row) > 1);
        }
        let row = rows.entry((tenant, seat)).or_insert_with(|| Arc::new(Semaphore::new(size))).clone();
        drop(rows);
        match row.try_acquire_owned() {
            Ok(permit) => Ok(Taken { _seat: Some(permit) }),
            Err(_) => Err(Error::TooManyRequests {
                message: "too many requests, please try again later".to_owned(),
                retry_after: 1,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_fills_its_own_seats_only() {
        let seats = Seats::default();
        let (a, b) = (TenantId::from_uid("a"), TenantId::from_uid("b"));
        let held: Vec<Taken> = (0..REQUESTS).map(|_| seats.take(Some(a), Seat::Request).unwrap()).collect();
        assert!(matches!(seats.take(Some(a), Seat::Request), Err(Error::TooManyRequests { .. })));
        assert!(seats.take(Some(b), Seat::Request).is_ok() && seats.take(Some(a), Seat::Watch).is_ok());
        assert!(seats.take(None, Seat::Request).is_ok());
        drop(held);
        assert!(seats.take(Some(a), Seat::Request).is_ok());
    }
}
