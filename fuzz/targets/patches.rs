//! Patches of all four kinds, against a document that comes from the same bytes.
//!
//! A patch that is refused has changed nothing; applying the same configuration twice changes nothing the second time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use patch::apply::{Manager, Operation, Reset, apply};
use schema::conform::conform;
use schema::table::Table;
use serde_json::Value;

const NOW: &str = "2026-01-01T00:00:00Z";

fuzz_target!(|data: &[u8]| {
    let Some((&choice, rest)) = data.split_first() else { return };
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
    let (Some(Ok(mut document)), Some(Ok(change))) = (values.next(), values.next()) else { return };
    let kinds = [("", "v1", "Pod"), ("apps", "v1", "Deployment"), ("", "v1", "Service"), ("", "v1", "ConfigMap")];
    let (group, version, kind) = kinds[usize::from(choice >> 2) % kinds.len()];
    let schema = Table::builtin().kind(group, version, kind).expect("a built-in kind");
    if !document.is_object() || conform(schema.node(), &mut document).is_err() {
        return;
    }
    let before = document.clone();
    let outcome = match choice & 3 {
        0 => patch::json_patch(&mut document, &change),
        1 => patch::merge_patch(&mut document, &change),
        2 => patch::strategic(schema.node(), &mut document, &change),
        _ => {
            let manager = Manager {
                name: "fuzz".to_owned(),
                operation: Operation::Apply,
                api_version: version.to_owned(),
                subresource: String::new(),
            };
            let once = |live: &Value| apply(schema.node(), Some(live), &change, &manager, true, NOW, Reset::NOTHING);
            if let Ok(first) = once(&document) {
                assert_eq!(once(&first).expect("what could be applied can be applied again"), first);
            }
            return;
        }
    };
    if outcome.is_err() {
        assert_eq!(document, before, "a refused patch changes nothing");
    }
});
