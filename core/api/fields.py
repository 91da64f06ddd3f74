"""Fields that every API shares."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core import money
from core.errors import Invalid

AMOUNT = {"type": "string", "examples": ["12.50"]}
AMOUNT_IN = AMOUNT | {"pattern": r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,4})?$"}
CENTS_IN = AMOUNT | {"pattern": r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,2})?$"}


@extend_schema_field(AMOUNT)
class Amount(serializers.Field):
    """Micros inside, a decimal string outside."""

    def to_representation(self, value: int) -> str:
        return money.format_amount(value)


@extend_schema_field(AMOUNT_IN)
class AmountIn(serializers.Field):
    """A decimal string outside, micros inside."""

    decimals = 4

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or len(data) > 20:
            raise serializers.ValidationError('Write the amount as a text such as "12.50".')
        try:
            return money.parse(data, decimals=self.decimals)
        except Invalid as error:
            raise serializers.ValidationError(error.errors["amount"]) from None


@extend_schema_field(CENTS_IN)
class CentsIn(AmountIn):
    decimals = 2


class Input(serializers.Serializer):
    """What comes in: a field that nobody knows is an error, not a wish that is passed over in silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := sorted(str(name) for name in data if name not in self.fields)):
            raise serializers.ValidationError({name[:60]: "There is no such field." for name in unknown[:20]})
        return super().to_internal_value(data)


class Empty(Input):
    """No fields."""


class JsonObject(serializers.JSONField):
    """A JSON object, or a list where `many`."""

    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        if not isinstance(value, dict):
            raise serializers.ValidationError("Send an object.")
        return value


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
