//! The table of pod fields: every property of every type below `PodSpec`.

mod ephemeral;

pub(super) use ephemeral::EPHEMERAL;

use crate::translate::rules::Handler as H;
use crate::translate::rules::Rule::{self, Deny, Into, Keep, Ours, Rewrite};
use crate::translate::rules::Shape;

const NODE_STORAGE: &str = "volumes that reach storage with the node's own identity are not available to tenants";
const MERGED: &str = "left out: part of labelSelector since the pod was created; twice would be refused";
const NO_DEVICES: &str = "resource claims are not available yet";
const CONFIG_MAP: Rule = Rewrite(H::ConfigMap, None, "host name of the ConfigMap, which is synced while referenced");
const SECRET: Rule = Rewrite(H::Secret, None, "host name of the Secret, which is synced while referenced");

/// `spec` of a pod.
pub static POD_SPEC: Shape = Shape {
    type_name: "core.v1.PodSpec",
    fields: &[
        ("activeDeadlineSeconds", Keep),
        ("affinity", Into(&AFFINITY)),
        ("automountServiceAccountToken", Ours("always false: no pod gets a token of the host")),
        ("containers", Into(&CONTAINER)),
        ("dnsConfig", Into(&DNS_CONFIG)),
        ("dnsPolicy", Ours("None for ClusterFirst, with the tenant's DNS laid under dnsConfig; others pass")),
        ("enableServiceLinks", Ours("always false: variables of the virtual namespace's services are written out")),
        (
            "ephemeralContainers",
            Rewrite(
                H::EphemeralContainers,
                Some(&EPHEMERAL),
                "added through the subresource of the host pod: a pod is made without them",
            ),
        ),
        ("hostAliases", Into(&HOST_ALIAS)),
        ("hostIPC", Keep),
        ("hostNetwork", Keep),
        ("hostPID", Keep),
        ("hostUsers", Keep),
        ("hostname", Ours("the virtual hostname, or the virtual name of the pod")),
        ("hostnameOverride", Ours("kept; also set for names with dots and for setHostnameAsFQDN")),
        ("imagePullSecrets", Into(&PULL_SECRET)),
        ("initContainers", Into(&CONTAINER)),
        ("nodeName", Ours("the host schedules; a pod bound by the tenant itself is refused")),
        ("nodeSelector", Rewrite(H::NodeSelector, None, "kept, with the Tenant's isolation.nodeSelector laid over it")),
        ("os", Into(&POD_OS)),
        ("overhead", Ours("left out: the host derives it from the runtime class")),
        ("preemptionPolicy", Ours("left out with the priority")),
        ("priority", Ours("left out: priorities of different tenants cannot be compared")),
        (
            "priorityClassName",
            Ours(
                "left out, unless the Tenant's sync.fromHost.priorityClasses shows the class: a tenant must not preempt its neighbours or the host's own pods",
            ),
        ),
        ("readinessGates", Into(&READINESS_GATE)),
        ("resourceClaims", Deny(NO_DEVICES)),
        ("resources", Into(&RESOURCES)),
        ("restartPolicy", Keep),
        (
            "runtimeClassName",
            Rewrite(H::RuntimeClass, None, "kept, unless the Tenant's isolation names another: then refused"),
        ),
        ("schedulerName", Rewrite(H::Scheduler, None, "left out; schedulers other than default-scheduler are refused")),
        ("schedulingGates", Into(&SCHEDULING_GATE)),
        ("schedulingGroup", Deny("pod groups are not available yet")),
        ("securityContext", Into(&POD_SECURITY_CONTEXT)),
        ("serviceAccount", Ours("see serviceAccountName")),
        ("serviceAccountName", Ours("the one account of the host namespace, which has no rights")),
        ("setHostnameAsFQDN", Ours("emulated with hostnameOverride, so that the name shows the virtual namespace")),
        ("shareProcessNamespace", Keep),
        ("subdomain", Ours("left out: it would put the host namespace into the pod's own name")),
        ("terminationGracePeriodSeconds", Keep),
        (
            "tolerations",
            Rewrite(H::Tolerations, None, "those of node.kubernetes.io/* and of the Tenant's isolation.tolerations"),
        ),
        ("topologySpreadConstraints", Into(&SPREAD)),
        ("volumes", Into(&VOLUME)),
    ],
};

