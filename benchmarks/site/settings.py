"""The product's settings, with an endpoint to compare with."""

from config.settings.dev import *  # noqa: F403

ROOT_URLCONF = "benchmarks.site.urls"
