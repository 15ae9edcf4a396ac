"""The settings of tests: the real ones, in a folder of their own, without the demo."""

import atexit
import os
import shutil
import tempfile

# Spawned processes inherit VAR, so that they read the same secrets; only the process that made it removes it.
if "TEST_VAR" not in os.environ:
    folder = tempfile.mkdtemp(prefix="deployer-test-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["TEST_VAR"] = folder
os.environ["VAR"] = os.environ["TEST_VAR"]
# Tests of roles mean the roles alone; what everyone may has tests of its own.
os.environ["EVERYONE"] = "viewer"
for name in (
    "PORT",
    "BIND",
    "BASE_URL",
    "PROXY",
    "SECURE",
    "SECRET_KEY",
    "ENCRYPTION_KEYS",
    "REPOSITORY_ROOTS",
    "EMAIL",
    "EMAIL_FROM",
):
    os.environ.pop(name, None)
os.environ["DEMO"] = "0"
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", "")
os.environ["REDIS_URL"] = os.environ.get("TEST_REDIS_URL", "")

from deployer_site import network  # noqa: E402
from tests.patience import PATIENCE  # noqa: E402
from tests.ports import OF_VALKEY  # noqa: E402

network.VALKEY_PORTS = OF_VALKEY

from deployer_site.settings import *  # noqa: E402, F403
from deployer_site.settings import CHANNEL_LAYERS, DATABASES, STORAGES, VAR  # noqa: E402

ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
if "sqlite" in DATABASES["default"]["ENGINE"]:
    # A file, not memory: threads and spawned processes open it too, with the locking that production has.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR / "test.sqlite3")}
    # Dozens of threads that write at once wait longer for their turns while the machine is busy with other tests.
    DATABASES["default"]["OPTIONS"]["timeout"] = 90

if "postgresql" in DATABASES["default"]["ENGINE"]:
    # A test is often one transaction, and may well rest in it.
    DATABASES["default"]["OPTIONS"].pop("options")

# Where nothing but words may tell, a word that is lost to a busy machine would never be made good.
CHANNEL_LAYERS["default"]["CONFIG"]["hosts"][0]["socket_connect_timeout"] = PATIENCE

# Files are found where they lie; WhiteNoise wants the folder of collected ones to exist nevertheless.
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS = True
(VAR / "static").mkdir(exist_ok=True)
