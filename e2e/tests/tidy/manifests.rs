//! Rules for Cargo manifests: versions in one place, lints everywhere, arrows in one direction.

use crate::tree::{File, expect_none, files, root};

/// Who may depend on whom (design: `tenancy ← apiproxy, controllers, syncer, tenantctl`; apiproxy and syncer never on
/// each other).
const FORBIDDEN: [(&str, &[&str]); 9] = [
    ("tenancy", &["schema", "patch", "store", "resource", "apiproxy", "controllers", "syncer", "tenantctl"]),
    ("daemon", &["tenancy", "schema", "patch", "store", "resource", "apiproxy", "controllers", "syncer", "tenantctl"]),
    ("apiproxy", &["controllers", "syncer", "tenantctl"]),
    ("apiproxy/schema", &["store", "apiproxy", "controllers", "syncer", "tenantctl"]),
    ("apiproxy/patch", &["store", "apiproxy", "controllers", "syncer", "tenantctl"]),
    ("apiproxy/store", &["apiproxy", "controllers", "syncer", "tenantctl"]),
    ("apiproxy/resource", &["store", "apiproxy", "controllers", "syncer", "tenantctl"]),
    ("controllers", &["apiproxy", "store", "syncer", "tenantctl"]),
    ("syncer", &["apiproxy", "store", "tenantctl"]),
];

/// Manifests of the workspace. `fuzz` is one of its own: it is compiled with instrumentation, and linted by nobody.
fn members() -> Vec<File> {
    let own = ["Cargo.toml", "fuzz/Cargo.toml"];
    files("Cargo.toml").into_iter().filter(|file| !own.contains(&file.path.as_str())).collect()
}

/// Lines of the sections of a manifest whose header ends so.
fn section<'a>(file: &'a File, header: &str) -> Vec<&'a str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in file.text.lines() {
        if line.starts_with('[') {
            inside = line.trim_end_matches(']').ends_with(header);
        } else if inside && !line.trim().is_empty() && !line.starts_with('#') {
            lines.push(line);
        }
    }
    lines
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    let without: Vec<_> = members()
        .iter()
        .filter(|file| !section(file, "lints").contains(&"workspace = true"))
        .map(|file| file.path.clone())
        .collect();
    expect_none("`[lints] workspace = true`", &without);
}

#[test]
fn versions_are_written_once() {
    let mut complaints = Vec::new();
    for file in members() {
        for line in section(&file, "dependencies") {
            if !line.contains("workspace = true") {
                complaints.push(format!("{}: {line}", file.path));
            }
        }
    }
    expect_none("a dependency's version is in the root manifest", &complaints);
}

#[test]
fn arrows_point_one_way() {
    let mut complaints = Vec::new();
    for file in members() {
        let directory = file.path.trim_end_matches("/Cargo.toml");
        let Some((_, forbidden)) = FORBIDDEN.iter().find(|(name, _)| *name == directory) else { continue };
        // Tests may look at more than the code they test.
        for line in section(&file, "[dependencies") {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if forbidden.contains(&name) {
                complaints.push(format!("{directory} depends on {name}"));
            }
        }
    }
    expect_none("dependencies follow docs/architecture.md", &complaints);
}

/// Not read from Cargo.lock: that also lists what no enabled feature brings.
#[test]
fn one_tls_provider() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--workspace", "--target=all", "--edges=normal,build,dev", "--invert=ring"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(tree.is_empty(), "rustls cannot choose between two providers:\n{tree}");
}
