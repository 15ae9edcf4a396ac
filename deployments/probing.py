"""What a host is like, before anything is deployed to it: one program that looks and writes nothing.

Whatever stands in the way is told as a Trouble: what happened, what it means, what to do.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from deployments import host_questions
from deployments.capistrano import asking
from deployments.host_values import Mark, Place
from environments import ssh
from environments.models import Host, Region
from environments.ssh import ScannedKey, authorities

LITTLE_KB = 1_000_000
_PLACE = "setup"  # these programs claim no folder, so no target's name is needed


@dataclass(frozen=True)
class Trouble:
    """`level`: bad keeps deploys out, warn may. `kind` is a word for machines."""

    kind: str
    level: str
    what: str
    means: str
    do: str


@dataclass
class Examined:
    """What was seen. `shown` are keys that nobody has confirmed yet; `trusted` the fingerprints that somebody has."""

    host: Host
    root: str
    troubles: list[Trouble] = field(default_factory=list)
    shown: list[ScannedKey] = field(default_factory=list)
    trusted: list[str] = field(default_factory=list)
    seconds: float = 0.0
    login: bool = False
    tools: frozenset[str] = frozenset()
    missing: str = ""
    broken: str = ""
    free_kb: int | None = None
    folder: str = ""
    sudo: str = ""
    current: str = ""
    revision: str = ""
    layout: str = ""
    releases: int = 0
    system: str = ""
    who: str = ""
    absent: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        """confirm (a person must compare the key), bad, warn or ok."""
        if self.shown and not self.trusted:
            return "confirm"
        levels = {trouble.level for trouble in self.troubles}
        return "bad" if "bad" in levels else "warn" if "warn" in levels else "ok"


def examine(
    host: Host, *, user: str, root: str, git: bool = False, slug: str = "", linked_files: Sequence[str] = ()
) -> Examined:
    """Sign in as `user` and look at the folder `root`; nothing is written, and no error is raised.

    `git`: the host shall fetch by itself. `slug`: the target that may own the folder already. `linked_files`: what
    must lie in its `shared` before a deploy, each a path that is safe (environments.validation).
    """
    seen = Examined(host, root, trusted=[ssh.fingerprint(key.key) for key in host.keys.all()])
    began = time.monotonic()
    try:
        if _waits_for_gateway(seen):
            return seen
        if not seen.trusted and not authorities.covers(host):
            seen.shown = ssh.scan_host(host)
            return seen
        if not Region.objects.filter(gateway=host).exists():
            ssh.forget(host)  # a warm connection would hide that we are no longer let in, or that it is another machine
        _read(seen, _ask(host, user, root, linked_files))
        judge(seen, user, git=git, slug=slug)
    except ssh.HostKeyChanged:
        seen.troubles.append(_changed(seen))
    except ssh.HostCertificateWrong as error:
        seen.troubles.append(_uncertified(seen, error))
    except (ssh.SSHError, asking.NoAnswer) as error:
        seen.troubles.append(explain(host, user, error))
    seen.seconds = time.monotonic() - began
    return seen


def _ask(host: Host, user: str, root: str, linked_files: Sequence[str]) -> list[Mark]:
    place = Place(root, _PLACE)

    def command(nonce: str) -> str:
        return host_questions.examine_command(place, nonce=nonce, linked_files=linked_files)

    return asking.ask(host, user, command, {"examined"})


def _waits_for_gateway(seen: Examined) -> bool:
    zone = seen.host.zone
    gateway = zone.region.gateway if zone else None
    if gateway is None or gateway == seen.host or gateway.keys.exists() or authorities.covers(gateway):
        return False
    seen.troubles.append(
        Trouble(
            "gateway-first",
            "bad",
            f"It is reached through {gateway.name}, whose host key nobody has confirmed yet.",
            "Nothing was sent to either.",
            f"Confirm the fingerprint of {gateway.name} first.",
        )
    )
    return True


def _read(seen: Examined, marks: list[Mark]) -> None:
    said = {mark.word: mark.args for mark in marks}
    free = said.get("disk", "0 0").split()[0]
    layout = said.get("layout", "").split()
    seen.login = True
    seen.tools = frozenset(said.get("tools", "").split())
    seen.missing, seen.broken = said.get("missing", ""), said.get("broken", "")
    seen.free_kb = int(free) if free.isdigit() and free != "0" else None
    seen.folder = said.get("root", "")
    seen.sudo = said.get("sudo", "")
    seen.current = said.get("current", "-").removeprefix("-")
    seen.revision = said.get("revision", "-").removeprefix("-")
    seen.layout = " ".join([layout[0], *layout[2:]]) if layout else ""
    seen.releases = int(layout[1]) if len(layout) > 1 and layout[1].isdigit() else 0
    seen.system, seen.who = said.get("system", ""), said.get("who", "")
    seen.absent = said["absent"].split("//") if "absent" in said else []


def judge(seen: Examined, user: str, *, git: bool, slug: str) -> None:
    """What stands in the way of deploys, or may."""
    own = (_tools(seen), _git(seen) if git else None, _folder(seen, user), _owner(seen, slug), _room(seen))
    found = (*own, _absent(seen, user))
    seen.troubles += [trouble for trouble in found if trouble is not None]


def _tools(seen: Examined) -> Trouble | None:
    if not seen.missing:
        return None
    lacking = seen.missing.split()
    what = f"{seen.host.name} lacks {', '.join(lacking).replace('mv-T', 'an mv that knows -T')}"
    tar = "tar " if "tar" in lacking else ""
    return Trouble(
        "tools",
        "bad",
        f"{what}, and {seen.broken}." if seen.broken else f"{what}.",
        "Releases are laid out and switched with these; perl stands in for all of them but tar.",
        f"Mend its perl, for instance by `apt-get install --reinstall {tar}perl`, or install what it lacks."
        if seen.broken
        else f"Install it there, for instance `apt-get install {tar}perl`.",
    )


def _git(seen: Examined) -> Trouble | None:
    if "git" in seen.tools:
        return None
    return Trouble(
        "git",
        "bad",
        f"{seen.host.name} has no git.",
        "The application is set to be fetched by each host itself.",
        "Install git there, or let the Deployer send archives.",
    )


def _folder(seen: Examined, user: str) -> Trouble | None:
    if not seen.folder.startswith("refused"):
        return None
    why = f"{seen.folder.removeprefix('refused').strip()} on {seen.host.name}."
    if "is not a link" in why:
        means = "`current` must be a link that can be switched to the next release."
        return Trouble(
            "current-folder", "bad", why, means, "Move that folder away, or choose another one for this target."
        )
    means = f"{user} must be able to make {seen.root} and write in it. The Deployer never needs root."
    do = f"Choose a folder below `~/`, or let somebody who may run there: `install -d -o {user} {seen.root}`."
    return Trouble("root", "bad", why, means, do)


def _owner(seen: Examined, slug: str) -> Trouble | None:
    name = seen.host.name
    owner = seen.layout.removeprefix("ours ") if seen.layout.startswith("ours ") else ""
    if owner and slug and owner != slug:
        return Trouble(
            "owned",
            "bad",
            f"{seen.root} on {name} belongs to {owner} already.",
            "Two targets in one folder would undo each other, so hosts refuse it.",
            "Choose another folder.",
        )
    if seen.layout != "other":
        return None
    return Trouble(
        "not-empty",
        "warn",
        f"{seen.root} on {name} is not empty, and is no layout that we know.",
        "A deploy adds `releases`, `shared` and `current` there, and leaves everything else alone.",
        "Look whether that is the folder you mean.",
    )


def _room(seen: Examined) -> Trouble | None:
    if seen.free_kb is None or seen.free_kb >= LITTLE_KB:
        return None
    return Trouble(
        "disk",
        "warn",
        f"{seen.host.name} has {seen.free_kb // 1024} MB left.",
        "Several releases lie there side by side, so that one can go back.",
        "Make room, or keep fewer releases.",
    )


def _absent(seen: Examined, user: str) -> Trouble | None:
    if not seen.absent:
        return None
    names, folder = ", ".join(f"`{path}`" for path in seen.absent), f"{seen.root}/shared"
    one, more = seen.absent[0], len(seen.absent) > 1
    return Trouble(
        "linked-files",
        "warn",
        f"{names} {'are' if more else 'is'} not in {folder} on {seen.host.name} yet.",
        "Releases link to what lies there, so a deploy to that host stops before anything is switched.",
        f"Put {'each of them' if more else 'it'} there, with all folders above it, as {user}: `{folder}/{one}`.",
    )


def _scan_unknown(seen: Examined) -> None:
    try:
        trusted = set(seen.host.keys.values_list("key", flat=True))
        seen.shown = [key for key in ssh.scan_host(seen.host) if key.key not in trusted]
    except ssh.SSHError:
        seen.shown = []


def _uncertified(seen: Examined, error: Exception) -> Trouble:
    _scan_unknown(seen)
    return Trouble(
        "host-certificate",
        "bad",
        str(error),
        "An authority that is trusted speaks for hosts of that name, and has not spoken for this one.",
        "Sign its key for that very address or name, or compare its fingerprint and accept the key itself.",
    )


def _changed(seen: Examined) -> Trouble:
    name = seen.host.name
    _scan_unknown(seen)
    return Trouble(
        "host-key-changed",
        "bad",
        f"{name} shows another host key than the one that was confirmed.",
        "Either the machine was made anew, or someone stands in between. No command was sent.",
        "Ask whoever looks after the machine. If the fingerprint below is the one that it prints, trust the new key.",
    )


_UNREACHABLE = (
    (
        r"refused",
        "Nothing listens there: the port is wrong, or the SSH server is down.",
        "Correct the port, or start the SSH server.",
    ),
    (
        r"timed out|no answer within|unreachable|No route",
        "It is down, or a firewall keeps the Deployer's machine out.",
        "Open that port for the Deployer's machine, or name a bastion: `via user@bastion`.",
    ),
    (
        r"not known|resolution|nodename|getaddrinfo|No address",
        "The name is misspelt, or the Deployer's machine cannot look it up.",
        "Correct the name, or write the IP address.",
    ),
    (
        r"showed no host key|Error reading SSH protocol banner|broke off",
        "Something answers there, but it does not speak SSH as we do.",
        "Look which port the SSH server listens on.",
    ),
)


def explain(host: Host, user: str, error: Exception) -> Trouble:
    """An error of SSH, for somebody who has just added the host."""
    address = f"{host.address}:{host.port}"
    said = str(error)
    if isinstance(error, ssh.KeyRefused):
        return Trouble(
            "key-refused",
            "bad",
            f"{_where(host, said)} does not let the Deployer's key in as {user}.",
            "The host answers and its key is the confirmed one, but ours is not in that user's authorized_keys.",
            f"Append the line above to ~{user}/.ssh/authorized_keys there (the file must belong to {user}, mode 600).",
        )
    if isinstance(error, ssh.HostOutdated):
        return Trouble("outdated", "bad", said, "What is sent could be read or changed on its way.", "Update OpenSSH.")
    if isinstance(error, ssh.NoKeyPair):
        return Trouble(
            "no-key-pair", "bad", "The Deployer has no key yet.", "It cannot sign in.", "Open the page of hosts."
        )
    if isinstance(error, asking.NoAnswer):
        return Trouble(
            "no-answer",
            "bad",
            said,
            "We were let in, but the program gave no answer; perhaps the login shell is no POSIX shell.",
            f"`ssh {user}@{host.address} sh -c 'echo works'` must print just that.",
        )
    if isinstance(error, ssh.HostUnreachable) and "through the gateway" not in said:
        for pattern, means, do in _UNREACHABLE:
            if re.search(pattern, said, re.I):
                return Trouble("unreachable", "bad", f"{address} does not answer.", means, do)
    return Trouble("unreachable", "bad", said, "No command was sent.", "Correct that, then check again.")


def _where(host: Host, said: str) -> str:
    """The bastion, when it is that which refused."""
    found = re.search(r"through the gateway (\S+) of", said)
    return f"The bastion {found[1]} (on the way to {host.name})" if found else host.name
