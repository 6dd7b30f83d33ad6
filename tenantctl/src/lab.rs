//! The lab: a pretend host. Simulated nodes, scheduler and kubelet over any Kubernetes API.
