//! Rules for documents: what they name exists.

use crate::tree::{expect_none, files, root};

/// The text between each pair of `open` and `close`.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    text.split(open).skip(1).filter_map(|rest| rest.split_once(close)).map(|(inner, _)| inner).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for file in files(".md") {
        let here = root().join(&file.path);
        for link in between(&file.text, "](", ")") {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            if !here.parent().expect("a file has a directory").join(path).exists() {
                broken.push(format!("{}: {link}", file.path));
            }
        }
    }
    expect_none("a link leads to a file", &broken);
}

/// An invariant of the architecture names its check as `` Check: `path/to/file.rs` `function_name` ``.
#[test]
fn invariants_have_checks() {
    let text = std::fs::read_to_string(root().join("docs/architecture.md")).expect("docs/architecture.md exists");
    let invariants = text.split("## Invariants").nth(1).expect("docs/architecture.md has a section `Invariants`");
    let mut complaints = Vec::new();
    for line in invariants.split("\n## ").next().unwrap_or_default().split("\n- ").skip(1) {
        let Some((_, check)) = line.split_once("Check:") else {
            complaints.push(format!("no check: {line}"));
            continue;
        };
        let names = check.split('`').skip(1).step_by(2).collect::<Vec<_>>();
        let [path, name] = names[..] else {
            complaints.push(format!("a check is a file and a name: {line}"));
            continue;
        };
        let source = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        if !source.contains(name) {
            complaints.push(format!("{path} has no {name}"));
        }
    }
    expect_none("an invariant names a check that exists", &complaints);
}

/// A line of a table of threats ends with its test, in the same form.
#[test]
fn threats_have_tests() {
    let text = std::fs::read_to_string(root().join("docs/threats.md")).expect("docs/threats.md exists");
    let mut complaints = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| attack")) {
        let test = line.trim_end_matches([' ', '|']).rsplit('|').next().unwrap_or_default();
        let [path, name] = test.split('`').skip(1).step_by(2).collect::<Vec<_>>()[..] else {
            complaints.push(format!("a test is a file and a name: {line}"));
            continue;
        };
        let source = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        if !source.contains(&format!("fn {name}")) && !source.contains(&format!("{name}!")) {
            complaints.push(format!("{path} has no {name}"));
        }
    }
    expect_none("a threat names a test that exists", &complaints);
}

#[test]
fn documents_are_there() {
    let missing: Vec<_> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "docs/architecture.md", "docs/threats.md"]
            .into_iter()
            .filter(|path| !root().join(path).is_file())
            .map(str::to_owned)
            .collect();
    expect_none("the documents of the repository", &missing);
}
