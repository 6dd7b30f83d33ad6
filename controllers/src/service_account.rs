//! The `default` ServiceAccount of every active namespace (upstream `serviceaccount/serviceaccounts_controller.go`).

use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::client;
use crate::informer::{Informer, Raw};
use crate::key::Key;
use crate::kinds;
use crate::queue::{Outcome, Queue};
use crate::run::Context;
use crate::step::{self, Controller, Error};

/// The account every namespace has.
pub(crate) const NAME: &str = "default";

#[derive(Clone)]
struct ServiceAccounts {
    context: Context,
    namespaces: Informer,
    accounts: Informer,
}

#[derive(Deserialize)]
struct Namespace {
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: Option<String>,
}

/// Whether things may be created in a namespace.
pub(crate) fn is_active(namespace: &Raw) -> bool {
    namespace.view::<Namespace>().is_ok_and(|n| n.status.phase.as_deref() == Some("Active"))
}

impl Controller for ServiceAccounts {
    const NAME: &'static str = "serviceaccount-controller";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        let wanted = self.namespaces.get("", &key.name).is_some_and(|namespace| is_active(&namespace));
        if !wanted || self.accounts.get(&key.name, NAME).is_some() {
            return Ok(Outcome::Done);
        }
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME}});
        match self.context.objects.create(&kinds::service_accounts(), &key.name, &account).await {
            Err(error) if !client::is_already_exists(&error) => Err(error.into()),
            _ => Ok(Outcome::Done),
        }
    }
}

/// Runs the controller.
pub(crate) fn run(context: &Context, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let queue: Queue<Key> = Queue::new(step::LANE_LIMIT);
    let (namespaces, accounts) = (context.namespaces(), context.service_accounts());
    namespaces.subscribe({
        let queue = queue.clone();
        move |change| queue.add(change.key().clone())
    });
    accounts.subscribe({
        let queue = queue.clone();
        move |change| {
            if change.new.is_none() {
                queue.add(Key::new("", change.key().namespace.clone()));
            }
        }
    });
    let informers = vec![namespaces.clone(), accounts.clone()];
    step::work(ServiceAccounts { context: context.clone(), namespaces, accounts }, queue, informers, shutdown)
}
