//! The language of translation tables: one rule for every field of every type that crosses from a tenant to the host.
//!
//! A table names what it lets through. A field without a rule is refused, so that a new field of a newer Kubernetes is
//! closed until somebody has thought about it; a test walks the schema of all built-in kinds and fails on such a gap.

use serde_json::{Map, Value};

use super::Refused;

/// The fields of one type and what happens to each.
#[derive(Debug)]
pub struct Shape {
    /// Upstream definition name without `io.k8s.api.`, such as `core.v1.Container`.
    pub type_name: &'static str,
    /// Rules by JSON name.
    pub fields: &'static [(&'static str, Rule)],
}

/// What happens to one field.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// The value refers to nothing and passes as it is.
    Keep,
    /// An object, or a list of objects, that goes by its own table.
    Into(&'static Shape),
    /// The value names something: it is translated. The table, when there is one, covers what the value is made of; the
    /// text says what comes out.
    Rewrite(Handler, Option<&'static Shape>, &'static str),
    /// Decided by Rowhouse; what the tenant wrote is left out. The text says by what rule.
    Ours(&'static str),
    /// The object is refused when the field is set. The text is shown to the tenant.
    Deny(&'static str),
}

/// Names the code that translates a field, see [`Rewriter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// Name of a ConfigMap of the same namespace.
    ConfigMap,
    /// Name of a Secret of the same namespace.
    Secret,
    /// Ephemeral containers of a pod.
    EphemeralContainers,
    /// Source of an environment variable.
    EnvSource,
    /// Files from the downward API.
    DownwardVolume,
    /// Sources of a projected volume.
    ProjectedSources,
    /// Label selector of a pod affinity term.
    AffinitySelector,
    /// Namespace selector of a pod affinity term.
    NamespaceSelector,
    /// Label selector of a topology spread constraint.
    SpreadSelector,
    /// Node selector of a pod.
    NodeSelector,
    /// Tolerations of a pod.
    Tolerations,
    /// Runtime class of a pod.
    RuntimeClass,
    /// Scheduler of a pod.
    Scheduler,
    /// Selector of a service.
    ServiceSelector,
    /// Text of the host that may contain host names.
    Text,
    /// Label selector of pods of the object's own namespace.
    OwnSelector,
    /// Name of a Service of the same namespace.
    Service,
    /// Rules of a network policy.
    PolicyRules,
    /// Peers of a rule of a network policy.
    PolicyPeers,
    /// Name of a class of the host.
    Class,
    /// Name of a PersistentVolumeClaim of the same namespace.
    Claim,
    /// Addresses of an endpoint.
    Addresses,
    /// Name of a container: what the tenant did not ask for (injected on the host) is left out of its status.
    ContainerStatuses,
    /// Name of a volume, likewise.
    MountStatuses,
}

/// What a walk does with a field its table does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The object is refused: towards the host.
    Refuse,
    /// The field is left out: towards the tenant, where a newer host must not change the API.
    LeaveOut,
}

/// What a handler makes of a field.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// The field with this value.
    Value(Value),
    /// Another field of the same object in its place.
    As(&'static str, Value),
    /// Nothing.
    Nothing,
}

/// Translates what [`Rule::Rewrite`] names.
pub trait Rewriter {
    /// Translates one field. `parent` is the object it stands in, as the tenant wrote it; `at` the path of the field.
    ///
    /// # Errors
    /// [`Refused`] when there is no honest translation.
    fn rewrite(
        &mut self,
        handler: Handler,
        value: &Value,
        parent: &Map<String, Value>,
        at: &str,
    ) -> Result<Outcome, Refused>;
}

/// For tables that translate nothing.
pub struct Silent;

impl Rewriter for Silent {
    fn rewrite(&mut self, _: Handler, _: &Value, _: &Map<String, Value>, _: &str) -> Result<Outcome, Refused> {
        Ok(Outcome::Nothing)
    }
}

impl Shape {
    /// The rule of a field; None when the table does not know the field.
    pub fn rule(&self, field: &str) -> Option<Rule> {
        self.fields.iter().find(|(name, _)| *name == field).map(|(_, rule)| *rule)
    }
}

/// Translates an object by its table. `at` is the path of the object, for messages.
///
/// # Errors
/// [`Refused`] for fields without a rule, denied fields, and whatever the rewriter refuses.
pub fn walk(
    shape: &Shape,
    value: &Value,
    at: &str,
    unknown: Unknown,
    rewriter: &mut dyn Rewriter,
) -> Result<Value, Refused> {
    let Some(object) = value.as_object() else {
        return Err(Refused::new(at, "must be an object"));
    };
    let mut out = Map::new();
    for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        let path = format!("{at}.{name}");
        match shape.rule(name) {
            None if unknown == Unknown::LeaveOut => {}
            None => return Err(Refused::new(&path, "this field is not known here and cannot be translated")),
            Some(Rule::Keep) => drop(out.insert(name.clone(), value.clone())),
            Some(Rule::Ours(_)) => {}
            Some(Rule::Deny(_)) if is_unset(value) => {}
            Some(Rule::Deny(why)) => return Err(Refused::new(&path, why)),
            Some(Rule::Into(shape)) => drop(out.insert(name.clone(), each(shape, value, &path, unknown, rewriter)?)),
            Some(Rule::Rewrite(handler, ..)) => match rewriter.rewrite(handler, value, object, &path)? {
                Outcome::Value(value) => drop(out.insert(name.clone(), value)),
                Outcome::As(other, value) => drop(out.insert(other.to_owned(), value)),
                Outcome::Nothing => {}
            },
        }
    }
    Ok(Value::Object(out))
}

/// Translates an object, or every object of a list.
///
/// # Errors
/// As [`walk`].
pub fn each(
    shape: &Shape,
    value: &Value,
    at: &str,
    unknown: Unknown,
    rewriter: &mut dyn Rewriter,
) -> Result<Value, Refused> {
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| walk(shape, item, &format!("{at}[{index}]"), unknown, rewriter))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::Array),
        other => walk(shape, other, at, unknown, rewriter),
    }
}

/// Zero values say nothing: a denied field that is empty is not refused.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}
