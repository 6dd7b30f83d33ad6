//! Names of objects on the command line.

use std::fmt;
use std::str::FromStr;

/// `NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// Namespace of the host.
    pub namespace: String,
    /// Name in it.
    pub name: String,
}

/// Not `NAMESPACE/NAME`.
#[derive(Debug, thiserror::Error)]
#[error("a namespace and a name with a slash between them")]
pub struct ObjectRefError;

impl FromStr for ObjectRef {
    type Err = ObjectRefError;

    fn from_str(text: &str) -> Result<Self, ObjectRefError> {
        // Only what may stand in a URL path as it is; the host checks the rest.
        let is_name =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
        match text.split_once('/') {
            Some((namespace, name)) if is_name(namespace) && is_name(name) => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(ObjectRefError),
        }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_in_the_middle() {
        assert_eq!("a/b".parse::<ObjectRef>().unwrap().to_string(), "a/b");
        for text in ["", "a", "/", "a/", "/b", "a/b/c", "a/../b", "a/%2e"] {
            assert!(text.parse::<ObjectRef>().is_err(), "{text}");
        }
    }
}
