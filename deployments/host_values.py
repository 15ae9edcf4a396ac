"""The typed values that host programs are built from, each checked when it is made.

HostProgramError
├── UnsafeText      a value holds what no shell text can carry
└── InvalidValue    a value is not what its place allows
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_URL = re.compile(
    r"(https|ssh)://([\w.~%+-]+@)?(\w[\w.-]*|\[[0-9a-fA-F:]+\])(:\d+)?/\S*"
    r"|file:///\S*"
    r"|[\w.-]+@\w[\w.-]*:[^-\s]\S*"
)
OWN_RELEASE = re.compile(r"[0-9]{14}-[0-9a-f]{7}")
FOREIGN_RELEASE = re.compile(r"[0-9]{14}")  # as Capistrano names them
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*|(/[A-Za-z0-9_.+@-]+)+")
# What means something in the arguments of a command in sudoers(5), version 1.9.10 or older.
_SUDOERS = re.compile(r"([\\,:=#*?\[\]!^])")
_REF = re.compile(r"(?!.*(\.\.|@\{|//|/\.|\.lock(/|$)|\.$|/$))[\w][\w+@./#=,-]*")


class HostProgramError(ValueError):
    """The text says what is wrong with which value."""


class UnsafeText(HostProgramError):
    """No shell text can carry it."""


class InvalidValue(HostProgramError):
    """Not what this place allows."""


@lru_cache(maxsize=1024)
def quote(value: str) -> str:
    """One word of POSIX sh that means exactly `value`. Raises UnsafeText."""
    return quote_once(value)


def quote_once(value: str) -> str:
    """The same for what is not asked for again."""
    if "\0" in value:
        raise UnsafeText(f"A NUL character cannot be sent to a host: {value!r}.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UnsafeText(f"This is not text that can be sent to a host: {value!r}.") from error
    return shlex.quote(value)


@lru_cache(maxsize=256)
def _compiled(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    """As `re` does, but for its own checks, which cost as much as the match."""
    return re.compile(pattern)


def checked(what: str, value: str, pattern: str | re.Pattern[str]) -> str:
    """The value, if all of it matches. Raises InvalidValue."""
    if not _compiled(pattern).fullmatch(value):
        raise InvalidValue(f"This is no valid {what}: {value!r}.")
    return value


def sudoers_arguments(words: Sequence[str]) -> str:
    """These arguments and no others, as a line of sudoers says it."""
    return _SUDOERS.sub(r"\\\1", " ".join(words)) or '""'


def one_line(value: str) -> str:
    """The text with a space for each line break and other control character."""
    return CONTROL.sub(" ", value)


def relative(what: str, path: str) -> str:
    """The path, if it leads to something inside its folder. Raises InvalidValue."""
    if path != path.strip("/") or not path or CONTROL.search(path) or {"", ".", ".."} & set(path.split("/")):
        raise InvalidValue(f"{what} must be a path inside the release, without '..': {path!r}.")
    return path


@dataclass(frozen=True)
class Place:
    """A target's folder on a host. `target` is its name ("shop/production"); the folder refuses every other one."""

    root: str
    target: str
    path_prepend: tuple[str, ...] = ()
    shell: str = "sh -c"
    umask: str = "022"

    def __post_init__(self) -> None:
        if not self.root.startswith(("/", "~/")) or CONTROL.search(self.root):
            raise InvalidValue(f"The folder on a host must be an absolute path, or one below ~/: {self.root!r}.")
        relative("The folder on a host", self.root.removeprefix("~")[1:])
        if not self.target or CONTROL.search(self.target):
            raise InvalidValue(f"This is no valid target name: {self.target!r}.")
        for folder in self.path_prepend:
            if not folder.startswith("/") or ":" in folder or CONTROL.search(folder):
                raise InvalidValue(f"A folder for PATH must be an absolute path without a colon: {folder!r}.")
        if not self.shell_words:
            raise InvalidValue('The shell must not be empty; "sh -c" is usual.')
        checked("umask", self.umask, r"[0-7]{3,4}")

    @property
    def is_endpoint(self) -> bool:
        """Whether it lies within the folder of another target: `shop/staging/feature-x`."""
        return self.target.count("/") == 2

    @cached_property
    def shell_words(self) -> tuple[str, ...]:
        try:
            return tuple(shlex.split(self.shell))
        except ValueError as error:
            raise InvalidValue(f"The shell has an open quotation: {self.shell!r}.") from error

    @property
    def path_words(self) -> str:
        return ":".join(self.path_prepend)


