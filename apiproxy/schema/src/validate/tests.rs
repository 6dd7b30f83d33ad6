//! Tests of validation; expected errors were seen on a kube-apiserver 1.36.3.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::crd::schema_of;

fn schema() -> Schema {
    let pair = json!({"a": {"type": "integer"}, "b": {"type": "integer"}});
    let either = json!([{"required": ["a"]}, {"required": ["b"]}]);
    schema_of(
        &json!({"type": "object", "required": ["spec"], "properties": {"spec": {"type": "object", "required": ["req"], "properties": {
            "req": {"type": "string"},
            "i": {"type": "integer", "minimum": 2, "maximum": 5},
            "i32": {"type": "integer", "format": "int32"},
            "f": {"type": "number", "minimum": 1.5, "exclusiveMinimum": true},
            "s": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^a+$"},
            "e": {"type": "string", "enum": ["a", "b"]},
            "ei": {"type": "integer", "enum": [1, 2]},
            "l": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string"}},
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "m": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "p"], "items": {
                "type": "object", "required": ["k"], "properties": {
                    "k": {"type": "string"}, "p": {"type": "integer", "default": 7}, "v": {"type": "integer", "maximum": 3}}}},
            "o": {"type": "object", "minProperties": 1, "maxProperties": 2, "additionalProperties": {"type": "integer"}},
            "any": {"type": "object", "properties": pair.clone(), "anyOf": either.clone()},
            "one": {"type": "object", "properties": pair, "oneOf": either},
            "all": {"type": "integer", "allOf": [{"minimum": 3}, {"maximum": 5}]},
            "no": {"type": "integer", "not": {"minimum": 3}},
            "mul": {"type": "integer", "multipleOf": 3},
            "dt": {"type": "string", "format": "date-time"},
            "em": {"type": "string", "format": "email"},
            "ip": {"type": "string", "format": "ipv4"},
            "by": {"type": "string", "format": "byte"},
            "uu": {"type": "string", "format": "uuid"},
            "du": {"type": "string", "format": "duration"},
            "ios": {"x-kubernetes-int-or-string": true},
            "emb": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
            "b": {"type": "boolean"},
            "nul": {"type": "string", "nullable": true},
        }}}}),
    )
}

