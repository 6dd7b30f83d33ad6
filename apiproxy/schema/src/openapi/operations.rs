//! One operation of a path, and how v2 and v3 write it.

use serde_json::{Map, Value, json};

use super::Form;

/// A path with its operations.
#[derive(Debug)]
pub(super) struct Path {
    /// With parameters in braces.
    pub(super) path: String,
    /// Parameters of every operation.
    pub(super) parameters: Vec<Parameter>,
    /// Operations.
    pub(super) operations: Vec<Operation>,
}

/// What one HTTP method does at a path.
#[derive(Debug)]
pub(super) struct Operation {
    /// `get`, `put`, `post`, `patch`, `delete`, `head`, `options`.
    pub(super) method: &'static str,
    /// Unique in the document.
    pub(super) id: String,
    /// `x-kubernetes-action`; empty for discovery.
    pub(super) action: &'static str,
    /// Group, version and kind it concerns.
    pub(super) kind: Option<(String, String, String)>,
    /// Name the operations of a group version are grouped under.
    pub(super) tag: String,
    /// Parameters of this operation alone.
    pub(super) parameters: Vec<Parameter>,
    /// What is sent.
    pub(super) body: Option<Body>,
    /// What is answered.
    pub(super) answer: Answer,
}

/// A parameter in a path or query.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    /// Name.
    pub(super) name: String,
    /// `string`, `boolean` or `integer`.
    pub(super) type_: &'static str,
    /// Where it stands.
    pub(super) place: Place,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the path: required.
    Path,
    /// In the query: optional.
    Query,
}

/// A request body.
#[derive(Debug)]
pub(super) struct Body {
    /// Its schema.
    pub(super) schema: Value,
    /// Media types.
    pub(super) media: Vec<&'static str>,
    /// Whether it may be left out.
    pub(super) required: bool,
}

/// The answers of success.
#[derive(Debug)]
pub(super) struct Answer {
    /// Their schema.
    pub(super) schema: Value,
    /// Media types.
    pub(super) media: Vec<&'static str>,
    /// Status codes.
    pub(super) codes: &'static [u16],
}

impl Parameter {
    pub(super) fn query(name: &str, type_: &'static str) -> Self {
        Self { name: name.to_owned(), type_, place: Place::Query }
    }

    pub(super) fn path(name: &str) -> Self {
        Self { name: name.to_owned(), type_: "string", place: Place::Path }
    }

    fn render(&self, form: Form) -> Value {
        let mut out = json!({ "name": self.name, "uniqueItems": true });
        out["in"] = json!(if self.place == Place::Path { "path" } else { "query" });
        if self.place == Place::Path {
            out["required"] = json!(true);
        }
        match form {
            Form::V2 => out["type"] = json!(self.type_),
            Form::V3 => {
                if let Some(parameter) = out.as_object_mut() {
                    parameter.remove("uniqueItems");
                }
                out["schema"] = json!({"type": self.type_, "uniqueItems": true});
            }
        }
        out
    }
}

impl Path {
    pub(super) fn render(&self, form: Form) -> Value {
        let mut out = Map::new();
        for operation in &self.operations {
            out.insert(operation.method.to_owned(), operation.render(form));
        }
        if !self.parameters.is_empty() {
            out.insert("parameters".to_owned(), self.parameters.iter().map(|one| one.render(form)).collect());
        }
        Value::Object(out)
    }
}

impl Operation {
    fn render(&self, form: Form) -> Value {
        let mut out = Map::new();
        out.insert("tags".to_owned(), json!([self.tag]));
        out.insert("operationId".to_owned(), json!(self.id));
        let mut parameters: Vec<Value> = self.parameters.iter().map(|one| one.render(form)).collect();
        if form == Form::V2 {
            let consumes = self.body.as_ref().map_or_else(|| vec!["*/*"], |body| body.media.clone());
            out.insert("consumes".to_owned(), json!(consumes));
            out.insert("produces".to_owned(), json!(self.answer.media));
            out.insert("schemes".to_owned(), json!(["https"]));
            if let Some(body) = &self.body {
                let mut parameter = json!({"name": "body", "in": "body", "schema": body.schema});
                if body.required {
                    parameter["required"] = json!(true);
                }
                parameters.insert(0, parameter);
            }
        } else if let Some(body) = &self.body {
            let mut request = json!({ "content": content(&body.media, &body.schema) });
            if body.required {
                request["required"] = json!(true);
            }
            out.insert("requestBody".to_owned(), request);
        }
        if !parameters.is_empty() {
            out.insert("parameters".to_owned(), Value::Array(parameters));
        }
        out.insert("responses".to_owned(), self.answer.render(form));
        if !self.action.is_empty() {
            out.insert("x-kubernetes-action".to_owned(), json!(self.action));
        }
        if let Some((group, version, kind)) = &self.kind {
            let kind = json!({"group": group, "version": version, "kind": kind});
            out.insert("x-kubernetes-group-version-kind".to_owned(), kind);
        }
        Value::Object(out)
    }
}

impl Answer {
    fn render(&self, form: Form) -> Value {
        let mut out = Map::new();
        for code in self.codes {
            let mut answer = json!({ "description": reason(*code) });
            match form {
                Form::V2 => answer["schema"] = self.schema.clone(),
                Form::V3 => answer["content"] = content(&self.media, &self.schema),
            }
            out.insert(code.to_string(), answer);
        }
        out.insert("401".to_owned(), json!({ "description": reason(401) }));
        Value::Object(out)
    }
}

fn content(media: &[&str], schema: &Value) -> Value {
    media.iter().map(|one| ((*one).to_owned(), json!({ "schema": schema }))).collect::<Map<_, _>>().into()
}

fn reason(code: u16) -> &'static str {
    match code {
        201 => "Created",
        202 => "Accepted",
        401 => "Unauthorized",
        _ => "OK",
    }
}
