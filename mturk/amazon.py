"""URLs under Amazon's own names, which tools that cannot be told another one reach by `manage.py mturk_proxy`."""

from django.urls import path

from mturk import endpoint

handler400 = handler403 = handler404 = handler500 = "mturk.frames.views.frame.in_a_word"

urlpatterns = [path("", endpoint.endpoint, name="amazon")]
