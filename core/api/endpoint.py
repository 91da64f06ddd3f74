"""One endpoint: a class for a URL, a method for an act. `act` says who may call it, what it takes and what it gives;
from the same words come the checks and the documentation, so that neither can differ from the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import orjson
from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from core.api import idempotency, pagination
from core.api.fields import Input, ProblemOut
from core.api.problems import problem_of
from core.api.throttling import throttle
from core.errors import NotAllowed, NotThere

Handler = Callable[..., Any]


class ScopeMissing(NotAllowed):
    code = "scope_missing"


PAGING = ("limit", "cursor")


class PageQuery(Input):
    limit = serializers.IntegerField(
        min_value=1, max_value=pagination.LARGEST_LIMIT, default=pagination.DEFAULT_LIMIT, help_text="Rows in the page."
    )
    cursor = serializers.CharField(
        required=False, allow_blank=True, default="", help_text="`next_cursor` of the page before."
    )


class OneRenderer(BaseContentNegotiation):
    """Whatever a client says it accepts: an endpoint has one form."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == kind), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class Endpoint(APIView):
    """Checks in this order: method, who it is, scope, how often."""

    metadata_class = None
    content_negotiation_class = OneRenderer
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        handler = getattr(self, (request.method or "").lower(), None)
        if (request.method or "").lower() not in self.http_method_names or not hasattr(handler, "scopes"):
            raise MethodNotAllowed(request.method or "")
        super().initial(request, *args, **kwargs)
        if scopes := handler.scopes:  # type: ignore[union-attr]
            held = next((scope for scope in scopes if scope in request.auth.scopes), None)
            if held is None:
                raise ScopeMissing(f"This needs a token with the scope {' or '.join(scopes)}.")
            if held == "admin" and not request.user.is_staff:  # staff no more, whatever the token was given for
                raise NotAllowed
            throttle(held, request.auth.pk)

    @property
    def allowed_methods(self) -> list[str]:
        """For the header Allow."""
        return [name.upper() for name in self.http_method_names if hasattr(getattr(self, name, None), "scopes")]


