//! The paths of resources, from their verbs and subresources.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::definitions::Definitions;
use super::operations::{Answer, Body, Operation, Parameter, Path};
use crate::{Resource, Scalar, SlotKind, Subresource, Table};

const LIST: &[(&str, &str)] = &[
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];
const WRITE: &[(&str, &str)] = &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
const FORCE: &[(&str, &str)] = &[("force", "boolean")];
const DELETE: &[(&str, &str)] = &[
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
];
const DELETE_COLLECTION: &[(&str, &str)] = &[
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
];
const PATCHES: &[&str] = &[
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// The paths of a resource and its subresources; what they mention is added to the definitions.
pub(super) fn of_resource(resource: &Resource, definitions: &mut Definitions) -> Vec<Path> {
    let mut writer = Writer { resource, definitions };
    let has = |verb: &str| resource.verbs.iter().any(|one| one == verb);
    let mut paths = vec![writer.collection(), writer.item()];
    if resource.namespaced && has("list") {
        paths.push(writer.everywhere());
    }
    for subresource in &resource.subresources {
        paths.extend(writer.subresource(subresource));
    }
    paths.retain(|path| !path.operations.is_empty());
    paths
}

/// The discovery paths of the group versions of resources.
pub(super) fn of_group_versions(resources: &[Arc<Resource>], definitions: &mut Definitions) -> Vec<Path> {
    let versions: BTreeSet<(&str, &str)> =
        resources.iter().map(|one| (one.group.as_str(), one.version.as_str())).collect();
    let mut paths = Vec::new();
    for (group, version) in versions {
        let operation = Operation {
            method: "get",
            id: format!("get{}{}APIResources", camel_group(group), capital(version)),
            action: "",
            kind: None,
            tag: tag(group, version),
            parameters: Vec::new(),
            body: None,
            answer: Answer { schema: definitions.machinery("APIResourceList"), media: media(true), codes: &[200] },
        };
        let path = format!("/{}/", super::v3_path(group, version));
        paths.push(Path { path, parameters: Vec::new(), operations: vec![operation] });
    }
    paths
}

struct Writer<'a> {
    resource: &'a Resource,
    definitions: &'a mut Definitions,
}

