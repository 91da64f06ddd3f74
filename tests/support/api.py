"""A client of the REST API for tests: bearer tokens, JSON in and out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from users.models import User
from users.services import create_token


class ApiClient:
    def __init__(self, token: str | None) -> None:
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.client = Client()

    def call(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json", **headers: str
    ) -> HttpResponse:
        data = json.dumps(body) if body is not None and not isinstance(body, bytes) else body or b""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.generic(
            method,
            f"/api/v1/{path}",
            data,
            content_type=content_type,
            headers={**self.headers, **named},
        )

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.call("GET", path, **headers)

    def put(self, path: str, body: bytes, content_type: str, **headers: str) -> HttpResponse:
        return self.call("PUT", path, body, content_type, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.call("POST", path, body, **headers)


@pytest.fixture
def api():
    """`api(user, "read", "write")`: a client with a fresh token of these scopes."""

    def make(user: User | None = None, *scopes: str) -> ApiClient:
        return ApiClient(create_token(user=user, scopes=scopes)[1] if user else None)

    return make