def act(
    *scopes: str,
    takes: type[Input] | None = None,
    body: Sequence[str] = (),
    gives: type[serializers.BaseSerializer] | None = None,
    query: type[Input] | None = None,
    status: int = 200,
    many: bool = False,
    paged: bool = False,
    shape: Callable[[Request, Sequence[Any]], Sequence[Any]] | None = None,
    keyed: bool | int = False,
    content: str = "",
    refuses: Sequence[int] = (),
    tag: str = "",
) -> Callable[[Handler], Handler]:
    """Make a method of an `Endpoint` one act.

    Parameters
    ----------
    scopes : any of them lets a token in.
    takes : what the body is read by; the method gets it as `data`.
    query : what the query string is read by; the method gets it as `query`.
    body : media types of a body that the method reads itself.
    gives : what the result is written by; `many`: a list; `paged`: a page of the queryset that the method returns.
    shape : turns the rows of a page, all at once, into what `gives` reads.
    keyed : an `Idempotency-Key` has it done once; a number: of at most so many characters.
    content : media type of a result that the method writes itself, as an `HttpResponse`.
    refuses : further statuses that it may answer with.
    """
    asked: type[Input] | None = query
    if paged:
        asked = type(f"{query.__name__}Page", (query, PageQuery), {}) if query else PageQuery

    def decorate(method: Handler) -> Handler:
        @wraps(method)
        def answer(self: Endpoint, request: Request, **path: Any) -> HttpResponseBase:
            if asked:
                path["query"] = read(asked, request.query_params.dict(), strict=False)
            if takes is None or not keyed or idempotency.HEADER not in request.headers:
                return perform(self, request, path)
            return idempotency.once(
                request=request,
                body=request._request.body,
                principal=f"user:{request.user.pk}",
                work=lambda: perform(self, request, path),  # type: ignore[arg-type,return-value]
            )

        def perform(self: Endpoint, request: Request, path: dict[str, Any]) -> HttpResponseBase:
            if takes:
                path["data"] = read(takes, request.data)
            shown = path.pop("query", {})
            if query:
                path["query"] = {name: value for name, value in shown.items() if name not in PAGING or not paged}
            result = method(self, request, **path)
            if isinstance(result, HttpResponseBase):
                return result
            context = {"request": request}
            if paged:
                rows, cursor = pagination.page(result, cursor=shown["cursor"], limit=shown["limit"])
                rows = shape(request, rows) if shape else rows
                body = {"items": gives(rows, many=True, context=context).data, "next_cursor": cursor}  # type: ignore[misc]
            elif gives is None:
                return HttpResponse(status=204)
            else:
                body = gives(result, many=many, context=context).data
            return HttpResponse(orjson.dumps(body), status=status, content_type="application/json")

        answer.scopes, answer.method, answer.success = scopes, method, status  # type: ignore[attr-defined]
        return _documented(answer)

    def _documented(answer: Handler) -> Handler:
        parameters: list[Any] = [asked] if asked else []
        if keyed:
            parameters.append(key_parameter(idempotency.LONGEST if keyed is True else keyed))
        success: Any = OpenApiResponse(description="Done.")
        if content:
            success = {(status, content): OpenApiTypes.BINARY}
        elif paged:
            success = {status: page_of(gives)}  # type: ignore[arg-type]
        elif gives:
            success = {status: gives(many=many)}
        else:
            success = {204: success}
        codes = {400, 403, 404, 405, 429, 500, 503, *refuses} | ({401} if scopes else set())
        if takes:
            codes |= {409, 413, 415} | ({422} if keyed else set())
        for code in sorted(codes):
            success[code, "application/problem+json"] = ProblemOut
        needs = f"\n\nScope: {' or '.join(f'`{scope}`' for scope in scopes)}." if scopes else ""
        return extend_schema(
            request=takes or dict.fromkeys(body, OpenApiTypes.BINARY) or None,
            responses=success,
            parameters=parameters,
            description=f"{_text(answer)}{needs}",
            tags=[tag] if tag else None,
            auth=None if scopes else [],
        )(answer)

    return decorate


def key_parameter(longest: int) -> OpenApiParameter:
    return OpenApiParameter(
        name=idempotency.HEADER,
        location=OpenApiParameter.HEADER,
        type={"type": "string", "pattern": f"^[!-~]{{1,{longest}}}$"},
        required=False,
        description="Your name for this very act: repeated with the same key it is done once, and answered the same.",
    )


_pages: dict[type, type[serializers.Serializer]] = {}


def page_of(gives: type[serializers.BaseSerializer]) -> type[serializers.Serializer]:
    """The serializer that documents a page of `gives`."""
    if gives not in _pages:
        fields = {
            "items": gives(many=True),
            "next_cursor": serializers.CharField(allow_null=True, help_text="Of the next page; null on the last."),
        }
        _pages[gives] = type(f"{gives.__name__.removesuffix('Out')}PageOut", (serializers.Serializer,), fields)
    return _pages[gives]


def read(serializer: type[Input], data: Any, *, strict: bool = True) -> dict[str, Any]:
    """`data` through `serializer`. Raises DRF's `ValidationError`."""
    found = serializer(data=data, context={"strict": strict})
    found.is_valid(raise_exception=True)
    return dict(found.validated_data)


def _text(answer: Handler) -> str:
    return " ".join((answer.__doc__ or "").split())


class NothingHere(APIView):
    """Whatever else is asked of the API: a problem+json 404, as everywhere."""

    authentication_classes: Sequence[Any] = ()
    permission_classes: Sequence[Any] = ()
    content_negotiation_class = OneRenderer
    schema = None

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        return problem_of(NotThere(), request).response()
