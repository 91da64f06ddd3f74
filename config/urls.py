"""Every URL of the site, one `include` an app."""

from django.contrib import admin
from django.urls import path

from core import health

urlpatterns = [
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("admin/", admin.site.urls),
]
