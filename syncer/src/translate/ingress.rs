//! Ingresses: born in the tenant; served by a controller of the host.

use serde_json::{Map, Value, json};
use tenancy::host::object_name;
use tenancy::{Host, Virtual, labels};

use super::class::Offer;
use super::rules::Rule::{Deny, Into, Keep, Rewrite};
use super::rules::{Handler, Outcome, Rewriter, Shape, Unknown, walk};
use super::{Identity, Made, Origin, Place, Refused, metadata};
use crate::json;

/// Ingresses are born in the tenant.
pub const ORIGIN: Origin = Origin::Tenant;

/// The old way of naming a class; spoken for by `ingressClassName` on the host.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// `spec` of an ingress.
pub static INGRESS_SPEC: Shape = Shape {
    type_name: "networking.v1.IngressSpec",
    fields: &[
        ("defaultBackend", Into(&BACKEND)),
        (
            "ingressClassName",
            Rewrite(Handler::Class, None, "a class the tenant sees, or its default; others are refused"),
        ),
        ("rules", Into(&RULE)),
        ("tls", Into(&TLS)),
    ],
};
static BACKEND: Shape = Shape {
    type_name: "networking.v1.IngressBackend",
    fields: &[
        ("resource", Deny("only Services can be backends: other objects of the tenant are not on the host")),
        ("service", Into(&SERVICE)),
    ],
};
static SERVICE: Shape = Shape {
    type_name: "networking.v1.IngressServiceBackend",
    fields: &[("name", Rewrite(Handler::Service, None, "host name of the Service")), ("port", Into(&SERVICE_PORT))],
};
static SERVICE_PORT: Shape =
    Shape { type_name: "networking.v1.ServiceBackendPort", fields: &[("name", Keep), ("number", Keep)] };
static RULE: Shape = Shape { type_name: "networking.v1.IngressRule", fields: &[("host", Keep), ("http", Into(&HTTP))] };
static HTTP: Shape = Shape { type_name: "networking.v1.HTTPIngressRuleValue", fields: &[("paths", Into(&PATH))] };
static PATH: Shape = Shape {
    type_name: "networking.v1.HTTPIngressPath",
    fields: &[("backend", Into(&BACKEND)), ("path", Keep), ("pathType", Keep)],
};
static TLS: Shape = Shape {
    type_name: "networking.v1.IngressTLS",
    fields: &[
        ("hosts", Keep),
        ("secretName", Rewrite(Handler::Secret, None, "host name of the Secret, which is synced while referenced")),
    ],
};

/// `status` of an ingress, from the host to the tenant.
pub static INGRESS_STATUS: Shape =
    Shape { type_name: "networking.v1.IngressStatus", fields: &[("loadBalancer", Into(&LOAD_BALANCER))] };
static LOAD_BALANCER: Shape =
    Shape { type_name: "networking.v1.IngressLoadBalancerStatus", fields: &[("ingress", Into(&POINT))] };
static POINT: Shape = Shape {
    type_name: "networking.v1.IngressLoadBalancerIngress",
    fields: &[("hostname", Keep), ("ip", Keep), ("ports", Into(&PORT_STATUS))],
};
static PORT_STATUS: Shape = Shape {
    type_name: "networking.v1.IngressPortStatus",
    fields: &[("error", Keep), ("port", Keep), ("protocol", Keep)],
};

/// Translates an ingress. `classes` are the ingress classes the tenant sees.
///
/// # Errors
/// [`Refused`] when there is no honest translation.
pub fn to_host(place: &Place, who: Identity<'_>, ingress: &Virtual<Value>, classes: &Offer) -> Result<Made, Refused> {
    let Virtual(ingress) = ingress;
    let spec = ingress.get("spec").unwrap_or(&Value::Null);
    let mut rewriter = Names { who, classes };
    let mut out = walk(&INGRESS_SPEC, spec, "spec", Unknown::Refuse, &mut rewriter)?;
    if out.get("ingressClassName").is_none() {
        out["ingressClassName"] = json!(class(ingress, classes)?);
    }
    let own = ingress.get("metadata").unwrap_or(&Value::Null);
    let host_name = Host(object_name(who.namespace, who.name));
    let metadata = metadata::twin(place, who, &host_name, own);
    let left_out = left_out(place, own);
    let object = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": out });
    Ok(Made { object: Host(object), notes: left_out.into_iter().collect() })
}

