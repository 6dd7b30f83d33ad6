//! Pieces of what kube-apiserver 1.36 answers, and the JSON they are made of.

use serde_json::json;

use super::*;

#[test]
fn version_2_is_laid_out_as_gnostic_does() {
    let document = json!({
        "swagger": "2.0", "info": {"title": "Kubernetes", "version": "1.36"},
        "paths": {"/api/": {"post": {
            "consumes": ["*/*"], "operationId": "o", "schemes": ["https"],
            "parameters": [
                {"in": "body", "name": "body", "required": true, "schema": {"$ref": "#/definitions/A"}},
                {"in": "query", "name": "dryRun", "type": "string", "uniqueItems": true},
                {"$ref": "#/parameters/f"},
            ],
            "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/A"}}},
        }}},
        "definitions": {"A": {
            "type": "object", "format": "f", "additionalProperties": {"type": "string"},
            "properties": {"p": {"type": "array", "items": {"$ref": "#/definitions/A"}}},
        }},
        "security": [{"BearerToken": []}],
        "securityDefinitions": {"BearerToken": {"in": "header", "name": "authorization", "type": "apiKey"}},
    });
    let found = v2(&document);
    assert!(found.starts_with(b"\n\x032.0\x12\x12\n\nKubernetes\x12\x041.36"), "{}", found.escape_ascii());
    let has = |part: &[u8]| found.windows(part.len()).any(|window| window == part);
    for part in [
        &b"\x12\x04body\x1a\x04body \x01*\x11\n\x0f#/definitions/A"[..],
        b"\x12\x05query\"\x06dryRun2\x06string\xa0\x01\x01",
        b"\x12\x10\n\x0e#/parameters/f",
        b"\n\"\n\x03200\x12\x1b\n\x19\n\x02OK\x12\x13\n\x11\n\x0f#/definitions/A",
        b"\x12\x01f\xaa\x01\r\n\x0b\xb2\x01\x08\n\x06string\xb2\x01\x08\n\x06object",
        b"b\x11\n\x0f\n\x0bBearerToken\x12\0",
        b"\x12!\x12\x1f\n\x06apiKey\x12\rauthorization\x1a\x06header",
    ] {
        assert!(has(part), "{}\nin {}", part.escape_ascii(), found.escape_ascii());
    }
}

#[test]
fn version_3_is_laid_out_as_gnostic_does() {
    let document = json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "1.36"},
        "components": {"schemas": {"A": {
            "type": "object", "default": {}, "properties": {
                "p": {"allOf": [{"$ref": "#/components/schemas/A"}], "default": 1},
                "q": {"type": "string", "default": "", "nullable": true},
            }, "x-kubernetes-map-type": "atomic", "additionalProperties": true,
        }}},
    });
    let found = v3(&document);
    let has = |part: &[u8]| found.windows(part.len()).any(|window| window == part);
    assert!(found.starts_with(b"\n\x053.0.0\x12\x12\n\nKubernetes2\x041.36"), "{}", found.escape_ascii());
    for part in [
        &b"\xd2\x01\x1a\x12\x18\n\x16#/components/schemas/A"[..],
        b"\n\x15x-kubernetes-map-type\x12\x0b\x12\x09\"atomic\"\n",
        b"\x82\x02\x02\x10\x01",
        b"\x08\x01\xca\x01\x06string\x8a\x02\x02\x1a\0",
    ] {
        assert!(has(part), "{}\nin {}", part.escape_ascii(), found.escape_ascii());
    }
}
