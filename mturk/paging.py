"""Lists in pages. A token names the last item that was told, so none is lost or repeated while others are added."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.core import signing
from django.db.models import Model, QuerySet

from mturk.errors import RequestError

USUAL = 10

Item = TypeVar("Item")
Row = TypeVar("Row", bound=Model)


class Page:
    """`MaxResults` and `NextToken` of a request. `scope` ties a token to one list: operation, requester, filters."""

    def __init__(self, members: Mapping[str, Any], *scope: Any) -> None:
        self.size: int = members.get("MaxResults", USUAL)
        self.signer = signing.Signer(salt=f"mturk.page:{':'.join(map(str, scope))}")
        self.after: str | None = None
        if token := members.get("NextToken"):
            try:
                self.after = self.signer.unsign(token)
            except signing.BadSignature:
                raise RequestError("InvalidParameterValue", "NextToken: this token is none of this list's.") from None

    def cut(self, rows: list[Item], place: Callable[[Item], Any]) -> tuple[list[Item], dict[str, Any]]:
        """Of up to `size + 1` rows those of this page, and the members that tell of paging."""
        shown = rows[: self.size]
        about: dict[str, Any] = {"NumResults": len(shown)}
        if len(rows) > self.size:
            about["NextToken"] = self.signer.sign(str(place(shown[-1])))
        return shown, about

    def of(self, rows: QuerySet[Row], *, newest_first: bool = False) -> tuple[list[Row], dict[str, Any]]:
        """The page of `rows` by their primary key."""
        if self.after is not None:
            rows = rows.filter(**{"pk__lt" if newest_first else "pk__gt": int(self.after)})
        ordered = rows.order_by("-pk" if newest_first else "pk")
        return self.cut(list(ordered[: self.size + 1]), lambda row: row.pk)
