//! Finished Jobs with a time to live are deleted when it is over (upstream `pkg/controller/ttlafterfinished`).

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::client::{self, DeleteOptions};
use crate::informer::{Informer, Raw};
use crate::job::Job;
use crate::key::Key;
use crate::kinds;
use crate::queue::{Outcome, Queue};
use crate::run::Context;
use crate::step::{self, Controller, Error};

#[derive(Clone)]
struct Ttl {
    context: Context,
    jobs: Informer,
}

/// How long a Job may stay still; `None`: for ever, or until it is finished.
fn time_left(job: &Job, now: Timestamp) -> Option<Duration> {
    let expires = job.expires().filter(|_| job.meta.deletion_timestamp.is_none())?;
    Some(Duration::try_from(expires.duration_since(now)).unwrap_or_default())
}

impl Controller for Ttl {
    const NAME: &'static str = "ttl-after-finished-controller";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        let Some(raw) = self.jobs.get(&key.namespace, &key.name) else { return Ok(Outcome::Done) };
        match time_left(&Job::view(&raw)?, Timestamp::now()) {
            None => return Ok(Outcome::Done),
            Some(left) if !left.is_zero() => return Ok(Outcome::After(left)),
            Some(_) => {}
        }
        // The time to live may have been changed since.
        let (objects, kind) = (&self.context.objects, kinds::jobs());
        let fresh = match objects.get(&kind, &key.namespace, &key.name).await {
            Ok(fresh) => Raw::from_value(&fresh)?,
            Err(error) if client::is_not_found(&error) => return Ok(Outcome::Done),
            Err(error) => return Err(error.into()),
        };
        if time_left(&Job::view(&fresh)?, Timestamp::now()).is_none_or(|left| !left.is_zero()) {
            return Ok(Outcome::Done);
        }
        let uid = Some(fresh.uid().to_owned());
        let options = DeleteOptions { uid, propagation: Some("Foreground"), ..DeleteOptions::default() };
        match objects.delete(&kind, (&key.namespace, &key.name), &options).await {
            Err(error) if !client::is_not_found(&error) => Err(error.into()),
            _ => Ok(Outcome::Done),
        }
    }
}

/// Runs the controller.
pub(crate) fn run(context: &Context, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let queue: Queue<Key> = Queue::new(step::LANE_LIMIT);
    let jobs = context.jobs();
    jobs.subscribe({
        let queue = queue.clone();
        move |change| {
            if let Some(job) = &change.new
                && Job::view(job).is_ok_and(|job| time_left(&job, Timestamp::now()).is_some())
            {
                queue.add(job.key().clone());
            }
        }
    });
    step::work(Ttl { context: context.clone(), jobs: jobs.clone() }, queue, vec![jobs], shutdown)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_finished_jobs_expire() {
        let done = |kind: &str, status: &str| json!([{"type": kind, "status": status, "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        let seconds = |n: u64| Some(Duration::from_secs(n));
        // (ttl, conditions, deleted) → left
        let cases = [
            (json!(90), done("Complete", "True"), Value::Null, seconds(30)),
            (json!(90), done("Failed", "True"), Value::Null, seconds(30)),
            (json!(60), done("Complete", "True"), Value::Null, seconds(0)),
            (json!(0), done("Complete", "True"), Value::Null, seconds(0)),
            (json!(0), done("Complete", "False"), Value::Null, None),
            (json!(0), done("SuccessCriteriaMet", "True"), Value::Null, None),
            (Value::Null, done("Complete", "True"), Value::Null, None),
            (json!(0), done("Complete", "True"), json!("2026-01-01T00:00:30Z"), None),
        ];
        for (ttl, conditions, deleted, want) in cases {
            let job = json!({"metadata": {"name": "j", "deletionTimestamp": deleted},
                "spec": {"ttlSecondsAfterFinished": ttl}, "status": {"conditions": conditions}});
            let job = Job::view(&Raw::from_value(&job).unwrap()).unwrap();
            assert_eq!(time_left(&job, now), want, "{ttl} {conditions}");
        }
    }
}
