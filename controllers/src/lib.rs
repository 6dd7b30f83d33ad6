//! What kube-controller-manager does, for all tenants at once.
