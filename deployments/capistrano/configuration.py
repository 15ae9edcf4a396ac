"""A project's Capfile, config/deploy.rb and config/deploy/STAGE.rb, read as Capistrano would load them."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from deployments.capistrano import custom_tasks, plugins
from deployments.capistrano.findings import Configuration, Finding, Task
from deployments.capistrano.refusals import CannotRead
from deployments.capistrano.ruby import Statement, flat, read, short
from deployments.capistrano.ruby_values import Block, Call, Unknown, glob_of
from deployments.capistrano.servers import Server, server_of
from deployments.capistrano.settings import NotStatic, Setting, Settings

LARGEST_FILE = 1_000_000  # bytes
MOST_FILES = 200
_SILENT = {"lock", "desc", "puts", "install_plugin", "configure", "validate", "print"}


def stages(capfile: Path) -> list[str]:
    """As Capistrano finds them: a file each in config/deploy. Raises CannotRead."""
    capfile = capfile.resolve()
    folder = capfile.parent
    settings = _Reader(folder, "").run(capfile).settings
    place = _inside(folder, _place(settings, "stage_config_path", "config/deploy"))
    names = sorted(path.stem for path in place.glob("*.rb"))
    if not names:
        raise CannotRead(f"{folder}/config/deploy has no stages; a stage is a file as config/deploy/production.rb.")
    return names


def read_stage(capfile: Path, stage: str, fixed: Mapping[str, str]) -> Configuration:
    """`fixed` are settings that count whatever the files say. Raises CannotRead."""
    capfile = capfile.resolve()
    folder = capfile.parent
    reader = _Reader(folder, stage, fixed)
    settings = reader.run(capfile).settings
    reader.run(_inside(folder, _place(settings, "deploy_config_path", "config/deploy.rb")))
    reader.run(_inside(folder, _place(settings, "stage_config_path", "config/deploy")) / f"{stage}.rb")
    reader.end()
    return reader.found


def _place(settings: Settings, name: str, usual: str) -> str:
    try:
        return str(settings.fetch(name, usual))
    except NotStatic:
        return usual


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise CannotRead(f"{name} leads out of {folder}; only files of the project are read.")
    return path


class _Reader:
    def __init__(self, folder: Path, stage: str, fixed: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.found = Configuration(stage, Settings(stage, fixed=fixed or {}))
        self.settings = self.found.settings
        self.read: list[Path] = []
        self.file = ""
        self.described = ""

    def run(self, path: Path) -> Configuration:
        if path in self.read:
            return self.found
        self.read.append(path)
        if len(self.read) > MOST_FILES:
            raise CannotRead(f"More than {MOST_FILES} files are loaded.")
        before, self.file = self.file, str(path.relative_to(self.folder))
        try:
            self._all(read(self._source(path), self.file), "")
        finally:
            self.file = before
        return self.found

    def _source(self, path: Path) -> str:
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise CannotRead(f"{path} is larger than {LARGEST_FILE} bytes.")
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise CannotRead(f"{path} cannot be read ({error.strerror}).") from error

    def end(self) -> None:
        """Tasks and hooks, now that all are known."""
        for when, other, name, at in self.found.hooks:
            task = self.found.tasks.get(name)
            if task:
                task.hooks.append((when, other))
            elif not plugins.knows_task(name):
                self._note(at, custom_tasks.advise_hook(when, other, name))
        for name, task in self.found.tasks.items():
            self._note(task.at, custom_tasks.advise(name, task.description, task.block, task.hooks))

    def _note(self, at: str, text: str) -> None:
        finding = Finding(at, text)
        if finding not in self.found.findings:
            self.found.findings.append(finding)

    def _all(self, statements: tuple[Statement, ...], namespace: str) -> None:
        for statement in statements:
            self._one(statement, namespace)

    def _one(self, statement: Statement, namespace: str) -> None:
        at = f"{self.file}:{statement.line}"
        if statement.kind == "branch":
            self._branch(statement, at)
        elif statement.kind == "assign":
            self.settings.names[statement.name] = statement.value
        elif statement.condition and statement.kind == "call" and statement.value.name not in _SILENT:
            said = f"`{short(statement.source)}` depends on a condition and was not followed."
            self._note(at, f"{said} {_check(statement)}")
        elif statement.kind == "call":
            self._call(statement, at, namespace)
        elif isinstance(statement.value, Unknown):
            self._note(at, f"`{short(statement.source)}` was not understood.")

    def _branch(self, statement: Statement, at: str) -> None:
        kind = statement.name.split()[0] if statement.name else "begin"
        if kind in ("def", "class", "module"):
            return
        inner = [part for part in flat(statement.body) if part.kind == "call" and part.value.name in _ACTS]
        if inner:
            said = "; ".join(f"`{short(part.source)}`" for part in inner[:5])
            self._note(at, f"{said}: this depends on a condition (`{kind}`) and was not followed. {_check(inner[0])}")

    def _call(self, statement: Statement, at: str, namespace: str) -> None:
        call: Call = statement.value
        act = _ACTS.get(call.name)
        try:
            if call.name == "each" and call.block:
                self._each(call, at, namespace)
            elif act and call.receiver is None:
                act(self, call, at, namespace)
            elif call.receiver is None and call.name not in _SILENT:
                self._note(at, f"`{short(statement.source)}` was not understood.")
        except NotStatic as error:
            said = f"`{short(statement.source)}` needs a run of Ruby (`{error}`) and was not followed."
            self._note(at, f"{said} {_check(statement)}")
        except IndexError:
            self._note(at, f"`{short(statement.source)}` was not understood.")

    def _each(self, call: Call, at: str, namespace: str) -> None:
        """`%w[a b].each do |host| … end`, and `Dir.glob("lib/…").each { |file| import file }`."""
        assert call.block
        pattern = glob_of(call.receiver)
        items = sorted(map(str, self._files(pattern))) if pattern else self.settings.of(call.receiver)
        if not isinstance(items, list) or len(call.block.names) != 1:
            raise NotStatic("each")
        for item in items:
            self.settings.names[call.block.names[0]] = item
            self._all(call.block.body, namespace)

    def _files(self, pattern: str) -> Iterator[Path]:
        if pattern.startswith("/") or ".." in pattern:
            raise CannotRead(f"{pattern} leads out of {self.folder}; only files of the project are read.")
        return (path for path in self.folder.glob(pattern) if path.is_file())

    def set(self, call: Call, at: str, namespace: str) -> None:
        name = str(self.settings.of(call.args[0]))
        value = call.args[1] if len(call.args) > 1 else call.named or call.block
        if not isinstance(value, Block):
            # as Ruby does it: what is referred to counts as it is now; what only a run tells is kept as it is written
            with suppress(NotStatic):
                value = self.settings.of(value)
        if call.name != "set_if_empty" or not self.settings.has(name):
            self.settings.variables[name] = Setting(value, at)

    def append(self, call: Call, at: str, namespace: str) -> None:
        name = str(self.settings.of(call.args[0]))
        there = self.settings.fetch(name, []) or []
        given = [self.settings.of(arg) for arg in call.args[1:]]
        new = [item for arg in given for item in (arg if isinstance(arg, list) else [arg])]
        old = list(there) if isinstance(there, list) else [there]
        value = [item for item in old if item not in new] if call.name == "remove" else old + new
        self.settings.variables[name] = Setting(value, at)

    def ask(self, call: Call, at: str, namespace: str) -> None:
        name = str(self.settings.of(call.args[0]))
        if name == "branch":
            self._note(at, "Capistrano asks for the branch; here it is chosen with each deploy.")
        else:
            self._note(at, f"Capistrano asks for {name}; a task of the target can ask for parameters.")
        try:
            self.settings.variables[name] = Setting(self.settings.of(call.args[1]), at)
        except (NotStatic, IndexError):
            self.settings.variables.pop(name, None)

    def server(self, call: Call, at: str, namespace: str) -> None:
        properties = {key: self._lenient(value, at, key) for key, value in call.named.items()}
        self._add_server(str(self.settings.of(call.args[0])), properties, at)

    def role(self, call: Call, at: str, namespace: str) -> None:
        name = str(self.settings.of(call.args[0]))
        hosts = [self.settings.of(arg) for arg in call.args[1:] if not isinstance(arg, dict)]
        properties = {key: self._lenient(value, at, key) for key, value in call.named.items()}
        for host in [item for part in hosts for item in (part if isinstance(part, list) else [part])]:
            self._add_server(str(host), {**properties, "roles": [name]}, at)

    def _lenient(self, value: Any, at: str, key: str) -> Any:
        try:
            return self.settings.of(value)
        except NotStatic as error:
            self._note(at, f"the property {key} needs a run of Ruby (`{error}`) and was left out.")
            return None

    def _add_server(self, text: str, properties: dict[str, Any], at: str) -> None:
        made = server_of(text, properties, at)
        if made is None:
            self._note(at, f"{text!r} is no address of a server; add the host by hand.")
            return
        self.found.servers.setdefault(made.key, Server(made.address, made.port, "", at)).join(made)
        if made.proxied:
            self._note(at, f"{made.address} is reached through another machine: make that its region's gateway.")

    def require(self, call: Call, at: str, namespace: str) -> None:
        name = str(self.settings.of(call.args[0]))
        advice = plugins.advise(name)
        if advice:
            self._note(at, f"require {name!r}: {advice}")

    def load(self, call: Call, at: str, namespace: str) -> None:
        name = str(self.settings.of(call.args[0]))
        try:
            inner = str(Path(name).relative_to(self.folder)) if Path(name).is_relative_to(self.folder) else name
            for file in list(self._files(inner)) if "*" in inner else [_inside(self.folder, inner)]:
                self.run(file.resolve())
        except CannotRead as error:
            self._note(at, f"{name} was not read: {error}")

    def namespace(self, call: Call, at: str, namespace: str) -> None:
        if call.block:
            self._all(call.block.body, f"{namespace}{self.settings.of(call.args[0])}:")

    def desc(self, call: Call, at: str, namespace: str) -> None:
        self.described = str(call.args[0]) if call.args and isinstance(call.args[0], str) else ""

    def task(self, call: Call, at: str, namespace: str) -> None:
        first = call.args[0] if call.args else next(iter(call.named), "")
        name = f"{namespace}{self.settings.of(first)}"
        if name in self.found.tasks and not call.block:
            return
        self.found.tasks[name] = Task(at, self.described, call.block)
        self.described = ""

    def hook(self, call: Call, at: str, namespace: str) -> None:
        other, *rest = (str(self.settings.of(arg)) for arg in call.args[:2])
        name = rest[0] if rest else f"{call.name} {other}"
        other = other if ":" in other or not namespace else f"{namespace}{other}"
        inner = name if ":" in name or not namespace else f"{namespace}{name}"
        if call.block:
            self.found.tasks[inner] = Task(at, self.described, call.block)
            self.described = ""
        self.found.hooks.append((call.name, other, inner, at))


_ACTS: dict[str, Any] = {
    "set": _Reader.set,
    "set_if_empty": _Reader.set,
    "append": _Reader.append,
    "remove": _Reader.append,
    "ask": _Reader.ask,
    "server": _Reader.server,
    "role": _Reader.role,
    "require": _Reader.require,
    "load": _Reader.load,
    "import": _Reader.load,
    "namespace": _Reader.namespace,
    "desc": _Reader.desc,
    "task": _Reader.task,
    "before": _Reader.hook,
    "after": _Reader.hook,
}


def _check(statement: Statement) -> str:
    name = statement.value.name
    if name in ("server", "role"):
        return "Add its hosts by hand."
    if name in ("set", "set_if_empty", "append", "remove") and statement.value.args:
        return f"Say what holds with --set {statement.value.args[0]}=…, or set it in the target."
    return "See whether the target needs it."
