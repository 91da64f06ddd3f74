"""What every environment shares. Values come from the environment or from `.env` (see .env.example)."""

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from environs import Env
from kombu import Exchange, Queue

from config import database

BASE_DIR = Path(__file__).resolve().parents[2]
ENV = Env()
ENV.read_env(str(BASE_DIR / ".env"), recurse=False)

DATA_DIR = (BASE_DIR / (ENV.str("DATA_DIR", "") or "var")).resolve()
#: web, sweep, worker, beat or command: the supervisor says which. It bounds how long a statement takes.
PROCESS = ENV.str("TOUCHSTONE_PROCESS", "command")

DEBUG = False
#: Names under which Amazon's tools look for Mechanical Turk (manage.py mturk_proxy leads them here).
AMAZON_HOSTS = ["mturk-requester.us-east-1.amazonaws.com", "mturk-requester-sandbox.us-east-1.amazonaws.com"]
ALLOWED_HOSTS = [*ENV.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"]), *AMAZON_HOSTS]
CSRF_TRUSTED_ORIGINS: list[str] = ENV.list("CSRF_TRUSTED_ORIGINS", [])
SITE_URL = ENV.str("SITE_URL", f"http://127.0.0.1:{ENV.str('PORT', '') or 8000}")
#: Where pages of requesters are shown in frames: another name of this server, no path. Empty: they are not shown.
FRAME_ORIGIN = ENV.str("FRAME_ORIGIN", "").rstrip("/")
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

INSTALLED_APPS = [
    "core",
    "users",
    "payments",
    "workers_app",
    "marketplace",
    "quality",
    "lifecycle",
    "mturk",
    "staff",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "drf_spectacular",
    "django_filters",
    "django_htmx",
    "pgtrigger",
]

MIDDLEWARE = [
    "core.metrics.RequestMetricsMiddleware",
    "mturk.hosts.HostsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "core.security.SecurityHeadersMiddleware",
    "core.api.shortcut.ApiMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "core.viewer.ViewerMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "core.security.csp",
            ],
        },
    },
]

#: Whether `make run` fills an empty market with the demonstration.
DEMO = False

# --- what a browser is told -------------------------------------------------------------------------------------------

#: No inline code, nothing from another host. Names as in Django 6; core/security.py fills in the nonce.
SECURE_CSP = {
    "default-src": ["'none'"],
    "script-src": ["'self'", "<nonce>"],
    "style-src": ["'self'", "<nonce>"],
    "img-src": ["'self'", "data:"],  # data: is the QR code of a second factor
    "font-src": ["'self'"],
    "media-src": ["'self'"],
    "connect-src": ["'self'"],
    "manifest-src": ["'self'"],
    "worker-src": ["'self'"],
    "frame-src": ["'self'", "<frames>"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
    "base-uri": ["'none'"],
    "object-src": ["'none'"],
    "report-uri": ["/csp-report"],
}
PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), interest-cohort=()"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"

#: Encrypt the secrets of access keys: the first seals, all of them open. Empty: SECRET_KEY does.
ACCESS_KEY_SECRETS: list[str] = ENV.list("ACCESS_KEY_SECRETS", [])

#: Mechanical Turk's dialect: the largest question, test or answer key in bytes of UTF-8, and whether an
#: ExternalQuestion may be http (always allowed on this machine).
MTURK_QUESTION_BYTES = ENV.int("MTURK_QUESTION_BYTES", 65_535)
MTURK_HTTP_QUESTIONS = ENV.bool("MTURK_HTTP_QUESTIONS", False)
#: Where messages for an SNS topic go: `arn=https://address`, with commas between them.
MTURK_TOPICS: dict[str, str] = ENV.dict("MTURK_TOPICS", {})
#: Operations a second that one access key may call for long, and how many at once.
MTURK_RATE, MTURK_BURST = ENV.int("MTURK_RATE", 100), ENV.int("MTURK_BURST", 1000)

#: Who has this may read /metrics from another machine; programs on this one and staff may without.
METRICS_TOKEN = ENV.str("METRICS_TOKEN", "")

