//! One syncer at a time: a Lease on the host says which. Whoever loses it writes nothing more.
//!
//! ```text
//!   acquire ─► held ─► keep: renewed every 2 s ─┬─► taken by another, or not renewed for 10 s ─► fence closed, lost
//!                                               └─► release: the next one need not wait
//! ```
//!
//! Another takes the lease 15 s after it saw the last renewal: the fence closes 5 s before that, by the clock of this
//! process (upstream: `client-go/tools/leaderelection`, whose timing and record this is).

mod fence;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as Record, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, Error};
use tokio::time::Instant;

pub use fence::{Closed, Fence};

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Others may take the lease when it has not been renewed for this long. Whole seconds.
    pub duration: Duration,
    /// The holder gives up when it could not renew for this long; shorter than `duration`.
    pub deadline: Duration,
    /// Pause between attempts; much shorter than `deadline`.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { duration: seconds(15), deadline: seconds(10), retry: seconds(2) }
    }
}

/// Why a lease is no longer held.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// Somebody else holds it.
    #[error("the lease is held by {0} now")]
    Taken(String),
    /// The host did not confirm it in time.
    #[error("the lease could not be renewed in time")]
    Expired,
}

/// A Lease of the host and our part in it.
pub struct Lease {
    api: Api<Record>,
    name: String,
    identity: String,
    timing: Timing,
    fence: Fence,
    /// The version seen last, and when it was seen first. Clocks of others are not trusted.
    seen: Option<(String, Instant)>,
}

/// What an attempt came to.
enum Outcome {
    Held,
    /// By this one.
    HeldBy(String),
    /// Somebody else wrote at the same time.
    Conflict,
}

/// What to do about a lease.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// There is none: make it.
    Create,
    /// It is ours: say so again.
    Renew,
    /// It is nobody's: take it.
    Take,
    /// It is somebody else's.
    Wait(String),
}

fn decide(there: Option<&LeaseSpec>, identity: &str, is_stale: bool) -> Step {
    let Some(there) = there else { return Step::Create };
    match there.holder_identity.as_deref().unwrap_or_default() {
        "" => Step::Take,
        holder if holder == identity => Step::Renew,
        _ if is_stale => Step::Take,
        holder => Step::Wait(holder.to_owned()),
    }
}

impl Lease {
    /// A lease that is not held yet. `host` must not be behind the fence: a lost lease is still asked for.
    pub fn new(host: Client, namespace: &str, name: &str, identity: &str, timing: Timing) -> Self {
        Self {
            api: Api::namespaced(host, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            timing,
            fence: Fence::closed(),
            seen: None,
        }
    }

    /// What lets writes through while the lease is held. Clones share its state.
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Waits until the lease is held.
    pub async fn acquire(&mut self) {
        let mut holder = String::new();
        loop {
            match self.attempt().await {
                Ok(Outcome::Held) => return,
                Ok(Outcome::HeldBy(other)) if other != holder => {
                    tracing::info!(lease = self.name, holder = other, "standing by");
                    holder = other;
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(lease = self.name, %error, "the lease cannot be read or written"),
            }
            tokio::time::sleep(self.timing.retry).await;
        }
    }

    /// Renews the lease until it is lost; the fence is closed then.
    pub async fn keep(&mut self) -> Lost {
        loop {
            let until = self.fence.until().unwrap_or_else(Instant::now);
            let attempt = async {
                tokio::time::sleep(self.timing.retry).await;
                // One that hangs must leave time for another.
                tokio::time::timeout(self.timing.deadline / 2, self.attempt()).await
            };
            match tokio::time::timeout_at(until, attempt).await {
                Ok(Ok(Ok(Outcome::Held | Outcome::Conflict))) => {}
                Ok(Ok(Ok(Outcome::HeldBy(other)))) => {
                    self.fence.close();
                    return Lost::Taken(other);
                }
                Ok(Err(_)) => tracing::warn!(lease = self.name, "lease not renewed in time, will try again"),
                Ok(Ok(Err(error))) => tracing::warn!(lease = self.name, %error, "lease not renewed, will try again"),
                Err(_) => {
                    self.fence.close();
                    return Lost::Expired;
                }
            }
        }
    }

    /// Gives the lease back. Nothing is written behind the fence any more, whether or not the host answers.
    pub async fn release(&mut self) {
        self.fence.close();
        let given = async {
            let Some(mut record) = self.api.get_opt(&self.name).await? else { return Ok(()) };
            let spec = record.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() == Some(&self.identity) {
                spec.holder_identity = Some(String::new());
                spec.lease_duration_seconds = Some(1);
                spec.renew_time = Some(MicroTime(Timestamp::now()));
                self.api.replace(&self.name, &PostParams::default(), &record).await?;
            }
            Ok::<_, Error>(())
        };
        match tokio::time::timeout(self.timing.retry, given).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(lease = self.name, %error, "lease not released, it will expire"),
            Err(_) => tracing::warn!(lease = self.name, "lease not released in time, it will expire"),
        }
    }

    async fn attempt(&mut self) -> Result<Outcome, Error> {
        // The fence counts from before the request: the host cannot have seen the renewal earlier.
        let began = Instant::now();
        let there = self.api.get_opt(&self.name).await?;
        let is_stale = there.as_ref().is_some_and(|there| self.is_stale(there));
        let step = decide(there.as_ref().and_then(|there| there.spec.as_ref()), &self.identity, is_stale);
        let written = match (step, there) {
            (Step::Wait(holder), _) => return Ok(Outcome::HeldBy(holder)),
            (Step::Renew, Some(there)) => self.replace(there, false).await,
            (Step::Take, Some(there)) => self.replace(there, true).await,
            // A lease without a spec is nobody's too.
            (Step::Create, Some(there)) => self.replace(there, true).await,
            (_, None) => {
                let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
                let record = Record { metadata, spec: Some(self.spec(None, true)) };
                self.api.create(&PostParams::default(), &record).await.map(drop)
            }
        };
        match written {
            Ok(()) => {
                self.fence.open_until(began + self.timing.deadline);
                Ok(Outcome::Held)
            }
            Err(Error::Api(status)) if status.code == 409 => Ok(Outcome::Conflict),
            Err(error) => Err(error),
        }
    }

    async fn replace(&self, mut record: Record, is_new: bool) -> Result<(), Error> {
        record.spec = Some(self.spec(record.spec.as_ref(), is_new));
        self.api.replace(&self.name, &PostParams::default(), &record).await.map(drop)
    }

    fn spec(&self, before: Option<&LeaseSpec>, is_new: bool) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let acquired = before.and_then(|before| before.acquire_time.clone()).filter(|_| !is_new);
        let transitions = before.and_then(|before| before.lease_transitions).unwrap_or_default();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.timing.duration.as_secs()).ok(),
            acquire_time: Some(acquired.unwrap_or_else(|| now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(transitions + i32::from(is_new && before.is_some())),
            ..before.cloned().unwrap_or_default()
        }
    }

    /// Whether the holder has been silent for as long as it said it might be.
    fn is_stale(&mut self, there: &Record) -> bool {
        let version = there.metadata.resource_version.clone().unwrap_or_default();
        let since = match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => {
                let now = Instant::now();
                self.seen = Some((version, now));
                now
            }
        };
        let said = there.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
        let patience = u64::try_from(said).map_or(self.timing.duration, Duration::from_secs);
        since.elapsed() > patience
    }
}
