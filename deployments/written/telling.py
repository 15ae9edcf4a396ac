"""A plan in words, for a terminal."""

import json
from collections.abc import Iterator
from typing import Any

from deployments.written.planning import Plan

_SIGNS = {"add": "+", "change": "~", "remove": "-", "order": "~"}
_SHOWN = 72  # of a value


def lines(plan: Plan) -> Iterator[str]:
    """What would change, thing by thing; then what the file leaves alone; then how much that is."""
    for change in plan.changes:
        yield f"{_SIGNS[change.kind]} {change.about}"
        for it in change.differences if change.kind != "remove" else ():
            if change.kind == "add":
                if it.after not in ("", [], {}, None, False):
                    yield f"    {it.field}: {_shown(it.after)}"
            else:
                yield from _difference(it.field, it.before, it.after)
    for section, keys in plan.only_here.items():
        yield f"  {section}: {len(keys)} more here, left alone: {_some(keys)}"
    counted = {
        kind: sum(change.kind == kind for change in plan.changes) for kind in ("add", "change", "remove", "order")
    }
    told = f"{counted['add']} to add, {counted['change'] + counted['order']} to change, {counted['remove']} to remove."
    yield told if plan.changes else "Nothing to change."


def _difference(name: str, before: Any, after: Any) -> Iterator[str]:
    """A list of named things, such as steps, by what differs in it."""
    if _named(before) and _named(after):
        old, new = ({one["name"]: one for one in side} for side in (before, after))
        for one in new:
            if one not in old:
                yield f"    {name}: + {one}"
            elif old[one] != new[one]:
                parts = [part for part in new[one] if new[one][part] != old[one].get(part)]
                said = (f"{part} {_shown(old[one].get(part))} → {_shown(new[one][part])}" for part in parts)
                yield f"    {name}: {one}: {', '.join(said)}"
        yield from (f"    {name}: - {one}" for one in old if one not in new)
        if [one for one in old if one in new] != [one for one in new if one in old]:
            yield f"    {name}: now in the order {', '.join(new)}"
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*after, *before)):
            if before.get(key) != after.get(key):
                yield f"    {name}: {key}: {_shown(before.get(key))} → {_shown(after.get(key))}"
    else:
        yield f"    {name}: {_shown(before)} → {_shown(after)}"


def _named(side: Any) -> bool:
    return isinstance(side, list) and all(isinstance(one, dict) and "name" in one for one in side)


def _shown(value: Any) -> str:
    if _named(value) and value:
        return ", ".join(one["name"] for one in value)
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) or "\n" in value else value or '""'
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _some(keys: tuple[str, ...]) -> str:
    return ", ".join(keys[:8]) + (f" and {len(keys) - 8} more" if len(keys) > 8 else "")