# --- database ---------------------------------------------------------------------------------------------------------

DATABASE_URL, OWNER_DATABASE_URL = database.urls(ENV, DATA_DIR)
_owner = database.needs_owner(sys.argv)
DATABASES = {
    "default": database.django_database(
        OWNER_DATABASE_URL if _owner else DATABASE_URL,
        process=PROCESS,
        owner=_owner,
        # 0 where a pooler between us and the server cannot keep prepared statements.
        prepare_threshold=ENV.int("DATABASE_PREPARE_THRESHOLD", 5) or None,
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- cache ------------------------------------------------------------------------------------------------------------

#: Figures of the list of work are kept for each batch: with the default of 300 entries they would never be found.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 20_000}},
}

# --- Celery -----------------------------------------------------------------------------------------------------------

#: By default the queue is in the same PostgreSQL (pgmq, installed by a migration). Or redis://..., amqp://...
CELERY_BROKER_URL = ENV.str("CELERY_BROKER_URL", "") or "pgmq://localhost"
_in_postgres = CELERY_BROKER_URL.startswith("pgmq:")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {"visibility_timeout": 120}  # longer than any task may run
if _in_postgres:
    CELERY_BROKER_TRANSPORT_OPTIONS |= {
        "conn_string": database.conninfo(DATABASE_URL, process=f"{PROCESS} queue"),
        "init_extension": False,
        "pool_size": 3,
        "pool_timeout": 5,
        "wait_time_seconds": 1,
        "poll_interval_ms": 50,
        "polling_interval": 0.05,
    }
# On pgmq the queues are made in migrations: this role may not make tables.
CELERY_TASK_QUEUES = [
    Queue(name, Exchange("", type="direct"), routing_key=name, no_declare=_in_postgres)
    for name in ("celery", "heartbeat")
]
CELERY_TASK_DEFAULT_QUEUE = "celery"
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True  # every task may run twice
CELERY_TASK_TIME_LIMIT = 60
CELERY_TASK_SOFT_TIME_LIMIT = 50
CELERY_TASK_PUBLISH_RETRY = False  # the sweep finds the row; a web process never waits for a broker
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_MAX_TASKS_PER_CHILD = 10_000
CELERY_TIMEZONE = "UTC"
#: Seconds between two messages of beat for each step that Celery shares with the sweep; 0: the sweep does it alone.
STEP_SECONDS = ENV.float("STEP_SECONDS", 1.0)
#: A process that keeps dying is started again after 1, 2, 4 ... and at most so many seconds.
RESTART_PAUSE_SECONDS = ENV.float("RESTART_PAUSE_SECONDS", 5.0)
#: The supervisor starts workers again that took no pulse of beat for so long. More than a task may run.
WORKER_SILENT_SECONDS = ENV.float("WORKER_SILENT_SECONDS", 90.0)
CELERY_BEAT_SCHEDULE = {
    "heartbeat": {
        "task": "core.tasks.heartbeat",
        "schedule": WORKER_SILENT_SECONDS / 6,
        "options": {"queue": "heartbeat", "expires": 60},
    },
}
if STEP_SECONDS:
    # A message that nobody took in time is dropped: rows are the queue, and the next message finds them.
    CELERY_BEAT_SCHEDULE |= {
        step: {"task": f"lifecycle.tasks.{step}", "schedule": STEP_SECONDS, "options": {"expires": 5 * STEP_SECONDS}}
        for step in ("digest_due", "decide_due", "expire_due")
    }

# --- people -----------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
#: In the browser that signed up, and only there: whoever else has the link confirms the address and no more.
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
ACCOUNT_ADAPTER = "users.adapters.AccountAdapter"
ACCOUNT_FORMS = {"signup": "lifecycle.forms.SignupForm"}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
#: Whether staff need a second factor before any page of theirs opens.
STAFF_MFA = ENV.bool("STAFF_MFA", False)

# --- time, language, files --------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("es", "Español")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "language"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [folder for folder in [BASE_DIR / "static"] if folder.is_dir()]
MEDIA_ROOT = DATA_DIR / "media"
#: Keys that sign certificates. Several machines share one folder.
CERTIFICATE_KEYS = ENV.str("CERTIFICATE_KEYS", "") or DATA_DIR / "keys"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.storage.StaticStorage"},
}

