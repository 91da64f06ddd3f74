"""The OpenAPI document: names of operations, and that what comes in has no further fields."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema


class Schema(AutoSchema):
    def get_operation_id(self) -> str:
        """Method and class, such as getBatchOne: unique, and stable while URLs are."""
        return f"{self.method.lower()}{type(self.view).__name__}"


def finish(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    for name, schema in result.get("components", {}).get("schemas", {}).items():
        if schema.get("type") == "object" and name.endswith("In"):
            schema["additionalProperties"] = False
    return result
