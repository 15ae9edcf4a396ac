#!/usr/bin/env python
"""The command line of the Deployer: `manage.py up` starts everything."""

import os
import sys

OLDEST_PYTHON = (3, 11)


def main() -> None:
    # Before any other import: an old interpreter would answer with a SyntaxError instead of this sentence.
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(str(part) for part in sys.version_info[:2])
        sys.exit(
            "The Deployer needs Python 3.11 or newer; %s is Python %s. "  # noqa: UP031
            "Install a newer Python and run `make up` again." % (sys.executable, found)
        )
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deployer_site.settings")
    try:
        from django.core.management import execute_from_command_line  # noqa: PLC0415
    except ImportError:
        sys.exit("Django is not installed for this Python (" + sys.executable + "). Run `make up` first.")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
