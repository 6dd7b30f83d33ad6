//! Everything that can go wrong with a request, and its `Status` (upstream: `k8s.io/apimachinery/pkg/api/errors`).

use http::StatusCode;
use schema::field;
use serde_json::{Value, json};

/// A failed request. Rendered to a `Status` in one place: [`Error::status`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// 404 for one object.
    #[error("{} \"{name}\" not found", qualified(resource, group))]
    NotFound {
        /// API group, empty for core.
        group: String,
        /// Plural resource.
        resource: String,
        /// Name asked for.
        name: String,
    },
    /// 404 for a path nothing is served at.
    #[error("the server could not find the requested resource")]
    NoSuchPath,
    /// 409: the name is taken.
    #[error("{} \"{name}\" already exists", qualified(resource, group))]
    AlreadyExists {
        /// API group, empty for core.
        group: String,
        /// Plural resource.
        resource: String,
        /// Name that exists.
        name: String,
    },
    /// 409: a precondition or another writer stands against it.
    #[error("Operation cannot be fulfilled on {} \"{name}\": {message}", qualified(resource, group))]
    Conflict {
        /// API group, empty for core.
        group: String,
        /// Plural resource.
        resource: String,
        /// Name of the object.
        name: String,
        /// Why.
        message: String,
    },
    /// 409 of server-side apply, with one cause per conflict.
    #[error("{message}")]
    ApplyConflict {
        /// Upstream's summary.
        message: String,
        /// `reason`, `message`, `field` of each cause.
        causes: Value,
    },
    /// 422: the object is not acceptable.
    #[error("{kind}{} \"{name}\" is invalid: {}", dotted(group), joined(errors))]
    Invalid {
        /// API group, empty for core.
        group: String,
        /// Kind.
        kind: String,
        /// Name of the object, may be empty.
        name: String,
        /// What is wrong, field by field.
        errors: Vec<field::Error>,
    },
    /// 422 without fields (a patch that cannot be applied).
    #[error("{0}")]
    Unprocessable(String),
    /// 400.
    #[error("{0}")]
    BadRequest(String),
    /// 401.
    #[error("Unauthorized")]
    Unauthorized,
    /// 403 with the subject of the refusal in the details.
    #[error("{} is forbidden: {message}", subject(resource, group, name))]
    Forbidden {
        /// API group, empty for core.
        group: String,
        /// Plural resource.
        resource: String,
        /// Name of the object, may be empty.
        name: String,
        /// Why.
        message: String,
    },
    /// 403 for a path that is no resource.
    #[error("forbidden: {0}")]
    ForbiddenPath(String),
    /// 403 on create into a namespace that is going away.
    #[error(
        "{} is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
        subject(resource, group, name)
    )]
    Terminating {
        /// API group, empty for core.
        group: String,
        /// Plural resource.
        resource: String,
        /// Name of the object.
        name: String,
        /// The namespace.
        namespace: String,
    },
    /// 405.
    #[error("{0} is not supported on resources of kind \"{1}\"")]
    MethodNotSupported(String, String),
    /// 405 for a method the path does not know.
    #[error("the server does not allow this method on the requested resource")]
    MethodNotAllowed,
    /// 406.
    #[error("only the following media types are accepted: {0}")]
    NotAcceptable(&'static str),
    /// 406 in go-restful's words.
    #[error("406: Not Acceptable\n\nAvailable representations: {0}")]
    NotRepresented(&'static str),
    /// 406 for a form that the object cannot be shown in.
    #[error("{0}")]
    NotTransformed(String),
    /// 415.
    #[error("the body of the request was in an unknown format - accepted media types include: {0}")]
    UnsupportedMediaType(String),
    /// 413.
    #[error("limit is {0}")]
    TooLarge(usize),
    /// 410: the history does not reach back that far.
    #[error("{message}")]
    Expired {
        /// Upstream's words.
        message: String,
        /// A token to go on with, inconsistently.
        continue_token: Option<String>,
    },
    /// 429.
    #[error("{message}")]
    TooManyRequests {
        /// Why.
        message: String,
        /// Seconds after which to try again.
        retry_after: u32,
    },
    /// 403: the tenant's store is full.
    #[error("exceeded quota of this cluster's store: {0}")]
    StoreFull(String),
    /// 504: a revision that is not there yet.
    #[error("Timeout: Too large resource version: {asked}, current: {current}")]
    TooLargeResourceVersion {
        /// Revision asked for.
        asked: u64,
        /// Newest revision.
        current: u64,
    },
    /// 503: something this request needs cannot be reached.
    #[error("{0}")]
    ServiceUnavailable(String),
    /// 500 with nothing but a message (upstream: an error that is no API error).
    #[error("{0}")]
    Plain(String),
    /// 404 for a path below no group and version that is served: plain text, as from a web server.
    #[error("404 page not found")]
    NoSuchPage,
    /// 500. The text must not carry secrets or host names.
    #[error("Internal error occurred: {0}")]
    Internal(String),
    /// A Status made elsewhere (the host), passed on as it is.
    #[error("{}", .0["message"].as_str().unwrap_or_default())]
    Status(Value),
}

fn qualified(resource: &str, group: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

fn dotted(group: &str) -> String {
    if group.is_empty() { String::new() } else { format!(".{group}") }
}

fn subject(resource: &str, group: &str, name: &str) -> String {
    if name.is_empty() { qualified(resource, group) } else { format!("{} \"{name}\"", qualified(resource, group)) }
}

fn joined(errors: &[field::Error]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for error in errors {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

impl Error {
    /// HTTP status code.
    pub fn code(&self) -> StatusCode {
        match self {
            Error::NotFound { .. } | Error::NoSuchPath | Error::NoSuchPage => StatusCode::NOT_FOUND,
            Error::AlreadyExists { .. } | Error::Conflict { .. } | Error::ApplyConflict { .. } => StatusCode::CONFLICT,
            Error::Invalid { .. } | Error::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::BadRequest(_) => StatusCode::BAD_REQUEST,
            Error::Unauthorized => StatusCode::UNAUTHORIZED,
            Error::Forbidden { .. } | Error::ForbiddenPath(_) | Error::Terminating { .. } | Error::StoreFull(_) => {
                StatusCode::FORBIDDEN
            }
            Error::MethodNotSupported(..) | Error::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Error::NotAcceptable(_) | Error::NotRepresented(_) | Error::NotTransformed(_) => StatusCode::NOT_ACCEPTABLE,
            Error::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Expired { .. } => StatusCode::GONE,
            Error::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Error::TooLargeResourceVersion { .. } => StatusCode::GATEWAY_TIMEOUT,
            Error::ServiceUnavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Internal(_) | Error::Plain(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Error::Status(status) => status["code"]
                .as_u64()
                .and_then(|code| u16::try_from(code).ok())
                .and_then(|code| StatusCode::from_u16(code).ok())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Error::NotFound { .. } | Error::NoSuchPath | Error::NoSuchPage => "NotFound",
            Error::AlreadyExists { .. } => "AlreadyExists",
            Error::Conflict { .. } | Error::ApplyConflict { .. } => "Conflict",
            Error::Invalid { .. } | Error::Unprocessable(_) => "Invalid",
            Error::BadRequest(_) => "BadRequest",
            Error::Unauthorized => "Unauthorized",
            Error::Forbidden { .. } | Error::ForbiddenPath(_) | Error::Terminating { .. } | Error::StoreFull(_) => {
                "Forbidden"
            }
            Error::MethodNotSupported(..) | Error::MethodNotAllowed => "MethodNotAllowed",
            Error::NotAcceptable(_) | Error::NotRepresented(_) | Error::NotTransformed(_) => "NotAcceptable",
            Error::UnsupportedMediaType(_) => "UnsupportedMediaType",
            Error::TooLarge(_) => "RequestEntityTooLarge",
            Error::Expired { .. } => "Expired",
            Error::TooManyRequests { .. } => "TooManyRequests",
            Error::TooLargeResourceVersion { .. } => "Timeout",
            Error::ServiceUnavailable(_) => "ServiceUnavailable",
            Error::Internal(_) | Error::Status(_) => "InternalError",
            Error::Plain(_) => "",
        }
    }

    /// The `Status` object a client reads.
    pub fn status(&self) -> Value {
        if let Error::Status(status) = self {
            return status.clone();
        }
        let message = match self {
            Error::TooLarge(_) => format!("Request entity too large: {self}"),
            _ => self.to_string(),
        };
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "code": self.code().as_u16(),
        });
        if !self.reason().is_empty() {
            status["reason"] = Value::from(self.reason());
        }
        if let Some(details) = self.details() {
            status["details"] = details;
        }
        if let Error::Expired { continue_token: Some(token), .. } = self {
            status["metadata"] = json!({"continue": token});
        }
        status
    }

    fn details(&self) -> Option<Value> {
        let named = |name: &str, group: &str, kind: &str| {
            let mut details = serde_json::Map::new();
            for (key, text) in [("name", name), ("group", group), ("kind", kind)] {
                if !text.is_empty() {
                    details.insert(key.to_owned(), Value::from(text));
                }
            }
            Value::Object(details)
        };
        match self {
            Error::NotFound { group, resource, name }
            | Error::AlreadyExists { group, resource, name }
            | Error::Conflict { group, resource, name, .. }
            | Error::Forbidden { group, resource, name, .. } => Some(named(name, group, resource)),
            Error::Terminating { group, resource, name, namespace } => {
                let mut details = named(name, group, resource);
                details["causes"] = json!([{
                    "reason": "NamespaceTerminating", "field": "metadata.namespace",
                    "message": format!("namespace {namespace} is being terminated"),
                }]);
                Some(details)
            }
            Error::Invalid { group, kind, name, errors } => {
                let mut details = named(name, group, kind);
                details["causes"] = errors
                    .iter()
                    .map(|e| json!({"reason": e.reason(), "message": e.body(), "field": e.field}))
                    .collect();
                Some(details)
            }
            Error::ApplyConflict { causes, .. } => Some(json!({"causes": causes})),
            Error::TooManyRequests { retry_after, .. } => Some(json!({"retryAfterSeconds": retry_after})),
            Error::NoSuchPath
            | Error::ForbiddenPath(_)
            | Error::MethodNotSupported(..)
            | Error::MethodNotAllowed
            | Error::NotRepresented(_)
            | Error::Unprocessable(_) => Some(json!({})),
            Error::Internal(message) => Some(json!({"causes": [{"message": message}]})),
            Error::TooLargeResourceVersion { .. } => Some(json!({
                "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                "retryAfterSeconds": 1,
            })),
            _ => None,
        }
    }

    /// Seconds for a `Retry-After` header.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Error::TooManyRequests { retry_after, .. } => Some(*retry_after),
            Error::TooLargeResourceVersion { .. } => Some(1),
            Error::Status(status) => {
                status["details"]["retryAfterSeconds"].as_u64().and_then(|seconds| u32::try_from(seconds).ok())
            }
            _ => None,
        }
    }
}
