//! Whether a machine can have a real node.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::machine::DIRECTORY;
use super::{Node, firewall, sweep};
use crate::command;

const FORWARDED: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";

/// Errors: what keeps this machine from having a node, looked at without changing anything but installing packages.
pub(super) fn before() -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Err("this is not Linux".to_owned());
    }
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !is_root {
        return Err("not root".to_owned());
    }
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("kubernetes/node-packages");
    let installed = command::run(&packages.display().to_string(), &[]);
    if installed.code != Some(0) {
        return Err(installed.stderr.trim().to_owned());
    }
    for (program, arguments) in
        [("containerd", &["--version"][..]), ("runc", &["--version"]), ("iptables-save", &[]), ("ip", &["link"])]
    {
        command::run(program, arguments).result().map_err(|failed| failed.to_string())?;
    }
    let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !filesystems.lines().any(|line| line.ends_with("\toverlay")) {
        return Err("this kernel has no overlay filesystem".to_owned());
    }
    // New namespaces and mounts are what containers are made of.
    command::run(
        "unshare",
        &["--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"],
    )
    .result()
    .map_err(|failed| failed.to_string())?;
    if !Path::new(FORWARDED).exists() {
        // Says why it cannot by leaving the file absent.
        let _ = Command::new("modprobe").arg("br_netfilter").output();
    }
    cgroups()
}

fn cgroups() -> Result<(), String> {
    let mounts = sweep::cgroup_mounts();
    let is_unified = mounts.iter().any(|mount| mount.join("cgroup.controllers").exists());
    for controller in ["cpu", "memory", "pids"] {
        let own = mounts.iter().find(|mount| mount.ends_with(controller));
        let unified = mounts.iter().find(|mount| {
            let controllers = std::fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default();
            controllers.split_whitespace().any(|one| one == controller)
        });
        let Some(mount) = own.or(unified) else {
            return Err(format!("no cgroup controller {controller} (unified hierarchy: {is_unified})"));
        };
        let probe = mount.join("rowhouse-e2e-probe");
        std::fs::create_dir_all(&probe)
            .and_then(|()| std::fs::remove_dir(&probe))
            .map_err(|error| format!("cgroups cannot be made in {}: {error}", mount.display()))?;
    }
    Ok(())
}

/// Errors: somebody else's node is here, or a network that uses its addresses.
pub(super) fn after_sweeping() -> Result<(), String> {
    if firewall::has_kubernetes() {
        return Err("another kube-proxy or kubelet works on this machine".to_owned());
    }
    if sweep::cgroup_mounts().iter().any(|mount| mount.join(sweep::CGROUP).exists()) {
        return Err("another kubelet has pods on this machine".to_owned());
    }
    if Path::new(DIRECTORY).exists() {
        return Err(format!("{DIRECTORY} cannot be cleared"));
    }
    let routes = command::run("ip", &["-4", "route", "show"]).stdout;
    let pods = Node::POD_CIDR.trim_end_matches("0/24");
    match routes.lines().find(|route| route.starts_with(pods) || route.starts_with("10.96.")) {
        Some(route) => Err(format!("another network has the addresses of pods or services: {route}")),
        None => Ok(()),
    }
}
