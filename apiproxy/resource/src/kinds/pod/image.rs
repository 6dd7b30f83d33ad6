//! Image references, as far as pull policies need them (`pkg/util/parsers.ParseImageName`).

/// `Always` for images tagged `latest` (which is what no tag means), else `IfNotPresent`; also for what is no image name.
pub(super) fn default_pull_policy(image: &str) -> &'static str {
    if tag(image) == Some("latest") { "Always" } else { "IfNotPresent" }
}

/// The tag of an image, `latest` when it has neither tag nor digest; None when it is not a reference or has only a digest.
fn tag(image: &str) -> Option<&str> {
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (image, None),
    };
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    let bare_id = name.len() == 64 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if bare_id || !repository(name) || digest.is_some_and(|digest| !digest.contains(':')) {
        return None;
    }
    match (tag, digest) {
        (Some(tag), _) => tag_text(tag).then_some(tag),
        (None, Some(_)) => None,
        (None, None) => Some("latest"),
    }
}

fn tag_text(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !tag.is_empty()
        && tag.len() <= 128
        && tag.bytes().enumerate().all(|(at, b)| word(b) || (at > 0 && matches!(b, b'.' | b'-')))
}

fn repository(name: &str) -> bool {
    let (domain, path) = match name.split_once('/') {
        Some((first, path)) if first.contains(['.', ':']) || first == "localhost" || first.to_lowercase() != first => {
            (Some(first), path)
        }
        _ => (None, name),
    };
    let domain_fine = domain.is_none_or(|domain| {
        !domain.is_empty()
            && domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
    });
    domain_fine && path.split('/').all(component)
}

fn component(text: &str) -> bool {
    let bytes = text.as_bytes();
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'))
        && !text.contains("..")
        && !text.contains("___")
}

#[cfg(test)]
mod tests {
    use super::default_pull_policy;

    #[test]
    fn latest_is_pulled_always() {
        for (image, want) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.2", "IfNotPresent"),
            ("localhost:5000/a/b", "Always"),
            ("localhost:5000/a/b:x", "IfNotPresent"),
            ("a@sha256:0123456789012345678901234567890123456789012345678901234567890123", "IfNotPresent"),
            ("", "IfNotPresent"),
            ("Not An Image", "IfNotPresent"),
            ("UPPER", "IfNotPresent"),
        ] {
            assert_eq!(default_pull_policy(image), want, "{image}");
        }
    }
}
