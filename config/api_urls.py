"""The REST API, /api/v1."""

from django.urls import path, re_path
from drf_spectacular.views import SpectacularJSONAPIView

from core.api.endpoint import NothingHere
from marketplace.api import taking

urlpatterns = [
    path(
        "openapi.json",
        SpectacularJSONAPIView.as_view(urlconf="config.urls", permission_classes=[], authentication_classes=[]),
        name="api-openapi",
    ),
    # The worker's critical path
    path("batches/<uuid:batch_id>/accept", taking.AcceptNext.as_view(), name="api-accept"),
    path("hits/<uuid:hit_id>/accept", taking.AcceptNamed.as_view(), name="api-accept-named"),
    path("assignments/<uuid:assignment_id>/submit", taking.Submit.as_view(), name="api-submit"),
    path("assignments/<uuid:assignment_id>/revise", taking.Revise.as_view(), name="api-revise"),
    re_path(r"^.*$", NothingHere.as_view(), name="api-nothing-here"),
]
