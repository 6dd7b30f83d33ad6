//! One look at one object: pair, plan, act. Serves all kinds that are born in the tenant.

use std::time::{Duration, Instant};

use controllers::client::Part;
use controllers::events::Level;
use controllers::queue::Outcome;
use jiff::Timestamp;
use serde_json::{Value, json};
use tenancy::{Host, Virtual};

use crate::alerts::Alerts;
use crate::apply::{Writer, Written};
use crate::born::Born;
use crate::classes::Classes;
use crate::companion::{self, Need, Owner};
use crate::expect::Expected;
use crate::held::{self, Held};
use crate::metrics::Metrics;
use crate::namespaces::Namespaces;
use crate::observe::Observed;
use crate::pair::{self, Pair};
use crate::places::Places;
use crate::plan::{self, Action, DeleteHost, Plan, Proof};
use crate::references::References;
use crate::report::{EVICTED, HOST_REFUSED, LEFT_OUT, REFUSED, Reporter, refused_conditions};
use crate::side::{Key, uid};
use crate::translate::config::Kind;
use crate::translate::ingress;
use crate::translate::names::Names;
use crate::translate::pod::{Companion, Referenced, ServiceLink, companion_name};
use crate::translate::{Place, Refused};
use crate::{json, kinds};

/// Looks again at a companion that was just written, when its renewal time is known.
const COMPANION_LOOK: Duration = Duration::from_secs(5);
/// Looks again when an informer lags behind our own write; its event comes earlier as a rule.
const LAG_LOOK: Duration = Duration::from_secs(2);
/// Pauses between attempts at something the host refuses.
const REFUSED_PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(900));

/// Everything a step needs.
pub(crate) struct Stepper {
    /// Both sides.
    pub(crate) observed: Observed,
    /// Where tenants live.
    pub(crate) places: Places,
    /// The writer.
    pub(crate) writer: Writer,
    /// Tells tenants.
    pub(crate) reporter: Reporter,
    /// What pods and ingresses refer to.
    pub(crate) references: References,
    /// Labels of namespaces.
    pub(crate) namespaces: Namespaces,
    /// Classes of the host.
    pub(crate) classes: Classes,
    /// Our last writes to host pods.
    pub(crate) expected_pods: Expected,
    /// Pods without room.
    pub(crate) held: Held,
    /// What the owner of a tenant must know.
    pub(crate) alerts: Alerts,
    /// Counts.
    pub(crate) metrics: Metrics,
}

/// What follows an action.
enum Next {
    /// The next one; look again after this time.
    Go(Option<Duration>),
    /// Nothing more of this plan.
    Stop(Outcome),
}

impl Stepper {
    /// Looks at one object and does what is to be done.
    pub(crate) async fn step(&self, kind: Born, key: &Key) -> Outcome {
        let Some(place) = self.places.get(key.tenant) else { return Outcome::Done };
        if kind == Born::Pod && self.is_behind(&place, key) {
            return Outcome::After(LAG_LOOK);
        }
        let (plan, own) = match self.plan(kind, &place, key).await {
            Ok(Some(planned)) => planned,
            Ok(None) => return Outcome::Retry,
            Err(error) => {
                tracing::debug!(kind = kind.as_str(), %key, %error, "object not read");
                return Outcome::Retry;
            }
        };
        let mut again: Option<Duration> = None;
        for action in &plan {
            match self.act(kind, &place, key, own.as_ref(), action).await {
                Next::Go(None) => {}
                Next::Go(Some(after)) => again = Some(again.map_or(after, |other| other.min(after))),
                Next::Stop(outcome) => return outcome,
            }
        }
        again.map_or(Outcome::Done, Outcome::After)
    }

    /// Whether the watch of host pods has yet to show what we wrote last.
    fn is_behind(&self, place: &Place, key: &Key) -> bool {
        let Host((namespace, name)) = key.host(place);
        let shown = self.observed.pods.host.get(&namespace, &name);
        self.expected_pods.is_behind(key, shown.as_ref().map(|raw| raw.resource_version()), Instant::now())
    }

