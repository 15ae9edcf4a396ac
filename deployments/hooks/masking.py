"""A payload for people to read: what may be secret in it is not shown. Pure."""

import json
import re
from collections.abc import Mapping

from deployments.redaction import MASK, masked

MOST_SHOWN = 200_000
_KEYS = re.compile(r"token|secret|passw|api_?key|private_?key|authorization|credential|cookie", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^/@\s\"]{1,500}@")


def masked_json(body: bytes, known: frozenset[str]) -> str:
    """Indented JSON; of what is none, the text. `known`: secrets that are masked wherever they stand."""
    try:
        told = json.dumps(_hidden(json.loads(body)), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        told = body.decode(errors="replace")
    told = _USERINFO.sub(f"{MASK.decode()}@", masked(told.encode(), known).decode(errors="replace"))
    return told if len(told) <= MOST_SHOWN else f"{told[:MOST_SHOWN]}\n… and {len(told) - MOST_SHOWN} characters more"


def _hidden(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: MASK.decode() if _is_secret(key, one) else _hidden(one) for key, one in value.items()}
    return [_hidden(one) for one in value] if isinstance(value, list) else value


def _is_secret(key: str, value: object) -> bool:
    return isinstance(value, str) and bool(value) and not key.endswith("_url") and bool(_KEYS.search(key))
