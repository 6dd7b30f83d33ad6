//! What a node changes on its machine, and putting that back.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{Node, firewall, obstacles, sweep};
use crate::command;

/// Everything of the node is here; the path is fixed so that a later run finds what a killed one left.
pub(super) const DIRECTORY: &str = "/var/lib/rowhouse-e2e-node";
/// The bridge of pods.
pub(super) const BRIDGE: &str = "rowhouse-e2e";
/// Held by the run that uses the machine. Stays: a lock that is removed locks nobody out.
const LOCK: &str = "/run/rowhouse-e2e-node.lock";
/// Says whether there is a real node to test on: `off` for never, `require` to fail where there is none.
const CHOICE: &str = "ROWHOUSE_E2E_NODE";

/// What the node needs, each with the value it needs. kubelet's settings are listed to be put back.
const SETTINGS: [(&str, Option<&str>); 9] = [
    ("net/ipv4/ip_forward", Some("1")),
    ("net/bridge/bridge-nf-call-iptables", Some("1")),
    ("net/ipv4/conf/all/route_localnet", None),
    ("vm/overcommit_memory", None),
    ("vm/panic_on_oom", None),
    ("kernel/panic", None),
    ("kernel/panic_on_oops", None),
    ("kernel/keys/root_maxkeys", None),
    ("kernel/keys/root_maxbytes", None),
];

/// A machine made ready for a node. Dropping it ends whatever runs of the node and puts the machine back.
pub(crate) struct Machine {
    _lock: File,
}

impl Machine {
    /// Makes the machine ready. Errors: why it cannot have a node; said on standard error in capitals too.
    ///
    /// # Panics
    /// When it cannot have one and `ROWHOUSE_E2E_NODE=require`.
    pub(crate) fn prepare() -> Result<Self, String> {
        let choice = std::env::var(CHOICE).unwrap_or_default();
        let prepared = if choice == "off" { Err(format!("{CHOICE}=off")) } else { Self::try_prepare() };
        if let Err(obstacle) = &prepared {
            assert!(choice != "require", "{CHOICE}=require, and this machine cannot have a real node: {obstacle}");
            // Not by a macro, whose output the test runner keeps to itself.
            let _ = writeln!(std::io::stderr(), "\nREAL NODE SCENARIOS DID NOT RUN: {}", obstacle.to_uppercase());
        }
        prepared
    }

    fn try_prepare() -> Result<Self, String> {
        obstacles::before()?;
        let lock = lock()?;
        sweep::everything();
        obstacles::after_sweeping()?;
        // From here on a failure puts back what was done, by dropping the value.
        let machine = Self { _lock: lock };
        std::fs::create_dir_all(machine.directory().join("pids")).map_err(|error| format!("{DIRECTORY}: {error}"))?;
        change_settings(machine.directory())?;
        let address = format!("{}/32", Node::ADDRESS);
        for arguments in [
            &["address", "add", &address, "dev", "lo"][..],
            &["link", "add", BRIDGE, "type", "bridge"],
            &["link", "set", BRIDGE, "up"],
        ] {
            command::run("ip", arguments).result().map_err(|failed| failed.to_string())?;
        }
        firewall::wall_in();
        Ok(machine)
    }

    /// Where everything of the node is kept.
    pub(super) fn directory(&self) -> &'static Path {
        Path::new(DIRECTORY)
    }

    /// Writes down a process, so that a later run ends it when this one is killed: its number, and when it was started,
    /// which tells it from another that gets the number later.
    pub(crate) fn remember(&self, name: &str, id: u32) {
        let started = sweep::started(&id.to_string()).unwrap_or_default();
        std::fs::write(self.directory().join("pids").join(name), format!("{id} {started}"))
            .expect("the directory is writable");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        sweep::everything();
    }
}

/// Waits for whoever else has a node on this machine.
fn lock() -> Result<File, String> {
    let failed = |error: std::io::Error| format!("{LOCK}: {error}");
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(LOCK).map_err(failed)?;
    if lock.try_lock().is_err() {
        complain("another run uses the real node of this machine: waiting for it to end");
        lock.lock().map_err(failed)?;
    }
    Ok(lock)
}

fn change_settings(directory: &Path) -> Result<(), String> {
    let mut before = String::new();
    for (name, wanted) in SETTINGS {
        let Ok(value) = std::fs::read_to_string(setting(name)) else {
            // What kubelet cannot set it does not miss; bridges without netfilter would lose answers of Services.
            if wanted.is_some() {
                return Err(format!("this kernel has no setting {name}"));
            }
            continue;
        };
        before.push_str(&format!("{name} {}\n", value.trim()));
    }
    std::fs::write(saved_settings(directory), before).map_err(|error| error.to_string())?;
    for (name, wanted) in SETTINGS {
        if let Some(wanted) = wanted {
            std::fs::write(setting(name), wanted).map_err(|error| format!("{name} cannot be set: {error}"))?;
        }
    }
    Ok(())
}

/// Puts kernel settings back, when they were changed.
pub(super) fn restore_settings() {
    let Ok(before) = std::fs::read_to_string(saved_settings(Path::new(DIRECTORY))) else { return };
    for (name, value) in before.lines().filter_map(|line| line.split_once(' ')) {
        let unchanged = std::fs::read_to_string(setting(name)).is_ok_and(|now| now.trim() == value);
        if !unchanged {
            let written = std::fs::write(setting(name), value);
            complain_unless(written.is_ok(), &format!("{name} cannot be put back to {value}: {written:?}"));
        }
    }
}

fn setting(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name)
}

fn saved_settings(directory: &Path) -> PathBuf {
    directory.join("settings-before")
}

/// Cleaning up goes on whatever happens, and tells.
pub(super) fn complain(what: &str) {
    let _ = writeln!(std::io::stderr(), "real node: {what}");
}

pub(super) fn complain_unless(good: bool, what: &str) {
    if !good {
        complain(what);
    }
}
