"""Labels and answers as files. Making one takes a while: an operation with progress, and then a download."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404
from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Input
from core.errors import Conflict
from core.models import Operation
from lifecycle.export import FORMATS, KIND, WHATS, file_name, start_export
from marketplace.api.finding import as_role, batch_for
from marketplace.api.posting import OperationOut, operations_for
from quality.services.exporting import STATES, count_rows


class CountQuery(Input):
    what = serializers.ChoiceField(required=False, choices=WHATS, default="labels")
    states = serializers.ChoiceField(
        required=False, choices=[state for state in STATES if state], help_text="Of labels; default: all."
    )


class ExportIn(CountQuery):
    format = serializers.ChoiceField(required=False, choices=FORMATS, default="csv")


class CountOut(serializers.Serializer):
    rows = serializers.IntegerField()


class Exports(Endpoint):
    @act("read", takes=ExportIn, gives=OperationOut, status=202, keyed=True, tag="results")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Operation:
        """Begin to write the labels (with confidence), the answers of a batch, or both side by side, into a file."""
        return start_export(batch=batch_for(request, batch_id), **data)


class ExportCount(Endpoint):
    @act("read", query=CountQuery, gives=CountOut, tag="results")
    def get(self, request: Request, batch_id: uuid.UUID, query: dict[str, Any]) -> dict[str, Any]:
        """How many rows such an export would have."""
        return {"rows": count_rows(batch_for(request, batch_id), **query)}


class ExportFile(Endpoint):
    @act("read", content="application/octet-stream", refuses=[409], tag="results")
    def get(self, request: Request, operation_id: uuid.UUID) -> FileResponse:
        """The file of an export that is done."""
        operation = as_role(operations_for, request.user, "viewer", public_id=operation_id)
        if operation.kind != KIND:
            raise Http404
        stored = operation.result.get("file")
        if operation.state != Operation.State.DONE or not stored:
            raise Conflict("The file is not finished yet.", code="not_finished")
        response = FileResponse(default_storage.open(stored, "rb"), as_attachment=True, filename=file_name(operation))
        response["Content-Type"] = "application/octet-stream"
        return response
