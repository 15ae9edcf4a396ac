"""Is a repository reached as it was said, and what is in it? Asked live, without touching the mirror.

CannotReach    a RepositoryUnreachable with what it means and what to do, apart from each other
"""

import re
import subprocess
from dataclasses import dataclass

from environments import host_keys, ssh
from environments.git import RepositoryUnreachable, check_address, run, signed_in
from environments.models import Application, GitHostKey
from environments.ssh import ScannedKey
from environments.validation import repository_host

ASK_SECONDS = 20


class CannotReach(RepositoryUnreachable):
    """`what` happened, what it `means`, what to `do`; `kind` is a word for machines."""

    def __init__(self, kind: str, what: str, means: str, do: str) -> None:
        self.kind, self.what, self.means, self.do = kind, what, means, do
        super().__init__(f"{what} {means} {do}")


@dataclass(frozen=True)
class Reached:
    """Branch names, the default one first; how many tags there are."""

    default_branch: str
    branches: tuple[str, ...]
    tags: int


@dataclass(frozen=True)
class Fault:
    """What git says in a case, and how we tell it. `{host}` and `{name}` are filled in."""

    pattern: str
    kind: str
    what: str
    means: str
    do: str


_FAULTS = (
    Fault(
        r"Permission denied \(|no mutual signature|Too many authentication failures",
        "key-refused",
        "{host} does not let the key of {name} in.",
        "That key is not among the repository's deploy keys yet, or belongs to another repository.",
        "Add its line as a read-only deploy key of this repository, then check again.",
    ),
    Fault(
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed",
        "host-key-changed",
        "{host} shows another host key than the one that was confirmed.",
        "Either the git host has a new key, or someone stands in between. Nothing was sent to it.",
        "Compare the fingerprint with what the git host publishes, and trust the new one if it is right.",
    ),
    Fault(
        r"could not read Username|Authentication failed|returned error: 40[13]|HTTP Basic: Access denied",
        "token-refused",
        "{host} asks who is reading.",
        "The repository is private and there is no token, or the token does not open it.",
        "Give a token that may read this repository, or use its SSH address: then a key is made for it.",
    ),
    Fault(
        r"Could not resolve host(?:name)?|Name or service not known|Temporary failure in name resolution",
        "unknown-host",
        "There is no host called {host}.",
        "The name is misspelt, or the Deployer's machine cannot look it up.",
        "Correct the address. From the Deployer's machine, `getent hosts {host}` must find it.",
    ),
    Fault(
        r"Connection refused|Failed to connect|Connection timed out|No route to host|Operation timed out|unreachable|"
        r"Couldn't connect to server|port \d+: Connection",
        "no-connection",
        "{host} does not answer.",
        "It is down, the port is another one, or a firewall keeps the Deployer's machine out.",
        "Look at the port in the address, and whether the Deployer's machine may reach it.",
    ),
    Fault(
        r"certificate|SSL|TLS",
        "certificate",
        "The certificate of {host} is not trusted here.",
        "It is expired, made out to another name, or signed by an authority that this machine does not know.",
        "Let the machine know the authority (`update-ca-certificates`), or start the Deployer with its file in "
        "`GIT_SSL_CAINFO`; or use the repository's SSH address.",
    ),
    Fault(
        r"not found|does not appear to be a git repository|does not exist|returned error: 404|Could not find",
        "not-found",
        "There is no such repository on {host}.",
        "The path is misspelt, or the repository is private: some git hosts say the same then.",
        "Correct the address. If it is right, give the Deployer access: by a token, or by a key over SSH.",
    ),
)


def reach(application: Application) -> Reached:
    """Raises CannotReach; GitHostUnknown while no key of its git host is confirmed; RepositoryRefused, CannotOpen."""
    check_address(application.repository)
    with signed_in(application) as (options, environ):
        command = [*options, "ls-remote", "--symref", "--end-of-options", application.repository]
        try:
            said = run(command, environ=environ, seconds=ASK_SECONDS).decode(errors="replace")
        except subprocess.TimeoutExpired:
            raise explain(application, "Connection timed out") from None
        except subprocess.CalledProcessError as error:
            raise explain(application, (error.stderr or b"").decode(errors="replace")) from None
    return _read(application, said)


def _read(application: Application, said: str) -> Reached:
    head = re.search(r"^ref: refs/heads/(\S+)\tHEAD$", said, re.M)
    branches = re.findall(r"^[0-9a-f]{40}\trefs/heads/(\S+)$", said, re.M)
    if not branches:
        raise CannotReach(
            "empty",
            "The repository is reached, but it is empty.",
            "It has no branch yet, so there is nothing to deploy.",
            "Push a first commit, then check again.",
        )
    default = head[1] if head and head[1] in branches else _likeliest(branches)
    rest = sorted(branch for branch in branches if branch != default)
    tags = {name.removesuffix("^{}") for name in re.findall(r"^[0-9a-f]{40}\trefs/tags/(\S+)$", said, re.M)}
    return Reached(default, (default, *rest), len(tags))


def _likeliest(branches: list[str]) -> str:
    return next((name for name in ("main", "master", "trunk") if name in branches), branches[0])


def cannot_connect(host: str) -> CannotReach:
    """Where no SSH server answers."""
    fault = next(fault for fault in _FAULTS if fault.kind == "no-connection")
    return CannotReach(fault.kind, fault.what.format(host=host), fault.means, fault.do)


def explain(application: Application, said: str) -> CannotReach:
    """What git said, as we tell it."""
    names = {"host": host_of(application.repository), "name": application.name}
    for fault in _FAULTS:
        if re.search(fault.pattern, said, re.I):
            told = [text.format(**names) for text in (fault.what, fault.means, fault.do)]
            return CannotReach(fault.kind, *told)
    lines = [line for line in said.strip().splitlines() if line.strip()]
    last = lines[-1].strip()[:300] if lines else "git said nothing"
    return CannotReach(
        "other",
        f"The repository of {application.name} could not be read.",
        f"Git says: {last}",
        "Check the address and how the Deployer is let in.",
    )


def host_of(repository: str) -> str:
    """The name of the server in an address, for people."""
    found = re.search(r"^(?:\w+://)?(?:[^@/]+@)?(\[[^\]]+\]|[^:/]+)", repository)
    return found[1] if found else repository


def shown_keys(application: Application) -> list[ScannedKey]:
    """What its git host shows and nobody has confirmed yet; nothing for other addresses. Raises SSHError."""
    named = repository_host(application.repository)
    if not named:
        return []
    host = host_keys.read_git_host(named)
    known = set(GitHostKey.objects.filter(host=host.name).values_list("key", flat=True))
    return [key for key in ssh.scan(host.address, host.port) if key.key not in known]
