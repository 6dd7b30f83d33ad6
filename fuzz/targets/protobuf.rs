//! Bodies in Kubernetes protobuf. What is decoded is an object that JSON could have brought, and can be encoded again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use schema::conform::conform;
use schema::table::Table;

fuzz_target!(|data: &[u8]| {
    let mut framed = b"k8s\0".to_vec();
    framed.extend_from_slice(data);
    for body in [data, &framed] {
        let Ok(mut value) = wire::decode(body, None) else { continue };
        let kind = value["kind"].as_str().unwrap_or_default().to_owned();
        let version = value["apiVersion"].as_str().unwrap_or_default().to_owned();
        let (group, plain) = version.split_once('/').unwrap_or(("", &version));
        let schema = Table::builtin().kind(group, plain, &kind).expect("only known kinds are decoded");
        let _ = conform(schema.node(), &mut value);
        let _ = wire::Kind::find(&version, &kind).map(|kind| kind.encode_value(&value));
    }
});
