//! Rules for Rust files.

use crate::tree::{File, expect_none, files};

const MAX_LINES: usize = 500;
/// Files that may be longer, each with its reason.
const LONG_FILES: [(&str, &str); 0] = [];
const VAGUE_NAMES: [&str; 6] = ["util", "utils", "common", "helper", "helpers", "misc"];

/// The rules look for words that this file must be able to spell.
fn sources() -> Vec<File> {
    files(".rs").into_iter().filter(|file| file.path != "e2e/tests/tidy/sources.rs").collect()
}

/// Whether a file is test code, where `unwrap` needs no excuse.
fn is_test(file: &File) -> bool {
    file.path.contains("/tests/") || file.path.ends_with("tests.rs") || file.path.contains("/scenarios/")
}

/// Complaints about every line for which `wrong` says why.
fn lines(wrong: impl Fn(&File, &str) -> Option<String>) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in sources() {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(why) = wrong(&file, line) {
                complaints.push(format!("{}:{}: {why}", file.path, index + 1));
            }
        }
    }
    complaints
}

#[test]
fn every_module_says_what_it_is() {
    let headless: Vec<_> = sources()
        .into_iter()
        .filter(|file| !file.text.starts_with("//! ") && !file.text.starts_with("// @generated"))
        .map(|file| file.path)
        .collect();
    expect_none("a module file starts with a `//!` head", &headless);
}

#[test]
fn files_are_short() {
    let long: Vec<_> = sources()
        .into_iter()
        .filter(|file| file.text.lines().count() > MAX_LINES)
        .filter(|file| !LONG_FILES.iter().any(|(path, _)| *path == file.path))
        .map(|file| format!("{}: {} lines", file.path, file.text.lines().count()))
        .collect();
    expect_none(&format!("a file has at most {MAX_LINES} lines"), &long);
}

#[test]
fn exceptions_are_still_needed() {
    let stale: Vec<_> = LONG_FILES
        .iter()
        .filter(|(path, _)| {
            !files(".rs").iter().any(|file| file.path == *path && file.text.lines().count() > MAX_LINES)
        })
        .map(|(path, _)| (*path).to_owned())
        .collect();
    expect_none("an exception names a file that needs it", &stale);
}

#[test]
fn names_say_something() {
    let vague: Vec<_> = sources()
        .into_iter()
        .filter(|file| file.path.trim_end_matches(".rs").split('/').any(|component| VAGUE_NAMES.contains(&component)))
        .map(|file| file.path)
        .collect();
    expect_none("no module is called util, common, helper or misc", &vague);
}

#[test]
fn nothing_is_left_undone() {
    let marks = ["todo!(", "unimplemented!(", "#[ignore", "FIXME", "XXX:"];
    // Examples in documentation that must not compile may leave something out.
    let code = |line: &str| !line.trim_start().starts_with("//!") && !line.trim_start().starts_with("///");
    let found =
        lines(|_, line| marks.iter().find(|mark| line.contains(**mark) && code(line)).map(|mark| (*mark).to_owned()));
    expect_none("unfinished code and ignored tests do not land", &found);
}

/// The reason is in the attribute, or in a comment behind it, above it or below it.
#[test]
fn lint_exceptions_have_reasons() {
    let mut complaints = Vec::new();
    for file in sources().into_iter().filter(|file| !is_test(file)) {
        let lines: Vec<&str> = file.text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let exception =
                ["#[allow(", "#![allow(", "#[expect(", "#![expect("].iter().any(|start| line.contains(start));
            let near = &lines[index.saturating_sub(1)..lines.len().min(index + 4)];
            if exception && !near.iter().any(|line| line.contains("reason = ") || line.contains("// ")) {
                complaints.push(format!("{}:{}: {}", file.path, index + 1, line.trim()));
            }
        }
    }
    expect_none("a lint exception says why", &complaints);
}

#[test]
fn one_crate_writes_to_the_store() {
    let outside = lines(|file, line| {
        let database = ["rusqlite", "etcd_client"].iter().any(|name| line.contains(name));
        (database && !file.path.starts_with("apiproxy/store/")).then(|| line.trim().to_owned())
    });
    expect_none("only apiproxy/store talks to the database", &outside);
}

#[test]
fn waiting_is_for_conditions() {
    let sleeping = lines(|file, line| {
        let is_test =
            file.path.contains("/tests/") || file.path.ends_with("tests.rs") || file.path.contains("/scenarios/");
        (is_test && (line.contains("thread::sleep(") || line.contains("time::sleep("))).then(|| line.trim().to_owned())
    });
    expect_none("tests wait with `eventually` or paused time, never with a sleep", &sleeping);
}