    /// The plan, and the tenant's object it is about. None before both sides have been read.
    async fn plan(
        &self,
        kind: Born,
        place: &Place,
        key: &Key,
    ) -> Result<Option<(Plan, Option<Virtual<Value>>)>, kube::Error> {
        let pair = match kind.config() {
            None => kind.sides(&self.observed).pair(place, key),
            Some(config) => self.config_pair(config, place, key).await?,
        };
        let Some(pair) = pair else { return Ok(None) };
        let is_ready = self.observed.network_policies.own.is_synced() && self.classes.is_synced();
        if kind == Born::Pod && !is_ready {
            return Ok(None);
        }
        let plan = match kind {
            Born::Pod => plan::pod::plan(place, key, &pair, &|| self.links(key), &self.granted(place, key, &pair)),
            Born::Service => plan::service::plan(place, key, &pair, Timestamp::now()),
            Born::ConfigMap => self.plan_config(Kind::ConfigMap, place, key, &pair),
            Born::Secret => self.plan_config(Kind::Secret, place, key, &pair),
            other => match self.plan_object(other, place, key, &pair) {
                Some(plan) => plan,
                None => return Ok(None),
            },
        };
        let own = match pair.sides() {
            pair::Sides::VirtualOnly(own) | pair::Sides::Both(own, _) => Some(own.clone()),
            pair::Sides::Neither | pair::Sides::HostOnly(_) => None,
        };
        Ok(Some((plan, own)))
    }

    /// The informer knows only that a ConfigMap or Secret exists; what it holds is read when a pod refers to it.
    async fn config_pair(&self, kind: Kind, place: &Place, key: &Key) -> Result<Option<Pair>, kube::Error> {
        let sides = self.observed.config(kind);
        let known = sides.own_side(key);
        // References are complete only when all who refer have been seen.
        if !(self.observed.pods.own.is_synced() && self.observed.ingresses.own.is_synced()) {
            return Ok(None);
        }
        let own = match known {
            Some(_) if self.references.contains(kind, key) => {
                self.writer.read(Born::from(kind).resource(), key).await?
            }
            known => known,
        };
        Ok(sides.pair_with(place, key, own))
    }

    fn plan_config(&self, kind: Kind, place: &Place, key: &Key, pair: &Pair) -> Plan {
        let usage =
            if self.references.contains(kind, key) { plan::config::Use::Referenced } else { plan::config::Use::Unused };
        plan::config::plan(place, key, kind, pair, usage)
    }

    /// The services of the pod's namespace.
    fn links(&self, key: &Key) -> Vec<ServiceLink> {
        let services = self.observed.services.own.by_namespace(&key.fleet_namespace());
        services.iter().filter_map(|raw| ServiceLink::of(&Virtual(raw.value()))).collect()
    }

    async fn act(&self, kind: Born, place: &Place, key: &Key, own: Option<&Virtual<Value>>, action: &Action) -> Next {
        let (name, next) = match (action, own) {
            (Action::Companion { uid, companion }, Some(own)) => {
                ("companion", self.companion(place, key, own, uid, companion).await)
            }
            (Action::Create(object), Some(own)) => ("create", self.create(kind, place, key, own, object).await),
            (Action::Update(object), Some(own)) => ("update", self.update(kind, place, key, own, object).await),
            (Action::AddEphemeral(patch), Some(own)) => {
                ("debug", self.patch(place, key, own, Part::EphemeralContainers, patch).await)
            }
            (Action::Resize(patch), Some(own)) => ("resize", self.resize(place, key, own, patch).await),
            (Action::SetGates(conditions), _) => ("gates", self.set_gates(place, key, conditions).await),
            (Action::DeleteHost(delete), _) => ("delete", self.delete_host(kind, place, key, delete).await),
            (Action::DeleteVirtual { uid, grace, because }, _) => {
                ("delete-virtual", self.delete_virtual(kind, place, key, own, (uid, *grace, *because)).await)
            }
            (Action::Bind { node }, Some(own)) => ("bind", follow(self.writer.bind(key, uid(&own.0), node).await, key)),
            (Action::ReportStatus(status), Some(own)) => {
                let written = self.writer.report(kind.resource(), key, own, Part::Status, "status", &status.0).await;
                ("status", follow(written, key))
            }
            (Action::ReportSpec(spec), Some(own)) => {
                let written = self.writer.report(kind.resource(), key, own, Part::Object, "spec", &spec.0).await;
                ("spec", follow(written, key))
            }
            (Action::ShowVolume(volume), _) => ("volume", follow(self.show_volume(key, volume).await, key)),
            (Action::Finalizers(wanted), Some(own)) => {
                ("finalizers", follow(self.writer.finalizers(kind.resource(), key, own, wanted).await, key))
            }
            (Action::Refuse(refused), Some(own)) => ("refuse", self.refuse(kind, key, own, REFUSED, refused).await),
            (Action::Note(note), Some(own)) => {
                self.reporter.tell(kind.resource(), key, own, Level::Warning, LEFT_OUT, note.clone());
                ("note", Next::Go(None))
            }
            (Action::Wait { after, .. }, _) => ("wait", Next::Go(Some(*after))),
            // A plan speaks of the tenant's object only when there is one.
            (_, None) => ("nothing", Next::Go(None)),
        };
        let outcome = match &next {
            Next::Go(_) => "ok",
            Next::Stop(Outcome::Retry) => "failed",
            Next::Stop(_) => "stopped",
        };
        self.metrics.acted(kind.as_str(), name, outcome);
        next
    }

