//! From HTTP to a request of the API: the only place that reads URLs (upstream: `apiserver/pkg/endpoints/request`).
//!
//! | path | becomes |
//! |---|---|
//! | `/api/v1/namespaces/a/pods/p` | group ``, namespace `a`, resource `pods`, name `p` |
//! | `/apis/apps/v1/namespaces/a/deployments/d/scale` | … subresource `scale` |
//! | `/api/v1/namespaces/a` | resource `namespaces`, name `a`, namespace `a` |
//! | `/version` | not a resource |
//!
//! In the fleet view a namespace reads `<tenant id>:<namespace>` and a cluster-scoped name `<tenant id>:<name>`; here
//! they are taken apart, so that later stages see a tenant and plain names.

use http::{Method, request::Parts};
use percent_encoding::percent_decode_str;
use tenancy::{TenantId, fleet, route};

use crate::respond::Error;
use crate::sharing;

/// Which API a connection speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Realm {
    /// The API of one tenant.
    Tenant(TenantId),
    /// The same API over all tenants, for our own loops and for operators.
    Fleet,
}

/// What a request is about, in the words of upstream's `RequestInfo`.
#[derive(Clone, Debug)]
pub struct Info {
    /// The API asked.
    pub realm: Realm,
    /// The tenant whose objects are meant; None for all of them (fleet only).
    pub tenant: Option<TenantId>,
    /// Verb for authorisation: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; the
    /// lower-case HTTP method for paths that are no resource.
    pub verb: &'static str,
    /// API group; empty for core.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural resource.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Namespace, or empty.
    pub namespace: String,
    /// Name, or empty.
    pub name: String,
    /// What follows the subresource (`proxy` paths), or empty.
    pub rest: String,
    /// Whether the path names the object (as opposed to a name taken from a field selector).
    pub named_by_path: bool,
    /// The path as asked, without tenant prefix.
    pub path: String,
    /// Query parameters, decoded.
    pub query: Query,
}

impl Info {
    /// Whether names in the objects asked for carry their tenant: all of the fleet view but the control plane's own
    /// records.
    pub fn has_fleet_names(&self) -> bool {
        self.realm == Realm::Fleet && self.group != route::GROUP
    }
}

/// Decoded query parameters, in order.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Parses the query of a URL.
    pub fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The first value of a parameter; empty when it is absent.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A boolean parameter as upstream's conversion reads it: absent, `false` and `0` are false, all else true.
    pub fn flag(&self, name: &str) -> bool {
        match self.0.iter().find(|(key, _)| key == name) {
            None => false,
            Some((_, value)) => !matches!(value.to_ascii_lowercase().as_str(), "false" | "0"),
        }
    }

    /// A boolean parameter that can be absent.
    pub fn optional_flag(&self, name: &str) -> Option<bool> {
        self.0.iter().any(|(key, _)| key == name).then(|| self.flag(name))
    }

    /// A non-negative number. Errors: 400 when it is not one.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Error> {
        match self.get(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Error::BadRequest(format!(
                    "strconv.ParseInt: parsing {}: invalid syntax",
                    schema::field::go_quote(text)
                ))
            }),
        }
    }
}

/// The request, by what it needs from the rest of the path.
#[derive(Clone, Debug)]
pub enum Request {
    /// get and list.
    Read(Info),
    /// create, update, patch, delete, deletecollection, and the reviews.
    Write(Info),
    /// watch.
    Watch(Info),
    /// Streams to and from the host: logs, exec, attach, port-forward, proxy.
    Connect(Info),
    /// Discovery, health, version, OpenAPI.
    NonResource(Info),
}

impl Request {
    /// Whether the answer must show everything that any replica has acknowledged: writes, and reads that name no revision.
    /// Others say how old an answer may be, and are served also while the store is away.
    pub fn needs_current(&self) -> bool {
        match self {
            Request::Read(info) | Request::Watch(info) => {
                info.query.get("resourceVersion").is_empty() && info.query.get("continue").is_empty()
            }
            Request::Write(_) | Request::Connect(_) => true,
            Request::NonResource(_) => false,
        }
    }

