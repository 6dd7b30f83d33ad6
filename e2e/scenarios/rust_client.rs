//! An ordinary kube-rs program: a controller with finalizer, apply, status and a reflector, over streaming lists.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use e2e::Kubectl;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{self, Event, finalizer};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

const FINALIZER: &str = "clients.example.com/shelf";
const LIMIT: Duration = Duration::from_secs(60);

/// Runs the program against a tenant that knows shelves.
pub(crate) fn works(tenant: &Kubectl) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let kubeconfig = Kubeconfig::read_from(tenant.kubeconfig()).unwrap();
    runtime.block_on(async {
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let client = Client::try_from(config).unwrap();
        tokio::time::timeout(LIMIT, workload(&client)).await.expect("the workload becomes ready");
        tokio::time::timeout(LIMIT, controller(&client)).await.expect("the controller does its work");
    });
}

/// Applies a Deployment and follows it to running pods with a reflector over a streaming list.
async fn workload(client: &Client) {
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let wanted = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "crab"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "crab"}},
            "template": {
                "metadata": {"labels": {"app": "crab"}},
                "spec": {"containers": [{"name": "main", "image": "crab:1"}]},
            },
        },
    });
    deployments.patch("crab", &PatchParams::apply("kube-rs"), &Patch::Apply(&wanted)).await.unwrap();
    await_condition(deployments.clone(), "crab", conditions::is_deployment_completed()).await.unwrap();

    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let (store, writer) = reflector::store();
    let config = watcher::Config::default().labels("app=crab").streaming_lists();
    let changes = watcher(pods.clone(), config).reflect(writer).touched_objects().for_each(|change| async {
        change.expect("the watch goes on");
    });
    tokio::select! {
        () = changes => panic!("the watch ended"),
        ready = store.wait_until_ready() => ready.expect("the stream is there"),
    }
    assert_eq!(store.state().len(), 2);
    let name = store.state()[0].name_any();
    let running = await_condition(pods, &name, conditions::is_pod_running()).await.unwrap();
    assert!(running.and_then(|pod| pod.status?.pod_ip).is_some());

    let page = ListParams::default().labels("app=crab").limit(1);
    let first = Api::<Pod>::default_namespaced(client.clone()).list(&page).await.unwrap();
    assert_eq!((first.items.len(), first.metadata.remaining_item_count), (1, None), "a selector hides the count");
    assert!(first.metadata.continue_.is_some_and(|token| !token.is_empty()));
}

fn shelves(client: &Client) -> (ApiResource, Api<DynamicObject>) {
    let kind = GroupVersionKind::gvk("clients.example.com", "v1", "Shelf");
    let resource = ApiResource::from_gvk_with_plural(&kind, "shelves");
    let api = Api::default_namespaced_with(client.clone(), &resource);
    (resource, api)
}

/// Keeps a ConfigMap for a shelf, and takes it away before the shelf goes.
async fn reconcile(shelf: Arc<DynamicObject>, client: Arc<Client>) -> Result<Action, finalizer::Error<kube::Error>> {
    let (_, api) = shelves(&client);
    finalizer(&api.clone(), FINALIZER, shelf, |event| async {
        let maps: Api<ConfigMap> = Api::default_namespaced(Client::clone(&client));
        match event {
            Event::Apply(shelf) => {
                let size = shelf.data["spec"]["size"].clone();
                let data = BTreeMap::from([("size".to_owned(), size.to_string())]);
                let map = json!({
                    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": shelf.name_any()}, "data": data,
                });
                let apply = PatchParams::apply("shelf-controller").force();
                maps.patch(&shelf.name_any(), &apply, &Patch::Apply(&map)).await?;
                let status = json!({ "status": { "size": size } });
                api.patch_status(&shelf.name_any(), &PatchParams::default(), &Patch::Merge(&status)).await?;
            }
            Event::Cleanup(shelf) => {
                maps.delete(&shelf.name_any(), &DeleteParams::default()).await?;
            }
        }
        Ok(Action::await_change())
    })
    .await
}

async fn controller(client: &Client) {
    let (resource, api) = shelves(client);
    let watched = api.clone();
    let running = Controller::new_with(watched, watcher::Config::default(), resource.clone())
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_millis(100)), Arc::new(client.clone()))
        .for_each(|_| async {});
    let following = async {
        let shelf = DynamicObject::new("books", &resource).data(json!({ "spec": { "size": 4 } }));
        api.create(&PostParams::default(), &shelf).await.unwrap();
        let filled = |shelf: Option<&DynamicObject>| shelf.is_some_and(|shelf| shelf.data["status"]["size"] == 4);
        let filled = await_condition(api.clone(), "books", filled).await.unwrap().unwrap();
        assert_eq!(filled.metadata.finalizers, Some(vec![FINALIZER.to_owned()]));
        let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
        assert_eq!(maps.get("books").await.unwrap().data.unwrap()["size"], "4");
        let uid = filled.uid().unwrap();
        api.delete("books", &DeleteParams::default()).await.unwrap();
        await_condition(api.clone(), "books", conditions::is_deleted(&uid)).await.unwrap();
        assert!(maps.get_opt("books").await.unwrap().is_none());
    };
    tokio::select! {
        () = running => panic!("the controller ended"),
        () = following => {}
    }
}
