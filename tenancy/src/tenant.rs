//! The `Tenant` API of the host cluster.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Wanted state of one virtual cluster.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "rowhouse.dev",
    version = "v1alpha1",
    kind = "Tenant",
    plural = "tenants",
    shortname = "tnt",
    category = "all",
    status = "TenantStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Endpoint","type":"string","jsonPath":".status.endpoint"}"#,
    printcolumn = r#"{"name":"Expires","type":"string","jsonPath":".status.expiresAt","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct TenantSpec {
    /// Who may use the tenant, beside the holder of its kubeconfig Secret.
    #[serde(default)]
    pub access: Access,
    /// How long the tenant lives, as `2h`, `90m` or `1h30m`: it is deleted when it is older. None: it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// How much the tenant's API may store.
    #[serde(default)]
    pub store: StoreLimits,
    /// Hard limits of the tenant's host namespace, by ResourceQuota name (`pods`, `requests.cpu`, …).
    #[serde(default)]
    pub quota: BTreeMap<String, String>,
    /// Default requests and limits of containers that name none.
    #[serde(default)]
    pub limits: ContainerLimits,
    /// Walls around the tenant's pods.
    #[serde(default)]
    pub isolation: Isolation,
    /// Which kinds cross between the tenant and the host.
    #[serde(default)]
    pub sync: SyncPolicy,
}

/// Who may use a tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// User names with cluster-admin rights inside the tenant.
    #[serde(default)]
    pub admin_users: Vec<String>,
    /// Group names with cluster-admin rights inside the tenant.
    #[serde(default)]
    pub admin_groups: Vec<String>,
}

/// How much a tenant's API may store. What all tenants start with (bootstrap RBAC) is not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreLimits {
    /// Objects of all kinds; None: 100,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_objects: Option<u32>,
    /// Bytes of all objects, as `512Mi` or `2G`; None: 1Gi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<String>,
}

/// Defaults for containers, applied by a LimitRange of the host namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerLimits {
    /// Default limits, by resource name.
    #[serde(default)]
    pub default: BTreeMap<String, String>,
    /// Default requests, by resource name.
    #[serde(default)]
    pub default_request: BTreeMap<String, String>,
}

/// Walls around the tenant's pods on the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Isolation {
    /// Pod security level enforced on the host namespace.
    #[serde(default)]
    pub pod_security: PodSecurity,
    /// Network policy of the host namespace.
    #[serde(default)]
    pub network: NetworkIsolation,
    /// Added to every pod's node selector; the tenant cannot override it.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// Runtime class of every pod; pods that name another one are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_class_name: Option<String>,
    /// Tolerations of every pod. The tenant's own pass only for taints of the node lifecycle (`node.kubernetes.io/*`).
    #[serde(default)]
    pub tolerations: Vec<Toleration>,
    /// Annotation keys of the tenant's objects that pass to the host although they steer its components: exact keys, or
    /// a prefix followed by `*`.
    #[serde(default)]
    pub allowed_annotations: Vec<String>,
}

/// Which kinds cross between a tenant and the host. Pods, Services, ConfigMaps, Secrets, events and nodes always do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncPolicy {
    /// Kinds the tenant makes and the host gets a twin of. Objects of a kind that is off stay in the tenant, and an
    /// Event says so; twins made before are removed, except claims: they hold data.
    #[serde(default)]
    pub to_host: SyncToHost,
    /// Kinds the host has and the tenant sees.
    #[serde(default)]
    pub from_host: SyncFromHost,
}

/// Kinds the host gets a twin of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncToHost {
    /// Ingresses, with the TLS Secrets they name.
    #[serde(default = "yes")]
    pub ingresses: bool,
    /// NetworkPolicies.
    #[serde(default = "yes")]
    pub network_policies: bool,
    /// PersistentVolumeClaims; pods that use one are refused when this is off.
    #[serde(default = "yes")]
    pub persistent_volume_claims: bool,
    /// PodDisruptionBudgets.
    #[serde(default = "yes")]
    pub pod_disruption_budgets: bool,
    /// EndpointSlices of Services without a selector.
    #[serde(default = "yes")]
    pub endpoints: bool,
}

impl Default for SyncToHost {
    fn default() -> Self {
        Self {
            ingresses: true,
            network_policies: true,
            persistent_volume_claims: true,
            pod_disruption_budgets: true,
            endpoints: true,
        }
    }
}

/// Kinds of the host a tenant sees. A class of the host labelled `rowhouse.dev/tenants: "false"` is seen by no tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncFromHost {
    /// StorageClasses; claims of the tenant may name those it sees.
    #[serde(default = "yes")]
    pub storage_classes: bool,
    /// IngressClasses; Ingresses of the tenant may name those it sees.
    #[serde(default = "yes")]
    pub ingress_classes: bool,
    /// PriorityClasses labelled `rowhouse.dev/tenants: "true"`. Off by default: a pod of higher priority takes the place
    /// of pods of other tenants.
    #[serde(default)]
    pub priority_classes: bool,
    /// RuntimeClasses.
    #[serde(default = "yes")]
    pub runtime_classes: bool,
}

impl Default for SyncFromHost {
    fn default() -> Self {
        Self { storage_classes: true, ingress_classes: true, priority_classes: false, runtime_classes: true }
    }
}

fn yes() -> bool {
    true
}

/// A toleration, in the form of `core/v1`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// Taint key; none tolerates every key, with the operator `Exists`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `Equal` (the default) or `Exists`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// Taint value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Taint effect; none tolerates every effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
    /// How long a `NoExecute` taint is tolerated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toleration_seconds: Option<i64>,
}

/// Pod security standard (upstream: Pod Security Standards).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PodSecurity {
    /// No restriction.
    Privileged,
    /// Prevents known privilege escalations.
    #[default]
    Baseline,
    /// Current hardening best practice.
    Restricted,
}

/// Network isolation of a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NetworkIsolation {
    /// Pods reach pods of the same tenant, DNS, the tenant's API and the world outside the cluster; nothing else.
    #[default]
    DefaultDeny,
    /// No policy is made.
    None,
}

/// Observed state of one virtual cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// One word for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Tenant id, see [`crate::TenantId`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// URL of the tenant's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Namespace of the host that holds the tenant's pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_namespace: Option<String>,
    /// When the tenant is deleted, if it was made for a time. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Where the admin kubeconfig is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig_secret_ref: Option<SecretRef>,
    /// Details, in the usual Kubernetes form.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// Phase of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Being made.
    Pending,
    /// Served.
    Ready,
    /// Being taken apart.
    Terminating,
    /// Cannot be made; the conditions say why.
    Failed,
}

/// Reference to a Secret of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretRef {
    /// Name of the Secret.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// A condition in the form of `metav1.Condition`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Kind of condition, CamelCase.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Machine-readable reason, CamelCase.
    pub reason: String,
    /// Text for people.
    pub message: String,
    /// RFC 3339 time of the last change of `status`.
    pub last_transition_time: String,
    /// `metadata.generation` this condition was computed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}
