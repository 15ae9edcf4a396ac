"""What a worker loads: hosts and tasks, but no page and no API, which would be a third of its memory."""

import os
import subprocess
import sys
from pathlib import Path

from deployer_site.supervisor import MEMORY

LOAD = """
from deployer_site.celery import app
app.loader.import_default_modules()
import sys
print(*sorted(sys.modules.keys() & {"deployments.engine", "deployer_site.urls", "deployments.api.api", "ninja"}))
"""


def test_a_worker_loads_no_page(tmp_path: Path) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "deployer_site.settings", "VAR": str(tmp_path), **MEMORY}
    done = subprocess.run(
        [sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["deployments.engine"]
