//! Rows of storage kinds and of dynamic resource allocation.

use serde_json::Value;

use super::network::mark_default;
use super::{Print, or, since};
use crate::json::{at, dig, flag, list, opt_flag, opt_text, set, size, text, texts};
use schema::quantity::Quantity;

/// A row of a storage kind.
pub(super) fn row(plural: &str, print: &Print<'_>) -> Option<Vec<Value>> {
    let spec = print.spec();
    let mut cells = vec![print.name()];
    match plural {
        "persistentvolumes" => cells.extend(volume(print)),
        "persistentvolumeclaims" => cells.extend(claim(print)),
        "storageclasses" => {
            let obj = print.obj;
            mark_default(&mut cells, print, "storageclass.kubernetes.io/is-default-class");
            mark_default(&mut cells, print, "storageclass.beta.kubernetes.io/is-default-class");
            cells.push(text(obj, "provisioner").into());
            cells.push(opt_text(obj, "reclaimPolicy").unwrap_or("Delete").into());
            cells.push(opt_text(obj, "volumeBindingMode").unwrap_or("Immediate").into());
            cells.extend([flag(obj, "allowVolumeExpansion").into(), print.age()]);
        }
        "csinodes" => cells.extend([size(spec, "drivers").into(), print.age()]),
        "csidrivers" => cells.extend(driver(print)),
        "csistoragecapacities" => {
            let capacity = set(print.obj, "capacity").map_or("<unset>".to_owned(), amount);
            cells.extend([text(print.obj, "storageClassName").into(), capacity.into()]);
        }
        "volumeattachments" => cells.extend([
            text(spec, "attacher").into(),
            text(at(spec, "source"), "persistentVolumeName").into(),
            text(spec, "nodeName").into(),
            flag(print.status(), "attached").into(),
            print.age(),
        ]),
        "volumeattributesclasses" => cells.extend([text(print.obj, "driverName").into(), print.age()]),
        "deviceclasses" | "resourceclaimtemplates" => cells.push(print.age()),
        "resourceclaims" => cells.extend([state(print).into(), print.age()]),
        "resourceslices" => cells.extend([
            text(spec, "nodeName").into(),
            text(spec, "driver").into(),
            text(at(spec, "pool"), "name").into(),
            print.age(),
        ]),
        "devicetaintrules" => {
            let taint = at(spec, "taint");
            let added = opt_text(taint, "timeAdded").map_or(String::new(), |time| since(time, print.now));
            cells.extend(["key", "value", "effect"].map(|field| Value::from(text(taint, field))));
            cells.extend([added.into(), print.age()]);
        }
        _ => return None,
    }
    Some(cells)
}

fn amount(value: &Value) -> String {
    Quantity::of(value).unwrap_or(Quantity::ZERO).to_string()
}

/// Access modes, each once, in upstream's short names and order.
fn modes(holder: &Value) -> String {
    let given = texts(holder, "accessModes");
    let known =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    known.iter().filter(|(mode, _)| given.contains(mode)).map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

fn class(print: &Print<'_>) -> Value {
    const BETA: &str = "volume.beta.kubernetes.io/storage-class";
    let annotation = dig(print.obj, "metadata.annotations").get(BETA).and_then(Value::as_str);
    annotation.unwrap_or_else(|| text(print.spec(), "storageClassName")).into()
}

fn phase(print: &Print<'_>) -> Value {
    if print.deleted() { "Terminating".into() } else { text(print.status(), "phase").into() }
}

fn unset(holder: &Value, field: &str) -> Value {
    opt_text(holder, field).unwrap_or("<unset>").into()
}

fn volume(print: &Print<'_>) -> Vec<Value> {
    let spec = print.spec();
    let claim = set(spec, "claimRef")
        .map_or(String::new(), |claim| format!("{}/{}", text(claim, "namespace"), text(claim, "name")));
    vec![
        amount(dig(spec, "capacity.storage")).into(),
        modes(spec).into(),
        text(spec, "persistentVolumeReclaimPolicy").into(),
        phase(print),
        claim.into(),
        class(print),
        unset(spec, "volumeAttributesClassName"),
        text(print.status(), "reason").into(),
        print.age(),
        unset(spec, "volumeMode"),
    ]
}

fn claim(print: &Print<'_>) -> Vec<Value> {
    let (spec, status) = (print.spec(), print.status());
    let bound = !text(spec, "volumeName").is_empty();
    let (capacity, modes) =
        if bound { (amount(dig(status, "capacity.storage")), modes(status)) } else { Default::default() };
    vec![
        phase(print),
        text(spec, "volumeName").into(),
        capacity.into(),
        modes.into(),
        class(print),
        unset(spec, "volumeAttributesClassName"),
        print.age(),
        unset(spec, "volumeMode"),
    ]
}

fn driver(print: &Print<'_>) -> Vec<Value> {
    let spec = print.spec();
    let tokens = spec.get("tokenRequests").and_then(Value::as_array).map_or("<unset>".to_owned(), |tokens| {
        tokens.iter().map(|token| text(token, "audience")).collect::<Vec<_>>().join(",")
    });
    vec![
        opt_flag(spec, "attachRequired").unwrap_or(true).into(),
        flag(spec, "podInfoOnMount").into(),
        flag(spec, "storageCapacity").into(),
        tokens.into(),
        flag(spec, "requiresRepublish").into(),
        or(&texts(spec, "volumeLifecycleModes").join(","), "<none>"),
        print.age(),
    ]
}

fn state(print: &Print<'_>) -> String {
    let status = print.status();
    let mut states = Vec::new();
    if print.deleted() {
        states.push("deleted");
    }
    if set(status, "allocation").is_some() {
        states.push("allocated");
        if !list(status, "reservedFor").is_empty() {
            states.push("reserved");
        }
    } else if !print.deleted() {
        states.push("pending");
    }
    states.join(",")
}
