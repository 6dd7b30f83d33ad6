//! The host namespace of a tenant, made and kept as [`super::footprint`] says.

use std::net::IpAddr;

use controllers::client::{self, DeleteOptions, Part};
use futures::future::join_all;
use serde_json::Value;
use tenancy::{Host, labels};

use super::Shared;
use super::footprint::{self, API_SERVICE, Facts, Wanted};
use super::status::{Finding, HOST_NAMESPACE_READY};
use crate::json;
use crate::kinds;
use crate::translate::applied::is_applied;

/// What became of the cell.
pub(super) struct Cell {
    /// The condition.
    pub finding: Finding,
    /// ClusterIP of the API Service, once there is one.
    pub service_ip: Option<String>,
    /// Whether host objects can be made.
    pub is_usable: bool,
}

impl Cell {
    fn unusable(finding: Finding) -> Self {
        Self { finding, service_ip: None, is_usable: false }
    }
}

impl Shared {
    /// Makes or repairs the host namespace and everything in it.
    pub(super) async fn cell(&self, facts: &Facts) -> Cell {
        if let Err(finding) = self.namespace(facts).await {
            return Cell::unusable(finding);
        }
        let wanted = footprint::objects(facts);
        // The last one closes what the others open: it comes when they are there.
        let (first, last) = wanted.split_at(wanted.len().saturating_sub(usize::from(facts.is_policed)));
        let mut results = join_all(first.iter().map(|wanted| self.wall(facts, wanted))).await;
        results.extend(join_all(last.iter().map(|wanted| self.wall(facts, wanted))).await);
        let mut service_ip = None;
        for (wanted, result) in wanted.iter().zip(results) {
            match result {
                Ok(Some(object)) if wanted.kind.kind == "Service" => service_ip = cluster_ip(&object),
                Ok(_) => {}
                Err(error) => {
                    let message = format!("{} {}: {}", wanted.kind.kind, wanted.name, client::message(&error));
                    return Cell::unusable(Finding::not_yet(HOST_NAMESPACE_READY, "WallsIncomplete", message));
                }
            }
        }
        Cell {
            finding: Finding::holds(HOST_NAMESPACE_READY, "Made", "the host namespace is ready"),
            service_ip,
            is_usable: true,
        }
    }

    /// The namespace, if it is ours. One that somebody else has made is never taken over.
    async fn namespace(&self, facts: &Facts) -> Result<(), Finding> {
        let name = facts.namespace();
        let wanted = footprint::namespace(facts);
        let known = self.namespaces.get("", &name);
        let there = match &known {
            Some(known) => Some(known.value()),
            None => match self.host.create(&kinds::NAMESPACES, "", &wanted).await {
                Ok(_) => None,
                Err(error) if client::is_already_exists(&error) => {
                    Some(self.host.get(&kinds::NAMESPACES, "", &name).await.map_err(|error| failed(&name, &error))?)
                }
                Err(error) => return Err(failed(&name, &error)),
            },
        };
        if let Some(there) = &there {
            let owner = there.pointer("/metadata/labels").and_then(|all| all.get(labels::TENANT)?.as_str());
            if owner != Some(facts.id.as_str()) {
                let message = format!("the namespace {name} exists and does not belong to this tenant");
                return Err(Finding::stuck(HOST_NAMESPACE_READY, "NamespaceTaken", message));
            }
            if json::is_deleting(there) {
                let message = format!("the namespace {name} is being deleted");
                return Err(Finding::not_yet(HOST_NAMESPACE_READY, "NamespaceTerminating", message));
            }
            if known.is_some() && is_applied(&Host(there.clone()), &Host(wanted.clone())) {
                return Ok(());
            }
        }
        // Ours by its label or made just now: apply says which fields we keep.
        let applied = self.host.apply(&kinds::NAMESPACES, ("", &name), Part::Object, &wanted).await;
        applied.map(drop).map_err(|error| failed(&name, &error))
    }

    /// One object of the footprint. Gives what the host has now, for those that exist.
    async fn wall(&self, facts: &Facts, wanted: &Wanted) -> Result<Option<Value>, kube::Error> {
        let namespace = facts.namespace();
        let informer = self.walls.iter().find(|informer| informer.resource().kind == wanted.kind.kind);
        let there = informer.and_then(|informer| informer.get(&namespace, wanted.name)).map(|raw| raw.value());
        match (&wanted.object, there) {
            (None, None) => Ok(None),
            (None, Some(there)) => {
                let uid = json::text(&there, "/metadata/uid").to_owned();
                let options = DeleteOptions { uid: Some(uid), ..DeleteOptions::default() };
                match self.host.delete(wanted.kind, (&namespace, wanted.name), &options).await {
                    Err(error) if !client::is_not_found(&error) => Err(error),
                    _ => Ok(None),
                }
            }
            (Some(object), Some(there)) if is_applied(&Host(there.clone()), &Host(object.clone())) => Ok(Some(there)),
            (Some(object), _) => {
                self.host.apply(wanted.kind, (&namespace, wanted.name), Part::Object, object).await.map(Some)
            }
        }
    }
}

fn cluster_ip(service: &Value) -> Option<String> {
    let text = json::text(service, "/spec/clusterIP");
    debug_assert!(json::text(service, "/metadata/name") == API_SERVICE);
    text.parse::<IpAddr>().is_ok().then(|| text.to_owned())
}

fn failed(name: &str, error: &kube::Error) -> Finding {
    let message = format!("namespace {name}: {}", client::message(error));
    Finding::not_yet(HOST_NAMESPACE_READY, "HostRefused", message)
}
