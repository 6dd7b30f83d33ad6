//! The translation tables cover every field of the schema, and `docs/translation.md` says what they say.
//!
//! The document's tables are written from the code: run the test with `UPDATE_DOCS=1` after a change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schema::{Node, Scalar, SlotKind, Table};
use syncer::translate::claim::{CLAIM_SPEC, CLAIM_STATUS};
use syncer::translate::disruption_budget::DISRUPTION_BUDGET_SPEC;
use syncer::translate::endpoint_slice::{ENDPOINT, PORT};
use syncer::translate::ingress::{INGRESS_SPEC, INGRESS_STATUS};
use syncer::translate::network_policy::NETWORK_POLICY_SPEC;
use syncer::translate::pod::POD_STATUS;
use syncer::translate::pod::shapes::POD_SPEC;
use syncer::translate::rules::{Rule, Shape};
use syncer::translate::service::{SERVICE_SPEC, SERVICE_STATUS};
use syncer::translate::{config, event};

const ROOTS: &[(&str, &str, &Shape)] = &[
    ("Pod", "spec", &POD_SPEC),
    ("Pod", "status", &POD_STATUS),
    ("Service", "spec", &SERVICE_SPEC),
    ("Service", "status", &SERVICE_STATUS),
    ("EndpointSlice", "endpoints", &ENDPOINT),
    ("EndpointSlice", "ports", &PORT),
    ("Ingress", "spec", &INGRESS_SPEC),
    ("Ingress", "status", &INGRESS_STATUS),
    ("NetworkPolicy", "spec", &NETWORK_POLICY_SPEC),
    ("PersistentVolumeClaim", "spec", &CLAIM_SPEC),
    ("PersistentVolumeClaim", "status", &CLAIM_STATUS),
    ("PodDisruptionBudget", "spec", &DISRUPTION_BUDGET_SPEC),
];

fn root(kind: &str) -> schema::Schema {
    let group = match kind {
        "EndpointSlice" => "discovery.k8s.io",
        "Ingress" | "NetworkPolicy" => "networking.k8s.io",
        "PodDisruptionBudget" => "policy",
        _ => "",
    };
    Table::builtin().kind(group, "v1", kind).expect("a built-in kind")
}

/// Complaints about a table, compared with the type it stands for.
fn compare(shape: &Shape, node: Node<'_>, path: &str, complaints: &mut Vec<String>) {
    let node = if node.items().is_some() { node.items().expect("a list has items") } else { node };
    let Some(object) = node.object() else {
        complaints.push(format!("{path}: {} is not an object of the schema", shape.type_name));
        return;
    };
    if object.name != format!("io.k8s.api.{}", shape.type_name) && object.name != format!("io.k8s.{}", shape.type_name)
    {
        complaints.push(format!("{path}: is a {}, the table says {}", object.name, shape.type_name));
    }
    let known: BTreeSet<&str> = shape.fields.iter().map(|(name, _)| *name).collect();
    for name in object.properties.keys().filter(|name| !known.contains(name.as_str())) {
        complaints.push(format!("{path}.{name}: no rule"));
    }
    for (name, rule) in shape.fields {
        let path = format!("{path}.{name}");
        match (node.field(name), rule) {
            (None, _) => complaints.push(format!("{path}: no such field")),
            (Some(field), Rule::Keep) if !is_plain(field) => {
                complaints.push(format!("{path}: kept as a whole, but has fields of its own"));
            }
            (Some(field), Rule::Into(inner) | Rule::Rewrite(_, Some(inner), _)) => {
                compare(inner, field, &path, complaints);
            }
            _ => {}
        }
    }
}

/// Whether a value has no fields that a table would have to know.
fn is_plain(node: Node<'_>) -> bool {
    match &node.slot().kind {
        SlotKind::Scalar(_) => true,
        SlotKind::Map { values, .. } => matches!(values.kind, SlotKind::Scalar(_)),
        SlotKind::List { items, .. } => matches!(items.kind, SlotKind::Scalar(_)) || is_ip(node),
        SlotKind::Object(_) | SlotKind::Any => false,
    }
}

