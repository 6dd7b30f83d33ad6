//! Serves the Kubernetes API of every tenant in one process.

fn main() {}