static VOLUME: Shape = Shape {
    type_name: "core.v1.Volume",
    fields: &[
        ("awsElasticBlockStore", Deny(NODE_STORAGE)),
        ("azureDisk", Deny(NODE_STORAGE)),
        ("azureFile", Deny(NODE_STORAGE)),
        ("cephfs", Deny(NODE_STORAGE)),
        ("cinder", Deny(NODE_STORAGE)),
        ("configMap", Into(&CONFIG_MAP_VOLUME)),
        ("csi", Deny("inline CSI volumes are not available yet")),
        (
            "downwardAPI",
            Rewrite(
                H::DownwardVolume,
                Some(&DOWNWARD_VOLUME),
                "a projected volume: virtual values from the pod's companion Secret, resources from the host",
            ),
        ),
        ("emptyDir", Into(&EMPTY_DIR)),
        ("ephemeral", Rewrite(H::Claim, None, "host name of the claim <pod>-<volume>, which is made in the tenant")),
        ("fc", Deny(NODE_STORAGE)),
        ("flexVolume", Deny(NODE_STORAGE)),
        ("flocker", Deny(NODE_STORAGE)),
        ("gcePersistentDisk", Deny(NODE_STORAGE)),
        ("gitRepo", Deny("gitRepo volumes run commands on the node and are not available")),
        ("glusterfs", Deny(NODE_STORAGE)),
        ("hostPath", Into(&HOST_PATH)),
        ("image", Into(&IMAGE_VOLUME)),
        ("iscsi", Deny(NODE_STORAGE)),
        ("name", Keep),
        ("nfs", Deny(NODE_STORAGE)),
        ("persistentVolumeClaim", Into(&CLAIM_SOURCE)),
        ("photonPersistentDisk", Deny(NODE_STORAGE)),
        ("portworxVolume", Deny(NODE_STORAGE)),
        ("projected", Into(&PROJECTED)),
        ("quobyte", Deny(NODE_STORAGE)),
        ("rbd", Deny(NODE_STORAGE)),
        ("scaleIO", Deny(NODE_STORAGE)),
        ("secret", Into(&SECRET_VOLUME)),
        ("storageos", Deny(NODE_STORAGE)),
        ("vsphereVolume", Deny(NODE_STORAGE)),
    ],
};

static CONFIG_MAP_VOLUME: Shape = Shape {
    type_name: "core.v1.ConfigMapVolumeSource",
    fields: &[("defaultMode", Keep), ("items", Into(&KEY_TO_PATH)), ("name", CONFIG_MAP), ("optional", Keep)],
};
static SECRET_VOLUME: Shape = Shape {
    type_name: "core.v1.SecretVolumeSource",
    fields: &[("defaultMode", Keep), ("items", Into(&KEY_TO_PATH)), ("optional", Keep), ("secretName", SECRET)],
};
static KEY_TO_PATH: Shape =
    Shape { type_name: "core.v1.KeyToPath", fields: &[("key", Keep), ("mode", Keep), ("path", Keep)] };
static EMPTY_DIR: Shape =
    Shape { type_name: "core.v1.EmptyDirVolumeSource", fields: &[("medium", Keep), ("sizeLimit", Keep)] };
static HOST_PATH: Shape =
    Shape { type_name: "core.v1.HostPathVolumeSource", fields: &[("path", Keep), ("type", Keep)] };
static IMAGE_VOLUME: Shape =
    Shape { type_name: "core.v1.ImageVolumeSource", fields: &[("pullPolicy", Keep), ("reference", Keep)] };
static DOWNWARD_VOLUME: Shape = Shape {
    type_name: "core.v1.DownwardAPIVolumeSource",
    fields: &[("defaultMode", Keep), ("items", Into(&DOWNWARD_FILE))],
};
static DOWNWARD_FILE: Shape = Shape {
    type_name: "core.v1.DownwardAPIVolumeFile",
    fields: &[
        ("fieldRef", Into(&FIELD_REF)),
        ("mode", Keep),
        ("path", Keep),
        ("resourceFieldRef", Into(&RESOURCE_REF)),
    ],
};
static FIELD_REF: Shape =
    Shape { type_name: "core.v1.ObjectFieldSelector", fields: &[("apiVersion", Keep), ("fieldPath", Keep)] };
