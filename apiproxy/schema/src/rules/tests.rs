//! Tests of rules; expected errors were seen on a kube-apiserver 1.36.3.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::crd::schema_of;
use crate::validate::validate;

fn schema() -> Value {
    let rule = |rule: &str| json!([{"rule": rule}]);
    json!({"type": "object", "x-kubernetes-validations": rule("self.metadata.name != 'zz'"), "properties": {
        "metadata": {"type": "object"},
        "spec": {"type": "object", "x-kubernetes-validations": rule("!has(self.__namespace__) || self.__namespace__ != 'x'"), "properties": {
            "req": {"type": "string", "maxLength": 20, "x-kubernetes-validations": [
                {"rule": "self != 'bad'"},
                {"rule": "self != 'msg'", "message": "my message"},
                {"rule": "self != 'mex'", "messageExpression": "'got ' + self"},
                {"rule": "self != 'forb'", "reason": "FieldValueForbidden", "message": "f"},
                {"rule": "self != 'reqd'", "reason": "FieldValueRequired"},
                {"rule": "self != 'dup'", "reason": "FieldValueDuplicate"}]},
            "n": {"type": "integer", "x-kubernetes-validations": [
                {"rule": "self > 0 && 10 / (self - 5) > -1000"},
                {"rule": "self >= oldSelf", "message": "no shrink"}]},
            "o": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
                  "x-kubernetes-validations": [{"rule": "self.a < self.b", "fieldPath": ".a", "message": "a<b"}]},
            "l": {"type": "array", "maxItems": 10, "items": {"type": "object", "properties": {"x": {"type": "string"}},
                  "x-kubernetes-validations": rule("self.x.startsWith('a')")}},
            "m": {"type": "object", "maxProperties": 10, "additionalProperties": {"type": "integer", "x-kubernetes-validations": rule("self < 5")}},
            "opt": {"type": "string", "x-kubernetes-validations": [
                {"rule": "!oldSelf.hasValue() || oldSelf.value() == self", "optionalOldSelf": true, "message": "immutable"}]},
            "mexbad": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0", "messageExpression": "string(1/self)"}]},
            "f": {"type": "number", "x-kubernetes-validations": rule("self < 5.5")},
            "d": {"type": "string", "format": "duration", "x-kubernetes-validations": rule("self < duration('1h')")},
            "t": {"type": "string", "format": "date-time", "x-kubernetes-validations": rule("self > timestamp('2020-01-01T00:00:00Z')")},
            "namespace": {"type": "string"},
            "ios": {"x-kubernetes-int-or-string": true, "x-kubernetes-validations": rule("type(self) == int ? self > 1 : self == 'x'")},
            "bomb": {"type": "array", "items": {"type": "integer"}, "x-kubernetes-validations": rule("self.all(a, self.all(b, self.all(c, a + b + c >= 0)))")},
            "grow": {"type": "array", "items": {"type": "string"}, "x-kubernetes-validations": rule("self.map(a, self.map(b, a + a + b + b)).size() > 0")},
        }},
    }})
}

