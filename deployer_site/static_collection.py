"""Collecting static files only when they changed: hashing and compressing them takes seconds, a look takes none."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import django
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

MARK = ".collected"


def _sources() -> Iterator[str]:
    yield f"django {django.__version__}"
    for finder in get_finders():
        for path, storage in finder.list([]):
            status = Path(storage.path(path)).stat()
            yield f"{path} {status.st_size} {status.st_mtime_ns}"


def collect_static_files() -> bool:
    """Bring STATIC_ROOT up to date; whether there was anything to do."""
    root = Path(settings.STATIC_ROOT)
    digest = hashlib.sha256("\n".join(sorted(_sources())).encode()).hexdigest()
    mark = root / MARK
    if mark.exists() and mark.read_text(encoding="ascii") == digest:
        return False
    # Files of an older version go: a page that still asks for one has been replaced as well.
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    mark.write_text(digest, encoding="ascii")
    return True
