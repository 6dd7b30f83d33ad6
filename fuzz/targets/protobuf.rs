//! Bodies in Kubernetes protobuf. What is decoded is an object that JSON could have brought.

#![no_main]

use libfuzzer_sys::fuzz_target;
use schema::conform::conform;
use schema::table::Table;

fuzz_target!(|data: &[u8]| {
    let find = |api_version: &str, kind: &str| {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Table::builtin().kind(group, version, kind)
    };
    let mut framed = b"k8s\0".to_vec();
    framed.extend_from_slice(data);
    for body in [data, &framed] {
        let Ok(mut value) = wire::decode(body, find) else { continue };
        let kind = value["kind"].as_str().unwrap_or_default().to_owned();
        let version = value["apiVersion"].as_str().unwrap_or_default().to_owned();
        let schema = find(&version, &kind).expect("only known kinds are decoded");
        let _ = conform(schema.node(), &mut value);
    }
});
