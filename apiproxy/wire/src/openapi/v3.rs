//! The messages of `OpenAPIv3.proto` that a document of one group version consists of.

use super::{Layout, Type};

pub(super) static DOCUMENT: Layout = Layout {
    fields: &[
        ("openapi", 1, Type::Text),
        ("info", 2, Type::Message(&INFO)),
        ("paths", 4, Type::Named(1, &Type::Message(&PATH_ITEM))),
        ("components", 5, Type::Message(&COMPONENTS)),
        ("security", 6, Type::List(&Type::Named(1, &Type::WrappedTexts))),
    ],
    extensions: 9,
};

static INFO: Layout = Layout {
    fields: &[("title", 1, Type::Text), ("description", 2, Type::Text), ("version", 6, Type::Text)],
    extensions: 7,
};

static PATH_ITEM: Layout = Layout {
    fields: &[
        ("$ref", 1, Type::Text),
        ("summary", 2, Type::Text),
        ("description", 3, Type::Text),
        ("get", 4, OPERATION_MESSAGE),
        ("put", 5, OPERATION_MESSAGE),
        ("post", 6, OPERATION_MESSAGE),
        ("delete", 7, OPERATION_MESSAGE),
        ("options", 8, OPERATION_MESSAGE),
        ("head", 9, OPERATION_MESSAGE),
        ("patch", 10, OPERATION_MESSAGE),
        ("parameters", 13, PARAMETERS),
    ],
    extensions: 14,
};

const OPERATION_MESSAGE: Type = Type::Message(&OPERATION);
const PARAMETERS: Type = Type::List(&Type::OrReference(&PARAMETER));
static OPERATION: Layout = Layout {
    fields: &[
        ("tags", 1, Type::Texts),
        ("summary", 2, Type::Text),
        ("description", 3, Type::Text),
        ("operationId", 5, Type::Text),
        ("parameters", 6, PARAMETERS),
        ("requestBody", 7, Type::OrReference(&REQUEST_BODY)),
        ("responses", 8, Type::Named(2, &Type::OrReference(&RESPONSE))),
        ("deprecated", 10, Type::Flag),
    ],
    extensions: 13,
};

static PARAMETER: Layout = Layout {
    fields: &[
        ("name", 1, Type::Text),
        ("in", 2, Type::Text),
        ("description", 3, Type::Text),
        ("required", 4, Type::Flag),
        ("deprecated", 5, Type::Flag),
        ("allowEmptyValue", 6, Type::Flag),
        ("schema", 10, Type::OrReference(&SCHEMA)),
    ],
    extensions: 14,
};

static REQUEST_BODY: Layout = Layout {
    fields: &[("description", 1, Type::Text), ("content", 2, CONTENT), ("required", 3, Type::Flag)],
    extensions: 4,
};

static RESPONSE: Layout = Layout { fields: &[("description", 1, Type::Text), ("content", 3, CONTENT)], extensions: 5 };

const CONTENT: Type = Type::Named(1, &Type::Message(&MEDIA_TYPE));
static MEDIA_TYPE: Layout = Layout { fields: &[("schema", 1, Type::OrReference(&SCHEMA))], extensions: 5 };

static COMPONENTS: Layout = Layout {
    fields: &[
        ("schemas", 1, Type::Named(1, &SCHEMA_OR_REFERENCE)),
        ("responses", 2, Type::Named(1, &Type::OrReference(&RESPONSE))),
        ("parameters", 3, Type::Named(1, &Type::OrReference(&PARAMETER))),
        ("securitySchemes", 7, Type::Named(1, &Type::OrReference(&SECURITY_SCHEME))),
    ],
    extensions: 10,
};

static SECURITY_SCHEME: Layout = Layout {
    fields: &[("type", 1, Type::Text), ("description", 2, Type::Text), ("name", 3, Type::Text), ("in", 4, Type::Text)],
    extensions: 9,
};

static SCHEMA_OR_REFERENCE: Type = Type::OrReference(&SCHEMA);
static SCHEMA: Layout = Layout {
    fields: &[
        ("nullable", 1, Type::Flag),
        ("readOnly", 3, Type::Flag),
        ("writeOnly", 4, Type::Flag),
        ("example", 7, Type::Any),
        ("deprecated", 8, Type::Flag),
        ("title", 9, Type::Text),
        ("multipleOf", 10, Type::Double),
        ("maximum", 11, Type::Double),
        ("exclusiveMaximum", 12, Type::Flag),
        ("minimum", 13, Type::Double),
        ("exclusiveMinimum", 14, Type::Flag),
        ("maxLength", 15, Type::Whole),
        ("minLength", 16, Type::Whole),
        ("pattern", 17, Type::Text),
        ("maxItems", 18, Type::Whole),
        ("minItems", 19, Type::Whole),
        ("uniqueItems", 20, Type::Flag),
        ("maxProperties", 21, Type::Whole),
        ("minProperties", 22, Type::Whole),
        ("required", 23, Type::Texts),
        ("enum", 24, Type::Anys),
        ("type", 25, Type::Text),
        ("allOf", 26, Type::List(&SCHEMA_OR_REFERENCE)),
        ("oneOf", 27, Type::List(&SCHEMA_OR_REFERENCE)),
        ("anyOf", 28, Type::List(&SCHEMA_OR_REFERENCE)),
        ("not", 29, Type::Message(&SCHEMA)),
        ("items", 30, Type::Wrapped(&SCHEMA_OR_REFERENCE)),
        ("properties", 31, Type::Named(1, &SCHEMA_OR_REFERENCE)),
        ("additionalProperties", 32, Type::OrFlag(&SCHEMA_OR_REFERENCE)),
        ("default", 33, Type::Scalar),
        ("description", 34, Type::Text),
        ("format", 35, Type::Text),
    ],
    extensions: 36,
};