#: Hosts as "host:port" that webhooks and media may be called at although they are not public, or not https on 443.
OUTBOUND_ALLOWED = ENV.list("OUTBOUND_ALLOWED", [])
#: Largest picture, sound or film, in bytes.
MEDIA_LARGEST = ENV.int("MEDIA_LARGEST", 100 * 1024**2)

# --- mail -------------------------------------------------------------------------------------------------------------

EMAIL_BACKEND = ENV.str("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
EMAIL_HOST = ENV.str("EMAIL_HOST", "localhost")
EMAIL_PORT = ENV.int("EMAIL_PORT", 25)
EMAIL_HOST_USER = ENV.str("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = ENV.str("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = ENV.bool("EMAIL_USE_TLS", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = ENV.str("DEFAULT_FROM_EMAIL", "touchstone@localhost")

# --- API --------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "core.api.documentation.Schema",
    "DEFAULT_AUTHENTICATION_CLASSES": ["users.api.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["core.api.rendering.Renderer"],
    "DEFAULT_PARSER_CLASSES": ["core.api.rendering.Parser"],
    "EXCEPTION_HANDLER": "core.api.problems.answer_to",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Touchstone",
    "DESCRIPTION": "A crowdsourcing marketplace with quality control. See docs/api.md for a walk through by curl.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_PATCH": False,
    "ENFORCE_NON_BLANK_FIELDS": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["core.api.documentation.finish"],
}
#: Calls a minute that one token may make, by the scope that lets it in; `forecast` is what one person may have
#: simulated, on its page and by the API. Empty: no limit.
API_RATES = {
    "read": ENV.int("API_RATE_READ", 1200),
    "write": ENV.int("API_RATE_WRITE", 1200),
    "money": ENV.int("API_RATE_MONEY", 120),
    "work": ENV.int("API_RATE_WORK", 6000),
    "work:any": ENV.int("API_RATE_REPLAY", 60_000),
    "admin": ENV.int("API_RATE_ADMIN", 1200),
    "forecast": ENV.int("API_RATE_FORECAST", 60),
}

# --- the market -------------------------------------------------------------------------------------------------------

LEDGER_CURRENCY = ENV.str("LEDGER_CURRENCY", "EUR")
#: The platform's part of each reward and bonus, in hundredths of a percent.
FEE_BASIS_POINTS = ENV.int("FEE_BASIS_POINTS", 1000)
#: Money put aside beyond the expected cost for answers asked again, in hundredths of a percent.
REPAIR_BASIS_POINTS = ENV.int("REPAIR_BASIS_POINTS", 500)
#: Smallest hourly pay a public batch may be published with, in currency units.
HOURLY_FLOOR = ENV.decimal("HOURLY_FLOOR", Decimal("8.00"))
PAYOUT_MINIMUM = ENV.int("PAYOUT_MINIMUM", 1_000_000)
PAYOUT_HOLD_DAYS = ENV.int("PAYOUT_HOLD_DAYS", 0)
#: Micros from which two people of the staff have to look at a deposit or a payout.
LARGE_SUM = ENV.int("LARGE_SUM", 5_000_000_000)
SIGNUP = ENV.str("SIGNUP", "open", validate=lambda value: value in {"open", "invitation", "approval"})
#: Late answers of one worker a day that the goodwill account compensates by itself.
GOODWILL_PER_DAY = ENV.int("GOODWILL_PER_DAY", 1)
#: How long a process goes by settings that staff may change before it looks again; 0: only what it changed itself.
PREFERENCES_SECONDS = ENV.float("PREFERENCES_SECONDS", 5.0)
#: Names workers for requesters; changing it gives every worker a new name.
PSEUDONYM_KEY = ENV.str("PSEUDONYM_KEY", "")

# --- logs -------------------------------------------------------------------------------------------------------------

LOG_LEVEL = ENV.str("LOG_LEVEL", "INFO")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
    },
}
