"""The product's URLs, and the peer that the claim is compared with: one INSERT and its commit."""

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def insert(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO benchmark_row (said) VALUES (%s)", [request.body])
    return HttpResponse(b"{}", content_type="application/json")


urlpatterns = [path("benchmark/insert", insert), path("", include("config.urls"))]