static RESOURCE_REF: Shape = Shape {
    type_name: "core.v1.ResourceFieldSelector",
    fields: &[("containerName", Keep), ("divisor", Keep), ("resource", Keep)],
};
static PROJECTED: Shape = Shape {
    type_name: "core.v1.ProjectedVolumeSource",
    fields: &[
        ("defaultMode", Keep),
        (
            "sources",
            Rewrite(
                H::ProjectedSources,
                Some(&PROJECTION),
                "tokens and virtual values from the pod's companion Secret, the rest by its own rule",
            ),
        ),
    ],
};
/// One source of a projected volume.
pub(super) static PROJECTION: Shape = Shape {
    type_name: "core.v1.VolumeProjection",
    fields: &[
        ("clusterTrustBundle", Deny("cluster trust bundles are not available yet")),
        ("configMap", Into(&CONFIG_MAP_PROJECTION)),
        ("downwardAPI", Ours("virtual values from the pod's companion Secret, resources from the host")),
        ("podCertificate", Deny("pod certificates are not available yet")),
        ("secret", Into(&SECRET_PROJECTION)),
        ("serviceAccountToken", Ours("a token of the tenant's API, from the pod's companion Secret")),
    ],
};
static CONFIG_MAP_PROJECTION: Shape = Shape {
    type_name: "core.v1.ConfigMapProjection",
    fields: &[("items", Into(&KEY_TO_PATH)), ("name", CONFIG_MAP), ("optional", Keep)],
};
static SECRET_PROJECTION: Shape = Shape {
    type_name: "core.v1.SecretProjection",
    fields: &[("items", Into(&KEY_TO_PATH)), ("name", SECRET), ("optional", Keep)],
};

/// A container or init container.
pub(super) static CONTAINER: Shape = Shape {
    type_name: "core.v1.Container",
    fields: &[
        ("args", Keep),
        ("command", Keep),
        ("env", Into(&ENV_VAR)),
        ("envFrom", Into(&ENV_FROM)),
        ("image", Keep),
        ("imagePullPolicy", Keep),
        ("lifecycle", Into(&LIFECYCLE)),
        ("livenessProbe", Into(&PROBE)),
        ("name", Keep),
        ("ports", Into(&CONTAINER_PORT)),
        ("readinessProbe", Into(&PROBE)),
        ("resizePolicy", Into(&RESIZE_POLICY)),
        ("resources", Into(&RESOURCES)),
        ("restartPolicy", Keep),
        ("restartPolicyRules", Into(&RESTART_RULE)),
        ("securityContext", Into(&SECURITY_CONTEXT)),
        ("startupProbe", Into(&PROBE)),
        ("stdin", Keep),
        ("stdinOnce", Keep),
        ("terminationMessagePath", Keep),
        ("terminationMessagePolicy", Keep),
        ("tty", Keep),
        ("volumeDevices", Into(&VOLUME_DEVICE)),
        ("volumeMounts", Into(&VOLUME_MOUNT)),
        ("workingDir", Keep),
    ],
};

static ENV_VAR: Shape = Shape {
    type_name: "core.v1.EnvVar",
    fields: &[
        ("name", Keep),
        ("value", Keep),
        (
            "valueFrom",
            Rewrite(
                H::EnvSource,
                Some(&ENV_SOURCE),
                "virtual values written out; addresses and node name from the host",
            ),
        ),
    ],
};
/// Source of an environment variable whose value is not written out.
pub(super) static ENV_SOURCE: Shape = Shape {
    type_name: "core.v1.EnvVarSource",
    fields: &[
        ("configMapKeyRef", Into(&CONFIG_MAP_KEY)),
        ("fieldRef", Into(&FIELD_REF)),
        ("fileKeyRef", Into(&FILE_KEY)),
        ("resourceFieldRef", Into(&RESOURCE_REF)),
        ("secretKeyRef", Into(&SECRET_KEY)),
    ],
};
static CONFIG_MAP_KEY: Shape = Shape {
    type_name: "core.v1.ConfigMapKeySelector",
    fields: &[("key", Keep), ("name", CONFIG_MAP), ("optional", Keep)],
};
static SECRET_KEY: Shape =
    Shape { type_name: "core.v1.SecretKeySelector", fields: &[("key", Keep), ("name", SECRET), ("optional", Keep)] };
