//! Encodings made by upstream's own serializers (`apiproxy/schema/generator/wire.go`) of every kind that speaks
//! protobuf: all fields set, and all fields there but empty.

use std::collections::HashSet;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use schema::table::Table;
use serde_json::Value;

fn cases() -> Vec<(String, Value, Vec<u8>)> {
    let files = [("filled", include_str!("../golden/filled.json")), ("zeros", include_str!("../golden/zeros.json"))];
    let mut all = Vec::new();
    for (file, text) in files {
        let cases: Vec<Value> = serde_json::from_str(text).expect("golden files are lists of cases");
        for case in cases {
            let name = format!("{file} {} {}", case["json"]["apiVersion"], case["json"]["kind"]);
            let proto = BASE64_STANDARD.decode(case["proto"].as_str().unwrap_or_default()).expect("base64");
            all.push((name, case["json"].clone(), proto));
        }
    }
    assert!(all.len() > 300, "only {} cases", all.len());
    all
}

fn kind(json: &Value) -> (&str, &str) {
    (json["apiVersion"].as_str().unwrap_or_default(), json["kind"].as_str().unwrap_or_default())
}

/// What the server makes of a decoded body.
fn conformed(mut value: Value) -> Value {
    let (api_version, kind) = kind(&value);
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let schema = Table::builtin().kind(group, version, kind).expect("a kind of the table");
    schema::conform::conform(schema.node(), &mut value).expect("the right types");
    value
}

#[test]
fn every_kind_is_encoded_byte_by_byte_as_upstream_does() {
    let mut wrong = Vec::new();
    for (name, json, want) in cases() {
        let (api_version, kind) = kind(&json);
        let kind = wire::Kind::find(api_version, kind).unwrap_or_else(|| panic!("{name} has no protobuf form"));
        for found in [kind.encode(json.to_string().as_bytes()), kind.encode_value(&json)] {
            match found {
                Ok(found) if *found == want => {}
                Ok(found) => {
                    let same = found.iter().zip(&want).take_while(|(a, b)| a == b).count();
                    let around = |bytes: &[u8]| {
                        bytes[same.saturating_sub(8)..bytes.len().min(same + 24)].escape_ascii().to_string()
                    };
                    wrong.push(format!("{name}: at {same}\n  found {}\n  want  {}", around(&found), around(&want)));
                }
                Err(error) => wrong.push(format!("{name}: {error}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_kind_is_decoded_as_it_was() {
    let mut wrong = Vec::new();
    for (name, json, proto) in cases() {
        match wire::decode(&proto, None) {
            Ok(found) => {
                let (found, want) = (conformed(found), conformed(json));
                if found != want {
                    wrong.push(format!("{name}\n  found {found}\n  want  {want}"));
                }
            }
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn bodies_cut_short_never_panic() {
    for (_, _, proto) in cases() {
        for end in (0..proto.len()).step_by(7) {
            let _ = wire::decode(&proto[..end], None);
        }
    }
}

/// Names of the types that are kinds.
fn kinds() -> &'static HashSet<&'static str> {
    static KINDS: LazyLock<HashSet<&str>> =
        LazyLock::new(|| Table::builtin().kinds_by_definition().into_keys().collect());
    &KINDS
}

/// A value of any shape the table allows at a place, small.
fn any_value(node: schema::Node<'_>, depth: usize, dice: &mut impl FnMut(usize) -> usize) -> Value {
    use schema::{Scalar, SlotKind};
    match &node.slot().kind {
        SlotKind::Object(_) => {
            let mut map = serde_json::Map::new();
            let Some(object) = node.object() else { return Value::Object(map) };
            for (name, slot) in &object.properties {
                // What a kind inside of another calls itself is not on the wire.
                let typed = matches!(name.as_str(), "apiVersion" | "kind") && kinds().contains(object.name.as_str());
                let spoken = !typed && slot.go.as_ref().is_some_and(|go| go.proto != 0);
                if depth > 0
                    && spoken
                    && dice(3) == 0
                    && let Some(child) = node.field(name)
                {
                    map.insert(name.clone(), any_value(child, depth - 1, dice));
                }
            }
            Value::Object(map)
        }
        SlotKind::List { .. } => {
            let items = (0..dice(3)).filter_map(|_| node.items().map(|items| any_value(items, depth, dice)));
            Value::Array(items.collect())
        }
        SlotKind::Map { .. } => {
            let entries = (0..dice(3)).filter_map(|at| {
                node.field("").map(|values| (format!("{}-{at}", dice(90)), any_value(values, depth, dice)))
            });
            Value::Object(entries.collect())
        }
        SlotKind::Any => serde_json::json!({"k": [dice(9), null, {"a/b": "ü"}]}),
        SlotKind::Scalar(scalar) => match scalar {
            Scalar::String => [
                "",
                "x",
                "ü\n\"",
                "a long text, long enough for a length of two bytes, and then some more of \
                it, because one hundred and twenty-eight is where two bytes begin",
            ][dice(4)]
            .into(),
            Scalar::Bool => (dice(2) == 0).into(),
            Scalar::Int32 => [0, -1, i32::MAX, i32::MIN, 300][dice(5)].into(),
            Scalar::Int64 => [0, -1, i64::MAX, i64::MIN, 300][dice(5)].into(),
            Scalar::Double => [0.0, -1.5, 1e300, 3.0][dice(4)].into(),
            Scalar::Bytes => ["", "AA==", "//79"][dice(3)].into(),
            Scalar::Quantity => ["0", "100m", "5Gi", "1e3", "-7"][dice(5)].into(),
            Scalar::IntOrString => [Value::from(0), "80%".into(), (-1).into(), "".into()][dice(4)].clone(),
            Scalar::Time => ["2026-01-02T03:04:05Z", "1960-01-01T00:00:00Z", "0001-01-01T00:00:00Z"][dice(3)].into(),
            Scalar::MicroTime => ["2026-01-02T03:04:05.000007Z", "1960-01-01T00:00:00.900000Z"][dice(2)].into(),
            Scalar::Duration => ["0s", "1h30m0s", "-1.5s"][dice(3)].into(),
        },
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 400, ..Default::default() })]
    #[test]
    fn what_is_encoded_is_decoded_as_it_was(seed in proptest::prelude::any::<u64>(), which in 0..4096usize) {
        let mut names: Vec<_> = Table::builtin().kinds().filter(|(gvk, _)| gvk.kind != "WatchEvent").collect();
        names.sort_by(|a, b| a.0.cmp(&b.0));
        let (gvk, schema) = &names[which % names.len()];
        let api_version = match (gvk.group.as_str(), gvk.version.as_str()) {
            ("", version) | ("meta.k8s.io", version) => version.to_owned(),
            (group, version) => format!("{group}/{version}"),
        };
        let mut state = seed | 1;
        let mut dice = |sides: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap_or(0) % sides
        };
        let mut value = any_value(schema.node(), 7, &mut dice);
        value["apiVersion"] = api_version.as_str().into();
        value["kind"] = gvk.kind.as_str().into();
        let value = conformed(value);
        if let Some(kind) = wire::Kind::find(&api_version, &gvk.kind) {
            let body = kind.encode_value(&value).expect("values of the table encode");
            proptest::prop_assert_eq!(&body, &kind.encode(value.to_string().as_bytes()).expect("as JSON too"));
            proptest::prop_assert_eq!(conformed(wire::decode(&body, None).expect("and decode")), value);
        }
    }
}
