//! Tests of quantities; expected texts were produced by `resource.ParseQuantity` of Kubernetes 1.36.

use proptest::prelude::*;

use super::*;

#[test]
fn canonical_forms() {
    let cases = [
        ("0", "0"),
        ("0.5", "500m"),
        ("1.5", "1500m"),
        ("1.500", "1.500"),
        ("100m", "100m"),
        ("1000m", "1"),
        ("1024Ki", "1Mi"),
        ("1500Mi", "1500Mi"),
        ("2000Mi", "2000Mi"),
        ("3Mi", "3Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.1Ki", "102400m"),
        ("1000Ki", "1000Ki"),
        ("1e3", "1e3"),
        ("10e3", "10e3"),
        ("1e4", "10e3"),
        ("1E", "1E"),
        ("128974848", "128974848"),
        ("129e6", "129e6"),
        ("1000", "1k"),
        ("12000000", "12M"),
        ("+5", "+5"),
        ("005", "005"),
        ("-5", "-5"),
        ("-0.5", "-500m"),
        ("0.0000000001", "1n"),
        ("1.0000000001", "1000000001n"),
        ("0Ki", "0"),
        ("16Ei", "9223372036854775807"),
        ("0.5Ki", "512"),
        ("0.001Ki", "1024m"),
        (".5", "500m"),
        ("5.", "5."),
    ];
    for (text, want) in cases {
        assert_eq!(canonical(text).unwrap(), want, "{text}");
    }
}

#[test]
fn refusals_are_upstreams() {
    for (text, want) in [
        ("", QuantityError::Format),
        ("abc", QuantityError::Format),
        ("1 Gi", QuantityError::Format),
        ("1.2.3", QuantityError::Format),
        ("1Kii", QuantityError::Suffix),
        ("1kk", QuantityError::Suffix),
        ("1e", QuantityError::Suffix),
        ("1e99999999999999999999", QuantityError::Suffix),
    ] {
        assert_eq!(canonical(text), Err(want), "{text}");
    }
}

#[test]
fn amounts_compare_across_formats() {
    use std::cmp::Ordering::{Equal, Greater, Less};
    for (a, b, want) in [
        ("1", "1000m", Equal),
        ("1Ki", "1k", Greater),
        ("-1", "1", Less),
        ("-2", "-1", Less),
        ("0", "-0", Equal),
        ("1e9", "1G", Equal),
        ("0.1", "100m", Equal),
        ("1e1000000000", "1e999999999", Greater),
    ] {
        assert_eq!(compare(a, b), Some(want), "{a} {b}");
    }
}

#[test]
fn values_round_up() {
    let of = |text: &str| text.parse::<Quantity>().unwrap();
    assert_eq!(of("1.5").value(), Some(2));
    assert_eq!(of("1500m").milli_value(), Some(1500));
    assert_eq!(of("1n").milli_value(), Some(1));
    assert_eq!(of("-1.5").value(), Some(-2));
    assert_eq!(of("1e30").value(), None);
    assert_eq!(of("250m").plus(&of("0.75")).unwrap().to_string(), "1");
    assert_eq!(of("0").plus(&of("1Gi")).unwrap().to_string(), "1Gi");
    assert!(of("3").is_integer() && !of("3.5").is_integer());
}

proptest! {
    #[test]
    fn canonical_is_stable_and_keeps_the_amount(text in "[+-]?[0-9]{0,25}(\\.[0-9]{0,12})?(n|u|m|k|M|G|Ki|Mi|Gi|e[0-9]{1,2}|)") {
        if let Ok(first) = text.parse::<Quantity>() {
            let shown = first.to_string();
            let second: Quantity = shown.parse().unwrap();
            prop_assert_eq!(second.to_string(), shown);
            prop_assert_eq!(second, first);
        }
    }

    #[test]
    fn no_text_panics(text in "[-+.0-9eEinumkKMGTP ]{0,30}") {
        if let Ok(quantity) = text.parse::<Quantity>() {
            let _ = (quantity.to_string(), quantity.value(), quantity.milli_value(), quantity.to_f64());
        }
    }
}
