"""Fields that every API shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core import money
from core.errors import Invalid

AMOUNT = {"type": "string", "examples": ["12.50"]}
#: Above 0, with at most 4 decimals.
AMOUNT_IN = AMOUNT | {
    "pattern": r"^([1-9][0-9]{0,8}(\.[0-9]{1,4})?|0\.([1-9][0-9]{0,3}|0[1-9][0-9]{0,2}|00[1-9][0-9]?|000[1-9]))$"
}
#: Whole cents, and no less than the usual smallest payout.
CENTS_IN = AMOUNT | {"pattern": r"^[1-9][0-9]{0,8}(\.[0-9]{1,2})?$"}


@extend_schema_field(AMOUNT)
class Amount(serializers.Field):
    """Micros inside, a decimal string outside."""

    def to_representation(self, value: int) -> str:
        return money.format_amount(value)


@extend_schema_field(AMOUNT_IN)
class AmountIn(serializers.Field):
    """A decimal string above 0 outside, micros inside."""

    decimals = 4

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or len(data) > 20:
            raise serializers.ValidationError('Write the amount as a text such as "12.50".')
        try:
            micros = money.parse(data, decimals=self.decimals)
        except Invalid as error:
            raise serializers.ValidationError(error.errors["amount"]) from None
        if micros <= 0:
            raise serializers.ValidationError("An amount above 0.")
        return micros


@extend_schema_field(CENTS_IN)
class CentsIn(AmountIn):
    decimals = 2


#: What JSON has to say for a field, and how to put it. A query string has texts only, and is read more kindly.
STRICT: tuple[tuple[type[serializers.Field], Callable[[Any], bool], str], ...] = (
    (serializers.BooleanField, lambda value: isinstance(value, bool), "Write true or false."),
    (serializers.IntegerField, lambda value: _is_number(value) and value == int(value), "Write a whole number."),
    (serializers.FloatField, lambda value: _is_number(value), "Write a number."),
    (serializers.ListField, lambda value: isinstance(value, list), "Send a list."),
    (serializers.CharField, lambda value: isinstance(value, str), "Write a text."),
    (serializers.ChoiceField, lambda value: isinstance(value, str), "Write a text."),
    (serializers.UUIDField, lambda value: isinstance(value, str), "Write a text."),
    (serializers.DateTimeField, lambda value: isinstance(value, str), "Write a text."),
)


class Input(serializers.Serializer):
    """What comes in. A field that nobody knows is an error, not a wish that is passed over in silence; and in JSON
    (`context["strict"]`) 5 is no text and "5" no number."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            errors = {str(name)[:60]: "There is no such field." for name in data if name not in self.fields}
            if self.context.get("strict"):
                errors |= {
                    name: mistake
                    for name, field in self.fields.items()
                    if name in data and (mistake := _mistake(field, data[name]))
                }
            if errors:
                raise serializers.ValidationError(dict(list(errors.items())[:20]))
        return super().to_internal_value(data)


def _mistake(field: serializers.Field, value: Any) -> str | None:
    if value is None:  # the field says itself whether it may be
        return None
    for kind, fits, sentence in STRICT:
        if isinstance(field, kind):
            if not fits(value):
                return sentence
            if isinstance(field, serializers.ListField):
                return next((found for item in value if (found := _mistake(field.child, item))), None)
            return None
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value and abs(value) < 1e300


class Empty(Input):
    """No fields."""


@extend_schema_field({"type": "object", "additionalProperties": True})
class JsonObject(serializers.JSONField):
    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        if not isinstance(value, dict):
            raise serializers.ValidationError("Send an object.")
        return value


@extend_schema_field({"type": "array", "items": {}})
class JsonList(serializers.JSONField):
    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        if not isinstance(value, list):
            raise serializers.ValidationError("Send a list.")
        return value


class ProblemOut(serializers.Serializer):
    """RFC 9457, with a stable `code`, and `errors` by field."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    errors = serializers.DictField(child=serializers.CharField())
