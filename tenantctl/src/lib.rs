//! The command line of Rowhouse, and the lab: control plane and pretend host in one process.