static FILE_KEY: Shape = Shape {
    type_name: "core.v1.FileKeySelector",
    fields: &[("key", Keep), ("optional", Keep), ("path", Keep), ("volumeName", Keep)],
};
static ENV_FROM: Shape = Shape {
    type_name: "core.v1.EnvFromSource",
    fields: &[("configMapRef", Into(&CONFIG_MAP_ENV)), ("prefix", Keep), ("secretRef", Into(&SECRET_ENV))],
};
static CONFIG_MAP_ENV: Shape =
    Shape { type_name: "core.v1.ConfigMapEnvSource", fields: &[("name", CONFIG_MAP), ("optional", Keep)] };
static SECRET_ENV: Shape =
    Shape { type_name: "core.v1.SecretEnvSource", fields: &[("name", SECRET), ("optional", Keep)] };
static PULL_SECRET: Shape = Shape { type_name: "core.v1.LocalObjectReference", fields: &[("name", SECRET)] };

static CLAIM_SOURCE: Shape = Shape {
    type_name: "core.v1.PersistentVolumeClaimVolumeSource",
    fields: &[("claimName", Rewrite(H::Claim, None, "host name of the claim")), ("readOnly", Keep)],
};
static CONTAINER_PORT: Shape = Shape {
    type_name: "core.v1.ContainerPort",
    fields: &[("containerPort", Keep), ("hostIP", Keep), ("hostPort", Keep), ("name", Keep), ("protocol", Keep)],
};
static RESOURCES: Shape = Shape {
    type_name: "core.v1.ResourceRequirements",
    fields: &[("claims", Deny(NO_DEVICES)), ("limits", Keep), ("requests", Keep)],
};
static RESIZE_POLICY: Shape =
    Shape { type_name: "core.v1.ContainerResizePolicy", fields: &[("resourceName", Keep), ("restartPolicy", Keep)] };
static RESTART_RULE: Shape =
    Shape { type_name: "core.v1.ContainerRestartRule", fields: &[("action", Keep), ("exitCodes", Into(&EXIT_CODES))] };
static EXIT_CODES: Shape =
    Shape { type_name: "core.v1.ContainerRestartRuleOnExitCodes", fields: &[("operator", Keep), ("values", Keep)] };
static VOLUME_MOUNT: Shape = Shape {
    type_name: "core.v1.VolumeMount",
    fields: &[
        ("mountPath", Keep),
        ("mountPropagation", Keep),
        ("name", Keep),
        ("readOnly", Keep),
        ("recursiveReadOnly", Keep),
        ("subPath", Keep),
        ("subPathExpr", Keep),
    ],
};
static VOLUME_DEVICE: Shape =
    Shape { type_name: "core.v1.VolumeDevice", fields: &[("devicePath", Keep), ("name", Keep)] };
static PROBE: Shape = Shape {
    type_name: "core.v1.Probe",
    fields: &[
        ("exec", Into(&EXEC)),
        ("failureThreshold", Keep),
        ("grpc", Into(&GRPC)),
        ("httpGet", Into(&HTTP_GET)),
        ("initialDelaySeconds", Keep),
        ("periodSeconds", Keep),
        ("successThreshold", Keep),
        ("tcpSocket", Into(&TCP_SOCKET)),
        ("terminationGracePeriodSeconds", Keep),
        ("timeoutSeconds", Keep),
    ],
};
static EXEC: Shape = Shape { type_name: "core.v1.ExecAction", fields: &[("command", Keep)] };
static GRPC: Shape = Shape { type_name: "core.v1.GRPCAction", fields: &[("port", Keep), ("service", Keep)] };
static HTTP_GET: Shape = Shape {
    type_name: "core.v1.HTTPGetAction",
    fields: &[("host", Keep), ("httpHeaders", Into(&HTTP_HEADER)), ("path", Keep), ("port", Keep), ("scheme", Keep)],
};
static HTTP_HEADER: Shape = Shape { type_name: "core.v1.HTTPHeader", fields: &[("name", Keep), ("value", Keep)] };
static TCP_SOCKET: Shape = Shape { type_name: "core.v1.TCPSocketAction", fields: &[("host", Keep), ("port", Keep)] };
static LIFECYCLE: Shape = Shape {
    type_name: "core.v1.Lifecycle",
    fields: &[("postStart", Into(&LIFECYCLE_HANDLER)), ("preStop", Into(&LIFECYCLE_HANDLER)), ("stopSignal", Keep)],
};
static LIFECYCLE_HANDLER: Shape = Shape {
    type_name: "core.v1.LifecycleHandler",
    fields: &[
        ("exec", Into(&EXEC)),
        ("httpGet", Into(&HTTP_GET)),
        ("sleep", Into(&SLEEP)),
        ("tcpSocket", Into(&TCP_SOCKET)),
    ],
};
static SLEEP: Shape = Shape { type_name: "core.v1.SleepAction", fields: &[("seconds", Keep)] };

