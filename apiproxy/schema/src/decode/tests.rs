//! Tests of decoding.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn json_of(text: &str) -> Result<Decoded, DecodeError> {
    decode(text.as_bytes(), Media::Json)
}

fn yaml_of(text: &str) -> Result<Decoded, DecodeError> {
    decode(text.as_bytes(), Media::Yaml)
}

#[test]
fn duplicates_are_found_with_their_paths() {
    let decoded = json_of(
        r#"{"spec":{"replicas":1,"replicas":2,"c":[{"name":"a","name":"b","name":"c"}],"foo":{"x":1,"x":2}},"spec":{}}"#,
    )
    .unwrap();
    assert_eq!(decoded.duplicates, ["spec.replicas", "spec.c[0].name", "spec.foo.x", "spec"]);
    assert_eq!(decoded.value, json!({"spec": {}}));
    let unknown = ["spec.foo".to_owned()];
    assert_eq!(
        decoded.strict_errors(&unknown, Reader::Typed),
        [
            r#"duplicate field "spec.replicas""#,
            r#"duplicate field "spec.c[0].name""#,
            r#"duplicate field "spec""#,
            r#"unknown field "spec.foo""#
        ]
    );
    assert_eq!(decoded.strict_errors(&unknown, Reader::Untyped).len(), 5);
}

#[test]
fn errors_are_in_upstreams_words() {
    let cases = [
        ("", "unexpected end of JSON input"),
        (r#"{"a":1"#, "unexpected end of JSON input"),
        (r#"{"a":1} x"#, "invalid character 'x' after top-level value"),
        (r#"{"a":x}"#, "invalid character 'x' looking for beginning of value"),
        (r#"{a:1}"#, "invalid character 'a' looking for beginning of object key string"),
        (r#"{"a" 1}"#, "invalid character '1' after object key"),
        (r#"{"a":1 "b":2}"#, "invalid character '\"' after object key:value pair"),
        (r#"[1 2]"#, "invalid character '2' after array element"),
    ];
    for (text, want) in cases {
        assert_eq!(json_of(text).unwrap_err().to_string(), want, "{text}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nest = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(json_of(&nest(MAX_DEPTH)).is_ok());
    for deep in [MAX_DEPTH + 1, 127, 129, 100_000] {
        assert_eq!(json_of(&nest(deep)), Err(DecodeError::TooDeep), "{deep}");
        assert_eq!(yaml_of(&nest(deep)), Err(DecodeError::TooDeep), "{deep}");
    }
    assert!(yaml_of(&nest(MAX_DEPTH)).is_ok());
}

#[test]
fn numbers_keep_their_value() {
    let decoded = json_of("[9223372036854775807, 18446744073709551615, 3.5, -0, 1e3]").unwrap();
    assert_eq!(decoded.value, json!([i64::MAX, u64::MAX, 3.5, 0, 1000.0]));
    assert!(json_of("1e400").is_err());
}

#[test]
fn yaml_scalars_follow_yaml_1_1() {
    let cases = [
        ("yes", json!(true)),
        ("On", json!(true)),
        ("n", json!(false)),
        ("0x10", json!(16)),
        ("010", json!(8)),
        ("0o10", json!(8)),
        ("0b11", json!(3)),
        ("1_000", json!(1000)),
        ("1e3", json!(1000)),
        ("1.0", json!(1)),
        (".5", json!(0.5)),
        ("1.", json!(1)),
        ("+1", json!(1)),
        ("-0", json!(0)),
        ("1e400", json!("1e400")),
        ("0x1p3", json!("0x1p3")),
        ("1:30", json!("1:30")),
        ("2001-01-01", json!("2001-01-01")),
        ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
        ("~", json!(null)),
        ("'5'", json!("5")),
        ("!!str 5", json!("5")),
        ("!!binary aGVsbG8=", json!("hello")),
        ("!foo bar", json!("bar")),
        ("\"\\u0041\"", json!("A")),
        ("=", json!("=")),
    ];
    for (text, want) in cases {
        assert_eq!(yaml_of(&format!("k: {text}")).unwrap().value, json!({"k": want}), "{text}");
    }
}

#[test]
fn yaml_keys_become_text_and_aliases_expand() {
    let decoded = yaml_of("{5: a, y: b, 1.5: c, x: &x {q: 1}, z: *x, m: {<<: *x, r: 2}}").unwrap();
    assert_eq!(
        decoded.value,
        json!({"5": "a", "true": "b", "1.5": "c", "x": {"q": 1}, "z": {"q": 1}, "m": {"q": 1, "r": 2}})
    );
    assert!(yaml_of("{~: a}").is_err());
    assert!(yaml_of("a: &a [*a]").is_err());
    assert_eq!(yaml_of("a: 1\n---\nb: 2\n").unwrap().value, json!({"a": 1}));
}

#[test]
fn yaml_duplicates_are_reported_by_line() {
    let decoded = yaml_of("spec:\n  replicas: 1\n  replicas: 2\n").unwrap();
    assert_eq!(decoded.value, json!({"spec": {"replicas": 2}}));
    assert_eq!(
        decoded.strict_errors(&[], Reader::Typed),
        ["yaml: unmarshal errors:\n  line 3: key \"replicas\" already set in map"]
    );
}

#[test]
fn alias_bombs_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let parts = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{parts}]\n"));
    }
    assert_eq!(yaml_of(&text), Err(DecodeError::Aliasing));
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), ["*a"; 100].join(","));
    assert_eq!(yaml_of(&long), Err(DecodeError::Aliasing));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes, Media::Json);
        let _ = decode(&bytes, Media::Yaml);
    }

    #[test]
    fn no_yaml_text_panics(text in "[a-c0-9:{}\\[\\],&*!<>|\\-#\"' \n.~%@?]{0,80}") {
        let _ = decode(text.as_bytes(), Media::Yaml);
    }
}
