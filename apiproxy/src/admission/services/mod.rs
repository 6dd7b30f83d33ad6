//! Where a Service gets its addresses and ports, before its create returns.
//!
//! A tenant's Service is created through (design §7): the host allocates by getting a twin of it, without selector and
//! so without endpoints; the syncer completes the twin. The lab's host allocates from a range of its own.

mod host;
mod local;

use serde_json::Value;

use super::Admitted;
use crate::respond::Error;
use crate::write::{Context, Effect};

pub use host::HostServices;
pub use local::LocalRange;

/// Who allocates.
pub enum Allocator {
    /// The host cluster, for the Services of tenants.
    Host(HostServices),
    /// A range of this server, when it is itself the host (the lab).
    Local(LocalRange),
    /// Nobody: Services are stored as they come (tests).
    None,
}

/// Brings the two forms of a Service's addresses together, before it is validated: an update that mentions neither keeps
/// what was allocated, and `clusterIP` speaks for `clusterIPs` (upstream: `patchAllocatedValues`, `normalizeClusterIPs`).
pub(super) fn normalise(context: &Context<'_>, value: &mut Value, old: Option<&Value>) {
    if !context.resource.group.is_empty() || context.resource.plural != "services" {
        return;
    }
    if value["spec"]["type"] != "ExternalName"
        && let Some(old) = old
    {
        keep_allocated(value, old);
    }
    let Some(address) = value["spec"]["clusterIP"].as_str().filter(|address| !address.is_empty()).map(str::to_owned)
    else {
        return;
    };
    let others = old.map(|old| &old["spec"]["clusterIPs"]);
    let unmentioned = value["spec"]["clusterIPs"].is_null() || others == Some(&value["spec"]["clusterIPs"]);
    if unmentioned {
        let mut addresses = value["spec"]["clusterIPs"].as_array().cloned().unwrap_or_default();
        addresses.truncate(2);
        match addresses.first_mut() {
            Some(first) => *first = Value::from(address),
            None => addresses.push(Value::from(address)),
        }
        value["spec"]["clusterIPs"] = Value::from(addresses);
    }
}

/// Gives a Service what it lacks. Other kinds pass. Errors: 422 in the host's words, 503 when the host is away.
pub(crate) async fn allocate(
    context: &Context<'_>,
    admitted: Admitted,
    old: Option<&Value>,
) -> Result<Admitted, Error> {
    let is_service = context.resource.group.is_empty() && context.resource.plural == "services";
    let Admitted { mut value, claim } = admitted;
    let external = value["spec"]["type"] == "ExternalName";
    let unchanged = old.is_some_and(|old| old["spec"] == value["spec"]);
    let own = value["metadata"]["name"] == "kubernetes" && value["metadata"]["namespace"] == "default";
    if !is_service || unchanged || external || own {
        return Ok(Admitted { value, claim });
    }
    match &context.api.services {
        Allocator::None => {}
        Allocator::Local(range) => range.allocate(context, &mut value)?,
        Allocator::Host(host) => {
            let tenant = context.api.routes.by_id(context.tenant).ok_or(Error::NoSuchPath)?;
            let dry_run = context.options.effect == Effect::DryRun;
            host.allocate(&tenant, &mut value, dry_run).await.map_err(|refusal| refusal.into_error(context, &value))?;
        }
    }
    Ok(Admitted { value, claim })
}

/// An update that does not mention what was allocated keeps it (upstream: `patchAllocatedValues`).
fn keep_allocated(value: &mut Value, old: &Value) {
    if old["spec"]["type"] == "ExternalName" {
        return;
    }
    for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let empty = value["spec"][key].is_null() || value["spec"][key] == "";
        if empty && !old["spec"][key].is_null() {
            value["spec"][key] = old["spec"][key].clone();
        }
    }
    if value["spec"]["type"] == "ClusterIP" {
        return;
    }
    let old_ports = old["spec"]["ports"].as_array().cloned().unwrap_or_default();
    for port in value["spec"]["ports"].as_array_mut().into_iter().flatten() {
        let same = |other: &&Value| other["port"] == port["port"] && other["protocol"] == port["protocol"];
        if port["nodePort"].as_i64().unwrap_or(0) == 0
            && let Some(known) = old_ports.iter().find(same).map(|other| other["nodePort"].clone())
            && !known.is_null()
        {
            port["nodePort"] = known;
        }
    }
}
