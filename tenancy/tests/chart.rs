//! The chart carries the definition of `Tenant` that the code has.

use std::path::Path;

/// `UPDATE_CHART=1` writes the file instead.
#[test]
fn the_chart_carries_the_definition() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/rowhouse/files/tenants.rowhouse.dev.json");
    let definition = format!("{:#}\n", tenancy::tenant_crd());
    if std::env::var_os("UPDATE_CHART").is_some() {
        std::fs::write(&path, &definition).expect("the chart is writable");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == definition,
        "the Tenant type has changed: UPDATE_CHART=1 cargo test -p rowhouse-tenancy --test chart"
    );
}
