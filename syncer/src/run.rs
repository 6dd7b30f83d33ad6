//! The syncer, from start to shutdown.

use std::time::Duration;

use controllers::client;
use controllers::events::Recorder;
use tokio_util::sync::CancellationToken;

use crate::alerts::Alerts;
use crate::config::{Config, Install};
use crate::observe::Observed;
use crate::places::Places;
use crate::sync::Sync;
use crate::tenants::{Tenants, install};

/// Pause between attempts to reach a host that does not answer.
const INSTALL_RETRY: Duration = Duration::from_secs(2);

/// Runs tenant lifecycle and host sync until `shutdown`. A host or fleet that is away is waited for, never an error.
pub async fn run(config: Config, shutdown: CancellationToken) {
    while config.install == Install::Everything
        && let Err(error) = install::install(&config).await
    {
        tracing::warn!(message = client::message(&error), "host not ready, will try again");
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(INSTALL_RETRY) => {}
        }
    }
    let (places, alerts) = (Places::default(), Alerts::default());
    let observed = Observed::start(&config.fleet, &config.host);
    let recorder = Recorder::new(config.fleet.clone(), "rowhouse");
    let tenants = Tenants::start(config.clone(), &observed, places.clone(), alerts.clone());
    let sync = Sync::start(&config, observed, places, alerts, recorder.clone());
    let work = async { tokio::join!(tenants.run(), sync.run(), recorder.run()) };
    tokio::pin!(work);
    tokio::select! {
        _ = &mut work => return,
        () = shutdown.cancelled() => {}
    }
    tenants.close();
    sync.close();
    recorder.close();
    // What is being written is finished; whoever is still waiting for an initial list is not waited for.
    if tokio::time::timeout(Duration::from_secs(10), work).await.is_err() {
        tracing::warn!("work did not end in time");
    }
}
