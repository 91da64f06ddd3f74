"""The service model of the API (botocore ships it): which operations there are, and what may be in a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape

from mturk.errors import Refusal

PREFIX = "MTurkRequesterServiceV20170117."
WORDS = {"string": str, "integer": int, "long": int, "boolean": bool, "list": list, "structure": dict}
#: Lists that no reader can hold are refused before they are read.
FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


@cache
def service() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("mturk", "service-2"), "mturk")


def operation_of(target: str) -> OperationModel:
    """The operation that an `X-Amz-Target` header names.

    Raises
    ------
    Refusal
        `UnknownOperationException`
    """
    name = target.removeprefix(PREFIX)
    if not target.startswith(PREFIX) or name not in service().operation_names:
        raise Refusal("UnknownOperationException", f"There is no operation {target or 'without a name'}.")
    return service().operation_model(name)


def checked(content: Any, operation: OperationModel) -> dict[str, Any]:
    """The members of a request that the model knows, each of its type; times as `datetime`.

    Raises
    ------
    Refusal
        `SerializationException` for another JSON type, `ValidationException` for a broken constraint: both name the
        member.
    """
    if not isinstance(content, dict):
        raise Refusal("SerializationException", "The request must be a JSON object.")
    shape = operation.input_shape
    return _read(content, shape, operation.name) if shape is not None else {}


def _read(value: Any, shape: Shape, where: str) -> Any:
    if shape.type_name == "timestamp":
        return _moment(value, where)
    expected = WORDS[shape.type_name]
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        if not (expected is int and isinstance(value, float) and value.is_integer()):
            raise Refusal("SerializationException", f"{where} must be a JSON {shape.type_name}.")
        value = int(value)
    if isinstance(shape, StructureShape):
        return _members(value, shape, where)
    if isinstance(shape, ListShape):
        _check_size(len(value), shape, where)
        return [_read(item, shape.member, f"{where}[{number}]") for number, item in enumerate(value)]
    if isinstance(shape, StringShape):
        _check_text(value, shape, where)
    elif not isinstance(value, bool):
        _check_size(value, shape, where)
    return value


def _members(value: Mapping[str, Any], shape: StructureShape, where: str) -> dict[str, Any]:
    """Unknown members are ignored, and `null` is absent."""
    there = {name: item for name, item in value.items() if item is not None and name in shape.members}
    missing = [name for name in shape.required_members if name not in there]
    if missing:
        raise Refusal("ValidationException", f"{where}: {', '.join(missing)} must be there.")
    return {name: _read(item, shape.members[name], f"{where}.{name}") for name, item in there.items()}


def _check_size(size: int, shape: Shape, where: str) -> None:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and size < least) or (most is not None and size > most):
        raise Refusal("ValidationException", f"{where} must be from {least} to {most}.")


def _check_text(value: str, shape: StringShape, where: str) -> None:
    _check_size(len(value), shape, where)
    if "\0" in value:
        raise Refusal("ValidationException", f"{where} must not hold the character NUL.")
    if shape.enum and value not in shape.enum:
        raise Refusal("ValidationException", f"{where} must be one of {', '.join(shape.enum)}.")
    pattern = shape.metadata.get("pattern")
    if pattern and not re.search(pattern, value):
        raise Refusal("ValidationException", f"{where} must match {pattern}.")


def _moment(value: Any, where: str) -> datetime:
    """Seconds since 1970; what no calendar holds is as good as its end."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal("SerializationException", f"{where} must be seconds since 1970.")
    if not FIRST.timestamp() < value < LAST.timestamp():
        return FIRST if value < 0 else LAST
    return datetime.fromtimestamp(value, UTC)


def told(value: Any) -> Any:
    """An answer as JSON has it: times as seconds, members without a value left out."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, Mapping):
        return {name: told(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [told(item) for item in value]
    return value
