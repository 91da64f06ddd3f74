"""Every URL of the site, one `include` an app."""

from django.contrib import admin
from django.urls import include, path

from core import health, metrics

urlpatterns = [
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("metrics", metrics.metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("config.api_urls")),
    path("accounts/", include("allauth.urls")),
    path("", include("core.urls")),
    path("", include("users.urls")),
    path("", include("mturk.urls")),
    path("", include("marketplace.urls")),
    path("", include("payments.urls")),
    path("", include("workers_app.urls")),
    path("", include("quality.urls")),
    path("staff/", include("staff.urls")),
]

handler500 = "core.health.server_error"
