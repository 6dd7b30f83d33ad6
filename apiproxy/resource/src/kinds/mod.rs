//! The kinds, and the list that [`crate::strategy`] looks up.

mod admission;
mod autoscaler;
mod certificate;
mod claim;
mod config_map;
mod cron_job;
mod daemon_set;
mod definition;
mod deployment;
mod disruption_budget;
mod dynamic;
mod endpoints;
mod event;
mod flow;
mod ingress;
mod job;
mod limit_range;
pub(crate) mod namespace;
mod network_policy;
mod node;
mod plain;
pub(crate) mod pod;
mod rbac;
mod replica_set;
mod replication_controller;
mod resource_quota;
mod secret;
mod service;
mod service_account;
mod stateful_set;
mod storage;
mod volume;
mod workload;

use crate::Strategy;

/// Every kind with an entry.
pub(crate) static ALL: &[&Strategy] = &[
    &pod::POD,
    &config_map::CONFIG_MAP,
    &secret::SECRET,
    &service::SERVICE,
    &service_account::SERVICE_ACCOUNT,
    &namespace::NAMESPACE,
    &node::NODE,
    &event::EVENT,
    &endpoints::ENDPOINTS,
    &endpoints::ENDPOINT_SLICE,
    &limit_range::LIMIT_RANGE,
    &resource_quota::RESOURCE_QUOTA,
    &claim::CLAIM,
    &volume::VOLUME,
    &replication_controller::REPLICATION_CONTROLLER,
    &plain::POD_TEMPLATE,
    &deployment::DEPLOYMENT,
    &replica_set::REPLICA_SET,
    &stateful_set::STATEFUL_SET,
    &daemon_set::DAEMON_SET,
    &plain::CONTROLLER_REVISION,
    &job::JOB,
    &cron_job::CRON_JOB,
    &autoscaler::AUTOSCALER,
    &disruption_budget::DISRUPTION_BUDGET,
    &rbac::ROLE,
    &rbac::CLUSTER_ROLE,
    &rbac::ROLE_BINDING,
    &rbac::CLUSTER_ROLE_BINDING,
    &ingress::INGRESS,
    &ingress::INGRESS_CLASS,
    &network_policy::NETWORK_POLICY,
    &plain::IP_ADDRESS,
    &plain::SERVICE_CIDR,
    &storage::STORAGE_CLASS,
    &storage::CSI_DRIVER,
    &storage::CSI_NODE,
    &storage::CAPACITY,
    &storage::ATTACHMENT,
    &storage::ATTRIBUTES_CLASS,
    &admission::VALIDATING_WEBHOOKS,
    &admission::MUTATING_WEBHOOKS,
    &admission::VALIDATING_POLICY,
    &admission::VALIDATING_BINDING,
    &admission::MUTATING_POLICY,
    &admission::MUTATING_BINDING,
    &flow::FLOW_SCHEMA,
    &flow::PRIORITY_LEVEL,
    &certificate::SIGNING_REQUEST,
    &certificate::TRUST_BUNDLE,
    &certificate::POD_CERTIFICATE,
    &dynamic::DEVICE_CLASS,
    &dynamic::TAINT_RULE,
    &dynamic::CLAIM,
    &dynamic::CLAIM_TEMPLATE,
    &dynamic::SLICE,
    &plain::PRIORITY_CLASS,
    &plain::RUNTIME_CLASS,
    &plain::LEASE,
    &plain::LEASE_CANDIDATE,
    &plain::STORAGE_VERSION,
    &plain::STORAGE_MIGRATION,
    &definition::DEFINITION,
    &plain::API_SERVICE,
];
