//! Tests of selectors; errors were seen on a kube-apiserver 1.36.3.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const LABELS: [(&str, &str); 3] = [("a", "b"), ("n", "5"), ("e", "")];

fn selects(query: &str) -> bool {
    LabelSelector::parse(query).unwrap().matches(LABELS.into_iter())
}

#[test]
fn queries_select() {
    for query in [
        "",
        "a",
        "a=b",
        "a==b",
        "a!=c",
        "x!=c",
        "a in (b,c)",
        "a notin (c)",
        "x notin (c)",
        "!x",
        "n>4",
        "n<6",
        "e=",
        "e in ()",
        "e in (,x)",
        "a=b,n=5",
        "e in (x,,y)",
        " a = b ",
    ] {
        assert!(selects(query), "{query}");
    }
    for query in ["x", "a=c", "a!=b", "a in (c)", "a notin (b)", "!a", "n>5", "n<5", "a>1", "a=b,n=6", "x in ()"] {
        assert!(!selects(query), "{query}");
    }
    assert_eq!(LabelSelector::parse("in in (in,notin)").unwrap().to_string(), "in in (in,notin)");
    assert_eq!(LabelSelector::parse("b=1,!a,c in (z,y)").unwrap().to_string(), "!a,b=1,c in (y,z)");
}

#[test]
fn bad_queries_are_explained_as_upstream() {
    let name = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let cases = [
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt".to_owned()),
        ("a=b c", "found 'c', expected: ',' or 'end of string'".to_owned()),
        ("/a=b", "unable to parse requirement: <nil>: Invalid value: \"/a\": prefix part must be non-empty".to_owned()),
        ("a=b,,c", "found ',', expected: identifier after ','".to_owned()),
        ("a in b", "unable to parse requirement: found 'b' expected: '('".to_owned()),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'".to_owned()),
        ("-a", format!("unable to parse requirement: <nil>: Invalid value: \"-a\": {name}")),
        ("a=-b", "unable to parse requirement: values[0][a]: Invalid value: \"-b\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')".to_owned()),
        ("a>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer".to_owned()),
        (",a", "found ',', expected: !, identifier, or 'end of string'".to_owned()),
        ("a,", "found '', expected: identifier after ','".to_owned()),
        ("!", "unable to parse requirement: found '', expected: identifier".to_owned()),
        ("!a=b", "found '=', expected: ',' or 'end of string'".to_owned()),
        ("a=>1", "unable to parse requirement: found '>', expected: identifier".to_owned()),
        ("a =! b", "unable to parse requirement: found '!', expected: identifier".to_owned()),
        ("foo/=x", format!("unable to parse requirement: <nil>: Invalid value: \"foo/\": name part must be non-empty; {name}")),
    ];
    for (query, want) in cases {
        assert_eq!(LabelSelector::parse(query).unwrap_err().to_string(), want, "{query}");
    }
}

#[test]
fn objects_select() {
    let of = |value: Value| LabelSelector::from_json(Some(&value));
    assert!(!LabelSelector::from_json(None).unwrap().matches(LABELS.into_iter()));
    assert!(of(json!({})).unwrap().is_everything());
    let selector = of(json!({"matchLabels": {"a": "b"}, "matchExpressions": [
        {"key": "n", "operator": "In", "values": ["5", "6"]}, {"key": "x", "operator": "DoesNotExist"}]}))
    .unwrap();
    assert!(selector.matches(LABELS.into_iter()));
    assert!(selector.matches_json(Some(&json!({"a": "b", "n": "6"}))));
    assert!(!selector.matches_json(None));
    assert_eq!(selector.to_string(), "a=b,n in (5,6),!x");
    assert_eq!(
        of(json!({"matchExpressions": [{"key": "a", "operator": "Is"}]})).unwrap_err().to_string(),
        "\"Is\" is not a valid label selector operator"
    );
    assert!(of(json!({"matchExpressions": [{"key": "a", "operator": "In"}]})).is_err());
}

#[test]
fn fields_select() {
    let selector = FieldSelector::parse("metadata.name=x,status.phase!=Failed,a==b\\,c").unwrap();
    let field = |name: &str| match name {
        "metadata.name" => Some("x"),
        "a" => Some("b,c"),
        _ => None,
    };
    assert!(selector.matches_with(field));
    assert_eq!(selector.required("metadata.name"), Some("x"));
    assert_eq!(selector.to_string(), "a=b\\,c,metadata.name=x,status.phase!=Failed");
    for (query, want) in [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
        ("a=b\\c", "invalid field selector: invalid escape sequence: \\c"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
    ] {
        assert_eq!(FieldSelector::parse(query).unwrap_err().to_string(), want);
    }
}

proptest! {
    #[test]
    fn no_query_panics(query in "\\PC{0,40}|[a-c=!(),<> \\\\innot]{0,30}") {
        let _ = LabelSelector::parse(&query);
        let _ = FieldSelector::parse(&query);
    }

    #[test]
    fn shown_selectors_mean_the_same(query in "[a-c](=|!=| in \\()[x-z]{1,2}\\)?(,![a-c])?") {
        if let Ok(selector) = LabelSelector::parse(&query) {
            prop_assert_eq!(LabelSelector::parse(&selector.to_string()).unwrap(), selector);
        }
    }
}