@dataclass(frozen=True)
class HostStep:
    """Limits in seconds; 0 is none."""

    name: str
    command: str
    time_limit: int = 600
    silence_limit: int = 0
    sudo: bool = False

    def __post_init__(self) -> None:
        if self.time_limit < 0 or self.silence_limit < 0:
            raise InvalidValue(f"A limit of step {self.name!r} is below 0.")

    @cached_property
    def plain_words(self) -> tuple[str, ...]:
        """The command's words, if a shell would make nothing else of it; empty if it takes a shell.

        The first is then the name of a program or its whole path: what a line of sudoers can allow by itself.
        """
        try:
            words = tuple(shlex.split(self.command))
        except ValueError:
            return ()
        if "" in words or shlex.join(words) != self.command or CONTROL.search(self.command):
            return ()
        return words if words and _PROGRAM.fullmatch(words[0]) else ()


@dataclass(frozen=True)
class Release:
    """`number` is the deploy's; `by` is who asked for it."""

    name: str
    revision: str
    number: int
    by: str

    def __post_init__(self) -> None:
        checked("release name", self.name, OWN_RELEASE if "-" in self.name else FOREIGN_RELEASE)
        checked("revision", self.revision, r"[0-9a-f]{40}")

    @property
    def foreign(self) -> bool:
        """Laid out by another tool: it is taken as it is."""
        return "-" not in self.name


@dataclass(frozen=True, repr=False)
class ConfiguredFile:
    """A file that a release gets besides those of its revision. Its text may hold secrets."""

    path: str
    sha256: str
    text: str

    def __post_init__(self) -> None:
        relative("A file of the configuration", self.path)
        checked("sha256", self.sha256, r"[0-9a-f]{64}")


@dataclass(frozen=True, repr=False)
class HostConfiguration:
    """What one host gets: its values as a shell exports them, and its files."""

    exports: str
    files: tuple[ConfiguredFile, ...] = ()


@dataclass(frozen=True)
class Packed:
    """Bytes that can be sent, by their sha256."""

    sha256: str
    size: int

    def __post_init__(self) -> None:
        checked("sha256", self.sha256, r"[0-9a-f]{64}")
        if self.size < 1:
            raise InvalidValue(f"An archive of {self.size} bytes is none.")


@dataclass(frozen=True)
class Changes:
    """A tar.gz of what differs from the archive whose sha256 is `base`, with its own manifest."""

    base: str
    packed: Packed

    def __post_init__(self) -> None:
        checked("sha256", self.base, r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ArchiveSource:
    """A tree as tar.gz, which also names it, and as tar.zst; `total` is in bytes of files.

    Each holds, as `.deployer-manifest`, the text of `manifest_of`.
    """

    gz: Packed
    total: int
    zst: Packed | None = None
    changes: Changes | None = None


@dataclass(frozen=True)
class GitSource:
    """A repository that hosts can reach. `ref` is fetched where single commits are not given out; may be empty.

    `total` is the size of the revision's files in bytes.
    """

    url: str
    revision: str
    ref: str = ""
    key: str = ""
    known_hosts: str = ""
    username: str = ""
    token: str = ""
    total: int = 0

    def __post_init__(self) -> None:
        checked("repository address", self.url, _URL)
        checked("revision", self.revision, r"[0-9a-f]{40}")
        if self.ref:
            checked("ref", self.ref, _REF)
        if CONTROL.search(self.username + self.token):
            raise InvalidValue("A user name or token for a repository must be one line.")


@dataclass(frozen=True)
class HeldSource:
    """The release lies on the host already, prepared. One that is marked bad is only taken with `pardon`."""

    pardon: bool = False


Source = ArchiveSource | GitSource | HeldSource


@dataclass(frozen=True)
class Call:
    """One start of, or attachment to, the program `name`. `offset` is in bytes of its spool."""

    place: Place
    name: str
    fence: int
    nonce: str
    offset: int = 0
    archive: ArchiveSource | None = None

    def __post_init__(self) -> None:
        check_call(self.name, self.nonce, self.fence, self.offset)


@dataclass(frozen=True)
class Entry:
    """A file (sha256 and size) or a link (where it points) of a tree."""

    path: str
    sha256: str = ""
    link: str | None = None
    size: int = 0


@dataclass(frozen=True)
class Mark:
    word: str
    args: str = ""


def check_call(name: str, nonce: str, fence: int, offset: int = 0) -> None:
    """Raises InvalidValue."""
    checked("program name", name, r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
    checked("nonce", nonce, r"[A-Za-z0-9]{8,64}")
    if fence < 0 or offset < 0:
        raise InvalidValue(f"Neither fence ({fence}) nor offset ({offset}) can be below 0.")
