//! The messages of `OpenAPIv2.proto` that a Swagger document consists of.

use serde_json::Value;

use super::{Layout, Type};
use crate::write::enclose;

pub(super) static DOCUMENT: Layout = Layout {
    fields: &[
        ("swagger", 1, Type::Text),
        ("info", 2, Type::Message(&INFO)),
        ("host", 3, Type::Text),
        ("basePath", 4, Type::Text),
        ("schemes", 5, Type::Texts),
        ("consumes", 6, Type::Texts),
        ("produces", 7, Type::Texts),
        ("paths", 8, Type::Named(2, &Type::Message(&PATH_ITEM))),
        ("definitions", 9, Type::Named(1, &SCHEMA_MESSAGE)),
        ("security", 12, Type::List(&Type::Named(1, &Type::WrappedTexts))),
        // `SecurityDefinitionsItem`: of its kinds, API keys (2) are what there is.
        ("securityDefinitions", 13, Type::Named(1, &Type::At(2, &Type::Message(&API_KEY)))),
    ],
    extensions: 16,
};

static INFO: Layout = Layout {
    fields: &[("title", 1, Type::Text), ("version", 2, Type::Text), ("description", 3, Type::Text)],
    extensions: 7,
};

static API_KEY: Layout = Layout {
    fields: &[("type", 1, Type::Text), ("name", 2, Type::Text), ("in", 3, Type::Text), ("description", 4, Type::Text)],
    extensions: 5,
};

static PATH_ITEM: Layout = Layout {
    fields: &[
        ("$ref", 1, Type::Text),
        ("get", 2, OPERATION_MESSAGE),
        ("put", 3, OPERATION_MESSAGE),
        ("post", 4, OPERATION_MESSAGE),
        ("delete", 5, OPERATION_MESSAGE),
        ("options", 6, OPERATION_MESSAGE),
        ("head", 7, OPERATION_MESSAGE),
        ("patch", 8, OPERATION_MESSAGE),
        ("parameters", 9, Type::List(&Type::Parameter)),
    ],
    extensions: 10,
};

const OPERATION_MESSAGE: Type = Type::Message(&OPERATION);
static OPERATION: Layout = Layout {
    fields: &[
        ("tags", 1, Type::Texts),
        ("summary", 2, Type::Text),
        ("description", 3, Type::Text),
        ("operationId", 5, Type::Text),
        ("produces", 6, Type::Texts),
        ("consumes", 7, Type::Texts),
        ("parameters", 8, Type::List(&Type::Parameter)),
        ("responses", 9, Type::Named(1, &Type::OrReference(&RESPONSE))),
        ("schemes", 10, Type::Texts),
        ("deprecated", 11, Type::Flag),
    ],
    extensions: 13,
};

static RESPONSE: Layout =
    Layout { fields: &[("description", 1, Type::Text), ("schema", 2, Type::At(1, &SCHEMA_MESSAGE))], extensions: 5 };

static BODY_PARAMETER: Layout = Layout {
    fields: &[
        ("description", 1, Type::Text),
        ("name", 2, Type::Text),
        ("in", 3, Type::Text),
        ("required", 4, Type::Flag),
        ("schema", 5, Type::Message(&SCHEMA)),
    ],
    extensions: 6,
};

/// `QueryParameterSubSchema` (and of forms), as far as ours go.
static QUERY_PARAMETER: Layout = Layout {
    fields: &[
        ("required", 1, Type::Flag),
        ("in", 2, Type::Text),
        ("description", 3, Type::Text),
        ("name", 4, Type::Text),
        ("allowEmptyValue", 5, Type::Flag),
        ("type", 6, Type::Text),
        ("format", 7, Type::Text),
        ("default", 10, Type::Any),
        ("uniqueItems", 20, Type::Flag),
        ("enum", 21, Type::Anys),
    ],
    extensions: 23,
};

/// `PathParameterSubSchema` and `HeaderParameterSubSchema`.
static PATH_PARAMETER: Layout = Layout {
    fields: &[
        ("required", 1, Type::Flag),
        ("in", 2, Type::Text),
        ("description", 3, Type::Text),
        ("name", 4, Type::Text),
        ("type", 5, Type::Text),
        ("format", 6, Type::Text),
        ("default", 9, Type::Any),
        ("uniqueItems", 19, Type::Flag),
        ("enum", 20, Type::Anys),
    ],
    extensions: 22,
};

/// Writes the content of a `Parameter`: `{1: body}` or `{2: {N: by place}}`.
pub(super) fn parameter(value: &Value, out: &mut Vec<u8>) {
    let (number, layout) = match value["in"].as_str() {
        Some("body") => return Type::Message(&BODY_PARAMETER).write(1, value, out),
        Some("header") => (1, &PATH_PARAMETER),
        Some("formData") => (2, &QUERY_PARAMETER),
        Some("query") => (3, &QUERY_PARAMETER),
        _ => (4, &PATH_PARAMETER),
    };
    let start = out.len();
    Type::Message(layout).write(number, value, out);
    enclose(out, start, 2);
}

static SCHEMA_MESSAGE: Type = Type::Message(&SCHEMA);
static SCHEMA: Layout = Layout {
    fields: &[
        ("$ref", 1, Type::Text),
        ("format", 2, Type::Text),
        ("title", 3, Type::Text),
        ("description", 4, Type::Text),
        ("default", 5, Type::Any),
        ("multipleOf", 6, Type::Double),
        ("maximum", 7, Type::Double),
        ("exclusiveMaximum", 8, Type::Flag),
        ("minimum", 9, Type::Double),
        ("exclusiveMinimum", 10, Type::Flag),
        ("maxLength", 11, Type::Whole),
        ("minLength", 12, Type::Whole),
        ("pattern", 13, Type::Text),
        ("maxItems", 14, Type::Whole),
        ("minItems", 15, Type::Whole),
        ("uniqueItems", 16, Type::Flag),
        ("maxProperties", 17, Type::Whole),
        ("minProperties", 18, Type::Whole),
        ("required", 19, Type::Texts),
        ("enum", 20, Type::Anys),
        ("additionalProperties", 21, Type::OrFlag(&SCHEMA_MESSAGE)),
        ("type", 22, Type::WrappedTexts),
        ("items", 23, Type::Wrapped(&SCHEMA_MESSAGE)),
        ("allOf", 24, Type::List(&SCHEMA_MESSAGE)),
        ("properties", 25, Type::Named(1, &SCHEMA_MESSAGE)),
        ("discriminator", 26, Type::Text),
        ("readOnly", 27, Type::Flag),
        ("example", 30, Type::Any),
    ],
    extensions: 31,
};
