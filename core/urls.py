"""What belongs to no part of the market: how pages are read, and what browsers report."""

from django.urls import path

from core.views import reading, styleguide, violations

urlpatterns = [
    path("csp-report", violations.report, name="csp_report"),
    path("language/", reading.choose_language, name="choose_language"),
    path("direction/", reading.choose_direction, name="choose_direction"),
    path("styleguide/", styleguide.styleguide, name="styleguide"),
]
