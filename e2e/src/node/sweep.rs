//! Ends everything of a node and removes every trace of it, whether this run made it or one that was killed.
//!
//! Nothing here gives up: what cannot be removed is named on standard error and the rest goes on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::machine::{self, BRIDGE, DIRECTORY, complain_unless};
use super::{Node, config, firewall};
use crate::command;

/// The cgroup of all pods, in every hierarchy.
pub(super) const CGROUP: &str = "kubepods";
/// Longest wait for killed processes to be gone.
const LIMIT: Duration = Duration::from_secs(20);
/// Where the kubelet keeps links to logs, whatever it is told.
const LOG_LINKS: &str = "/var/log/containers";
/// Where shims listen, whatever they are told.
const SHIM_SOCKETS: &str = "/run/containerd/s";
/// Where the kubelet listens for device plugins, whatever it is told.
const DEVICE_PLUGINS: &str = "/var/lib/kubelet/device-plugins";
/// Where CNI keeps results, whatever it is told.
const CNI_RESULTS: &str = "/var/lib/cni/results";

/// Whether a file is the node's.
type Owns<'a> = &'a dyn Fn(&Path) -> bool;

/// Does nothing where there is nothing.
pub(super) fn everything() {
    // Without the directory there is no node of ours, and what looks like one is somebody else's.
    if !Path::new(DIRECTORY).exists() {
        return;
    }
    // First whoever starts things.
    end_remembered();
    end_pods();
    end_shims();
    unmount();
    remove_cgroups();
    remove_network();
    firewall::restore();
    machine::restore_settings();
    remove_files();
}

fn end_remembered() {
    let Ok(entries) = std::fs::read_dir(Path::new(DIRECTORY).join("pids")) else { return };
    for entry in entries.flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let Some((id, began)) = text.split_once(' ') else { continue };
        // Another start means that the number is somebody else's by now.
        let runs = || started(id).is_some_and(|at| at == began) && !is_zombie(id);
        if runs() {
            kill(id);
            wait_until(&format!("process {id} is gone"), || !runs());
        }
    }
}

fn end_pods() {
    wait_until("all processes of pods are gone", || {
        let mut ids: Vec<String> = Vec::new();
        for cgroup in cgroups() {
            let text = std::fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
            ids.extend(text.lines().map(str::to_owned));
        }
        ids.sort();
        ids.dedup();
        ids.iter().for_each(|id| kill(id));
        ids.is_empty()
    });
}

/// A shim stays when containerd dies, so that containers do.
fn end_shims() {
    let socket = config::socket(Path::new(DIRECTORY)).display().to_string();
    let Ok(entries) = std::fs::read_dir("/proc") else { return };
    for entry in entries.flatten() {
        let id = entry.file_name().to_string_lossy().into_owned();
        let Some(line) = command_line(&id) else { continue };
        let mut arguments = line.split('\0');
        let is_shim = arguments.next().is_some_and(|program| program.contains("containerd-shim"));
        if is_shim && arguments.any(|argument| argument == socket) {
            kill(&id);
            wait_until(&format!("shim {id} is gone"), || !entry.path().exists() || is_zombie(&id));
        }
    }
    // Their sockets have a place of their own; each shim's directory names its socket.
    for address in files_named(&Path::new(DIRECTORY).join("containerd-state"), "address") {
        let text = std::fs::read_to_string(address).unwrap_or_default();
        if let Some(socket) = text.trim().strip_prefix("unix://") {
            let _ = std::fs::remove_file(socket);
        }
    }
}

fn unmount() {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let ours = mounts.lines().filter_map(|line| line.split(' ').nth(4)).filter(|point| point.starts_with(DIRECTORY));
    // What was mounted last may lie on what was mounted before.
    for point in ours.collect::<Vec<_>>().into_iter().rev() {
        if command::run("umount", &[point]).code != Some(0) {
            let lazily = command::run("umount", &["--lazy", point]);
            complain_unless(lazily.code == Some(0), &lazily.to_string());
        }
    }
}

