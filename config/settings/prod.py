"""A site for the public, behind TLS. Everything that is secret or particular to the site has to be given."""

from urllib.parse import urlsplit

from config.settings.base import *  # noqa: F403
from config.settings.base import AMAZON_HOSTS, ENV, FRAME_ORIGIN, LOGGING, SITE_URL

SECRET_KEY = ENV.str("SECRET_KEY")
ALLOWED_HOSTS = [*ENV.list("ALLOWED_HOSTS"), *AMAZON_HOSTS, urlsplit(FRAME_ORIGIN).hostname or ""]
CSRF_TRUSTED_ORIGINS = ENV.list("CSRF_TRUSTED_ORIGINS", [SITE_URL] if SITE_URL.startswith("https://") else [])

# TLS ends at the proxy, which must set this header itself and drop what a client sent.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = ENV.bool("SECURE_SSL_REDIRECT", True)
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]  # asked by machines beside us, without TLS
SECURE_HSTS_SECONDS = ENV.int("SECURE_HSTS_SECONDS", 365 * 24 * 3600)
SECURE_HSTS_INCLUDE_SUBDOMAINS = ENV.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", True)
SECURE_HSTS_PRELOAD = ENV.bool("SECURE_HSTS_PRELOAD", True)

# __Host-: a browser takes such a cookie only from this very host, over TLS, for all of it.
SESSION_COOKIE_NAME = "__Host-session"
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-csrf"
CSRF_COOKIE_SECURE = True
LANGUAGE_COOKIE_NAME = "__Host-language"
LANGUAGE_COOKIE_SECURE = True

ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https"
EMAIL_BACKEND = ENV.str("EMAIL_BACKEND", "django.core.mail.backends.smtp.EmailBackend")
EMAIL_USE_TLS = ENV.bool("EMAIL_USE_TLS", True)
EMAIL_PORT = ENV.int("EMAIL_PORT", 587)

LOGGING["formatters"]["json"] = {"()": "core.logs.JsonFormatter"}
LOGGING["handlers"]["console"]["formatter"] = "json"
