"""DATABASE_URL to Django's form: SQLite that does not fail "locked", or PostgreSQL."""

from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from deployer_site.environ import refuse

POSTGRESQL = "deployer_site.postgresql"  # Django's own, quicker
EXAMPLES = "Write sqlite:////absolute/path/of/file or postgresql://user:password@host:5432/name."
POSTGRESQL_OPTIONS = {"host", "sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "application_name"}
CONNECT_SECONDS = "5"
# A process that is stopped in the middle of a transaction would keep its rows locked for as long as it sleeps, so that
# nobody could adopt its deploys.
SESSION = "-c idle_in_transaction_session_timeout=10s"
# Each request that a web process answers has a thread. As many requests as come would each open a connection, until the
# server takes no more; so they share a few, and wait for one in turn.
SHARED = {"min_size": 1, "max_size": 20, "timeout": 10.0, "max_idle": 60.0, "reconnect_timeout": 1.0}


def read_database(name: str, url: str) -> dict[str, Any]:
    """Django's settings of the database that `url` names; any other kind stops the start."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        refuse(name, what=f"it is not an address. {EXAMPLES}")
    if parts.scheme == "sqlite":
        return _sqlite(name, parts)
    if parts.scheme in {"postgresql", "postgres"}:
        return _postgresql(name, parts, port)
    refuse(name, what=f"the scheme {parts.scheme!r} is not known. {EXAMPLES}")


def share_connections(database: dict[str, Any]) -> None:
    """Let all threads of this process share a few connections to PostgreSQL; before the first one is opened."""
    if database["ENGINE"] == POSTGRESQL:
        # a thread gives its connection back after each request
        database["CONN_MAX_AGE"] = 0
        database["OPTIONS"]["pool"] = {**SHARED}


def _sqlite(name: str, parts: SplitResult) -> dict[str, Any]:
    # Three slashes or four: both are written for an absolute path.
    path = Path("/" + unquote(parts.path).lstrip("/"))
    if parts.netloc or path.is_dir() or path.parent == Path("/"):
        refuse(name, what=f"a SQLite address needs the absolute path of a file in a folder. {EXAMPLES}")
    if not path.parent.is_dir():
        refuse(name, what=f"the folder {path.parent} does not exist. Make it, or name another one.")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "CONN_MAX_AGE": 60,
        "OPTIONS": {
            # Without these three, writers of several processes fail with "database is locked".
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


def _postgresql(name: str, parts: SplitResult, port: int | None) -> dict[str, Any]:
    options = dict(parse_qsl(parts.query))
    unknown = sorted(set(options) - POSTGRESQL_OPTIONS)
    if unknown:
        refuse(name, what=f"the option {unknown[0]!r} is not known. Use {', '.join(sorted(POSTGRESQL_OPTIONS))}.")
    database = unquote(parts.path.removeprefix("/"))
    if not database or "/" in database:
        refuse(name, what=f"it names no database. {EXAMPLES}")
    # A socket's folder is written as the host (percent-encoded) or as ?host=/run/postgresql. `parts.hostname` is in
    # lower case, which a folder need not be.
    place = parts.netloc.rpartition("@")[2]
    host = options.pop("host", "") or unquote(place.removesuffix(f":{port}") if port else place).strip("[]")
    return {
        "ENGINE": POSTGRESQL,
        "NAME": database,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": CONNECT_SECONDS, "options": SESSION, **options},
    }
