//! Small languages inside requests: selectors, quantities, JSON paths.
//!
//! What is printed is read back as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use schema::jsonpath::JsonPath;
use schema::quantity;
use schema::selector::{FieldSelector, LabelSelector};
use serde_json::json;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(selector) = LabelSelector::parse(text) {
        let printed = selector.to_string();
        let again = LabelSelector::parse(&printed).expect("a printed selector can be read");
        assert_eq!(again.to_string(), printed);
        selector.matches([("a", "b"), ("app", "1")].into_iter());
    }
    if let Ok(selector) = FieldSelector::parse(text) {
        selector.matches_with(|field| (field == "metadata.name").then_some("x"));
    }
    if let Ok(canonical) = quantity::canonical(text) {
        assert_eq!(quantity::canonical(&canonical).as_deref(), Ok(canonical.as_str()), "canonical stays canonical");
    }
    if let Ok(path) = JsonPath::parse(text) {
        path.find(&json!({"a": [{"b": {"c": 1}}, {"b": null}], "metadata": {"labels": {"x.y/z": "v"}}}));
    }
});
