"""What Capistrano left in its folder on a host: its releases, what serves, and its log. Read, never written."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from deployments import host_questions, host_values
from deployments.capistrano.asking import ask_all
from deployments.capistrano.refusals import HasHistory, HostsSilent
from deployments.host_values import Mark
from environments.models import Host, Target


@dataclass
class Root:
    """`releases`: the revision by name ("" where none is written). `current` is "" when none of them serves."""

    current: str = ""
    since: datetime | None = None
    outside: str = ""
    owner: str = ""
    releases: dict[str, str] = field(default_factory=dict)
    strange: int = 0
    lines: int = 0
    log: list[str] = field(default_factory=list)


def look(target: Target, hosts: list[Host]) -> dict[str, Root]:
    """The folder of `target` on each host, by host name. Raises HostsSilent, HasHistory."""
    place = place_of(target)

    def command(nonce: str) -> str:
        return host_questions.capistrano_command(place, nonce=nonce)

    answers = ask_all(hosts, target.user, command, last={"told", "nothing"})
    silent = {name: answer for name, answer in answers.items() if isinstance(answer, str)}
    if silent:
        raise HostsSilent(silent)
    found = {name: read(answer) for name, answer in answers.items() if not isinstance(answer, str)}
    for name, root in found.items():
        if root.owner:
            raise HasHistory(f"{target.root} on {name} belongs to {root.owner} of the Deployer already.")
    return found


def place_of(target: Target) -> host_values.Place:
    return host_values.Place(
        root=target.root,
        target=target.slug,
        path_prepend=tuple(target.path_prepend),
        shell=target.shell,
        umask=target.umask,
    )


def read(marks: list[Mark]) -> Root:
    """The marks of `host_questions.capistrano_command`."""
    root = Root()
    for mark in marks:
        first, _, second = mark.args.partition(" ")
        if mark.word == "current" and first != "-":
            root.current = first
            root.since = datetime.fromtimestamp(int(second), UTC) if second.isdigit() else None
        elif mark.word == "release":
            root.releases[first] = "" if second == "-" else second
        elif mark.word == "log":
            root.log.append(mark.args)
        elif mark.word in ("outside", "owner"):
            setattr(root, mark.word, mark.args)
        elif mark.word in ("strange", "lines"):
            setattr(root, mark.word, int(first) if first.isdigit() else 0)
    return root
