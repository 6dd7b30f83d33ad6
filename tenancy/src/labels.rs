//! Reserved label and annotation keys. Everything under `rowhouse.dev/` belongs to Rowhouse; tenants cannot set it on
//! host objects.

/// Suffix domain of all reserved keys.
pub const RESERVED_DOMAIN: &str = "rowhouse.dev";
/// Label on every host object and host namespace: the tenant's id.
pub const TENANT: &str = "rowhouse.dev/tenant";
/// Label on every namespaced host object: the virtual namespace.
pub const NAMESPACE: &str = "rowhouse.dev/namespace";
/// Label on every host object the syncer owns; its value is [`MANAGER`]. One host watch per kind selects on it.
pub const MANAGED_BY: &str = "rowhouse.dev/managed-by";
/// Value of [`MANAGED_BY`], and the field manager of every host write.
pub const MANAGER: &str = "rowhouse";
/// Annotation on every host object: the virtual name (labels are too short for it).
pub const NAME_ANNOTATION: &str = "rowhouse.dev/name";
/// Annotation on every host object: the virtual namespace.
pub const NAMESPACE_ANNOTATION: &str = "rowhouse.dev/namespace";
/// Annotation on every host object: the uid of the virtual object. Identity; names are never trusted.
pub const UID_ANNOTATION: &str = "rowhouse.dev/uid";
/// Annotation on host pods: the resources the tenant wants for each container, as last written to the host. What the host
/// makes of them (defaults, autoscalers) is not compared.
pub const RESOURCES_ANNOTATION: &str = "rowhouse.dev/resources";
/// Annotation on host namespaces: the tenant's name.
pub const TENANT_NAME_ANNOTATION: &str = "rowhouse.dev/tenant-name";
/// Label of host pods that a network policy of the tenant isolates from what comes in: the operator's wall opens nothing
/// to them.
pub const ISOLATED_INGRESS: &str = "rowhouse.dev/isolated-ingress";
/// The same for what goes out.
pub const ISOLATED_EGRESS: &str = "rowhouse.dev/isolated-egress";

/// Label an administrator of the host puts on a class: `"false"` hides it from all tenants; a PriorityClass is seen only
/// with `"true"`.
pub const TENANTS: &str = "rowhouse.dev/tenants";

/// Whether a label or annotation key is reserved: `rowhouse.dev/…` or a subdomain of it.
pub fn is_reserved(key: &str) -> bool {
    key.split_once('/').is_some_and(|(domain, _)| {
        domain.strip_suffix(RESERVED_DOMAIN).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}