    /// What the request is about.
    pub fn info(&self) -> &Info {
        match self {
            Request::Read(info)
            | Request::Write(info)
            | Request::Watch(info)
            | Request::Connect(info)
            | Request::NonResource(info) => info,
        }
    }
}

const CONNECT: [&str; 5] = ["log", "exec", "attach", "portforward", "proxy"];
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];

/// Parses a request to a realm. `path` is the URL path without a tenant or fleet prefix.
///
/// Errors: 404 for path tricks (empty or dot segments), 400 for fleet names that are none, 405 for unknown methods.
pub fn parse(realm: Realm, parts: &Parts, path: &str) -> Result<Request, Error> {
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let segments = segments(path)?;
    let tenant = match realm {
        Realm::Tenant(id) => Some(id),
        Realm::Fleet => None,
    };
    let mut info = Info {
        realm,
        tenant,
        verb: method_verb(&parts.method)?,
        group: String::new(),
        version: String::new(),
        resource: String::new(),
        subresource: String::new(),
        namespace: String::new(),
        name: String::new(),
        rest: String::new(),
        named_by_path: false,
        path: path.to_owned(),
        query,
    };
    let Some(tail) = group_version(&segments, &mut info) else {
        return Ok(Request::NonResource(info));
    };
    let deprecated_watch = tail.first().is_some_and(|s| s == "watch") && tail.len() > 1;
    let tail = if deprecated_watch { &tail[1..] } else { tail };
    // A namespace in a namespace is nothing; it would be authorised as something in the outer one.
    if info.group.is_empty() && matches!(tail, [outer, _, inner, ..] if outer == "namespaces" && inner == "namespaces")
    {
        return Err(Error::NoSuchPath);
    }
    resource(tail, &mut info);
    if realm == Realm::Fleet {
        fleet_names(&mut info)?;
    }
    Ok(classify(info, &parts.method, deprecated_watch))
}

fn method_verb(method: &Method) -> Result<&'static str, Error> {
    Ok(match *method {
        Method::GET => "get",
        Method::HEAD => "head",
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => return Err(Error::MethodNotAllowed),
    })
}

/// Splits and decodes a path. A trailing slash is allowed; empty and dot segments are not, whatever their encoding.
fn segments(path: &str) -> Result<Vec<String>, Error> {
    let trimmed = path.strip_prefix('/').unwrap_or(path);
    let trimmed = trimmed.strip_suffix('/').unwrap_or(trimmed);
    if trimmed.is_empty() {
        return Ok(Vec::new());
    }
    let mut proxied = false;
    trimmed
        .split('/')
        .map(|raw| {
            let decoded = percent_decode_str(raw).decode_utf8().map_err(|_| Error::NoSuchPath)?.into_owned();
            let trick = decoded == "." || decoded == ".." || decoded.contains('/') || decoded.contains('\0');
            if (decoded.is_empty() || trick) && !proxied {
                return Err(Error::NoSuchPath);
            }
            // What follows is a path of somebody else's.
            proxied |= decoded == "proxy";
            Ok(decoded)
        })
        .collect()
}

/// Reads `/api/VERSION` or `/apis/GROUP/VERSION`; the tail is what follows. None when the path is no resource path.
fn group_version<'s>(segments: &'s [String], info: &mut Info) -> Option<&'s [String]> {
    let tail = match segments {
        [api, version, tail @ ..] if api == "api" => {
            info.version.clone_from(version);
            tail
        }
        [apis, group, version, tail @ ..] if apis == "apis" => {
            info.group.clone_from(group);
            info.version.clone_from(version);
            tail
        }
        _ => return None,
    };
    if tail.is_empty() { None } else { Some(tail) }
}

