"""The durable programs themselves, as POSIX sh: what is done on a host in each phase, from typed values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from deployments.host_commands import RUNNER, host_words, text_of
from deployments.host_values import (
    OWN_RELEASE,
    ArchiveSource,
    GitSource,
    HeldSource,
    HostConfiguration,
    HostStep,
    InvalidValue,
    Place,
    Release,
    Source,
    checked,
    one_line,
    quote,
    quote_once,
    relative,
    sudoers_arguments,
)

_OWN_FACTS = ("ROOT", "RELEASE", "RELEASE_PATH", "CURRENT_PATH", "SHARED_PATH", "REVISION")
_RESERVED = {"PATH", "IFS", "ENV", "BASH_ENV", "PS4", "SHELLOPTS"} | {f"DEPLOYER_{name}" for name in _OWN_FACTS}


@dataclass(frozen=True)
class Outline:
    """A program without the facts of its host: the same text for all hosts that are alike."""

    before: str
    after: str

    def text(self, facts: Mapping[str, str], configuration: HostConfiguration | None = None) -> str:
        """The whole program; `facts` are environment variables of its steps. Raises UnsafeText, InvalidValue."""
        own = f"\n{_configure(configuration)}" if configuration else ""
        return f"{self.before}{quote_once(_facts(facts))}{own}{self.after}"


def prepare_program(
    place: Place,
    release: Release,
    source: Source,
    linked_dirs: Iterable[str],
    linked_files: Iterable[str],
    steps: Iterable[HostStep],
    facts: Mapping[str, str],
    later: Iterable[HostStep] = (),
    configuration: HostConfiguration | None = None,
) -> str:
    configured = tuple(file.path for file in configuration.files) if configuration else None
    outline = prepare_outline(place, release, source, linked_dirs, linked_files, steps, later, configured)
    return outline.text(facts, configuration)


def prepare_outline(
    place: Place,
    release: Release,
    source: Source,
    linked_dirs: Iterable[str],
    linked_files: Iterable[str],
    steps: Iterable[HostStep],
    later: Iterable[HostStep] = (),
    configured: Iterable[str] | None = None,
) -> Outline:
    """Lays the release out, verifies it, links what is shared, configures it, runs the prepare steps.

    `configured`: which files a configuration brings that each host's text comes with; None: there is none.

    What sudo must allow, for `later` steps too, is asked before anything changes.

    One of another tool that lies there is linked as that tool did it.
    """
    steps = tuple(steps)
    if release.foreign and isinstance(source, HeldSource):
        linked_dirs, linked_files = (), ()
    folders, files = list(map(_linked, linked_dirs)), list(map(_linked, linked_files))
    own = list(configured or ())
    # no path has two slashes in a row, so they can stand between them
    work = [
        *_sudo(place, (*steps, *later)),
        f"linked={quote('//'.join([*folders, *files, *own]))}",  # all that is no longer as the revision has it
        _lay_out(source, release),
    ]
    work += [_call("link_dir", path, _to_shared(path)) for path in folders]
    work += [_call("own_file", path) for path in files if place.is_endpoint]
    work += [_call("link_file", path, _to_shared(path)) for path in files]
    work += ["configure"] if configured is not None else []
    touched = steps or folders or files or own or isinstance(source, HeldSource)
    work += [*_steps(place, steps), _call("seal", "touched" if touched else "")]
    own_part = {ArchiveSource: (), GitSource: ("git",), HeldSource: ("adopt",)}[type(source)]
    parts = ("layout", "carry", *own_part, *(() if configured is None else ("configure",)))
    return _outline(place, release, work, *parts)


def once_program(place: Place, release: Release, steps: Iterable[HostStep], facts: Mapping[str, str]) -> str:
    return once_outline(place, release, steps).text(facts)


def once_outline(place: Place, release: Release, steps: Iterable[HostStep]) -> Outline:
    """Runs steps in a prepared release that does not serve yet."""
    steps = tuple(steps)
    return _outline(place, release, [*_sudo(place, steps), "need_release", *_steps(place, steps)])


def task_program(place: Place, steps: Iterable[HostStep], facts: Mapping[str, str]) -> str:
    return task_outline(place, steps).text(facts)


def task_outline(place: Place, steps: Iterable[HostStep]) -> Outline:
    """Runs steps in the release that serves now, whichever that is."""
    steps = tuple(steps)
    return _outline(place, None, [*_sudo(place, steps), *_steps(place, steps)])


def away_outline(place: Place, steps: Iterable[HostStep]) -> Outline:
    """Runs the steps that stop what serves, if anything does, before the whole folder is removed."""
    steps = tuple(steps)
    stopping = ['if [ "$release" ]; then', *_sudo(place, steps), *_steps(place, steps), "fi"] if steps else []
    return _outline(place, None, [*stopping, ":"], "away")


def finish_program(
    place: Place,
    release: Release,
    restart: Iterable[HostStep],
    after: Iterable[HostStep],
    keep: int,
    protect: Iterable[str],
    facts: Mapping[str, str],
) -> str:
    return finish_outline(place, release, restart, after, keep, protect).text(facts)


def finish_outline(
    place: Place,
    release: Release,
    restart: Iterable[HostStep],
    after: Iterable[HostStep],
    keep: int,
    protect: Iterable[str],
) -> Outline:
    """Runs the steps after the switch, marks the release good or bad, and removes old releases.

    What has no name of ours needs no protection: it is never removed.
    """
    steps = (*restart, *after)
    protected = " ".join(name for name in protect if OWN_RELEASE.fullmatch(name))
    deploy = f"deploy {release.number} by {one_line(release.by)}"
    work = [
        f"keep={int(keep)} protect={quote(protected)} deploy={quote(deploy)}", "need_live", *_sudo(place, steps),
        "on_failure=mark_bad", *_steps(place, steps), "on_failure=:", "mark_good", "clean_up",
    ]  # fmt: skip
    return _outline(place, release, work, "finish")


def _outline(place: Place, release: Release | None, work: Iterable[str], *parts: str) -> Outline:
    name, revision = (release.name, release.revision) if release else ("", "")
    return Outline(
        f"{RUNNER}{text_of(*parts)}release={name} revision={revision} mask={place.umask}\nfacts=",
        "\nwork() {\n" + "\n".join(work) + "\n}\nbegin\n",
    )


def _configure(configuration: HostConfiguration) -> str:
    """The one part of a program that may hold secrets of the application."""
    work = [f"put_file {_words(file.path, file.sha256, file.text)}" for file in configuration.files]
    return "\n".join(["configure() {", *work, f"keep_values {_words(configuration.exports)}", "}"])


def _words(*values: str) -> str:
    """Quoted, and not remembered as other texts are."""
    return " ".join(map(quote_once, values))


def _facts(facts: Mapping[str, str]) -> str:
    """The environment of steps, as text that the shell evaluates; the runner adds what only the host knows."""
    return "".join([f"{_export(name)}{quote(value)}\n" for name, value in facts.items()])


@lru_cache(maxsize=1024)
def _export(name: str) -> str:
    checked("name of an environment variable", name, r"[A-Z][A-Z0-9_]*")
    if name in _RESERVED:
        raise InvalidValue(f"{name} cannot be set for steps; for PATH there is the target's own setting.")
    return f"export {name}="


def _steps(place: Place, steps: Iterable[HostStep]) -> list[str]:
    return [
        _call(
            "step", str(index), one_line(step.name), str(step.time_limit), str(step.silence_limit),
            _way(step), *(step.plain_words if _way(step) == "plain" else (*place.shell_words, step.command)),
        )
        for index, step in enumerate(steps, 1)
    ]  # fmt: skip


def _way(step: HostStep) -> str:
    """ "": as the user; `plain`: these words through sudo, which one line of sudoers allows; `shell`: all as root."""
    return "" if not step.sudo else "plain" if step.plain_words else "shell"


def _sudo(place: Place, steps: Iterable[HostStep]) -> list[str]:
    """Questions about exactly what will be run, each once."""
    asked = [
        _call("may_sudo", sudoers_arguments(step.plain_words[1:]), *step.plain_words)
        if _way(step) == "plain"
        else _call("may_sudo_shell", *place.shell_words, step.command)
        for step in steps
        if step.sudo
    ]
    return [*dict.fromkeys(asked), "need_sudo"] if asked else []


def _lay_out(source: Source, release: Release) -> str:
    if isinstance(source, ArchiveSource):
        return _call("lay_out_archive", source.gz.sha256, str(source.total))
    if isinstance(source, HeldSource):
        return _call("use_held", "pardon" if source.pardon else "")
    if source.revision != release.revision:
        raise InvalidValue(f"The source has revision {source.revision}, the release {release.revision}.")
    address = urlsplit(source.url)
    site = f"https://{address.netloc.rpartition('@')[2]}" if address.scheme == "https" and source.token else ""
    login = f"username={source.username or 'git'}\npassword={source.token}\n" if source.token else ""
    work = [_call("lay_out_git", source.url, source.ref, site, str(source.total))]
    if address.scheme not in ("file", "https") or source.key or source.known_hosts or login:
        work.insert(0, _call("write_access", source.key, source.known_hosts, login))
    return "\n".join(work)


def _linked(path: str) -> str:
    return relative("A linked folder or file", path)


def _to_shared(path: str) -> str:
    """From where `path` lies in a release up to the root, and down into its shared folder."""
    return "../" * (path.count("/") + 2) + f"shared/{path}"


def _call(function: str, *arguments: str) -> str:
    return f"{function} {host_words(*arguments)}"
