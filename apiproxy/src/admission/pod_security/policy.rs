//! What the labels of a namespace ask for (upstream: `pod-security-admission/api`).

use std::fmt;

use schema::field;

/// How strict the standards are, loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Privileged,
    Baseline,
    Restricted,
}

/// Which version of the standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Latest,
    /// `v1.N`
    Minor(u64),
}

/// A level of a version: `baseline:latest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode {
    pub(super) level: Level,
    pub(super) version: Version,
}

/// What is enforced and what is warned about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) enforce: Mode,
    pub(super) warn: Mode,
}

const FREE: Mode = Mode { level: Level::Privileged, version: Version::Latest };

impl Default for Policy {
    fn default() -> Self {
        Self { enforce: FREE, warn: FREE }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        };
        match self.version {
            Version::Latest => write!(f, "{level}:latest"),
            Version::Minor(minor) => write!(f, "{level}:v1.{minor}"),
        }
    }
}

fn level(text: &str) -> Option<Level> {
    match text {
        "privileged" => Some(Level::Privileged),
        "baseline" => Some(Level::Baseline),
        "restricted" => Some(Level::Restricted),
        _ => None,
    }
}

fn version(text: &str) -> Option<Version> {
    if text == "latest" {
        return Some(Version::Latest);
    }
    let minor = text.strip_prefix("v1.")?;
    let canonical = minor == "0" || !minor.starts_with('0');
    let digits = !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit());
    let number = minor.parse::<i64>().ok().and_then(|number| u64::try_from(number).ok());
    number.filter(|_| canonical && digits).map(Version::Minor)
}

impl Policy {
    /// Reads the labels. What says nothing is an error, and counts as the strictest to enforce and as nothing to warn
    /// about.
    pub(super) fn read<'l>(label: impl Fn(&str) -> Option<&'l str>) -> (Self, Vec<field::Error>) {
        let mut errors = Vec::new();
        let mut parse = |mode: &str| -> (Option<Option<Level>>, Option<Version>) {
            let mut wrong = |key: &str, value: &str, detail: &str| {
                errors.push(field::Error::invalid(format!("metadata.labels[{key}]"), value, detail));
            };
            let key = format!("pod-security.kubernetes.io/{mode}");
            let found = label(&key).map(|text| {
                let level = level(text);
                if level.is_none() {
                    wrong(&key, text, "must be one of privileged, baseline, restricted");
                }
                level
            });
            let key = format!("pod-security.kubernetes.io/{mode}-version");
            let pinned = label(&key).map(|text| {
                version(text).unwrap_or_else(|| {
                    wrong(&key, text, "must be \"latest\" or \"v1.x\"");
                    Version::Latest
                })
            });
            (found, pinned)
        };
        let mut policy = Self::default();
        let (enforce, pinned) = parse("enforce");
        policy.enforce.level = enforce.map_or(Level::Privileged, |level| level.unwrap_or(Level::Restricted));
        policy.enforce.version = pinned.unwrap_or(Version::Latest);
        parse("audit");
        let (warn, pinned) = parse("warn");
        policy.warn.level = warn.map_or(Level::Privileged, |level| level.unwrap_or(Level::Privileged));
        policy.warn.version = pinned.unwrap_or(Version::Latest);
        // Who only says what is enforced is warned of the same.
        if warn.is_none()
            && let Some(Some(level)) = enforce
            && level > policy.warn.level
        {
            policy.warn.level = level;
            if pinned.is_none() {
                policy.warn.version = policy.enforce.version;
            }
        }
        (policy, errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_as_upstream_reads_them() {
        for (labels, enforce, warn, errors) in [
            (&[][..], "privileged:latest", "privileged:latest", 0),
            (&[("enforce", "baseline")], "baseline:latest", "baseline:latest", 0),
            (&[("enforce", "baseline"), ("enforce-version", "v1.20")], "baseline:v1.20", "baseline:v1.20", 0),
            (&[("enforce", "baseline"), ("warn", "restricted")], "baseline:latest", "restricted:latest", 0),
            (&[("enforce", "baseline"), ("warn-version", "v1.9")], "baseline:latest", "baseline:v1.9", 0),
            (&[("enforce", "x")], "restricted:latest", "privileged:latest", 1),
            (&[("warn", "x"), ("audit", "y"), ("audit-version", "1.2")], "privileged:latest", "privileged:latest", 3),
            (&[("enforce-version", "v1.01")], "privileged:latest", "privileged:latest", 1),
            (&[("enforce-version", "v1.99999999999999999999")], "privileged:latest", "privileged:latest", 1),
            (&[("enforce-version", "v1.+5")], "privileged:latest", "privileged:latest", 1),
        ] {
            let label = |key: &str| {
                let key = key.strip_prefix("pod-security.kubernetes.io/").unwrap();
                labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
            };
            let (policy, found) = Policy::read(label);
            assert_eq!(
                (policy.enforce.to_string().as_str(), policy.warn.to_string().as_str()),
                (enforce, warn),
                "{labels:?}"
            );
            assert_eq!(found.len(), errors, "{labels:?}");
        }
    }
}
