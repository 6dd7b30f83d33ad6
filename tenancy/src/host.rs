//! Names of host namespaces and host objects.
//!
//! | tenant | virtual | host |
//! |---|---|---|
//! | `acme` | namespace `default` | namespace `rowhouse-acme` (all of the tenant's namespaces) |
//! | `acme` | pod `default/web-0` | `web-0-default-<hash10>` in `rowhouse-acme` |
//! | `acme` | pod `prod/web-0` | `web-0-prod-<hash10>` in `rowhouse-acme` |
//! | `acme` | a 253-byte name | its first 41 bytes or fewer, `-…-<hash10>`: never more than 63 bytes |

use sha2::{Digest, Sha256};

use crate::TenantName;

/// Prefix of every host namespace that belongs to a tenant.
pub const NAMESPACE_PREFIX: &str = "rowhouse-";
/// Longest host name, an RFC 1123 (and, for services, RFC 1035) label.
pub const MAX_HOST_NAME: usize = 63;
const HASH_LEN: usize = 10;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The host namespace of a tenant.
pub fn namespace(tenant: &TenantName) -> String {
    format!("{NAMESPACE_PREFIX}{tenant}")
}

/// The host name of a namespaced virtual object inside the tenant's host namespace: `<name>-<namespace>-<hash>`.
///
/// The hash covers the unambiguous pair, so two virtual objects whose concatenations agree (`a-b/c` and `a/b-c`) get
/// different host names, and cutting long names loses nothing. The result is a valid RFC 1035 label when the name
/// starts with a letter; a name that starts with a digit gets the prefix `x`, so that services can have it too.
///
/// ```
/// use tenancy::host::object_name;
/// let name = object_name("default", "web-0");
/// assert!(name.starts_with("web-0-default-"));
/// assert_eq!(name.len(), "web-0-default-".len() + 10);
/// assert_ne!(object_name("a", "b-c"), object_name("a-b", "c"));
/// ```
pub fn object_name(namespace: &str, name: &str) -> String {
    let hash = hash(namespace, name);
    let readable: String = format!("{name}-{namespace}")
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' { c } else { '-' })
        .collect();
    let lead = if readable.starts_with(|c: char| c.is_ascii_lowercase()) { "" } else { "x" };
    let room = MAX_HOST_NAME - HASH_LEN - 1 - lead.len();
    let cut = readable[..readable.len().min(room)].trim_end_matches('-');
    format!("{lead}{cut}-{hash}")
}

fn hash(namespace: &str, name: &str) -> String {
    let mut sha = Sha256::new();
    // A namespace never contains '/', so the pair is recoverable from what is hashed.
    sha.update(namespace.as_bytes());
    sha.update(b"/");
    sha.update(name.as_bytes());
    let digest = sha.finalize();
    digest.iter().take(HASH_LEN).map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_label(text: &str) -> bool {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (1..=63).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.chars().all(inner)
    }

    proptest! {
        #[test]
        fn host_names_are_labels_stable_and_injective(
            a in ("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", "[a-z0-9]([-.a-z0-9]{0,200}[a-z0-9])?"),
            b in ("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", "[a-z0-9]([-.a-z0-9]{0,200}[a-z0-9])?"),
        ) {
            let (one, other) = (object_name(&a.0, &a.1), object_name(&b.0, &b.1));
            prop_assert!(is_label(&one), "{one}");
            prop_assert_eq!(&one, &object_name(&a.0, &a.1));
            prop_assert_eq!(a == b, one == other);
        }

        #[test]
        fn splitting_the_same_text_elsewhere_gives_another_name(text in "[a-z]{1,8}(-[a-z]{1,8}){1,4}") {
            let cuts: Vec<_> = text.match_indices('-').map(|(at, _)| (&text[..at], &text[at + 1..])).collect();
            let names: std::collections::BTreeSet<_> = cuts.iter().map(|(ns, name)| object_name(ns, name)).collect();
            prop_assert_eq!(names.len(), cuts.len());
        }
    }

    #[test]
    fn worked_examples() {
        assert_eq!(object_name("default", "web-0"), format!("web-0-default-{}", hash("default", "web-0")));
        assert_eq!(object_name("default", "0web"), format!("x0web-default-{}", hash("default", "0web")));
        assert_eq!(object_name("default", "a.b"), format!("a-b-default-{}", hash("default", "a.b")));
        assert_eq!(object_name("n", &"a".repeat(253)).len(), 63);
    }
}
