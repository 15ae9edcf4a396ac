"""The installation as the text of a file. Equal set-ups give equal texts."""

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

import yaml

from deployments.written.planning import VERSION
from deployments.written.secrets import Secret
from deployments.written.sections import SECTIONS
from environments.secret_stores.references import Reference

_HEAD = """\
# What is set up in this Deployer. `manage.py plan FILE` says what applying it would change, `manage.py apply FILE`
# does it. What a file does not say stays as it is. Secrets are never written: `stored` is what this installation has.
"""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Everything is written out: who reads a file should not have to look elsewhere in it."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    lines = text.split("\n")
    blocky = len(lines) > 1 and not any(line != line.rstrip() for line in lines) and not text.startswith((" ", "\n"))
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if blocky else None)


def _list(dumper: yaml.SafeDumper, found: list[Any]) -> yaml.Node:
    """Plain values stand beside one another."""
    flat = not any(isinstance(one, list | dict) for one in found)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", found, flow_style=flat)


def _secret(dumper: yaml.SafeDumper, secret: Secret) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", secret.written(), flow_style=True)


def _reference(dumper: yaml.SafeDumper, reference: Reference) -> yaml.Node:
    said = {name: word for name, word in asdict(reference).items() if word}
    return dumper.represent_mapping("tag:yaml.org,2002:map", said, flow_style=True)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)
_Dumper.add_representer(Secret, _secret)
_Dumper.add_representer(Reference, _reference)


def export(sections: Collection[str] = ()) -> str:
    """All sections, or those that are named; empty ones are left out."""
    found: dict[str, Any] = {"version": VERSION}
    for section in SECTIONS:
        written = section.written(section.now()) if not sections or section.name in sections else None
        if written:
            found[section.name] = written
    body = yaml.dump(found, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False)
    return _HEAD + body