/// The class of an ingress that names none in its spec.
fn class(ingress: &Value, classes: &Offer) -> Result<String, Refused> {
    let old = ingress.pointer("/metadata/annotations").and_then(|all| all.get(CLASS_ANNOTATION)?.as_str());
    match (old, &classes.default) {
        (Some(name), _) => {
            classes.check(name, "metadata.annotations[kubernetes.io/ingress.class]").map(|()| name.to_owned())
        }
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => {
            Err(Refused::new("spec.ingressClassName", "no class is named, and this cluster has no default class"))
        }
    }
}

/// Annotations steer most ingress controllers: what does not reach them is told.
fn left_out(place: &Place, own: &Value) -> Option<String> {
    let policy = &place.isolation.allowed_annotations;
    let keys: Vec<&str> = json::object(own, "/annotations")
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .filter(|key| !metadata::annotation_passes(key, policy) && !labels::is_reserved(key))
        .filter(|key| *key != CLASS_ANNOTATION && !key.starts_with("kubectl.kubernetes.io/"))
        .take(8)
        .collect();
    (!keys.is_empty()).then(|| format!("annotations left out, because they steer the host: {}", keys.join(", ")))
}

/// The status of the virtual ingress.
pub fn status_to_virtual(host: &Host<Value>) -> Virtual<Value> {
    let status = host.0.get("status").unwrap_or(&Value::Null);
    let out = walk(&INGRESS_STATUS, status, "status", Unknown::LeaveOut, &mut super::rules::Silent);
    let mut out = out.unwrap_or_else(|_| json!({}));
    if let Some(out) = out.as_object_mut() {
        out.entry("loadBalancer").or_insert_with(|| json!({}));
    }
    Virtual(out)
}

/// Names of the Secrets an ingress refers to.
pub fn secrets(ingress: &Value) -> impl Iterator<Item = &str> {
    json::items(ingress, "/spec/tls").iter().map(|tls| json::text(tls, "/secretName")).filter(|name| !name.is_empty())
}

struct Names<'a> {
    who: Identity<'a>,
    classes: &'a Offer,
}