fn resource(tail: &[String], info: &mut Info) {
    let take = |at: usize| tail.get(at).cloned().unwrap_or_default();
    let core_namespaces = info.group.is_empty() && tail.first().is_some_and(|s| s == "namespaces");
    let in_namespace = tail.first().is_some_and(|s| s == "namespaces") && tail.len() > 2;
    let of_namespace =
        core_namespaces && (tail.len() <= 2 || (tail.len() == 3 && NAMESPACE_SUBRESOURCES.contains(&tail[2].as_str())));
    let rest_from = if of_namespace {
        info.resource = take(0);
        info.name = take(1);
        info.namespace = take(1);
        info.subresource = take(2);
        3
    } else if in_namespace {
        info.namespace = take(1);
        info.resource = take(2);
        info.name = take(3);
        info.subresource = take(4);
        5
    } else {
        info.resource = take(0);
        info.name = take(1);
        info.subresource = take(2);
        3
    };
    info.named_by_path = !info.name.is_empty();
    info.rest = tail.get(rest_from..).unwrap_or_default().join("/");
}

/// Takes fleet names apart. Routes are the control plane's own records and carry bare names.
fn fleet_names(info: &mut Info) -> Result<(), Error> {
    if info.group == route::GROUP {
        info.tenant = Some(TenantId::SYSTEM);
        return Ok(());
    }
    let bad = |name: &str| Error::BadRequest(format!("\"{name}\" is not a fleet name: want <tenant id>:<name>"));
    let joined = if info.namespace.is_empty() { &info.name } else { &info.namespace };
    if joined.is_empty() {
        // A list or watch of one tenant only.
        let only = info.query.get("tenant");
        if !only.is_empty() {
            let tenant = TenantId::parse(only).ok().filter(|tenant| *tenant != TenantId::SYSTEM);
            info.tenant = Some(tenant.ok_or_else(|| Error::BadRequest(format!("\"{only}\" is not a tenant id")))?);
        }
        return Ok(());
    }
    let (tenant, plain) = fleet::split(joined).ok_or_else(|| bad(joined))?;
    if tenant == TenantId::SYSTEM && !sharing::is_shared(&info.group, &info.resource) {
        return Err(bad(joined));
    }
    let plain = plain.to_owned();
    info.tenant = Some(tenant);
    let is_namespace = info.group.is_empty() && info.resource == "namespaces";
    if info.namespace.is_empty() || is_namespace {
        info.name.clone_from(&plain);
    }
    if !info.namespace.is_empty() {
        info.namespace = plain;
    }
    Ok(())
}

fn classify(mut info: Info, method: &Method, deprecated_watch: bool) -> Request {
    let collection = info.name.is_empty();
    info.verb = match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if collection => "deletecollection",
        Method::DELETE => "delete",
        _ if deprecated_watch => "watch",
        _ if collection && info.query.flag("watch") => "watch",
        _ if collection => "list",
        _ => "get",
    };
    if CONNECT.contains(&info.subresource.as_str()) && matches!(info.resource.as_str(), "pods" | "services" | "nodes") {
        return Request::Connect(info);
    }
    if matches!(info.verb, "list" | "watch" | "deletecollection") && info.name.is_empty() {
        info.name = name_in_field_selector(info.query.get("fieldSelector"));
    }
    match info.verb {
        "get" | "list" => Request::Read(info),
        "watch" => Request::Watch(info),
        _ => Request::Write(info),
    }
}