fn errors(spec: &Value, old: Option<&Value>) -> String {
    let object = |spec: &Value| json!({"metadata": {"name": "b"}, "spec": spec});
    let old = old.map(object);
    let found = validate(&schema_of(&schema()), &object(spec), old.as_ref());
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[test]
fn failing_rules_are_told_as_upstream() {
    let cases = [
        (json!({"req": "good", "n": 6, "ios": "x"}), ""),
        (json!({"req": "bad"}), r#"spec.req: Invalid value: "bad": failed rule: self != 'bad'"#),
        (json!({"req": "msg"}), r#"spec.req: Invalid value: "msg": my message"#),
        (json!({"req": "mex"}), r#"spec.req: Invalid value: "mex": got mex"#),
        (json!({"req": "forb"}), "spec.req: Forbidden: f"),
        (json!({"req": "reqd"}), "spec.req: Required value: failed rule: self != 'reqd'"),
        (json!({"req": "dup"}), r#"spec.req: Duplicate value: "dup""#),
        (json!({"n": -1}), "spec.n: Invalid value: -1: failed rule: self > 0 && 10 / (self - 5) > -1000"),
        (
            json!({"n": 5}),
            r#"spec.n: Invalid value: "integer": division by zero evaluating rule: self > 0 && 10 / (self - 5) > -1000"#,
        ),
        (json!({"o": {"a": 3, "b": 2}}), "spec.o.a: Invalid value: a<b"),
        (json!({"o": {"a": 3}}), r#"spec.o: Invalid value: "object": no such key: b evaluating rule: a<b"#),
        (json!({"l": [{"x": "b"}, {"x": "a"}]}), "spec.l[0]: Invalid value: failed rule: self.x.startsWith('a')"),
        (json!({"m": {"k": 9}}), "spec.m[k]: Invalid value: 9: failed rule: self < 5"),
        (json!({"mexbad": 0}), "spec.mexbad: Invalid value: 0: failed rule: self > 0"),
        (json!({"mexbad": -1}), "spec.mexbad: Invalid value: -1: -1"),
        (json!({"f": 9}), "spec.f: Invalid value: 9: failed rule: self < 5.5"),
        (json!({"f": 3}), ""),
        (json!({"d": "2h"}), r#"spec.d: Invalid value: "2h": failed rule: self < duration('1h')"#),
        (
            json!({"t": "2010-01-01T00:00:00Z"}),
            r#"spec.t: Invalid value: "2010-01-01T00:00:00Z": failed rule: self > timestamp('2020-01-01T00:00:00Z')"#,
        ),
        (
            json!({"namespace": "x"}),
            "spec: Invalid value: failed rule: !has(self.__namespace__) || self.__namespace__ != 'x'",
        ),
        (json!({"ios": 0}), "spec.ios: Invalid value: 0: failed rule: type(self) == int ? self > 1 : self == 'x'"),
        (
            json!({"n": "s", "req": "bad"}),
            r#"spec.n: Invalid value: "string": spec.n in body must be of type integer: "string", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"#,
        ),
    ];
    for (spec, want) in cases {
        assert_eq!(errors(&spec, None), want, "{spec}");
    }
    let named = validate(&schema_of(&schema()), &json!({"metadata": {"name": "zz"}}), None);
    assert_eq!(named[0].to_string(), "<nil>: Invalid value: failed rule: self.metadata.name != 'zz'");
}

#[test]
fn transitions_and_ratcheting() {
    let old = json!({"n": 20, "opt": "a", "req": "bad"});
    assert_eq!(errors(&json!({"n": 19}), Some(&old)), "spec.n: Invalid value: 19: no shrink");
    assert_eq!(errors(&json!({"opt": "b"}), Some(&old)), r#"spec.opt: Invalid value: "b": immutable"#);
    assert_eq!(errors(&json!({"n": 21, "opt": "a", "req": "bad"}), Some(&old)), "");
    assert_eq!(errors(&json!({"opt": "b"}), Some(&json!({}))), "");
}

#[test]
fn expensive_rules_are_stopped() {
    let spec = json!({"bomb": (0..400).collect::<Vec<_>>()});
    assert!(errors(&spec, None).contains("call cost exceeds limit for rule"), "{}", errors(&spec, None));
    let spec = json!({"grow": (0..200).map(|_| "x".repeat(10_000)).collect::<Vec<_>>()});
    assert!(errors(&spec, None).contains("call cost exceeds limit for rule"), "{}", errors(&spec, None));
}

fn definition(a: &Value) -> String {
    let schema = json!({"type": "object", "properties": {"a": a}});
    super::check_definition(&schema, "s", true).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[test]
fn rules_are_checked_when_they_are_defined() {
    let string = |rule: &str| json!({"type": "string", "x-kubernetes-validations": [{"rule": rule}]});
    for (schema, want) in [
        (string("self.foo == 1"), "type 'string' does not support field selection"),
        (string("self +"), "compilation failed: ERROR: <input>:1:"),
        (string(""), "rule is not specified"),
        (string("self == 5"), "found no matching overload for '_==_' applied to '(string, int)'"),
        (string("self"), "cel expression must evaluate to a bool"),
        (string("foo(self)"), "undeclared reference to 'foo' (in container '')"),
        (
            string("self == x"),
            "ERROR: <input>:1:9: undeclared reference to 'x' (in container '')\n | self == x\n | ........^",
        ),
        (
            string("self.size() > 3 && self.startsWith(5)"),
            "found no matching overload for 'startsWith' applied to 'string.(int)'",
        ),
        (
            json!({"type": "object", "properties": {"b": {"type": "string"}}, "x-kubernetes-validations": [{"rule": "self.c == 'x'"}]}),
            "undefined field 'c'",
        ),
        (
            json!({"type": "string", "x-kubernetes-validations": [{"rule": "self == 'a'", "messageExpression": "5"}]}),
            "messageExpression must evaluate to a string",
        ),
        (
            json!({"type": "string", "x-kubernetes-validations": [{"rule": "self == 'a'", "optionalOldSelf": true}]}),
            "may not be set if oldSelf is not used in rule",
        ),
        (
            json!({"type": "string", "x-kubernetes-validations": [{"rule": "self == 'a'", "reason": "X", "fieldPath": ".b"}]}),
            "must be a valid path",
        ),
        (
            json!({"type": "array", "items": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}}),
            "oldSelf cannot be used on the uncorrelatable portion of the schema within s.properties[a]",
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-validations": [{"rule": "self.all(x, self.all(y, x == y))"}]}),
            "estimated rule cost exceeds budget by factor of more than 100x",
        ),
    ] {
        assert!(definition(&schema).contains(want), "{schema}\n{}", definition(&schema));
    }
}

#[test]
fn deep_rules_are_refused() {
    let string = |rule: String| json!({"type": "string", "x-kubernetes-validations": [{"rule": rule}]});
    for rule in [
        format!("1{} == 1", "+1".repeat(8_000)),
        format!("{}1{} == 1", "(".repeat(5_000), ")".repeat(5_000)),
        format!("self{} == 1", ".a".repeat(8_000)),
        format!("self{}", "[0".repeat(8_000)),
        format!("true{}", "?true:true".repeat(1_600)),
        format!("{}self", "[".repeat(16_000)),
        "x".repeat(20_000),
    ] {
        assert!(!definition(&string(rule.clone())).is_empty(), "{}", &rule[..20]);
        let _ = validate(
            &schema_of(&json!({"type": "object", "properties": {"a": string(rule)}})),
            &json!({"a": "x"}),
            None,
        );
    }
}

#[test]
fn good_rules_pass() {
    let object = |rule: &str| {
        json!({"type": "object", "x-kubernetes-validations": [{"rule": rule}], "properties": {
            "s": {"type": "string"}, "i": {"type": "integer"}, "d": {"type": "number"},
            "l": {"type": "array", "maxItems": 5, "items": {"type": "object", "properties": {"k": {"type": "string"}}}},
            "m": {"type": "object", "additionalProperties": {"type": "integer"}},
            "ss": {"type": "array", "maxItems": 5, "items": {"type": "string"}},
            "t": {"type": "string", "format": "date-time"}, "any": {"x-kubernetes-preserve-unknown-fields": true},
            "ios": {"x-kubernetes-int-or-string": true}, "x-y": {"type": "boolean"},
        }})
    };
    for rule in [
        "self.s.matches('^a+$') && self.i % 2 == 0 && self.d > 1",
        "self.l.all(x, has(x.k) && x.k != '') || self.l.exists(x, x.k == 'a') || self.l.exists_one(x, x.k == 'b')",
        "self.l.map(x, x.k).filter(k, k.startsWith('a')).size() <= 3",
        "self.m.all(k, k != '' && self.m[k] > 0) && 'a' in self.m",
        "self.ss.isSorted() && self.ss.join(',').size() < 10 && self.ss.indexOf('a') < 3",
        "self.t > timestamp('2020-01-01T00:00:00Z') && self.t.getFullYear() > 2000",
        "self.any.foo == 5 || self.ios == 3 || self.ios == 'x'",
        "self.x__dash__y && self.?s.orValue('') != 'a' && self.?s.hasValue()",
        "self.s.split(',').all(p, p.trim().lowerAscii() == p) && self.s.substring(1, 2) == 'b'",
        "'%s-%d'.format([self.s, self.i]) != '' && math.greatest(self.i, 3) > 2",
        "self.i in [1, 2, 3] && (self.i > 1 ? self.s : 'x') == 'x' && size(self.s) > 0",
        "oldSelf.i <= self.i && type(self.ios) == string && string(self.i) == '5'",
        "self.s.find('[0-9]+') != '' && self.s.findAll('a').size() == 1 && quote() == 1",
    ] {
        let wrong = definition(&object(rule));
        assert_eq!(wrong.is_empty(), !rule.contains("quote"), "{rule}\n{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_rule_panics(rule in "(self|oldSelf|[a-c.()\\[\\]{}+\\-*/%<>=!&|?:'\"0-9, ]|all|map|has|size|matches){0,12}|\\PC{0,20}", value in 0..5) {
        let schema = json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}, "x-kubernetes-validations": [{"rule": rule}]}}});
        let _ = super::check_definition(&schema, "s", true);
        let _ = validate(&schema_of(&schema), &json!({"a": [value]}), None);
    }
}