impl Rewriter for Names<'_> {
    fn rewrite(
        &mut self,
        handler: Handler,
        value: &Value,
        _: &Map<String, Value>,
        at: &str,
    ) -> Result<Outcome, Refused> {
        let name = value.as_str().unwrap_or_default();
        match handler {
            Handler::Class => self.classes.check(name, at).map(|()| Outcome::Value(value.clone())),
            Handler::Service | Handler::Secret if name.is_empty() => Ok(Outcome::Value(value.clone())),
            Handler::Service | Handler::Secret => Ok(Outcome::Value(json!(object_name(self.who.namespace, name)))),
            _ => Err(Refused::new(at, "this field does not belong to an ingress")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::metadata::tests::place;
    use super::*;

    const WHO: Identity<'static> = Identity { namespace: "shop", name: "web", uid: "u1" };

    fn classes() -> Offer {
        Offer { kind: "ingress class", names: ["edge".into(), "inner".into()].into(), default: Some("edge".into()) }
    }

    fn ingress(annotations: &Value, spec: &Value) -> Virtual<Value> {
        Virtual(json!({ "metadata": { "name": "web", "uid": "u1", "annotations": annotations }, "spec": spec }))
    }

    #[test]
    fn names_lead_to_twins() {
        let own = ingress(
            &json!({ "note": "x" }),
            &json!({
                "ingressClassName": "inner", "defaultBackend": { "service": { "name": "web", "port": { "name": "http" } } },
                "tls": [{ "hosts": ["a.example"], "secretName": "cert" }],
                "rules": [{ "host": "a.example", "http": { "paths": [
                    { "path": "/", "pathType": "Prefix", "backend": { "service": { "name": "api", "port": { "number": 80 } } } }] } }]
            }),
        );
        let made = to_host(&place(), WHO, &own, &classes()).unwrap();
        let host = &made.object.0["spec"];
        assert_eq!(host["defaultBackend"]["service"]["name"], object_name("shop", "web"));
        assert_eq!(host["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"], object_name("shop", "api"));
        assert_eq!(host["tls"][0]["secretName"], object_name("shop", "cert"));
        assert_eq!((&host["ingressClassName"], &host["rules"][0]["host"]), (&json!("inner"), &json!("a.example")));
        assert_eq!(made.notes, Vec::<String>::new());
        assert_eq!(secrets(&own.0).collect::<Vec<_>>(), ["cert"]);
    }

    #[test]
    fn classes_are_those_the_tenant_sees() {
        let old = json!({ CLASS_ANNOTATION: "inner" });
        let class = |annotations: &Value, spec: &Value, offer: &Offer| {
            to_host(&place(), WHO, &ingress(annotations, spec), offer)
                .map(|made| json::text(&made.object.0, "/spec/ingressClassName").to_owned())
                .map_err(|refused| refused.field)
        };
        assert_eq!(class(&json!({}), &json!({}), &classes()), Ok("edge".into()));
        assert_eq!(class(&old, &json!({}), &classes()), Ok("inner".into()));
        assert_eq!(class(&old, &json!({ "ingressClassName": "edge" }), &classes()), Ok("edge".into()));
        assert_eq!(
            class(&json!({}), &json!({ "ingressClassName": "hidden" }), &classes()),
            Err("spec.ingressClassName".into())
        );
        let none = Offer { default: None, ..classes() };
        assert_eq!(class(&json!({}), &json!({}), &none), Err("spec.ingressClassName".into()));
        let hidden = json!({ CLASS_ANNOTATION: "hidden" });
        assert!(class(&hidden, &json!({}), &classes()).unwrap_err().starts_with("metadata.annotations"));
    }

    #[test]
    fn steering_annotations_stay_and_are_told() {
        let snippet =
            json!({ "nginx.ingress.kubernetes.io/server-snippet": "evil", "rowhouse.dev/uid": "forged", "ok": "1" });
        let made = to_host(&place(), WHO, &ingress(&snippet, &json!({})), &classes()).unwrap();
        assert!(!made.object.0.to_string().contains("evil") && !made.object.0.to_string().contains("forged"));
        assert_eq!(
            made.notes,
            ["annotations left out, because they steer the host: nginx.ingress.kubernetes.io/server-snippet"]
        );
        let mut place = place();
        place.isolation.allowed_annotations = vec!["nginx.ingress.kubernetes.io/rewrite-target".into()];
        let rewrite = json!({ "nginx.ingress.kubernetes.io/rewrite-target": "/" });
        let made = to_host(&place, WHO, &ingress(&rewrite, &json!({})), &classes()).unwrap();
        assert_eq!(made.object.0["metadata"]["annotations"]["nginx.ingress.kubernetes.io/rewrite-target"], "/");
        assert_eq!(made.notes, Vec::<String>::new());
    }

    #[test]
    fn what_reaches_for_others_is_refused() {
        for (spec, field) in [
            (
                json!({ "defaultBackend": { "resource": { "kind": "Bucket", "name": "b" } } }),
                "spec.defaultBackend.resource",
            ),
            (json!({ "rules": [{ "fromTheFuture": 1 }] }), "spec.rules[0].fromTheFuture"),
            (json!({ "fromTheFuture": 1 }), "spec.fromTheFuture"),
        ] {
            assert_eq!(to_host(&place(), WHO, &ingress(&json!({}), &spec), &classes()).unwrap_err().field, field);
        }
        // A name crafted to look like that of a twin is a name like any other.
        let crafted = object_name("blog", "web");
        let spec = json!({ "defaultBackend": { "service": { "name": crafted } } });
        let made = to_host(&place(), WHO, &ingress(&json!({}), &spec), &classes()).unwrap();
        assert_eq!(made.object.0["spec"]["defaultBackend"]["service"]["name"], object_name("shop", &crafted));
    }

    #[test]
    fn addresses_come_back() {
        let host =
            Host(json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "1.2.3.4", "fromTheFuture": 1 }] } } }));
        assert_eq!(status_to_virtual(&host).0, json!({ "loadBalancer": { "ingress": [{ "ip": "1.2.3.4" }] } }));
        assert_eq!(status_to_virtual(&Host(json!({}))).0, json!({ "loadBalancer": {} }));
    }
}
