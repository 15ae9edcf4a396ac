"""All settings, read from environment variables; docs/settings.md lists them."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import NONE, SELF
from django.contrib.messages import constants

from deployer_site import environ
from deployer_site.database_url import read_database
from deployer_site.network import (
    read_base_url,
    read_mail_server,
    read_networks,
    read_place,
    read_redis_url,
    read_web_address,
    valkey_url,
)

# Lets classes name their model at run time as they do for the type checker: ModelAdmin[Deploy].
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

# Where it runs
VAR = environ.read_folder("VAR", default=BASE_DIR / "var")
SECRETS = VAR / "secrets"
PORT = environ.read_int("PORT", default=8000, least=1, most=65535)
BIND = environ.read_text("BIND", default="127.0.0.1")
BASE_URL = read_base_url("BASE_URL", default=f"http://localhost:{PORT}")
DEMO = environ.read_bool("DEMO", default=True)
PROXY = environ.read_bool("PROXY", default=False)
TRUSTED_PROXIES = read_networks("TRUSTED_PROXIES", default=("127.0.0.1", "::1"))
SECURE = environ.read_bool("SECURE", default=BASE_URL.startswith("https://"))
if SECURE and not (PROXY and BASE_URL.startswith("https://")):
    environ.refuse(
        "SECURE" if environ.read_text("SECURE") else "BASE_URL",
        what="https needs a proxy that ends TLS. Set BASE_URL=https://… and PROXY=1, and see docs/operate.md.",
    )
PRODUCTION = SECURE
WORKERS = environ.read_int("WORKERS", default=2, least=1, most=64)
# The way to hosts; benchmarks name another one, for hosts that exist in a program alone.
HOST_TRANSPORT = "environments.ssh.pool.program"
WORKER_THREADS = environ.read_int("WORKER_THREADS", default=32, least=4, most=512)
WORKER_HOSTS = environ.read_int("WORKER_HOSTS", default=256, least=4, most=2000)
WORKER_QUEUE = environ.read_name("WORKER_QUEUE")

# Connections to hosts that a worker keeps open for the next deploy
SSH_KEEP_SECONDS = environ.read_int("SSH_KEEP_SECONDS", default=120, least=0, most=86_400)
SSH_KEEP_MOST = environ.read_int("SSH_KEEP_MOST", default=500, least=0, most=10_000)

# Secrets
SECRET_KEY = environ.read_secret("SECRET_KEY") or environ.keep_secret(
    SECRETS / "secret_key", generate=environ.generate_secret_key
)
if len(SECRET_KEY) < environ.LEAST_SECRET_KEY:
    environ.refuse("SECRET_KEY", what=f"it is shorter than {environ.LEAST_SECRET_KEY} characters. Write a longer one.")
ENCRYPTION_KEYS: list[str] = environ.check_encryption_keys(
    "ENCRYPTION_KEYS",
    (
        environ.read_secret("ENCRYPTION_KEYS")
        or environ.keep_secret(SECRETS / "encryption_keys", generate=environ.generate_encryption_key)
    )
    .replace(",", " ")
    .split(),
)

# Which folders file:// repositories may lie in
REPOSITORY_ROOTS: list[Path] = environ.read_folders("REPOSITORY_ROOTS")
if DEMO:
    REPOSITORY_ROOTS = [*REPOSITORY_ROOTS, VAR / "demo" / "repositories"]

# Builds made elsewhere: how large one may be as it is downloaded (unpacked: four times that), and how long it may take
ARTIFACT_MOST_MB = environ.read_int("ARTIFACT_MOST_MB", default=2048, least=1, most=1 << 20)
ARTIFACT_WAIT_MINUTES = environ.read_int("ARTIFACT_WAIT_MINUTES", default=60, least=1, most=10_080)
ARTIFACT_SECONDS = environ.read_int("ARTIFACT_SECONDS", default=1800, least=10, most=86_400)

# Packed releases on this machine: what is not needed goes when all together are larger
ARCHIVES_MOST_MB = environ.read_int("ARCHIVES_MOST_MB", default=10_240, least=1, most=1 << 24)

# Locks: how long someone whose turn in line has come may take to confirm, and when holders are reminded
LOCK_CONFIRM_MINUTES = environ.read_int("LOCK_CONFIRM_MINUTES", default=10, least=1, most=1440)
LOCK_REMIND_MINUTES = environ.read_int("LOCK_REMIND_MINUTES", default=15, least=1, most=1440)
LOCK_REMIND_HOURS = environ.read_int("LOCK_REMIND_HOURS", default=4, least=1, most=168)

# Incoming hooks: how large one may be, how many a source may send, and for how long, and how many of them, are kept
HOOK_MOST_KB = environ.read_int("HOOK_MOST_KB", default=2048, least=16, most=25_600)
HOOK_PER_MINUTE = environ.read_int("HOOK_PER_MINUTE", default=300, least=10, most=60_000)
HOOK_KEEP_DAYS = environ.read_int("HOOK_KEEP_DAYS", default=30, least=1, most=3650)
HOOK_KEEP_MOST = environ.read_int("HOOK_KEEP_MOST", default=2000, least=50, most=1_000_000)

# Sources of hosts: how long reading one may take, how long all of them may hold up a deploy, and whether web addresses
# of one's own network are asked (private) or only those of the internet (public)
SOURCE_SECONDS = environ.read_int("SOURCE_SECONDS", default=30, least=1, most=600)
SOURCE_DEPLOY_SECONDS = environ.read_int("SOURCE_DEPLOY_SECONDS", default=5, least=1, most=60)
SOURCE_SCRIPTS: list[Path] = environ.read_folders("SOURCE_SCRIPTS")
SOURCE_ADDRESSES = environ.read_choice("SOURCE_ADDRESSES", default="private", choices=("private", "public"))

# Announcements: whether they are sent to addresses of one's own network too, and where Slack's API is
CHANNEL_ADDRESSES = environ.read_choice("CHANNEL_ADDRESSES", default="public", choices=("private", "public"))
SLACK_API = "https://slack.com/api/"

# Django
DEBUG = False
ALLOWED_HOSTS = environ.read_list(
    "ALLOWED_HOSTS", default=(urlsplit(BASE_URL).hostname or "localhost", "localhost", "127.0.0.1", "[::1]")
)
CSRF_TRUSTED_ORIGINS = [BASE_URL]
ROOT_URLCONF = "deployer_site.urls"
ASGI_APPLICATION = "deployer_site.asgi.application"
AUTH_USER_MODEL = "environments.User"
LOGIN_URL = "signin"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "signin"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
    "csp",
    "django_htmx",
    "channels",
    "notifications",
    "environments",
    "deployments",
    "deployer_site",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "deployer_site.compression.Compression",
    "csp.middleware.CSPMiddleware",
    "deployer_site.static_files.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "deployer_site.origins.OriginMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "deployer_site.permissions.PermissionMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
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
            ],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = environ.read_time_zone("TIME_ZONE", default="UTC")
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
MESSAGE_TAGS = {
    constants.SUCCESS: "ok",
    constants.WARNING: "warn",
    constants.ERROR: "bad",
}  # as the stylesheet calls them

# Database
DATABASES = {
    "default": read_database(
        "DATABASE_URL", environ.read_secret("DATABASE_URL") or f"sqlite://{VAR / 'deployer.sqlite3'}"
    )
}

# Static files
STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "deployer_site.static_storage.HashedStaticFiles"},
}

# People: what everyone who is signed in may, until somebody has chosen it on the page of permissions
EVERYONE = environ.read_choice("EVERYONE", default="deployer", choices=("viewer", "deployer", "maintainer"))
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "environments.providers.passwords.PasswordRule",
    "django.contrib.auth.backends.ModelBackend",
]
# Wrong tries: environments/tries.py says how many, and for how long.
AXES_HANDLER = "environments.tries.Tries"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "environments.tries.address_of"
AXES_LOCKOUT_CALLABLE = "environments.tries.keep_answer"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True  # the audit trail is ours
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "csrfmiddlewaretoken", "next"]
# Second factors: of whom one is required. allauth keeps them; none of its pages is mounted.
SECOND_FACTOR = environ.read_choice(
    "SECOND_FACTOR", default="optional", choices=("optional", "administrators", "everyone")
)
MFA_ADAPTER = "environments.second_factors.Adapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Mail
_MAIL = read_mail_server("EMAIL", environ.read_secret("EMAIL"))
EMAIL_HOST, EMAIL_PORT = _MAIL.host, _MAIL.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL.user, _MAIL.password
EMAIL_USE_TLS, EMAIL_USE_SSL, EMAIL_TIMEOUT = _MAIL.starttls, _MAIL.tls, 10
DEFAULT_FROM_EMAIL = environ.read_text(
    "EMAIL_FROM", default=f"Deployer <deployer@{urlsplit(BASE_URL).hostname or 'localhost'}>"
)

# Cookies and headers. Browsers share cookies between ports, so two copies on one machine need two names.
_COOKIE = "__Host-deployer" if SECURE else f"deployer-{PORT}"
SESSION_COOKIE_NAME = f"{_COOKIE}-session"
CSRF_COOKIE_NAME = f"{_COOKIE}-csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = SECURE
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if SECURE else 0
# Other names under this domain are not ours to force to https (W005), nor to put on the browsers' list (W021).
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        # Older Safari does not count ws: of the page's own origin as 'self'.
        "connect-src": [SELF, BASE_URL.replace("http", "ws", 1)],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}

# Valkey (or a Redis of one's own)
REDIS_URL = read_redis_url("REDIS_URL", environ.read_secret("REDIS_URL"))
BUNDLED_VALKEY = not REDIS_URL
if BUNDLED_VALKEY:
    REDIS_URL = environ.keep_secret(SECRETS / "valkey_url", generate=valkey_url)
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # redis-py's own limit of 5 s would end every receive that waits longer for a message.
        "CONFIG": {
            "hosts": [{"address": REDIS_URL, "socket_timeout": None, "socket_connect_timeout": 2}],
            "prefix": "deployer",
            # Words are short. One that finds no room is lost, and pages would know an end only by their next look.
            "capacity": 2000,
        },
    },
}

# Metrics: where to, and who may ask for them. Nothing is counted where nobody wants it.
STATSD = read_place("STATSD", port=8125)
STATSD_PREFIX = environ.read_text("STATSD_PREFIX", default="deployer")
GRAPHITE_EVENTS = read_web_address("GRAPHITE_EVENTS", environ.read_secret("GRAPHITE_EVENTS"))
METRICS_TOKEN = environ.read_secret("METRICS_TOKEN")
METRICS_NETWORKS = read_networks("METRICS_NETWORKS")
METRICS = bool(METRICS_TOKEN or METRICS_NETWORKS)
if METRICS_TOKEN and len(METRICS_TOKEN) < environ.LEAST_METRICS_TOKEN:
    _short = f"it is shorter than {environ.LEAST_METRICS_TOKEN} characters. Write a longer one."
    environ.refuse("METRICS_TOKEN", what=_short)

# Celery: a doorbell only. A broken broker must cost a caller less than a second, a lost message nothing.
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 12 * 3600,
    "socket_connect_timeout": 1,
    "socket_timeout": 5,
    "global_keyprefix": "deployer:",
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "deployer"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 5
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_TIMEZONE = TIME_ZONE

# Logs go to standard error, one line per record.
LOG_LEVEL = environ.read_choice("LOG_LEVEL", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "deployer_site.log_format.OneLine"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        # These tell each connection, request and task; that is what DEBUG is for.
        "httpx": {"level": "DEBUG" if LOG_LEVEL == "DEBUG" else "WARNING"},
        "axes": {"level": "DEBUG" if LOG_LEVEL == "DEBUG" else "ERROR"},
        # whatever it reports as an error is also raised, and told by us in a sentence that names the host
        "paramiko": {"level": "DEBUG" if LOG_LEVEL == "DEBUG" else "CRITICAL"},
        "asyncssh": {"level": "DEBUG" if LOG_LEVEL == "DEBUG" else "WARNING"},
        "psycopg.pool": {"level": "DEBUG" if LOG_LEVEL == "DEBUG" else "WARNING"},
        "celery.worker.strategy": {"level": "DEBUG" if LOG_LEVEL == "DEBUG" else "WARNING"},
        "celery.app.trace": {"level": "DEBUG" if LOG_LEVEL == "DEBUG" else "WARNING"},
        "daphne": {"level": "DEBUG" if LOG_LEVEL == "DEBUG" else "WARNING"},
    },
}
