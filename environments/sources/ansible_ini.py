"""Ansible's inventory as an INI file: groups, children, vars, hosts with variables, ranges. Pure.

[web]                      a group; hosts before any group are in none
web[01:20].example.com     as many hosts; [a:f] and a step, [0:10:2], too
db-1:2222 ansible_host=10.0.0.7 deployer_labels="tier=db"
[eu:children]              groups in a group
[eu:vars]                  variables of a group: name = value
"""

import re
import shlex
from collections.abc import Iterator

from environments.sources.inventories import Inventory
from environments.sources.listing import MOST_HOSTS, Wrong

_SECTION = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:[#;].*)?")
_RANGE = re.compile(r"\[(\w+):(\w+)(?::(\d+))?\]")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class _Wrong(ValueError):
    pass


def read(text: str) -> tuple[Inventory, list[Wrong]]:
    """What is right, and what is wrong by its line."""
    inventory, wrong = Inventory(), list[Wrong]()
    group, part = "ungrouped", "hosts"
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        if not bare or bare[0] in "#;":
            continue
        try:
            if bare.startswith("["):
                group, part = _section(bare)
                inventory.group(group)
            elif part == "vars":
                name, value = _variable(bare)
                inventory.group(group).variables[name] = value
            elif part == "children":
                inventory.group(group).children.append(_group_name(bare.split()[0]))
            else:
                _hosts(inventory, group, bare)
        except _Wrong as error:
            wrong.append(Wrong(f"Line {number}", str(error)))
            if bare.startswith("["):
                group, part = "ungrouped", "skipped"
    return inventory, wrong


def _section(line: str) -> tuple[str, str]:
    found = _SECTION.fullmatch(line)
    if found is None:
        raise _Wrong(f"{line[:80]} is no section. Write [group], [group:children] or [group:vars].")
    part = found[2] or "hosts"
    if part not in ("hosts", "children", "vars"):
        raise _Wrong(f"{line[:80]}: of a group there are hosts, children and vars.")
    return _group_name(found[1]), part


def _group_name(name: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > 200:
        raise _Wrong(f"{name[:80]!r} can be no name of a group.")
    return name


def _variable(line: str) -> tuple[str, str]:
    name, equals, value = line.partition("=")
    if not equals or not _NAME.fullmatch(name.strip()):
        raise _Wrong(f"{line[:80]!r} is no variable. Write name=value.")
    return name.strip(), _unquoted(value.strip())


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _hosts(inventory: Inventory, group: str, line: str) -> None:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        raise _Wrong("A quotation is not closed.") from None
    if not words:
        return
    variables = dict(_variable(word) for word in words[1:])
    for name in list(expand(words[0])):  # all or none
        address, port = _with_port(name)
        inventory.group(group).hosts.append(address)
        own = inventory.variables.setdefault(address, {})
        own |= {"ansible_port": port} if port else {}
        own |= variables


def _with_port(name: str) -> tuple[str, str]:
    """`host:2222` and `[address]:2222`; an address with more colons is one of IPv6, and has no port."""
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::(\d{1,6}))?", name)
    if bracketed:
        return bracketed[1], bracketed[2] or ""
    if name.count(":") == 1:
        host, _, port = name.partition(":")
        return host, port
    return name, ""


def expand(pattern: str) -> Iterator[str]:
    """The hosts of `web[01:20]`. Raises a ValueError with a sentence."""
    found = _RANGE.search(pattern)
    if found is None or re.fullmatch(r"\[[0-9A-Fa-f:.]+\](?::\d+)?", pattern):
        yield pattern
        return
    before, after = pattern[: found.start()], pattern[found.end() :]
    count = 0
    for middle in _values(found[1], found[2], int(found[3] or 1), pattern):
        for rest in expand(after):
            count += 1
            if count > MOST_HOSTS:
                raise _Wrong(f"{pattern[:80]} is more than {MOST_HOSTS} hosts.")
            yield before + middle + rest


def _values(first: str, last: str, step: int, pattern: str) -> list[str]:
    if step < 1:
        raise _Wrong(f"{pattern[:80]}: the step of a range is at least 1.")
    if first.isdigit() and last.isdigit():
        if len(last) > 9 or int(last) < int(first):
            raise _Wrong(f"{pattern[:80]}: a range goes from the smaller to the larger number.")
        if len(first) > 1 and first[0] == "0" and len(first) != len(last):
            raise _Wrong(f"{pattern[:80]}: with leading zeros, both ends have as many digits.")
        width = len(first) if first[0] == "0" else 0
        numbers = range(int(first), int(last) + 1, step)
        if len(numbers) > MOST_HOSTS:
            raise _Wrong(f"{pattern[:80]} is more than {MOST_HOSTS} hosts.")
        return [str(number).zfill(width) for number in numbers]
    if len(first) == len(last) == 1 and first.isascii() and first.isalpha() and last.isalpha() and first <= last:
        return [chr(code) for code in range(ord(first), ord(last) + 1, step)]
    raise _Wrong(f"{pattern[:80]}: a range goes between two numbers, or two letters.")
