"""Patterns of names and paths: `*` and `?` stay within one part, `**` goes over several. Pure."""

import re
from functools import lru_cache

from django.core.exceptions import ValidationError

_GLOB = re.compile(r"[A-Za-z0-9*?_.](?:[A-Za-z0-9._/+#@=*?-]{0,198}[A-Za-z0-9_.+#=*?-])?")
_WORDS = {"**/": "(?:.+/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def validate_glob(value: str) -> None:
    if not _GLOB.fullmatch(value) or "//" in value or ".." in value.split("/"):
        raise ValidationError(f"{value[:80]!r} is no pattern. Write it as `main`, `release/*` or `services/shop/**`.")


def fits(name: str, glob: str) -> bool:
    return _pattern(glob).fullmatch(name) is not None


@lru_cache(maxsize=1000)
def _pattern(glob: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    return re.compile("".join(_WORDS.get(part, re.escape(part)) for part in parts))