impl Writer<'_> {
    fn has(&self, verb: &str) -> bool {
        self.resource.verbs.iter().any(|one| one == verb)
    }

    fn builtin(&self) -> bool {
        self.resource.custom.is_none()
    }

    fn base(&self) -> String {
        let Resource { group, version, plural, namespaced, .. } = self.resource;
        let scope = if *namespaced { "namespaces/{namespace}/" } else { "" };
        format!("/{}/{scope}{plural}", super::v3_path(group, version))
    }

    fn shared(&self, named: bool) -> Vec<Parameter> {
        let mut all = Vec::new();
        if named {
            all.push(Parameter::path("name"));
        }
        if self.resource.namespaced {
            all.push(Parameter::path("namespace"));
        }
        all.push(Parameter::query("pretty", "string"));
        all
    }

    fn operation(&self, method: &'static str, action: &'static str, verb: &str, suffix: &str) -> Operation {
        let Resource { group, version, kind, namespaced, .. } = self.resource;
        let (verb, collection) = verb.split_once('|').unwrap_or((verb, ""));
        let scope = if *namespaced && suffix != "ForAllNamespaces" { "Namespaced" } else { "" };
        Operation {
            method,
            id: format!("{verb}{}{}{collection}{scope}{kind}{suffix}", camel_group(group), capital(version)),
            action,
            kind: Some((group.clone(), version.clone(), kind.clone())),
            tag: tag(group, version),
            parameters: Vec::new(),
            body: None,
            answer: Answer { schema: Value::Null, media: media(self.builtin()), codes: &[200] },
        }
    }

    fn list(&mut self, suffix: &str) -> Operation {
        let mut list = self.operation("get", "list", "list", suffix);
        list.answer.schema = self.definitions.list(self.resource);
        list.answer.media.push("application/json;stream=watch");
        if self.builtin() {
            list.answer.media.push("application/vnd.kubernetes.protobuf;stream=watch");
        }
        list
    }

    /// `/namespaces/{namespace}/pods`, `/nodes`.
    fn collection(&mut self) -> Path {
        let mut operations = Vec::new();
        if self.has("list") {
            let mut list = self.list("");
            list.parameters = queries(&[LIST]);
            operations.push(list);
        }
        if self.has("create") {
            let object = self.definitions.object(self.resource);
            let mut create = self.operation("post", "post", "create", "");
            create.parameters = queries(&[WRITE]);
            create.body = Some(body(object.clone(), self.builtin()));
            create.answer.schema = object;
            create.answer.codes = &[200, 201, 202];
            operations.push(create);
        }
        if self.has("deletecollection") {
            let mut delete = self.operation("delete", "deletecollection", "delete|Collection", "");
            delete.parameters = queries(&[DELETE, DELETE_COLLECTION]);
            delete.body = Some(self.delete_options());
            delete.answer.schema = self.definitions.machinery("Status");
            operations.push(delete);
        }
        Path { path: self.base(), parameters: self.shared(false), operations }
    }

    /// `/pods`: those of all namespaces.
    fn everywhere(&mut self) -> Path {
        let Resource { group, version, plural, .. } = self.resource;
        let path = format!("/{}/{plural}", super::v3_path(group, version));
        let mut parameters = queries(&[LIST]);
        parameters.push(Parameter::query("pretty", "string"));
        Path { path, parameters, operations: vec![self.list("ForAllNamespaces")] }
    }

    /// `/namespaces/{namespace}/pods/{name}`.
    fn item(&mut self) -> Path {
        let object = self.definitions.object(self.resource);
        let mut operations = Vec::new();
        if self.has("get") {
            let mut get = self.operation("get", "get", "read", "");
            get.answer.schema = object.clone();
            operations.push(get);
        }
        self.writes(&self.resource.verbs.clone(), "", &object, &mut operations);
        if self.has("delete") {
            let mut delete = self.operation("delete", "delete", "delete", "");
            delete.parameters = queries(&[DELETE]);
            delete.body = Some(self.delete_options());
            delete.answer.schema = self.definitions.machinery("Status");
            delete.answer.codes = &[200, 202];
            operations.push(delete);
        }
        Path { path: format!("{}/{{name}}", self.base()), parameters: self.shared(true), operations }
    }

    /// Update and patch of an object or a subresource.
    fn writes(&mut self, verbs: &[String], suffix: &str, object: &Value, operations: &mut Vec<Operation>) {
        if verbs.iter().any(|verb| verb == "update") {
            let mut update = self.operation("put", "put", "replace", suffix);
            update.parameters = queries(&[WRITE]);
            update.body = Some(body(object.clone(), self.builtin()));
            update.answer.schema = object.clone();
            update.answer.codes = &[200, 201];
            operations.push(update);
        }
        if verbs.iter().any(|verb| verb == "patch") {
            let strategic = self.builtin();
            let media = PATCHES.iter().copied().filter(|media| strategic || !media.contains("strategic")).collect();
            let mut patch = self.operation("patch", "patch", "patch", suffix);
            patch.parameters = queries(&[WRITE, FORCE]);
            patch.body = Some(Body { schema: self.definitions.machinery("Patch"), media, required: true });
            patch.answer.schema = object.clone();
            patch.answer.codes = &[200, 201];
            operations.push(patch);
        }
    }

    fn delete_options(&mut self) -> Body {
        let mut body = body(self.definitions.machinery("DeleteOptions"), true);
        body.required = false;
        body
    }

    /// `/namespaces/{namespace}/pods/{name}/status`.
    fn subresource(&mut self, sub: &Subresource) -> Vec<Path> {
        if sub.kind.ends_with("Options") {
            return self.connect(sub);
        }
        let Resource { group, version, kind, .. } = self.resource;
        let inherited = sub.version.is_empty();
        let group = if inherited { group.clone() } else { sub.group.clone() };
        let version = if inherited { version.clone() } else { sub.version.clone() };
        let own = inherited && sub.kind == *kind;
        let object = if own {
            self.definitions.object(self.resource)
        } else {
            self.definitions.kind(&group, &version, &sub.kind)
        };
        let suffix = capital(&sub.name);
        let mut operations = Vec::new();
        let mut parameters = self.shared(true);
        if sub.verbs.iter().any(|verb| verb == "get") {
            let mut get = self.operation("get", "get", "read", &suffix);
            get.answer.schema = object.clone();
            if sub.name == "log" {
                get.answer.schema = json!({"type": "string"});
                get.answer.media.push("text/plain");
                parameters.extend(option_queries(&group, &version, "PodLogOptions"));
            }
            operations.push(get);
        }
        if sub.verbs.iter().any(|verb| verb == "create") {
            let mut create = self.operation("post", "post", "create", &suffix);
            create.parameters = queries(&[WRITE]);
            create.body = Some(body(object.clone(), self.builtin()));
            create.answer.schema = object.clone();
            create.answer.codes = &[200, 201, 202];
            operations.push(create);
        }
        self.writes(&sub.verbs, &suffix, &object, &mut operations);
        for operation in &mut operations {
            operation.kind = Some((group.clone(), version.clone(), sub.kind.clone()));
        }
        vec![Path { path: format!("{}/{{name}}/{}", self.base(), sub.name), parameters, operations }]
    }

    /// Subresources that are connections: exec, attach, port-forward, proxy.
    fn connect(&mut self, sub: &Subresource) -> Vec<Path> {
        let Resource { group, version, .. } = self.resource;
        let path = format!("{}/{{name}}/{}", self.base(), sub.name);
        let mut parameters = self.shared(true);
        parameters.retain(|parameter| parameter.name != "pretty");
        parameters.extend(option_queries(group, version, &sub.kind));
        let mut paths = vec![(path.clone(), parameters.clone(), "")];
        if sub.name == "proxy" {
            parameters.push(Parameter::path("path"));
            paths.push((format!("{path}/{{path}}"), parameters, "WithPath"));
        }
        let methods = |verb: &String| match verb.as_str() {
            "create" => Some("post"),
            "get" => Some("get"),
            "update" => Some("put"),
            "patch" => Some("patch"),
            "delete" => Some("delete"),
            _ => None,
        };
        let mut methods: Vec<&'static str> = sub.verbs.iter().filter_map(methods).collect();
        if sub.name == "proxy" {
            methods.extend(["head", "options"]);
        }
        let finished = |(path, parameters, with): (String, Vec<Parameter>, &str)| {
            let operations = methods.iter().map(|method| {
                let suffix = format!("{}{with}", capital(&sub.name));
                let mut operation = self.operation(method, "connect", "connect|", &suffix);
                operation.id = operation.id.replacen(
                    &format!("{}{}", camel_group(group), capital(version)),
                    &format!("{}{}{}", camel_group(group), capital(version), capital(method)),
                    1,
                );
                operation.kind = Some((group.clone(), version.clone(), sub.kind.clone()));
                operation.answer = Answer { schema: json!({"type": "string"}), media: vec!["*/*"], codes: &[200] };
                operation
            });
            Path { path, parameters, operations: operations.collect() }
        };
        paths.into_iter().map(finished).collect()
    }
}

