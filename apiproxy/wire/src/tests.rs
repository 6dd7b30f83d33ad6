//! Messages written by hand, and noise.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, u8::try_from(content.len()).unwrap()];
    out.extend_from_slice(content);
    out
}

fn varint(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

fn framed(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let meta = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
    [MAGIC.to_vec(), bytes(1, &meta), bytes(2, raw), bytes(3, b""), bytes(4, b"")].concat()
}

#[test]
fn namespaces_and_config_maps() {
    let metadata = bytes(1, b"team");
    let decoded = decode(&framed("v1", "Namespace", &bytes(1, &metadata)), None).unwrap();
    assert_eq!(decoded, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}));
    let entry = [bytes(1, b"k"), bytes(2, b"v")].concat();
    let raw = [bytes(1, &metadata), bytes(2, &entry)].concat();
    let decoded = decode(&framed("v1", "ConfigMap", &raw), None).unwrap();
    assert_eq!(decoded["data"], json!({"k": "v"}));
}

#[test]
fn inlined_messages_are_flat_in_json() {
    // Pod.spec (2) .volumes (1): name (1), volumeSource (2) { emptyDir (2) { medium (1) } }
    let empty_dir = bytes(2, &bytes(2, &bytes(1, b"Memory")));
    let volume = [bytes(1, b"scratch"), empty_dir].concat();
    let raw = bytes(2, &bytes(1, &volume));
    let decoded = decode(&framed("v1", "Pod", &raw), None).unwrap();
    assert_eq!(decoded["spec"]["volumes"], json!([{"name": "scratch", "emptyDir": {"medium": "Memory"}}]));
}

#[test]
fn numbers_times_and_unions() {
    // Service.spec (2) .ports (1): port (3) = 80, targetPort (4) = IntOrString { type 1, strVal (3) "web" }
    let target = [varint(1, 1), bytes(3, b"web")].concat();
    let port = [varint(3, 80), bytes(4, &target)].concat();
    let created = bytes(8, &varint(1, 1));
    let raw = [bytes(1, &created), bytes(2, &bytes(1, &port))].concat();
    let decoded = decode(&framed("v1", "Service", &raw), None).unwrap();
    assert_eq!(decoded["spec"]["ports"], json!([{"port": 80, "targetPort": "web"}]));
    assert_eq!(decoded["metadata"]["creationTimestamp"], "1970-01-01T00:00:01Z");
}

#[test]
fn what_is_no_message_is_refused() {
    assert_eq!(decode(b"{}", None), Err(WireError::Magic));
    assert!(matches!(decode(&framed("v1", "Nonesuch", b""), None), Err(WireError::Kind(..))));
    assert_eq!(decode(&framed("v1", "Pod", &[0x12, 0x7f]), None), Err(WireError::End));
    assert_eq!(decode(&framed("v1", "Pod", &[0x0b]), None), Err(WireError::Malformed));
}

proptest! {
    #[test]
    fn noise_never_panics(kind in 0..4usize, noise in prop::collection::vec(any::<u8>(), 0..120)) {
        let kind = ["Pod", "Service", "Secret", "Node"][kind];
        let _ = decode(&framed("v1", kind, &noise), None);
        let _ = decode(&noise, None);
    }
}

#[test]
fn the_kind_may_be_left_to_the_path() {
    let raw = bytes(1, &bytes(1, b"team"));
    let decoded = decode(&framed("", "", &raw), Some(("v1", "Namespace"))).unwrap();
    assert_eq!(decoded, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}));
    assert!(matches!(decode(&framed("", "", &raw), None), Err(WireError::Kind(..))));
}

#[test]
fn bodies_in_bodies_have_an_end() {
    let mut inner = framed("v1", "Namespace", b"");
    let mut body = inner.clone();
    for _ in 0..400 {
        let mut raw = Vec::new();
        write::bytes(&mut raw, 1, &inner);
        let mut data = Vec::new();
        write::bytes(&mut data, 2, &raw);
        let mut envelope = MAGIC.to_vec();
        write::bytes(&mut envelope, 1, b"\x0a\x07apps/v1\x12\x12ControllerRevision");
        write::bytes(&mut envelope, 2, &data);
        inner = envelope.clone();
        body = envelope;
    }
    assert_eq!(decode(&body, None), Err(WireError::Depth));
}
