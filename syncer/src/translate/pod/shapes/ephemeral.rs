//! The table of ephemeral containers: those of a container, and the container they look into.

use super::{
    CONTAINER_PORT, ENV_FROM, ENV_VAR, LIFECYCLE, PROBE, RESIZE_POLICY, RESOURCES, RESTART_RULE, SECURITY_CONTEXT,
    VOLUME_DEVICE, VOLUME_MOUNT,
};
use crate::translate::rules::Rule::{Into, Keep};
use crate::translate::rules::Shape;

/// An ephemeral container.
pub(in crate::translate::pod) static EPHEMERAL: Shape = Shape {
    type_name: "core.v1.EphemeralContainer",
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
        ("targetContainerName", Keep),
        ("terminationMessagePath", Keep),
        ("terminationMessagePolicy", Keep),
        ("tty", Keep),
        ("volumeDevices", Into(&VOLUME_DEVICE)),
        ("volumeMounts", Into(&VOLUME_MOUNT)),
        ("workingDir", Keep),
    ],
};