fn body(schema: Value, builtin: bool) -> Body {
    // Upstream names any type for its own kinds: the decoder looks at the header.
    let media = if builtin { vec!["*/*"] } else { vec!["application/json", "application/yaml"] };
    Body { schema, media, required: true }
}

fn media(builtin: bool) -> Vec<&'static str> {
    let mut all = vec!["application/json", "application/yaml"];
    if builtin {
        all.push("application/vnd.kubernetes.protobuf");
    }
    all
}

fn queries(sets: &[&[(&str, &'static str)]]) -> Vec<Parameter> {
    let mut all: Vec<Parameter> =
        sets.iter().flat_map(|set| set.iter()).map(|(name, type_)| Parameter::query(name, type_)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The fields of an options kind as query parameters; upstream leaves times out.
fn option_queries(group: &str, version: &str, kind: &str) -> Vec<Parameter> {
    let Some(schema) = Table::builtin().kind(group, version, kind) else { return Vec::new() };
    let Some(object) = schema.node().object() else { return Vec::new() };
    let fields = object.properties.iter().filter(|(name, _)| !matches!(name.as_str(), "kind" | "apiVersion"));
    fields
        .filter_map(|(name, slot)| {
            let type_ = match slot.kind {
                SlotKind::Scalar(Scalar::Bool) => "boolean",
                SlotKind::Scalar(Scalar::Int32 | Scalar::Int64) => "integer",
                SlotKind::Scalar(Scalar::String) | SlotKind::List { .. } => "string",
                _ => return None,
            };
            Some(Parameter::query(name, type_))
        })
        .collect()
}

/// `core` → `Core`.
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

/// `rbac.authorization.k8s.io` → `RbacAuthorization`, `` → `Core`.
fn camel_group(group: &str) -> String {
    if group.is_empty() {
        return "Core".to_owned();
    }
    group.strip_suffix(".k8s.io").unwrap_or(group).split(['.', '-']).map(capital).collect()
}

/// `rbacAuthorization_v1`.
fn tag(group: &str, version: &str) -> String {
    let group = camel_group(group);
    let mut letters = group.chars();
    let first: String = letters.next().map(|first| first.to_lowercase().collect()).unwrap_or_default();
    format!("{first}{}_{version}", letters.as_str())
}
