//! The code behind the table of pod fields.

use serde_json::{Map, Value, json};
use tenancy::host::object_name;

use super::super::rules::{Handler, Outcome, Rewriter, Shape, Unknown, walk};
use super::super::{Identity, Place, Refused};
use super::downward::{self, Companion, TokenRequest};
use super::shapes::{ENV_SOURCE, EPHEMERAL, PROJECTION};
use super::{companion_name, selectors};
use crate::json;

/// Lifetime of a token that names none, as upstream's.
const DEFAULT_TOKEN_SECONDS: i64 = 3600;
/// The only scheduler of a tenant: the host's.
const SCHEDULER: &str = "default-scheduler";

/// Translates one pod and collects what its companion must hold.
pub(super) struct PodRewriter<'a> {
    place: &'a Place,
    who: Identity<'a>,
    pod: &'a Value,
    companion: Companion,
    ephemeral: Result<Vec<Value>, Refused>,
    notes: Vec<String>,
}

impl<'a> PodRewriter<'a> {
    pub(super) fn new(place: &'a Place, who: Identity<'a>, pod: &'a Value) -> Self {
        Self { place, who, pod, companion: Companion::default(), ephemeral: Ok(Vec::new()), notes: Vec::new() }
    }

    pub(super) fn finish(self) -> (Companion, Vec<String>) {
        (self.companion, self.notes)
    }

    /// The pod's ephemeral containers, which are no part of the pod when it is made.
    pub(super) fn take_ephemeral(&mut self) -> Result<Vec<Value>, Refused> {
        std::mem::replace(&mut self.ephemeral, Ok(Vec::new()))
    }

    /// What the operator demands of every pod, also of those that say nothing.
    pub(super) fn isolate(&mut self, spec: &mut Map<String, Value>) {
        let isolation = &self.place.isolation;
        if !spec.contains_key("nodeSelector") && !isolation.node_selector.is_empty() {
            spec.insert("nodeSelector".into(), json!(isolation.node_selector));
        }
        if !spec.contains_key("tolerations") && !isolation.tolerations.is_empty() {
            spec.insert("tolerations".into(), json!(isolation.tolerations));
        }
        if let Some(class) = &isolation.runtime_class_name {
            spec.insert("runtimeClassName".into(), json!(class));
        }
    }

    fn by_table(&mut self, shape: &Shape, value: &Value, at: &str) -> Result<Value, Refused> {
        walk(shape, value, at, Unknown::Refuse, self)
    }

    /// A debugging container that cannot be brought to the host must not hold up the pod it looks into.
    fn ephemeral_containers(&mut self, value: &Value, at: &str) -> Outcome {
        let all = value.as_array().into_iter().flatten().enumerate();
        self.ephemeral = all.map(|(index, one)| self.by_table(&EPHEMERAL, one, &format!("{at}[{index}]"))).collect();
        Outcome::Nothing
    }

    fn host_name(&self, value: &Value) -> Outcome {
        match value.as_str().filter(|name| !name.is_empty()) {
            Some(name) => Outcome::Value(json!(object_name(self.who.namespace, name))),
            // An empty reference is allowed for compatibility and means nothing.
            None => Outcome::Value(value.clone()),
        }
    }

    /// Name of a claim, or an ephemeral volume: on the host it is a claim like any other.
    fn claim(&self, value: &Value, parent: &Map<String, Value>, at: &str) -> Result<Outcome, Refused> {
        if !self.place.sync.to_host.persistent_volume_claims {
            return Err(Refused::new(at, "persistent volumes are not available in this cluster"));
        }
        if value.is_string() {
            return Ok(self.host_name(value));
        }
        let volume = parent.get("name").and_then(Value::as_str).unwrap_or_default();
        let claim = object_name(self.who.namespace, &format!("{}-{volume}", self.who.name));
        Ok(Outcome::As("persistentVolumeClaim", json!({ "claimName": claim })))
    }

    fn env_source(&mut self, value: &Value, at: &str) -> Result<Outcome, Refused> {
        let field_path = json::text(value, "/fieldRef/fieldPath");
        if !field_path.is_empty() {
            let at = format!("{at}.fieldRef.fieldPath");
            if let Some(text) = downward::value(self.who, self.pod, field_path, &at)? {
                // A plain value is expanded by the kubelet, a downward value is not: a doubled `$` stands for itself.
                return Ok(Outcome::As("value", json!(text.replace('$', "$$"))));
            }
        }
        self.by_table(&ENV_SOURCE, value, at).map(Outcome::Value)
    }

    fn downward_volume(&mut self, value: &Value, at: &str) -> Result<Outcome, Refused> {
        let mut projected = Map::new();
        if let Some(mode) = value.get("defaultMode").filter(|mode| !mode.is_null()) {
            projected.insert("defaultMode".into(), mode.clone());
        }
        projected.insert("sources".into(), Value::Array(self.downward_sources(value, at)?));
        Ok(Outcome::As("projected", Value::Object(projected)))
    }

