//! Rules for names, label keys and label values, with upstream's messages (`k8s.io/apimachinery/pkg/api/validate/content`
//! and `util/validation`). Each function returns what is wrong; nothing when the text is fine.

const LABEL_KEY: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                         alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for \
                         validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
                           '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or \
                           'my_value',  or '12345', regex used for validation is \
                           '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                         and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
                         validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1123: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and \
                          must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex \
                          used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                          alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or \
                          'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

fn too_long(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

/// Begins and ends with an alphanumeric character, with `inner` ones between.
fn framed(text: &str, inner: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() && bytes.iter().all(|b| inner(*b))
        }
        _ => false,
    }
}

fn label_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')
}

fn dns_byte(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
}

/// A DNS-1123 subdomain: at most 253 bytes.
pub fn subdomain(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push(too_long(253));
    }
    if !text.split('.').all(|part| framed(part, dns_byte)) {
        wrong.push(SUBDOMAIN.to_owned());
    }
    wrong
}

/// A DNS-1123 label: at most 63 bytes.
pub fn label_1123(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 63 {
        wrong.push(too_long(63));
    }
    if !framed(text, dns_byte) {
        wrong.push(LABEL_1123.to_owned());
    }
    wrong
}

/// A DNS-1035 label: at most 63 bytes.
pub fn label_1035(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 63 {
        wrong.push(too_long(63));
    }
    if !(framed(text, dns_byte) && text.starts_with(|c: char| c.is_ascii_lowercase())) {
        wrong.push(LABEL_1035.to_owned());
    }
    wrong
}

/// A label key, or any other qualified name.
pub fn label_key(key: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let parts: Vec<&str> = key.split('/').collect();
    let name = match parts[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                wrong.push("prefix part must be non-empty".to_owned());
            } else {
                wrong.extend(subdomain(prefix).into_iter().map(|text| format!("prefix part {text}")));
            }
            name
        }
        _ => {
            return vec![format!(
                "a valid label key {LABEL_KEY} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        wrong.push(format!("name part {}", too_long(63)));
    }
    if !framed(name, label_byte) {
        wrong.push(format!("name part {LABEL_KEY}"));
    }
    wrong
}

/// A label value: at most 63 bytes, may be empty.
pub fn label_value(value: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if value.len() > 63 {
        wrong.push(too_long(63));
    }
    if !value.is_empty() && !framed(value, label_byte) {
        wrong.push(LABEL_VALUE.to_owned());
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_pass() {
        for key in ["a", "A.b_c-d", "example.com/x", "0/0"] {
            assert!(label_key(key).is_empty(), "{key}");
        }
        for value in ["", "a", "A_b.c-9"] {
            assert!(label_value(value).is_empty(), "{value}");
        }
        assert!(subdomain("a.b-c.d9").is_empty() && label_1035("a-9").is_empty());
    }

    #[test]
    fn bad_names_are_told() {
        for key in ["", "-a", "a/b/c", "A_B.com/x", "/x", "x/"] {
            assert!(!label_key(key).is_empty(), "{key}");
        }
        assert_eq!(label_value(&"a".repeat(64)), ["must be no more than 63 bytes"]);
        assert!(!subdomain("a..b").is_empty() && !subdomain("A").is_empty());
        assert!(!label_1035("9a").is_empty());
    }
}
