//! The ConfigMap `kube-root-ca.crt` of every namespace: the CA certificate of the tenant's API (upstream
//! `certificates/rootcacertpublisher`). The certificate comes from the tenant's route.

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::client::{self, Part};
use crate::informer::Informer;
use crate::key::Key;
use crate::kinds;
use crate::queue::{Outcome, Queue};
use crate::run::Context;
use crate::service_account::is_active;
use crate::step::{self, Controller, Error};

/// Name of the ConfigMap.
pub(crate) const NAME: &str = "kube-root-ca.crt";
const ANNOTATION: &str = "kubernetes.io/description";
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
                           endpoints such as the internal service IP or kubernetes.default.svc. No other usage is \
                           guaranteed across distributions of Kubernetes clusters.";

#[derive(Clone)]
struct RootCa {
    context: Context,
    namespaces: Informer,
    config_maps: Informer,
    routes: Informer,
}

/// A published ConfigMap after [`prune_config_map`].
#[derive(Deserialize)]
struct Published {
    #[serde(default)]
    digest: String,
    #[serde(default)]
    described: bool,
}

#[derive(Deserialize)]
struct Route {
    spec: RouteSpec,
}

#[derive(Deserialize)]
struct RouteSpec {
    ca: Ca,
}

#[derive(Deserialize)]
struct Ca {
    certificate: String,
}

/// A digest of a value, to compare it later.
pub(crate) fn digest(data: &Value) -> String {
    let hash = Sha256::digest(data.to_string().as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keeps a digest of the data instead of a certificate per namespace.
pub(crate) fn prune_config_map(object: &mut Value) {
    let described = object["metadata"]["annotations"][ANNOTATION].as_str().is_some_and(|text| !text.is_empty());
    let digest = digest(&object["data"]);
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|field, _| ["namespace", "name", "uid", "resourceVersion"].contains(&field.as_str()));
    }
    *object = json!({"metadata": object["metadata"].take(), "digest": digest, "described": described});
}

/// Keeps the CA certificate; above all no private key.
pub(crate) fn prune_route(route: &mut Value) {
    let certificate = route["spec"]["ca"]["certificate"].take();
    *route = json!({"metadata": route["metadata"].take(), "spec": {"ca": {"certificate": certificate}}});
}

/// The CA certificate (PEM) of the tenant a key belongs to.
pub(crate) fn certificate(routes: &Informer, key: &Key) -> Option<String> {
    let route = routes.get("", key.tenant()?.as_str())?;
    route.view::<Route>().ok().map(|route| route.spec.ca.certificate)
}

impl Controller for RootCa {
    const NAME: &'static str = "root-ca-certificate-publisher-controller";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        // Without a route yet there is nothing to publish; the route's arrival brings the key back.
        let Some(certificate) = certificate(&self.routes, key) else { return Ok(Outcome::Done) };
        if !self.namespaces.get("", &key.name).is_some_and(|namespace| is_active(&namespace)) {
            return Ok(Outcome::Done);
        }
        let data = json!({"ca.crt": certificate});
        let kind = kinds::config_maps();
        let written = match self.config_maps.get(&key.name, NAME) {
            None => {
                let metadata = json!({"name": NAME, "annotations": {ANNOTATION: DESCRIPTION}});
                let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
                self.context.objects.create(&kind, &key.name, &body).await
            }
            Some(held) => {
                let published: Published = held.view()?;
                if published.described && published.digest == digest(&data) {
                    return Ok(Outcome::Done);
                }
                let key = (&*key.name, NAME);
                let mut body = self.context.objects.get(&kind, key.0, key.1).await?;
                body["data"] = data;
                body["metadata"]["annotations"][ANNOTATION] = json!(DESCRIPTION);
                self.context.objects.update(&kind, key, Part::Object, &body).await
            }
        };
        match written {
            Ok(_) => Ok(Outcome::Done),
            Err(error) if client::is_not_found(&error) => Ok(Outcome::Done),
            Err(error) => Err(error.into()),
        }
    }
}

/// Runs the controller.
pub(crate) fn run(context: &Context, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let queue: Queue<Key> = Queue::new(step::LANE_LIMIT);
    let (namespaces, config_maps, routes) = (context.namespaces(), context.config_maps(), context.routes());
    namespaces.subscribe({
        let queue = queue.clone();
        move |change| queue.add(change.key().clone())
    });
    config_maps.subscribe({
        let queue = queue.clone();
        move |change| {
            if change.old.is_some() && &*change.key().name == NAME {
                queue.add(Key::new("", change.key().namespace.clone()));
            }
        }
    });
    routes.subscribe({
        let (queue, namespaces) = (queue.clone(), namespaces.clone());
        move |change| {
            if let Ok(tenant) = tenancy::TenantId::parse(&change.key().name) {
                namespaces.by_tenant(tenant).iter().for_each(|namespace| queue.add(namespace.key().clone()));
            }
        }
    });
    let informers = vec![namespaces.clone(), config_maps.clone(), routes.clone()];
    step::work(RootCa { context: context.clone(), namespaces, config_maps, routes }, queue, informers, shutdown)
}