    fn downward_sources(&mut self, value: &Value, at: &str) -> Result<Vec<Value>, Refused> {
        let files = json::items(value, "/items");
        let at = format!("{at}.items");
        let (from_secret, from_host) = downward::split_files(self.who, self.pod, files, &at, &mut self.companion)?;
        let mut sources = Vec::new();
        if !from_secret.is_empty() {
            sources.push(self.companion_source(&from_secret));
        }
        if !from_host.is_empty() {
            sources.push(json!({ "downwardAPI": { "items": from_host } }));
        }
        Ok(sources)
    }

    fn companion_source(&self, items: &[Value]) -> Value {
        json!({ "secret": { "name": companion_name(self.who), "items": items } })
    }

    fn projected_sources(&mut self, value: &Value, at: &str) -> Result<Outcome, Refused> {
        let mut sources = Vec::new();
        for (index, source) in value.as_array().into_iter().flatten().enumerate() {
            let at = format!("{at}[{index}]");
            if let Some(token) = source.get("serviceAccountToken").filter(|token| !token.is_null()) {
                let audience = json::text(token, "/audience");
                let request = TokenRequest {
                    audience: (!audience.is_empty()).then(|| audience.to_owned()),
                    expiration_seconds: token
                        .get("expirationSeconds")
                        .and_then(Value::as_i64)
                        .unwrap_or(DEFAULT_TOKEN_SECONDS),
                };
                let key = self.companion.add_token(request);
                sources.push(self.companion_source(&[json!({ "key": key, "path": json::text(token, "/path") })]));
            } else if let Some(files) = source.get("downwardAPI").filter(|files| !files.is_null()) {
                sources.extend(self.downward_sources(files, &format!("{at}.downwardAPI"))?);
            } else {
                sources.push(self.by_table(&PROJECTION, source, &at)?);
            }
        }
        Ok(Outcome::Value(Value::Array(sources)))
    }

    fn node_selector(&mut self, value: &Value) -> Outcome {
        let mut selector = value.as_object().cloned().unwrap_or_default();
        for (key, wanted) in &self.place.isolation.node_selector {
            selector.insert(key.clone(), json!(wanted));
        }
        Outcome::Value(Value::Object(selector))
    }

    fn tolerations(&mut self, value: &Value) -> Outcome {
        let demanded: Vec<Value> = self.place.isolation.tolerations.iter().map(|one| json!(one)).collect();
        let (mut kept, mut left_out) = (Vec::new(), 0);
        for toleration in value.as_array().into_iter().flatten() {
            if json::text(toleration, "/key").starts_with("node.kubernetes.io/") {
                kept.push(toleration.clone());
            } else if !demanded.contains(toleration) {
                left_out += 1;
            }
        }
        if left_out > 0 {
            self.notes.push(format!("{left_out} toleration(s) left out: not allowed for this cluster"));
        }
        kept.extend(demanded);
        Outcome::Value(Value::Array(kept))
    }

    fn runtime_class(&self, value: &Value, at: &str) -> Result<Outcome, Refused> {
        match &self.place.isolation.runtime_class_name {
            Some(demanded) if value != demanded.as_str() => {
                Err(Refused::new(at, &format!("pods of this cluster run with the runtime class {demanded:?}")))
            }
            _ => Ok(Outcome::Value(value.clone())),
        }
    }
}

impl Rewriter for PodRewriter<'_> {
    fn rewrite(
        &mut self,
        handler: Handler,
        value: &Value,
        parent: &Map<String, Value>,
        at: &str,
    ) -> Result<Outcome, Refused> {
        match handler {
            Handler::ConfigMap | Handler::Secret => Ok(self.host_name(value)),
            Handler::EphemeralContainers => Ok(self.ephemeral_containers(value, at)),
            Handler::EnvSource => self.env_source(value, at),
            Handler::DownwardVolume => self.downward_volume(value, at),
            Handler::ProjectedSources => self.projected_sources(value, at),
            Handler::AffinitySelector => selectors::affinity(self.place, self.who, value, parent, at),
            Handler::NamespaceSelector => selectors::namespace(value, at),
            Handler::SpreadSelector => selectors::spread(self.place, self.who, value, at),
            Handler::NodeSelector => Ok(self.node_selector(value)),
            Handler::Tolerations => Ok(self.tolerations(value)),
            Handler::RuntimeClass => self.runtime_class(value, at),
            Handler::Scheduler => match value.as_str() {
                Some("" | SCHEDULER) | None => Ok(Outcome::Nothing),
                Some(other) => {
                    Err(Refused::new(at, &format!("pods are scheduled by {SCHEDULER}; {other:?} is not available")))
                }
            },
            Handler::Claim => self.claim(value, parent, at),
            _ => Err(Refused::new(at, "this field does not belong to a pod")),
        }
    }
}
