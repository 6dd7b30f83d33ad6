//! One look at one Tenant: what is missing is made, what differs is repaired.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use controllers::client::{self, DeleteOptions, Part};
use controllers::queue::Outcome;
use jiff::Timestamp;
use serde_json::{Value, json};
use tenancy::route::{self, KeyPair, RouteSpec};
use tenancy::{SecretRef, StoreLimits, Tenant, TenantId, TenantName, TenantSpec, TenantStatus, host, labels};

use super::cell::Cell;
use super::expiry::{self, Expiry};
use super::footprint::Facts;
use super::status::{API_REACHABLE, DELETES_HELD, EXPIRING, Finding, READY, Served, status};
use super::{FINALIZER, Shared, kubeconfig, pki};
use crate::config::Advertise;
use crate::kinds;
use crate::translate::Place;

/// Looks again at a tenant whose cell is not ready.
const CELL_RETRY: Duration = Duration::from_secs(5);

/// Why a tenant could not be served.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// From the host or the fleet.
    #[error(transparent)]
    Api(#[from] kube::Error),
    /// Keys and certificates.
    #[error(transparent)]
    Pki(#[from] pki::Error),
    /// A Secret of this name belongs to somebody else.
    #[error("the Secret {0} exists and does not belong to this tenant")]
    SecretTaken(String),
    /// The route in the store cannot be read.
    #[error("the route cannot be read: {0}")]
    Route(#[from] serde_json::Error),
}

/// A route as it is in the store.
struct Stored {
    spec: RouteSpec,
    resource_version: String,
}

impl Shared {
    pub(super) async fn reconcile(&self, name: &str) -> Outcome {
        let Some(raw) = self.tenants.get("", name) else { return Outcome::Done };
        let (id, parsed) = (TenantId::from_uid(raw.uid()), TenantName::parse(raw.name()));
        let (tenant, name) = match (raw.view::<Tenant>(), parsed) {
            (Ok(tenant), Ok(name)) => (tenant, name),
            (Err(error), _) => {
                tracing::error!(tenant = raw.name(), %error, "Tenant cannot be read");
                return Outcome::Done;
            }
            // The definition refuses such names; without its rules they are refused here.
            (_, Err(error)) => {
                tracing::error!(tenant = raw.name(), %error, "not the name of a tenant");
                return Outcome::Done;
            }
        };
        if raw.is_deleting() {
            let ours = tenant.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER);
            return if ours { self.remove(&tenant, &name, id).await } else { Outcome::Done };
        }
        self.make(&tenant, &name, id).await
    }

    async fn make(&self, tenant: &Tenant, name: &TenantName, id: TenantId) -> Outcome {
        let expiry = Expiry::of(tenant);
        if let Some(end) = expiry.over(Timestamp::now()) {
            return self.expire(tenant, end).await;
        }
        let mut facts = Facts {
            id,
            name: name.clone(),
            spec: tenant.spec.clone(),
            port: None,
            doors: self.doors.addresses(),
            doors_namespace: self.doors.namespace().map(str::to_owned),
            is_policed: self.is_policed(id, &tenant.spec),
        };
        let route = match self.serve(tenant, &facts).await {
            Ok(route) => route,
            Err(error) => {
                tracing::warn!(tenant = %name, %error, "tenant not served");
                self.report(tenant, &facts, None, &[unserved(&error)]).await;
                return Outcome::Retry;
            }
        };
        let secret =
            SecretRef { name: kubeconfig::secret_name(name), namespace: self.config.control_namespace.clone() };
        let mut findings = vec![Finding::holds(READY, "Served", "the API is served")];
        let is_new = tenant.status.as_ref().and_then(|status| status.kubeconfig_secret_ref.as_ref()).is_none();
        let before = if is_new { self.report(tenant, &facts, Some(&secret), &findings).await } else { None };
        facts.port = route.spec.port;
        let cell = self.cell(&facts).await;
        let mut next = pki::next_look(&route.spec.serving.certificate, SystemTime::now());
        next = next.min(expiry.next_look(Timestamp::now()));
        let mut failed = None;
        if cell.is_usable {
            if cell.service_ip.is_some() && cell.service_ip != route.spec.service_ip {
                failed = self.readdress(&facts, route, cell.service_ip.clone()).await.err();
            }
            self.places.set(place(&facts, cell.service_ip.clone()));
            if has_new_spec(tenant) {
                self.places.touch(id);
            }
        } else {
            self.places.remove(id);
            next = next.min(CELL_RETRY);
        }
        findings.push(self.reachable(&facts, &cell));
        findings.push(cell.finding);
        findings.extend(self.expiring(tenant, expiry).await);
        if let Some(message) = self.alerts.get(id) {
            findings.push(Finding {
                verdict: super::status::Verdict::True,
                ..Finding::stuck(DELETES_HELD, "Limit", message)
            });
        }
        let tenant = before.as_ref().unwrap_or(tenant);
        self.report(tenant, &facts, Some(&secret), &findings).await;
        match failed {
            None => Outcome::After(next),
            Some(error) => {
                tracing::warn!(tenant = %name, %error, "address of the API not written");
                Outcome::Retry
            }
        }
    }

    /// Deletes a tenant whose time is over, as its owner would.
    async fn expire(&self, tenant: &Tenant, end: Timestamp) -> Outcome {
        let name = tenant.metadata.name.as_deref().unwrap_or_default();
        tracing::info!(tenant = name, %end, "the tenant's time is over");
        self.tell(tenant, "Expired", "the time of spec.ttl is over: the tenant is deleted").await;
        let options = DeleteOptions { uid: tenant.metadata.uid.clone(), ..DeleteOptions::default() };
        match self.host.delete(&kinds::TENANTS, ("", name), &options).await {
            Err(error) if !client::is_not_found(&error) && !client::is_conflict(&error) => {
                tracing::warn!(tenant = name, %error, "tenant not deleted");
                Outcome::Retry
            }
            _ => Outcome::Done,
        }
    }

    /// The condition of a tenant that ends soon; with the Event when it is new.
    async fn expiring(&self, tenant: &Tenant, expiry: Expiry) -> Option<Finding> {
        let finding = expiry.finding(Timestamp::now())?;
        let said = tenant.status.iter().flat_map(|status| &status.conditions).any(|one| one.type_ == EXPIRING);
        if !said {
            self.tell(tenant, "Expiring", &finding.message).await;
        }
        Some(finding)
    }

    /// Writes an Event on the host; nothing depends on it.
    async fn tell(&self, tenant: &Tenant, reason: &str, message: &str) {
        let event = expiry::event(tenant, reason, message, Timestamp::now());
        if let Err(error) = self.host.create(&kinds::EVENTS, "default", &event).await {
            tracing::debug!(%error, reason, "event not written");
        }
    }

    /// Whether the tenant's own network policies reach the host.
    fn is_policed(&self, id: TenantId, spec: &TenantSpec) -> bool {
        spec.sync.to_host.network_policies && !self.policies.by_tenant(id).is_empty()
    }

    /// Everything the first read needs: finalizer, keys, route, kubeconfig.
    async fn serve(&self, tenant: &Tenant, facts: &Facts) -> Result<Stored, Error> {
        let (held, stored) = futures::join!(self.hold(tenant), self.stored(facts.id));
        held?;
        let stored = stored?;
        let wanted = self.wanted(facts, stored.as_ref().map(|stored| &stored.spec))?;
        let ca = wanted.ca.clone();
        let route = async {
            match stored {
                Some(stored) if stored.spec == wanted => Ok(stored),
                stored => self.write_route(facts.id, wanted, stored.map(|stored| stored.resource_version)).await,
            }
        };
        let is_new = tenant.status.as_ref().and_then(|status| status.kubeconfig_secret_ref.as_ref()).is_none();
        let (route, secret) = futures::join!(route, self.kubeconfig(facts, &ca, is_new));
        secret?;
        route
    }

    async fn hold(&self, tenant: &Tenant) -> Result<(), kube::Error> {
        let held = tenant.metadata.finalizers.clone().unwrap_or_default();
        if held.iter().any(|finalizer| finalizer == FINALIZER) {
            return Ok(());
        }
        let finalizers: Vec<String> = held.into_iter().chain([FINALIZER.to_owned()]).collect();
        let patch = json!({ "metadata": {
            "finalizers": finalizers,
            "uid": tenant.metadata.uid,
            "resourceVersion": tenant.metadata.resource_version,
        } });
        let name = tenant.metadata.name.as_deref().unwrap_or_default();
        self.host.merge(&kinds::TENANTS, ("", name), Part::Object, &patch).await.map(drop)
    }

    async fn stored(&self, id: TenantId) -> Result<Option<Stored>, Error> {
        match self.fleet.get(&kinds::ROUTES, "", id.as_str()).await {
            Ok(mut object) => {
                let resource_version = crate::json::text(&object, "/metadata/resourceVersion").to_owned();
                let spec = serde_json::from_value(object["spec"].take())?;
                Ok(Some(Stored { spec, resource_version }))
            }
            Err(error) if client::is_not_found(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The route as it should be: keys are kept, the serving certificate is renewed when it must.
    fn wanted(&self, facts: &Facts, stored: Option<&RouteSpec>) -> Result<RouteSpec, pki::Error> {
        let now = SystemTime::now();
        let ca = stored.map_or_else(|| pki::authority(&facts.name, now), |stored| Ok(stored.ca.clone()))?;
        let account_keys = match stored {
            Some(stored) if !stored.service_account_keys.is_empty() => stored.service_account_keys.clone(),
            _ => vec![pki::account_key()?],
        };
        let service_ip = stored.and_then(|stored| stored.service_ip.clone());
        let serving = self.serving(facts, &ca, stored.map(|stored| &stored.serving), service_ip.as_deref(), now)?;
        let port = match self.config.advertise {
            Advertise::Nowhere => None,
            Advertise::Address(_) | Advertise::Service { .. } => {
                self.ports.give(facts.id, stored.and_then(|stored| stored.port))
            }
        };
        Ok(RouteSpec {
            tenant: facts.name.clone(),
            ca,
            serving,
            service_account_keys: account_keys,
            port,
            service_ip,
            caps: caps(&facts.spec.store),
            admin_users: facts.spec.access.admin_users.clone(),
            admin_groups: facts.spec.access.admin_groups.clone(),
            sight: facts.spec.sync.from_host.clone(),
        })
    }

    fn serving(
        &self,
        facts: &Facts,
        ca: &KeyPair,
        held: Option<&KeyPair>,
        service_ip: Option<&str>,
        now: SystemTime,
    ) -> Result<KeyPair, pki::Error> {
        // Behind a Service only its address is dialled.
        let address = match self.config.advertise {
            Advertise::Address(ip) => Some(ip),
            Advertise::Nowhere | Advertise::Service { .. } => None,
        };
        let names = pki::serving_names(&facts.name, &self.config.base_domain, address, service_ip);
        match held {
            Some(held) if pki::serving_is_current(ca, held, &names, now) => Ok(held.clone()),
            _ => pki::serving(ca, &names, now),
        }
    }

    async fn write_route(&self, id: TenantId, spec: RouteSpec, version: Option<String>) -> Result<Stored, Error> {
        let mut object = json!({
            "apiVersion": format!("{}/{}", route::GROUP, route::VERSION),
            "kind": route::KIND,
            "metadata": { "name": id.as_str() },
            "spec": spec,
        });
        let written = match version {
            None => self.fleet.create(&kinds::ROUTES, "", &object).await?,
            Some(version) => {
                object["metadata"]["resourceVersion"] = json!(version);
                self.fleet.update(&kinds::ROUTES, ("", id.as_str()), Part::Object, &object).await?
            }
        };
        let resource_version = crate::json::text(&written, "/metadata/resourceVersion").to_owned();
        Ok(Stored { spec, resource_version })
    }

    /// The address of the API Service goes into the serving certificate and the route.
    async fn readdress(&self, facts: &Facts, route: Stored, service_ip: Option<String>) -> Result<(), Error> {
        let mut spec = route.spec;
        spec.service_ip = service_ip;
        let held = Some(&spec.serving);
        spec.serving = self.serving(facts, &spec.ca, held, spec.service_ip.as_deref(), SystemTime::now())?;
        self.write_route(facts.id, spec, Some(route.resource_version)).await.map(drop)
    }

    /// The Secret. For a new tenant it is made without asking whether it is there: one round trip less to the first
    /// read.
    async fn kubeconfig(&self, facts: &Facts, ca: &KeyPair, is_new: bool) -> Result<(), Error> {
        let config = &self.config;
        let server = format!("{}/tenants/{}", config.server_url, facts.name);
        let authorities = format!("{}{}", config.server_ca.as_deref().unwrap_or_default(), ca.certificate);
        let now = SystemTime::now();
        let name = kubeconfig::secret_name(&facts.name);
        let render = || -> Result<Value, Error> {
            let text = kubeconfig::render(&facts.name, &server, &authorities, &pki::client(ca, now)?);
            Ok(kubeconfig::secret(facts.id, &facts.name, &config.control_namespace, &text))
        };
        if is_new {
            match self.host.create(&kinds::SECRETS, &config.control_namespace, &render()?).await {
                Err(error) if client::is_already_exists(&error) => {}
                result => return result.map(drop).map_err(Error::from),
            }
        }
        match self.host.get(&kinds::SECRETS, &config.control_namespace, &name).await {
            Err(error) if client::is_not_found(&error) => {
                self.host.create(&kinds::SECRETS, &config.control_namespace, &render()?).await?;
            }
            Err(error) => return Err(error.into()),
            Ok(there) => {
                let own = there.pointer("/metadata/labels").and_then(|all| all.get(labels::MANAGED_BY)?.as_str());
                if own != Some(labels::MANAGER) {
                    return Err(Error::SecretTaken(format!("{}/{name}", config.control_namespace)));
                }
                let owner = there.pointer("/metadata/labels").and_then(|all| all.get(labels::TENANT)?.as_str());
                let is_mine = owner == Some(facts.id.as_str());
                if !is_mine || !kubeconfig::is_current(&there, &server, &authorities, ca, now) {
                    let key = (config.control_namespace.as_str(), name.as_str());
                    self.host.merge(&kinds::SECRETS, key, Part::Object, &render()?).await?;
                }
            }
        }
        Ok(())
    }

    fn reachable(&self, facts: &Facts, cell: &Cell) -> Finding {
        if self.config.advertise == Advertise::Nowhere {
            let why = "no address at which pods could reach the API was given (--advertise-address)";
            return Finding::stuck(API_REACHABLE, "NoAdvertiseAddress", why);
        }
        match (facts.port, facts.doors.as_slice(), &cell.service_ip) {
            (None, ..) => Finding::stuck(API_REACHABLE, "NoFreePort", "all ports of the dedicated listeners are taken"),
            (Some(_), [], _) => Finding::not_yet(API_REACHABLE, "NoAPIProxy", "no apiproxy is ready"),
            (Some(_), _, None) => {
                Finding::not_yet(API_REACHABLE, "NoServiceAddress", "the API Service has no address yet")
            }
            (Some(port), doors, Some(_)) => {
                let places: Vec<String> = doors.iter().map(|ip| SocketAddr::new(*ip, port).to_string()).collect();
                Finding::holds(API_REACHABLE, "Advertised", format!("pods reach the API at {}", places.join(", ")))
            }
        }
    }

    /// Writes the status when it differs. Gives the Tenant as it is then, if it was written.
    async fn report(
        &self,
        tenant: &Tenant,
        facts: &Facts,
        secret: Option<&SecretRef>,
        findings: &[Finding],
    ) -> Option<Tenant> {
        let before = tenant.status.clone().unwrap_or_default();
        let served = Served {
            id: facts.id.to_string(),
            endpoint: format!("{}/tenants/{}", self.config.server_url, facts.name),
            host_namespace: host::namespace(&facts.name),
            expires_at: Expiry::of(tenant).end(),
            kubeconfig: secret.cloned(),
        };
        let wanted: TenantStatus = status(&before, served, findings, tenant.metadata.generation, Timestamp::now());
        if wanted == before {
            return None;
        }
        let patch = json!({ "metadata": { "uid": tenant.metadata.uid }, "status": wanted });
        match self.host.merge(&kinds::TENANTS, ("", facts.name.as_str()), Part::Status, &patch).await {
            Ok(written) => serde_json::from_value(written).ok(),
            Err(error) => {
                tracing::warn!(tenant = %facts.name, %error, "status not written");
                None
            }
        }
    }
}

/// Whether the tenant's status speaks of an earlier spec.
fn has_new_spec(tenant: &Tenant) -> bool {
    let conditions = tenant.status.iter().flat_map(|status| &status.conditions);
    let seen = conditions.filter(|one| one.type_ == READY).find_map(|one| one.observed_generation);
    seen != tenant.metadata.generation
}

/// What cannot be read (the definition refuses it) limits nothing.
fn caps(limits: &StoreLimits) -> route::Caps {
    route::Caps {
        objects: limits.max_objects.map(u64::from),
        bytes: limits.max_bytes.as_deref().and_then(tenancy::units::bytes),
    }
}

/// Where the tenant's objects go on the host.
fn place(facts: &Facts, service_ip: Option<String>) -> Place {
    Place {
        id: facts.id,
        name: facts.name.clone(),
        host_namespace: facts.namespace(),
        // The same port and address as the API.
        resolver: facts.port.and_then(|_| service_ip.clone()),
        service_ip,
        isolation: facts.spec.isolation.clone(),
        sync: facts.spec.sync.clone(),
    }
}

/// Why a tenant has no API.
fn unserved(error: &Error) -> Finding {
    match error {
        Error::SecretTaken(_) => Finding::stuck(READY, "SecretTaken", error.to_string()),
        _ => Finding::not_yet(READY, "NotServed", error.to_string()),
    }
}
