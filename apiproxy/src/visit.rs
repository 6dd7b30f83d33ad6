//! Connections: a stranger's until somebody shows on it who they are, then that tenant's.
//!
//! ```text
//!   accept ─► Strangers::admit ──► Visit (stranger) ── first authenticated request ──► Visit (settled)
//!                 │ full                 │ not settled in 30 s                              │ tenant has 2,000 already
//!                 ▼                      ▼                                                  ▼
//!              dropped                closed                                               429
//! ```
//!
//! So neither those who cannot log in nor one tenant's clients take the connections of the others.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tenancy::TenantId;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::fairness::{Seat, Seats, Taken};
use crate::respond::Error;

/// Connections on which nobody has shown who they are yet, over all listeners.
const STRANGERS: usize = 8_000;
/// A connection stays a stranger's for this long: TLS handshake and first request, with room for health checks.
pub(crate) const STRANGER: Duration = Duration::from_secs(30);

/// The places for strangers.
#[derive(Debug)]
pub(crate) struct Strangers {
    places: Arc<Semaphore>,
}

impl Strangers {
    pub(crate) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(STRANGERS)) }
    }

    /// Lets a connection in. None when all places are taken.
    pub(crate) fn admit(&self) -> Option<Arc<Visit>> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        Some(Arc::new(Visit { place: Mutex::new(Place::Stranger(place)), settled: Notify::new() }))
    }
}

/// One connection's place.
#[derive(Debug)]
pub(crate) struct Visit {
    place: Mutex<Place>,
    settled: Notify,
}

#[derive(Debug)]
enum Place {
    Stranger(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit),
    Settled(#[expect(dead_code, reason = "held, not read")] Taken),
}

impl Visit {
    /// Makes the connection the tenant's, or the operator's without one. Once: a connection that carries requests for
    /// several tenants counts for the first. Errors: 429 when the tenant has too many.
    pub(crate) fn settle(&self, seats: &Seats, tenant: Option<TenantId>) -> Result<(), Error> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*place, Place::Stranger(_)) {
            *place = Place::Settled(seats.take(tenant, Seat::Connection)?);
            self.settled.notify_one();
        }
        Ok(())
    }

    /// Returns when the connection has been a stranger's for too long; never for a settled one.
    pub(crate) async fn overstayed(&self) {
        if tokio::time::timeout(STRANGER, self.settled.notified()).await.is_ok() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settled_connection_makes_room_for_strangers_and_counts_for_its_tenant() {
        let (strangers, seats) = (Strangers { places: Arc::new(Semaphore::new(1)) }, Seats::default());
        let tenant = TenantId::from_uid("a");
        let first = strangers.admit().unwrap();
        assert!(strangers.admit().is_none());
        first.settle(&seats, Some(tenant)).unwrap();
        let mut held = vec![first];
        while let Some(visit) = strangers.admit() {
            if let Err(error) = visit.settle(&seats, Some(tenant)) {
                assert!(matches!(error, Error::TooManyRequests { .. }));
                break;
            }
            held.push(visit);
        }
        assert_eq!(held.len(), crate::fairness::CONNECTIONS);
        held[0].settle(&seats, Some(tenant)).expect("a settled connection stays settled");
        let other = strangers.admit().unwrap();
        other.settle(&seats, Some(TenantId::from_uid("b"))).expect("another tenant has its own");
        strangers.admit().unwrap().settle(&seats, None).expect("the operator is not counted");
        held.pop();
        strangers.admit().unwrap().settle(&seats, Some(tenant)).expect("a closed connection frees its seat");
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_overstay_and_settlers_do_not() {
        let (strangers, seats) = (Strangers::new(), Seats::default());
        let visit = strangers.admit().unwrap();
        visit.overstayed().await;
        let visit = strangers.admit().unwrap();
        visit.settle(&seats, None).unwrap();
        let week = tokio::time::timeout(Duration::from_secs(7 * 86_400), visit.overstayed());
        assert!(week.await.is_err());
    }
}