    async fn companion(
        &self,
        place: &Place,
        key: &Key,
        own: &Virtual<Value>,
        own_uid: &str,
        wanted: &Companion,
    ) -> Next {
        let name = companion_name(key.identity(own_uid));
        let there = self.observed.secrets.host.get(&place.host_namespace, &name).map(|raw| raw.value());
        match companion::need(there.as_ref(), wanted, Timestamp::now()) {
            Need::Nothing(again) => Next::Go(again),
            Need::Write => match companion::write(&self.writer, place, key, own, wanted).await {
                Written::Refused(message) => self.host_refused(Born::Pod, place, key, own, &message).await,
                written => match follow(written, key) {
                    Next::Go(_) => Next::Go(Some(COMPANION_LOOK)),
                    stop @ Next::Stop(_) => stop,
                },
            },
        }
    }

    async fn create(&self, kind: Born, place: &Place, key: &Key, own: &Virtual<Value>, object: &Host<Value>) -> Next {
        match kind {
            Born::Pod => self.bring_references(place, key, own).await,
            Born::Ingress => {
                for name in ingress::secrets(&own.0) {
                    self.bring(place, Kind::Secret, &Key::new(key.tenant, &key.namespace, name)).await;
                }
            }
            _ => {}
        }
        self.update(kind, place, key, own, object).await
    }

    /// What a pod mounts should be there when it starts; what does not exist is the kubelet's to complain about.
    async fn bring_references(&self, place: &Place, key: &Key, own: &Virtual<Value>) {
        let referenced = Referenced::by(&own.0);
        let config_maps = referenced.config_maps.iter().map(|name| (Kind::ConfigMap, name));
        let secrets = referenced.secrets.iter().map(|name| (Kind::Secret, name));
        for (kind, name) in config_maps.chain(secrets) {
            self.bring(place, kind, &Key::new(key.tenant, &key.namespace, name)).await;
        }
    }

    async fn bring(&self, place: &Place, kind: Kind, object: &Key) {
        if self.observed.config(kind).host_side(place, object).is_none() {
            // Not through `act` of who refers to it: the object has its own plan. The queue looks at it again anyway.
            Box::pin(self.step(kind.into(), object)).await;
        }
    }

    async fn update(&self, kind: Born, place: &Place, key: &Key, own: &Virtual<Value>, object: &Host<Value>) -> Next {
        let written = self.writer.apply(kind.resource(), Part::Object, object).await;
        self.wrote(kind, place, key, own, written).await
    }

    /// Adds to a host pod through a subresource.
    async fn patch(&self, place: &Place, key: &Key, own: &Virtual<Value>, part: Part, patch: &Host<Value>) -> Next {
        let written = self.writer.patch(&kinds::PODS, &key.host(place), part, patch).await;
        self.wrote(Born::Pod, place, key, own, written).await
    }

    /// A wish the host has refused is not noted as written: the plan ends here.
    async fn resize(&self, place: &Place, key: &Key, own: &Virtual<Value>, patch: &Host<Value>) -> Next {
        match self.patch(place, key, own, Part::Resize, patch).await {
            Next::Go(Some(pause)) => Next::Stop(Outcome::After(pause)),
            next => next,
        }
    }

    async fn wrote(&self, kind: Born, place: &Place, key: &Key, own: &Virtual<Value>, written: Written) -> Next {
        match written {
            Written::Done(version) => {
                if let (Born::Pod, Some(version)) = (kind, version) {
                    self.held.forget(key);
                    self.expected_pods.wrote(key, &version, Instant::now());
                }
                Next::Go(None)
            }
            Written::Refused(message) => self.host_refused(kind, place, key, own, &message).await,
            written => follow(written, key),
        }
    }