fn errors_of(spec: &str, old: Option<&str>) -> String {
    let object = |spec: &str| {
        let mut value: Value = serde_json::from_str(&format!("{{\"spec\":{{\"req\":\"x\",{spec}}}}}")).unwrap();
        let schema = schema();
        crate::prune::prune(schema.node(), &mut value);
        crate::defaults::apply(schema.node(), &mut value);
        crate::prune::drop_nulls(schema.node(), &mut value);
        value
    };
    let old = old.map(object);
    let errors = validate(&schema(), &object(spec), old.as_ref());
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

const CASES: [(&str, &str); 55] = [
    (r#""i":1"#, r#"spec.i: Invalid value: 1: spec.i in body should be greater than or equal to 2"#),
    (r#""i":6"#, r#"spec.i: Invalid value: 6: spec.i in body should be less than or equal to 5"#),
    (r#""i":"x""#, r#"spec.i: Invalid value: "string": spec.i in body must be of type integer: "string""#),
    (r#""i":3.0"#, r#""#),
    (
        r#""i":3.5"#,
        r#"spec.i: Invalid value: "number": spec.i in body must be of type integer: "number", <nil>: Invalid value: "": Checked value must be of type integer (default format) in spec.i"#,
    ),
    (
        r#""i32":3000000000"#,
        r#"<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.i32"#,
    ),
    (
        r#""i32":3.5"#,
        r#"spec.i32: Invalid value: "float64": spec.i32 in body must be of type int32: "float64", <nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.i32"#,
    ),
    (r#""i32":true"#, r#"spec.i32: Invalid value: "": spec.i32 in body must be of type int32: """#),
    (r#""f":1.5"#, r#"spec.f: Invalid value: 1.5: spec.f in body should be greater than 1.5"#),
    (r#""f":1"#, r#"spec.f: Invalid value: 1: spec.f in body should be greater than 1"#),
    (r#""s":"b""#, r#"spec.s: Invalid value: "b": spec.s in body should be at least 2 chars long"#),
    (r#""s":"aaaaaa""#, r#"spec.s: Too long: may not be more than 4 bytes"#),
    (r#""s":"ba""#, r#"spec.s: Invalid value: "ba": spec.s in body should match '^a+$'"#),
    (r#""e":"c""#, r#"spec.e: Unsupported value: "c": supported values: "a", "b""#),
    (r#""ei":3"#, r#"spec.ei: Unsupported value: 3: supported values: "1", "2""#),
    (r#""ei":1.0"#, r#""#),
    (r#""l":[]"#, r#"spec.l: Invalid value: 0: spec.l in body should have at least 1 items"#),
    (r#""l":["a","b","c"]"#, r#"spec.l: Too many: 3: must have at most 2 items"#),
    (
        r#""l":[1,null]"#,
        r#"spec.l[0]: Invalid value: "integer": spec.l[0] in body must be of type string: "integer", spec.l[1]: Invalid value: "null": spec.l[1] in body must be of type string: "null""#,
    ),
    (r#""l":null"#, r#""#),
    (r#""set":["a","b","a","a"]"#, r#"spec.set[2]: Duplicate value: "a""#),
    (r#""m":[{"k":"a","p":1},{"k":"a","p":1},{"k":"a"}]"#, r#"spec.m[1]: Duplicate value: {"k":"a","p":1}"#),
    (r#""m":[{"p":1}]"#, r#"spec.m[0].k: Required value"#),
    (
        r#""m":[{"k":"a","v":5}]"#,
        r#"spec.m[0].v: Invalid value: 5: spec.m[0].v in body should be less than or equal to 3"#,
    ),
    (r#""o":{}"#, r#"spec.o: Invalid value: 0: spec.o in body should have at least 1 properties"#),
    (r#""o":{"a":1,"b":2,"c":3}"#, r#"spec.o: Too many: 3: must have at most 2 items"#),
    (r#""o":{"a":"x"}"#, r#"spec.o.a: Invalid value: "string": spec.o.a in body must be of type integer: "string""#),
    (
        r#""any":{}"#,
        r#"<nil>: Invalid value: "": "spec.any" must validate at least one schema (anyOf), spec.any.a: Required value"#,
    ),
    (
        r#""one":{}"#,
        r#"<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found none valid, spec.one.a: Required value"#,
    ),
    (
        r#""one":{"a":1,"b":2}"#,
        r#"<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found 2 valid alternatives"#,
    ),
    (
        r#""all":1"#,
        r#"spec.all: Invalid value: 1: spec.all in body should be greater than or equal to 3, <nil>: Invalid value: "": "spec.all" must validate all the schemas (allOf)"#,
    ),
    (
        r#""all":7"#,
        r#"spec.all: Invalid value: 7: spec.all in body should be less than or equal to 5, <nil>: Invalid value: "": "spec.all" must validate all the schemas (allOf)"#,
    ),
    (r#""no":4"#, r#"<nil>: Invalid value: "": "spec.no" must not validate the schema (not)"#),
    (r#""mul":4"#, r#"spec.mul: Invalid value: 4: spec.mul in body should be a multiple of 3"#),
    (r#""dt":"x""#, r#"spec.dt: Invalid value: "x": spec.dt in body must be of type date-time: "x""#),
    (r#""em":"x""#, r#"spec.em: Invalid value: "x": spec.em in body must be of type email: "x""#),
    (r#""ip":"x""#, r#"spec.ip: Invalid value: "x": spec.ip in body must be of type ipv4: "x""#),
    (r#""by":"*""#, r#"spec.by: Invalid value: "*": spec.by in body must be of type byte: "*""#),
    (r#""uu":"x""#, r#"spec.uu: Invalid value: "x": spec.uu in body must be of type uuid: "x""#),
    (r#""du":"x""#, r#"spec.du: Invalid value: "x": spec.du in body must be of type duration: "x""#),
    (r#""ios":1.5"#, r#"spec.ios: Invalid value: "number": spec.ios in body must be of type integer,string: "number""#),
    (
        r#""ios":true"#,
        r#"spec.ios: Invalid value: "boolean": spec.ios in body must be of type integer,string: "boolean""#,
    ),
    (r#""emb":{}"#, r#"spec.emb.apiVersion: Required value, spec.emb.kind: Required value"#),
    (
        r#""emb":{"apiVersion":"v1","kind":"X","metadata":{"name":"A_/"}}"#,
        r#"spec.emb.metadata.name: Invalid value: "A_/": may not contain '/'"#,
    ),
    (
        r#""emb":{"apiVersion":"/v1/x","kind":"x_y","metadata":{"labels":{"-":"x"}}}"#,
        r#"spec.emb.apiVersion: Invalid value: "/v1/x": unexpected GroupVersion string: /v1/x, spec.emb.kind: Invalid value: "x_y": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?'), spec.emb.metadata.labels: Invalid value: "-": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"#,
    ),
    (r#""emb":"x""#, r#"spec.emb: Invalid value: "string": spec.emb in body must be of type object: "string""#),
    (r#""b":"x""#, r#"spec.b: Invalid value: "string": spec.b in body must be of type boolean: "string""#),
    (r#""b":1"#, r#"spec.b: Invalid value: "integer": spec.b in body must be of type boolean: "integer""#),
    (r#""nul":null"#, r#""#),
    (r#""s":null"#, r#""#),
    (r#""req":5"#, r#"spec.req: Invalid value: "integer": spec.req in body must be of type string: "integer""#),
    (r#""dt":5"#, r#"spec.dt: Invalid value: "int64": spec.dt in body must be of type date-time: "int64""#),
    (
        r#""emb":{"kind":"","apiVersion":""}"#,
        r#"spec.emb.apiVersion: Invalid value: "": must not be empty, spec.emb.kind: Invalid value: "": must not be empty"#,
    ),
    (
        r#""e":5"#,
        r#"spec.e: Invalid value: "integer": spec.e in body must be of type string: "integer", spec.e: Unsupported value: 5: supported values: "a", "b""#,
    ),
    (r#""s":5"#, r#"spec.s: Invalid value: "integer": spec.s in body must be of type string: "integer""#),
];

#[test]
fn errors_are_upstreams() {
    for (spec, want) in CASES {
        assert_eq!(errors_of(spec, None), want, "{spec}");
    }
}

#[test]
fn missing_fields_are_required() {
    let errors = |value: Value| validate(&schema(), &value, None).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(errors(json!({})), ["spec: Required value"]);
    assert_eq!(
        errors(json!({"spec": {"i": 9}})),
        ["spec.i: Invalid value: 9: spec.i in body should be less than or equal to 5", "spec.req: Required value"]
    );
    assert_eq!(
        errors(json!({"spec": 5})),
        ["spec: Invalid value: \"integer\": spec in body must be of type object: \"integer\""]
    );
}

#[test]
fn unchanged_invalid_values_are_tolerated() {
    for (spec, old, tolerated) in [
        (r#""i":9"#, r#""i":9"#, true),
        (r#""i":9"#, r#""i":8"#, false),
        (r#""i":9"#, r#""b":true"#, false),
        (r#""i":9,"s":"aa""#, r#""i":9,"s":"aaa""#, true),
        (r#""l":[5],"b":true"#, r#""l":[5]"#, true),
        (r#""l":[5,6]"#, r#""l":[5]"#, false),
        (r#""m":[{"k":"a","p":1,"v":9},{"k":"b","p":1,"v":1}]"#, r#""m":[{"k":"a","p":1,"v":9}]"#, true),
        (r#""m":[{"k":"c","p":1,"v":9}]"#, r#""m":[{"k":"a","p":1,"v":9}]"#, false),
        (r#""any":{},"b":true"#, r#""any":{}"#, true),
        (r#""set":["a","a"],"b":true"#, r#""set":["a","a"]"#, true),
        (r#""o":{"a":"x","b":1}"#, r#""o":{"a":"x"}"#, true),
    ] {
        assert_eq!(errors_of(spec, Some(old)).is_empty(), tolerated, "{spec} was {old}");
    }
}

#[test]
fn names_may_be_restricted() {
    let schema = schema_of(&json!({"type": "object", "properties": {
        "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 3}}}}}));
    let errors = validate(&schema, &json!({"metadata": {"name": "abcd", "labels": {"a": "b"}}}), None);
    assert_eq!(errors[0].to_string(), "metadata.name: Too long: may not be more than 3 bytes");
    assert_eq!(errors.len(), 1);
}

#[test]
fn formats_are_checked() {
    let schema =
        |format: &str| schema_of(&json!({"type": "object", "properties": {"f": {"type": "string", "format": format}}}));
    let cases: [(&str, &[&str], &[&str]); 17] = [
        (
            "date-time",
            &["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123+02:00"],
            &["2026-01-02", "2026-13-02T03:04:05Z"],
        ),
        ("date", &["2026-01-02"], &["2026-02-30", "20260102"]),
        ("email", &["a@b.c", "A B <a@b>"], &["a", "a@", "@b"]),
        ("ipv4", &["1.2.3.4"], &["1.2.3", "::1", "1.2.3.256"]),
        ("ipv6", &["::1", "fe80::1"], &["1.2.3.4", ":::"]),
        ("cidr", &["10.0.0.0/8", "::/0"], &["10.0.0.0", "10.0.0.0/33"]),
        ("mac", &["00:11:22:33:44:55", "0011.2233.4455"], &["00:11", "zz:11:22:33:44:55"]),
        ("uuid", &["123e4567-e89b-12d3-a456-426614174000"], &["123e4567"]),
        ("uuid4", &["123e4567-e89b-42d3-a456-426614174000"], &["123e4567-e89b-12d3-a456-426614174000"]),
        ("uri", &["http://a/b", "/a/b", "urn:x"], &["a", "", "http://a b"]),
        ("hostname", &["a.b-c", "a"], &["-a", "a..b"]),
        ("byte", &["aGk=", "aGVs"], &["a", "*"]),
        ("duration", &["1h", "3 days"], &["1x"]),
        ("isbn", &["0321751043", "978-0321751041"], &["0321751044"]),
        ("hexcolor", &["#fff", "00ff00"], &["#ff"]),
        ("k8s-short-name", &["a-b"], &["a.b", "A"]),
        ("unheard-of", &["anything"], &[]),
    ];
    for (format, good, bad) in cases {
        for text in good {
            assert!(validate(&schema(format), &json!({"f": text}), None).is_empty(), "{format} {text}");
        }
        for text in bad {
            assert!(!validate(&schema(format), &json!({"f": text}), None).is_empty(), "{format} {text}");
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let names = "(spec|req|i|f|s|l|set|m|k|o|any|one|emb|metadata|labels|ios|dt|apiVersion|kind)";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "\\PC{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(names, inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_panics_and_the_unchanged_is_tolerated(value in any_json(), old in any_json()) {
        let schema = schema();
        let _ = validate(&schema, &value, Some(&old));
        let _ = validate(&schema, &value, None);
    }
}