static POD_SECURITY_CONTEXT: Shape = Shape {
    type_name: "core.v1.PodSecurityContext",
    fields: &[
        ("appArmorProfile", Into(&APP_ARMOR)),
        ("fsGroup", Keep),
        ("fsGroupChangePolicy", Keep),
        ("runAsGroup", Keep),
        ("runAsNonRoot", Keep),
        ("runAsUser", Keep),
        ("seLinuxChangePolicy", Keep),
        ("seLinuxOptions", Into(&SE_LINUX)),
        ("seccompProfile", Into(&SECCOMP)),
        ("supplementalGroups", Keep),
        ("supplementalGroupsPolicy", Keep),
        ("sysctls", Into(&SYSCTL)),
        ("windowsOptions", Into(&WINDOWS)),
    ],
};
static SECURITY_CONTEXT: Shape = Shape {
    type_name: "core.v1.SecurityContext",
    fields: &[
        ("allowPrivilegeEscalation", Keep),
        ("appArmorProfile", Into(&APP_ARMOR)),
        ("capabilities", Into(&CAPABILITIES)),
        ("privileged", Keep),
        ("procMount", Keep),
        ("readOnlyRootFilesystem", Keep),
        ("runAsGroup", Keep),
        ("runAsNonRoot", Keep),
        ("runAsUser", Keep),
        ("seLinuxOptions", Into(&SE_LINUX)),
        ("seccompProfile", Into(&SECCOMP)),
        ("windowsOptions", Into(&WINDOWS)),
    ],
};
static APP_ARMOR: Shape =
    Shape { type_name: "core.v1.AppArmorProfile", fields: &[("localhostProfile", Keep), ("type", Keep)] };
static SECCOMP: Shape =
    Shape { type_name: "core.v1.SeccompProfile", fields: &[("localhostProfile", Keep), ("type", Keep)] };
static CAPABILITIES: Shape = Shape { type_name: "core.v1.Capabilities", fields: &[("add", Keep), ("drop", Keep)] };
static SE_LINUX: Shape = Shape {
    type_name: "core.v1.SELinuxOptions",
    fields: &[("level", Keep), ("role", Keep), ("type", Keep), ("user", Keep)],
};
static SYSCTL: Shape = Shape { type_name: "core.v1.Sysctl", fields: &[("name", Keep), ("value", Keep)] };
static WINDOWS: Shape = Shape {
    type_name: "core.v1.WindowsSecurityContextOptions",
    fields: &[
        ("gmsaCredentialSpec", Deny("group managed service accounts belong to the host")),
        ("gmsaCredentialSpecName", Deny("group managed service accounts belong to the host")),
        ("hostProcess", Keep),
        ("runAsUserName", Keep),
    ],
};