fn remove_cgroups() {
    wait_until("the cgroups of pods are gone", || {
        // Children before their parents.
        cgroups().iter().rev().for_each(|cgroup| drop(std::fs::remove_dir(cgroup)));
        cgroups().is_empty()
    });
}

fn remove_network() {
    for (arguments, thing) in [
        (&["link", "delete", BRIDGE][..], format!("/sys/class/net/{BRIDGE}")),
        (&["address", "delete", &format!("{}/32", Node::ADDRESS), "dev", "lo"], String::new()),
    ] {
        // Fails when it is not there, which is what is wanted.
        command::run("ip", arguments);
        complain_unless(thing.is_empty() || !Path::new(&thing).exists(), &format!("{thing} is still there"));
    }
}

fn remove_files() {
    let is_ours = |path: &Path| std::fs::read_link(path).is_ok_and(|target| target.starts_with(DIRECTORY));
    // Results name the network namespace, of loopback devices too.
    let is_of_our_pods = |path: &Path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(DIRECTORY));
    // A kubelet that works keeps its socket open; one of somebody else's would have kept ours from starting.
    let is_socket = |path: &Path| path.ends_with("kubelet.sock");
    let kinds: [(&str, Owns<'_>); 3] =
        [(LOG_LINKS, &is_ours), (CNI_RESULTS, &is_of_our_pods), (DEVICE_PLUGINS, &is_socket)];
    for (directory, ours) in kinds {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if ours(&entry.path()) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
    // Only those that are empty.
    for directory in
        [LOG_LINKS, CNI_RESULTS, "/var/lib/cni", DEVICE_PLUGINS, "/var/lib/kubelet", SHIM_SOCKETS, "/run/containerd"]
    {
        let _ = std::fs::remove_dir(directory);
    }
    let removed = std::fs::remove_dir_all(DIRECTORY);
    complain_unless(removed.is_ok(), &format!("{DIRECTORY} cannot be removed: {removed:?}"));
}

/// Mount points of all cgroup hierarchies.
pub(super) fn cgroup_mounts() -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let cgroups = fields.filter(|fields| fields.get(2).is_some_and(|kind| kind.starts_with("cgroup")));
    cgroups.map(|fields| PathBuf::from(fields[1])).collect()
}

/// The cgroups of pods in all hierarchies, parents before children.
fn cgroups() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        cgroup_mounts().iter().map(|mount| mount.join(CGROUP)).filter(|it| it.exists()).collect();
    let mut next = 0;
    while next < found.len() {
        let children = std::fs::read_dir(&found[next]).into_iter().flatten().flatten();
        let children =
            children.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path());
        found.extend(children.collect::<Vec<_>>());
        next += 1;
    }
    found
}

fn files_named(directory: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            // A container's file system is no place to look.
            Ok(kind) if kind.is_dir() && entry.file_name() != "rootfs" => {
                found.extend(files_named(&entry.path(), name));
            }
            Ok(kind) if kind.is_file() && entry.file_name() == name => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

fn command_line(id: &str) -> Option<String> {
    let number: u32 = id.parse().ok()?;
    let bytes = std::fs::read(format!("/proc/{number}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// When a process was started, in ticks since the machine was. None when there is no such process.
pub(super) fn started(id: &str) -> Option<String> {
    stat(id)?.split(' ').nth(19).map(str::to_owned)
}

fn is_zombie(id: &str) -> bool {
    stat(id).is_some_and(|stat| stat.starts_with('Z'))
}

/// What follows the name of a process in `/proc/<id>/stat` (proc_pid_stat(5)), from its third field on.
fn stat(id: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    text.rsplit_once(") ").map(|(_, rest)| rest.to_owned())
}

fn kill(id: &str) {
    // Fails when it is gone already, which is what is wanted.
    command::run("kill", &["-KILL", id.trim()]);
}

/// Bounded, and no panic: this runs while a failed test unwinds.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > LIMIT {
            machine::complain(&format!("gave up waiting until {what}"));
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