    async fn set_gates(&self, place: &Place, key: &Key, conditions: &[Value]) -> Next {
        let Host((namespace, name)) = key.host(place);
        let object = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": namespace },
            "status": { "conditions": conditions },
        });
        follow(self.writer.apply(&kinds::PODS, Part::Status, &Host(object)).await, key)
    }

    async fn delete_host(&self, kind: Born, place: &Place, key: &Key, delete: &DeleteHost) -> Next {
        if delete.proof == Proof::Unreferenced
            && kind.config().is_some_and(|config| self.references.contains(config, key))
        {
            return Next::Stop(Outcome::Retry);
        }
        let written = self.writer.delete_host(kind.resource(), place, key, delete).await;
        if let Written::Held(_) = written {
            self.metrics.hold();
            let message = "objects on the host seem to have lost their owners; they are deleted slowly";
            self.alerts.raise(key.tenant, message.to_owned());
        } else if self.writer.is_open(key) {
            self.alerts.clear(key.tenant);
        }
        follow(written, key)
    }

    async fn delete_virtual(
        &self,
        kind: Born,
        place: &Place,
        key: &Key,
        own: Option<&Virtual<Value>>,
        (uid, grace, because): (&str, i64, Option<&'static str>),
    ) -> Next {
        if because == Some(plan::pod::HOST_LOST) {
            match self.writer.is_gone_from_host(kind.resource(), place, key).await {
                Ok(true) => {}
                Ok(false) => return Next::Stop(Outcome::After(LAG_LOOK)),
                Err(error) => return follow(Written::Failed(error), key),
            }
        }
        if let (Some(why), Some(own)) = (because, own) {
            self.reporter.tell(kind.resource(), key, own, Level::Warning, EVICTED, why.to_owned());
        }
        follow(self.writer.delete_virtual(kind.resource(), key, uid, grace).await, key)
    }

    /// The host says no: told to the tenant in virtual names, tried again ever more rarely.
    async fn host_refused(&self, kind: Born, place: &Place, key: &Key, own: &Virtual<Value>, message: &str) -> Next {
        if kind == Born::Pod && held::is_for_quota(message) {
            self.held.hold(key);
        }
        let who = key.identity(uid(&own.0));
        let names = if kind == Born::Pod { Names::of_pod(place, who, &own.0) } else { Names::of_object(place, who) };
        match self.refuse(kind, key, own, HOST_REFUSED, &names.refusal(message)).await {
            Next::Go(_) => Next::Go(Some(pause(own, Timestamp::now()))),
            stop @ Next::Stop(_) => stop,
        }
    }

    async fn refuse(
        &self,
        kind: Born,
        key: &Key,
        own: &Virtual<Value>,
        reason: &'static str,
        refused: &Refused,
    ) -> Next {
        self.metrics.refuse(kind.as_str());
        if kind != Born::Pod {
            self.reporter.tell(kind.resource(), key, own, Level::Warning, reason, refused.to_string());
            return Next::Go(None);
        }
        let is_running = !json::text(&own.0, "/spec/nodeName").is_empty();
        let Some(conditions) = refused_conditions(own, reason, refused, Timestamp::now()) else {
            return Next::Go(None);
        };
        self.reporter.tell(kind.resource(), key, own, Level::Warning, reason, refused.to_string());
        if is_running {
            // Its conditions are the host's.
            return Next::Go(None);
        }
        let mut status = own.0.get("status").cloned().unwrap_or_else(|| json!({}));
        status["conditions"] = Value::Array(conditions);
        follow(self.writer.report(&kinds::PODS, key, own, Part::Status, "status", &status).await, key)
    }

    /// Deletes a companion whose pod is gone on both sides.
    pub(crate) async fn companion_step(&self, owner: &Owner) -> Outcome {
        let Some(place) = self.places.get(owner.pod.tenant) else { return Outcome::Done };
        let pods = &self.observed.pods;
        if !(pods.own.is_synced() && pods.host.is_synced()) {
            return Outcome::Retry;
        }
        let name = companion_name(owner.pod.identity(&owner.uid));
        let Some(secret) = self.observed.secrets.host.get(&place.host_namespace, &name) else { return Outcome::Done };
        let own = pods.own_side(&owner.pod).is_some_and(|own| uid(&own.0) == owner.uid);
        let host = pods.host_side(&place, &owner.pod);
        if own || host.is_some_and(|host| crate::side::twin_uid(&host) == owner.uid) {
            return Outcome::Done;
        }
        match follow(self.writer.delete_companion(&owner.pod, &owner.uid, &Host(secret.value())).await, &owner.pod) {
            Next::Go(_) => Outcome::Done,
            Next::Stop(outcome) => outcome,
        }
    }
}

/// What a write means for the rest of the plan.
fn follow(written: Written, key: &Key) -> Next {
    match written {
        Written::Done(_) => Next::Go(None),
        Written::Outdated => Next::Stop(Outcome::After(LAG_LOOK)),
        Written::Held(wait) => Next::Stop(Outcome::After(wait)),
        Written::Refused(message) => {
            tracing::debug!(%key, message, "write refused");
            Next::Stop(Outcome::Retry)
        }
        Written::Failed(error) => {
            tracing::debug!(%key, %error, "write failed");
            Next::Stop(Outcome::Retry)
        }
    }
}

/// As long as the object has existed: attempts become rarer by themselves.
fn pause(own: &Virtual<Value>, now: Timestamp) -> Duration {
    let born: Option<Timestamp> = json::text(&own.0, "/metadata/creationTimestamp").parse().ok();
    let age = born.and_then(|born| Duration::try_from(now.duration_since(born)).ok()).unwrap_or_default();
    age.clamp(REFUSED_PAUSE.0, REFUSED_PAUSE.1)
}