static AFFINITY: Shape = Shape {
    type_name: "core.v1.Affinity",
    fields: &[
        ("nodeAffinity", Into(&NODE_AFFINITY)),
        ("podAffinity", Into(&POD_AFFINITY)),
        ("podAntiAffinity", Into(&POD_ANTI_AFFINITY)),
    ],
};
static NODE_AFFINITY: Shape = Shape {
    type_name: "core.v1.NodeAffinity",
    fields: &[
        ("preferredDuringSchedulingIgnoredDuringExecution", Into(&PREFERRED_NODE)),
        ("requiredDuringSchedulingIgnoredDuringExecution", Into(&NODE_SELECTOR)),
    ],
};
static PREFERRED_NODE: Shape = Shape {
    type_name: "core.v1.PreferredSchedulingTerm",
    fields: &[("preference", Into(&NODE_TERM)), ("weight", Keep)],
};
static NODE_SELECTOR: Shape =
    Shape { type_name: "core.v1.NodeSelector", fields: &[("nodeSelectorTerms", Into(&NODE_TERM))] };
static NODE_TERM: Shape = Shape {
    type_name: "core.v1.NodeSelectorTerm",
    fields: &[("matchExpressions", Into(&NODE_REQUIREMENT)), ("matchFields", Into(&NODE_REQUIREMENT))],
};
static NODE_REQUIREMENT: Shape = Shape {
    type_name: "core.v1.NodeSelectorRequirement",
    fields: &[("key", Keep), ("operator", Keep), ("values", Keep)],
};
static POD_AFFINITY: Shape = Shape {
    type_name: "core.v1.PodAffinity",
    fields: &[
        ("preferredDuringSchedulingIgnoredDuringExecution", Into(&WEIGHTED_TERM)),
        ("requiredDuringSchedulingIgnoredDuringExecution", Into(&AFFINITY_TERM)),
    ],
};
static POD_ANTI_AFFINITY: Shape = Shape {
    type_name: "core.v1.PodAntiAffinity",
    fields: &[
        ("preferredDuringSchedulingIgnoredDuringExecution", Into(&WEIGHTED_TERM)),
        ("requiredDuringSchedulingIgnoredDuringExecution", Into(&AFFINITY_TERM)),
    ],
};
static WEIGHTED_TERM: Shape = Shape {
    type_name: "core.v1.WeightedPodAffinityTerm",
    fields: &[("podAffinityTerm", Into(&AFFINITY_TERM)), ("weight", Keep)],
};
static AFFINITY_TERM: Shape = Shape {
    type_name: "core.v1.PodAffinityTerm",
    fields: &[
        (
            "labelSelector",
            Rewrite(H::AffinitySelector, None, "kept, plus the tenant and the virtual namespaces as reserved labels"),
        ),
        ("matchLabelKeys", Ours(MERGED)),
        ("mismatchLabelKeys", Ours(MERGED)),
        (
            "namespaceSelector",
            Rewrite(H::NamespaceSelector, None, "an empty one means all namespaces of the tenant; others are refused"),
        ),
        ("namespaces", Ours("become a requirement on the reserved namespace label in labelSelector")),
        ("topologyKey", Keep),
    ],
};
static SPREAD: Shape = Shape {
    type_name: "core.v1.TopologySpreadConstraint",
    fields: &[
        (
            "labelSelector",
            Rewrite(H::SpreadSelector, None, "kept, plus the tenant and the virtual namespace as reserved labels"),
        ),
        ("matchLabelKeys", Ours(MERGED)),
        ("maxSkew", Keep),
        ("minDomains", Keep),
        ("nodeAffinityPolicy", Keep),
        ("nodeTaintsPolicy", Keep),
        ("topologyKey", Keep),
        ("whenUnsatisfiable", Keep),
    ],
};

static HOST_ALIAS: Shape = Shape { type_name: "core.v1.HostAlias", fields: &[("hostnames", Keep), ("ip", Keep)] };
static DNS_CONFIG: Shape = Shape {
    type_name: "core.v1.PodDNSConfig",
    fields: &[("nameservers", Keep), ("options", Into(&DNS_OPTION)), ("searches", Keep)],
};
static DNS_OPTION: Shape =
    Shape { type_name: "core.v1.PodDNSConfigOption", fields: &[("name", Keep), ("value", Keep)] };
static READINESS_GATE: Shape = Shape { type_name: "core.v1.PodReadinessGate", fields: &[("conditionType", Keep)] };
static SCHEDULING_GATE: Shape = Shape { type_name: "core.v1.PodSchedulingGate", fields: &[("name", Keep)] };
static POD_OS: Shape = Shape { type_name: "core.v1.PodOS", fields: &[("name", Keep)] };
