"""The OpenAPI document: names of operations, and that what comes in has no further fields."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema


class Schema(AutoSchema):
    def get_operation_id(self) -> str:
        """Method and class, such as getBatchOne: unique, and stable while URLs are."""
        return f"{self.method.lower()}{type(self.view).__name__}"


#: No text holds a NUL; where one must not be blank, something in it is no space, as Python counts spaces: the \s of
#: JavaScript, by which patterns are read, leaves some control characters out.
ANY_TEXT, SOME_TEXT = r"^[^\x00]*$", r"^[^\x00]*[^\x00\s\x1c-\x1f\x85][^\x00]*$"


def finish(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    for name, schema in result.get("components", {}).get("schemas", {}).items():
        if schema.get("type") == "object" and name.endswith("In"):
            schema["additionalProperties"] = False
            _bound(schema)
        else:  # what goes out may be blank
            for inner in (schema.get("properties") or {}).values():
                inner.pop("minLength", None)
    _require_files(result)
    return result


def _require_files(result: dict[str, Any]) -> None:
    """Where the body is a file, there is no request without it."""
    for methods in result.get("paths", {}).values():
        for operation in methods.values():
            body = operation.get("requestBody", {})
            if body and "application/json" not in body.get("content", {}):
                body["required"] = True


def _bound(schema: Any) -> None:
    """Say of every text in what comes in which characters it may hold."""
    if not isinstance(schema, dict):
        return
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "string" in kinds and not {"pattern", "format", "enum", "contentMediaType"} & set(schema):
        schema["pattern"] = SOME_TEXT if schema.get("minLength") else ANY_TEXT
    for inner in (schema.get("properties") or {}).values():
        _bound(inner)
    _bound(schema.get("items"))
