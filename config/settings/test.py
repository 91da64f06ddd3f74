"""Tests: a throwaway cluster under var/, started by tests/conftest.py, where the tests own the tables."""

import os

from config import database
from config.settings.base import *  # noqa: F403
from config.settings.base import BASE_DIR, DATA_DIR, ENV, STORAGES, TEMPLATES

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # playwright keeps an event loop in the test's thread

SECRET_KEY = "only-for-tests-" + "x" * 50
TEST_DATA_DIR = DATA_DIR / "test"
MEDIA_ROOT = TEST_DATA_DIR / "media"
STATIC_ROOT = TEST_DATA_DIR / "static"
CERTIFICATE_KEYS = TEST_DATA_DIR / "keys"

DATABASE_URL, OWNER_DATABASE_URL = database.urls(ENV, TEST_DATA_DIR)
DATABASES = {"default": database.django_database(OWNER_DATABASE_URL, process="test", owner=True, prepare_threshold=5)}
DATABASES["default"]["OPTIONS"]["options"] = "-c lock_timeout=10s"
# Threads of a test close what they open, and a test database can be dropped.
DATABASES["default"] |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}

ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
API_RATES: dict[str, int] = {}  # no limit but in the tests of it
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True


class MissingVariable(str):
    """Stands in for a template variable that is not there: in a template of ours that is an error."""

    def __contains__(self, key: object) -> bool:
        return key == "%s"  # how Django asks whether the name should be filled in

    def __mod__(self, variable: object) -> str:  # type: ignore[override]
        import sys

        frame = sys._getframe(1)
        while frame:  # the nearest template that is being rendered
            origin = getattr(getattr(frame.f_locals.get("self"), "origin", None), "name", "")
            if origin:
                if str(origin).startswith(str(BASE_DIR)) and "site-packages" not in str(origin):
                    raise LookupError(f"Missing template variable {str(variable)!r} in {origin}")
                break
            frame = frame.f_back  # type: ignore[assignment]
        return ""


TEMPLATES[0]["OPTIONS"]["string_if_invalid"] = MissingVariable()

# No look at the database behind a test's back: the number of its queries says what it did itself.
PREFERENCES_SECONDS = 0