/// `podIPs` and `hostIPs`: objects of one text.
fn is_ip(node: Node<'_>) -> bool {
    let object = node.items().and_then(Node::object);
    object.is_some_and(|object| {
        object.properties.len() == 1
            && object.properties.get("ip").is_some_and(|ip| matches!(ip.kind, SlotKind::Scalar(Scalar::String)))
    })
}

#[test]
fn every_field_has_a_rule() {
    let mut complaints = Vec::new();
    for (kind, field, shape) in ROOTS {
        let schema = root(kind);
        let node = schema.node().field(field).expect("spec and status are fields");
        compare(shape, node, field, &mut complaints);
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn configuration_and_events_are_covered() {
    for (kind, fields) in config::FIELDS {
        let schema = root(kind.as_str());
        let object = schema.node().object().expect("an object");
        let all: BTreeSet<&str> = object.properties.keys().map(String::as_str).collect();
        let known: BTreeSet<&str> = fields.iter().copied().chain(["apiVersion", "kind", "metadata"]).collect();
        // `stringData` never comes out of the API.
        let unknown: Vec<_> = all.difference(&known).filter(|name| **name != "stringData").collect();
        assert!(unknown.is_empty(), "{kind:?}: {unknown:?}");
    }
    let schema = root("Event");
    let object = schema.node().object().expect("an object");
    let rewritten = ["apiVersion", "involvedObject", "kind", "message", "metadata", "related"];
    let known: BTreeSet<&str> = event::KEPT.iter().copied().chain(rewritten).collect();
    let all: BTreeSet<&str> = object.properties.keys().map(String::as_str).collect();
    assert_eq!(all, known);
}

/// One line per type and rule, types in the order in which they are met.
fn render() -> String {
    let mut out = String::new();
    for (kind, field, shape) in ROOTS {
        let (from, to) = if *field == "status" { ("host", "tenant") } else { ("tenant", "host") };
        out.push_str(&format!(
            "\n## `{kind}.{field}`, from the {from} to the {to}\n\n| type | field | rule |\n|---|---|---|\n"
        ));
        let mut seen = BTreeSet::new();
        rows(shape, &mut seen, &mut out);
    }
    out
}

fn rows(shape: &'static Shape, seen: &mut BTreeSet<&'static str>, out: &mut String) {
    if !seen.insert(shape.type_name) {
        return;
    }
    let short = shape.type_name.rsplit('.').next().unwrap_or(shape.type_name);
    let mut by_rule: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, rule) in shape.fields {
        let text = match rule {
            Rule::Keep => "keep".to_owned(),
            Rule::Into(_) => "by its own table".to_owned(),
            Rule::Rewrite(_, _, how) => format!("rewrite: {how}"),
            Rule::Ours(how) => format!("ours: {how}"),
            Rule::Deny(why) => format!("deny: {why}"),
        };
        by_rule.entry(text).or_default().push(name);
    }
    for (rule, names) in &by_rule {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        out.push_str(&format!("| {short} | {} | {rule} |\n", names.join(", ")));
    }
    for (_, rule) in shape.fields {
        if let Rule::Into(inner) | Rule::Rewrite(_, Some(inner), _) = rule {
            rows(inner, seen, out);
        }
    }
}

#[test]
fn the_document_is_current() {
    const MARK: &str = "<!-- From here on written by syncer/tests/translation_table.rs -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/translation.md");
    let text = std::fs::read_to_string(&path).expect("docs/translation.md");
    let (head, tables) = text.split_once(MARK).expect("the mark");
    let now = render();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{head}{MARK}{now}")).expect("docs/translation.md");
    } else {
        assert!(tables == now, "docs/translation.md is behind the code: run this test with UPDATE_DOCS=1");
    }
}