/// `metadata.name=x` alone or among others: upstream authorises such a list as access to that one name.
fn name_in_field_selector(selector: &str) -> String {
    selector
        .split(',')
        .filter_map(|term| term.strip_prefix("metadata.name="))
        .map(|value| value.trim_start_matches('='))
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(realm: Realm, method: Method, uri: &str) -> Result<Request, Error> {
        let (parts, ()) = http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts();
        let path = parts.uri.path().to_owned();
        parse(realm, &parts, &path)
    }

    fn tenant() -> Realm {
        Realm::Tenant(TenantId::from_uid("one"))
    }

    #[test]
    fn paths_become_infos() {
        for (method, uri, want) in [
            (Method::GET, "/api/v1/namespaces/a/pods/p", "get  v1 pods  a p"),
            (Method::GET, "/api/v1/pods", "list  v1 pods   "),
            (Method::GET, "/api/v1/pods?watch=true", "watch  v1 pods   "),
            (Method::GET, "/api/v1/watch/namespaces/a/pods", "watch  v1 pods  a "),
            (Method::GET, "/api/v1/namespaces/a", "get  v1 namespaces  a a"),
            (Method::PUT, "/api/v1/namespaces/a/finalize", "update  v1 namespaces finalize a a"),
            (Method::GET, "/api/v1/namespaces/a/pods/p/log", "get  v1 pods log a p"),
            (Method::DELETE, "/apis/apps/v1/namespaces/a/deployments", "deletecollection apps v1 deployments  a "),
            (Method::GET, "/apis/apps/v1/deployments?fieldSelector=metadata.name%3Dx", "list apps v1 deployments   x"),
            (Method::POST, "/apis/e.com/v1/namespaces/namespaces/foos", "create e.com v1 foos  namespaces "),
        ] {
            let request = parsed(tenant(), method, uri).unwrap();
            let i = request.info();
            let got = format!(
                "{} {} {} {} {} {} {}",
                i.verb, i.group, i.version, i.resource, i.subresource, i.namespace, i.name
            );
            assert_eq!(got, want, "{uri}");
        }
    }

    #[test]
    fn path_tricks_are_not_found() {
        for uri in
            ["/api/v1/namespaces/../pods", "/api//v1/pods", "/api/v1/namespaces/%2e%2e/pods", "/api/v1/pods/a%2Fb"]
        {
            assert!(matches!(parsed(tenant(), Method::GET, uri), Err(Error::NoSuchPath)), "{uri}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_a_request_of_its_tenant_or_an_error(
            line in "(/([a-z0-9.%:~_-]{0,12}|api|apis|v1|namespaces|proxy|watch|status)){0,9}([?][ -~]{0,40})?",
            method in 0usize..7,
        ) {
            let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
            let request = http::Request::builder().method(methods[method]).uri(line).body(());
            if let Ok(request) = request {
                let (parts, ()) = request.into_parts();
                let path = parts.uri.path().to_owned();
                let _ = parse(Realm::Fleet, &parts, &path);
                if let Ok(request) = parse(tenant(), &parts, &path) {
                    assert_eq!(request.info().tenant, Some(TenantId::from_uid("one")));
                }
            }
        }
    }

    #[test]
    fn fleet_names_are_taken_apart() {
        let id = TenantId::from_uid("one");
        let request = parsed(Realm::Fleet, Method::GET, &format!("/api/v1/namespaces/{id}:a/pods/p")).unwrap();
        assert_eq!((request.info().tenant, request.info().namespace.as_str()), (Some(id), "a"));
        let request = parsed(Realm::Fleet, Method::GET, &format!("/api/v1/namespaces/{id}:a")).unwrap();
        assert_eq!((request.info().namespace.as_str(), request.info().name.as_str()), ("a", "a"));
        let request = parsed(Realm::Fleet, Method::GET, &format!("/api/v1/nodes?tenant={id}")).unwrap();
        assert_eq!((request.info().tenant, request.info().verb), (Some(id), "list"));
        let request = parsed(Realm::Tenant(id), Method::GET, "/api/v1/nodes?tenant=other").unwrap();
        assert_eq!(request.info().tenant, Some(id));
        assert!(matches!(parsed(Realm::Fleet, Method::GET, "/api/v1/nodes?tenant=x"), Err(Error::BadRequest(_))));
        let request = parsed(Realm::Fleet, Method::GET, "/api/v1/pods").unwrap();
        assert_eq!(request.info().tenant, None);
        for bad in ["/api/v1/namespaces/default/pods".to_owned(), format!("/api/v1/nodes/{}:n", TenantId::SYSTEM)] {
            assert!(matches!(parsed(Realm::Fleet, Method::GET, &bad), Err(Error::BadRequest(_))), "{bad}");
        }
    }
}
