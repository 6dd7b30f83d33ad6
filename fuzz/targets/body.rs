//! Bodies in JSON and YAML, on their way into the store: decode, shape, defaults, validation.
//!
//! Whatever is accepted has a settled shape: conforming it again changes nothing and finds nothing unknown.

#![no_main]

use libfuzzer_sys::fuzz_target;
use schema::conform::conform;
use schema::decode::{Media, decode};
use schema::table::Table;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, body)) = data.split_first() else { return };
    let media = if choice & 1 == 0 { Media::Json } else { Media::Yaml };
    let Ok(mut decoded) = decode(body, media) else { return };
    let resources = Table::builtin().resources();
    let resource = &resources[usize::from(choice >> 1) % resources.len()];
    let mut object = decoded.value.take();
    if !object.is_object() || conform(resource.schema.node(), &mut object).is_err() {
        return;
    }
    let mut again = object.clone();
    assert_eq!(conform(resource.schema.node(), &mut again), Ok(Vec::new()));
    assert_eq!(again, object, "conform is idempotent");

    let strategy = resource::of(resource);
    strategy.default(&resource.version, &mut object);
    let mut defaulted = object.clone();
    strategy.default(&resource.version, &mut defaulted);
    assert_eq!(defaulted, object, "defaulting is idempotent");
    strategy.prepare_create(&mut object);
    strategy.validate_create(&object);
    strategy.validate_update(&object, &defaulted);
    strategy.warnings(&object, Some(&defaulted));
    strategy.fields(&object);
});
