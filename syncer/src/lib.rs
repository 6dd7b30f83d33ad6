//! Keeps tenants and their objects in step with the host cluster.
