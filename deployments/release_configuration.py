"""The configuration that a release is made with: which, what each host gets of it, and whether it is what is live.

A release keeps a point in time and where its files lie; values are read for it when they are sent, as they were then.
So every host of a release gets the same, also with a retry weeks later, and no deploy holds a value.

Secrets that lie elsewhere are another matter: outside_secrets asks for them when the first host is prepared.

ConfigurationUnusable    a file with places for values cannot be filled, or a secret store does not say a value
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from deployments.host_values import ConfiguredFile, HostConfiguration
from deployments.models import Deploy, HostRun, Release, Standing
from environments import repositories, revision_file
from environments.configuration import merging, writing
from environments.configuration.delivering import Delivery
from environments.configuration.merging import Layers, Merged
from environments.configuration.substituting import PlaceUnknown, substitute
from environments.models import ConfigurationValue, Host, Target
from environments.secret_stores import remembering
from environments.secret_stores.references import Reference

BYTES_MOST = 256 * 1024
MASKED = "***"


class ConfigurationUnusable(repositories.RepositoryError):
    """`str()` says which file, where, and what to do."""


def stamp(release: Release) -> None:
    """The configuration of now becomes the release's own."""
    upto, delivery = merging.newest_change(), Delivery.of(release.target)
    release.configuration = {
        "upto": upto,
        "env": delivery.env,
        "json": delivery.json,
        "files": list(delivery.files),
    }
    release.configuration_digest = _digest(Layers.read(release.target, upto=upto, sources=False), delivery)


def differs(target: Target, live: Release | None, now: Layers | None = None) -> bool:
    """Whether hosts would get another configuration with the next release than the one that is live gave them.

    `now`: its layers, where they have been read already.
    """
    if live is None:
        return False
    layers = now or Layers.read(target, sources=False)
    return live.configuration_digest != _digest(layers, Delivery.of(target)) or bool(newer(live, layers))


def newer(live: Release, now: Layers) -> list[ConfigurationValue]:
    """The values whose store is known to hold a newer version than the live release was given."""
    given: dict[str, int] = (live.configuration or {}).get("versions", {})
    rows = now.references() if given else []
    return [row for row in rows if row.seen_version and given.get(row.text, row.seen_version) != row.seen_version]


def _digest(layers: Layers, delivery: Delivery) -> str:
    return layers.digest((delivery.env, delivery.json, *delivery.files) if delivery.paths else ())


def secrets_of(deploy: Deploy) -> frozenset[str]:
    """Every secret value that hosts of this deploy may hold, in the forms in which files have them. For masks.

    A task runs in what is live, so it is that release's. Raises CannotOpen.
    """
    target = deploy.target
    release = deploy.release or _live_release(target)
    points = {merging.newest_change()}
    if release is not None and release.configuration:
        points.add(release.configuration["upto"])
    layers = [_layers(deploy, upto) for upto in points]
    known = frozenset[str]().union(*(one.secrets() for one in layers))
    if release is not None and any(one.references() for one in layers):
        live = _live_release(target)
        known |= remembering.values_of(target, {one.name for one in (release, live) if one})
    return known.union(*map(writing.forms_of, known))


def _layers(deploy: Deploy, upto: int) -> Layers:
    """Of its target at a point in time, which never changes: read once for all pieces in which its hosts are taken."""
    known: dict[int, Layers] = deploy.__dict__.setdefault("_layers", {})
    if upto not in known:
        known[upto] = Layers.read(deploy.target, upto=upto, sources=False)
    return known[upto]


def _live_release(target: Target) -> Release | None:
    standing = Standing.objects.filter(target=target).select_related("live__release").first()
    return standing.live.release if standing and standing.live else None


def check(target: Target, revision: str, hosts: Callable[[], Iterable[Host]]) -> None:
    """Whether every file with places can be filled on each of these hosts. Raises ConfigurationUnusable."""
    delivery = Delivery.of(target)
    if not delivery.files:
        return
    texts, layers = _templates(target, revision, delivery), Layers.read(target)
    seen: set[frozenset[str]] = set()
    for host in hosts():
        found = layers.merged(host)
        names = frozenset(it.name for it in found)
        if names not in seen:
            seen.add(names)
            _fill(texts, dict.fromkeys(names, ""), host.name)


def wanted_from_outside(deploy: Deploy) -> dict[Reference, list[str]]:
    """The secrets that lie elsewhere and that some host of this deploy gets, each with the names that it has there."""
    release = deploy.release
    if release is None or not release.configuration:
        return {}
    layers = _layers(deploy, release.configuration["upto"])
    if not layers.references():
        return {}
    found: dict[Reference, set[str]] = {}
    for host in Host.objects.filter(runs__deploy=deploy).distinct():
        for it in layers.merged(host):
            if it.reference:
                found.setdefault(it.reference, set()).add(it.name)
    return {reference: sorted(names) for reference, names in found.items()}


@dataclass
class Configured:
    """What the hosts of one deploy get. Hosts that are alike share it."""

    layers: Layers
    delivery: Delivery
    templates: Mapping[str, str]
    hosts: Mapping[int, Host]
    masked: bool = False
    fetched: Mapping[Reference, str] = field(default_factory=dict, repr=False)
    _made: dict[tuple[int, ...], HostConfiguration] = field(default_factory=dict)
    _opened: dict[int, str] = field(default_factory=dict)

    def of(self, run: HostRun) -> HostConfiguration:
        """Raises CannotOpen, ConfigurationUnusable."""
        host = self.hosts.get(run.host_id or 0)
        found = self.layers.merged(host)
        key = tuple(it.row.pk for it in found)
        if key not in self._made:
            self._made[key] = self._make(found, run.host_name)
        return self._made[key]

    def _make(self, found: Sequence[Merged], host: str) -> HostConfiguration:
        values = {it.name: self._value(it) for it in found}
        texts = _fill(self.templates, values, host)
        if self.delivery.env:
            texts[self.delivery.env] = writing.env_text(values)
        if self.delivery.json:
            texts[self.delivery.json] = writing.json_text(values)
        files = (ConfiguredFile(path, _sha256(text), text) for path, text in texts.items())
        return HostConfiguration(writing.export_text(values), tuple(files))

    def _value(self, it: Merged) -> str:
        if it.reference:
            # a worker that only ends what another has begun may find what nobody has been told
            return self.fetched.get(it.reference, f"{MASKED} from {it.reference}")
        if self.masked and it.secret:
            return MASKED
        if it.row.pk not in self._opened:
            self._opened[it.row.pk] = it.plain()
        return self._opened[it.row.pk]


def read(deploy: Deploy, runs: Sequence[HostRun], *, masked: bool = False) -> Configured | None:
    """In a few queries, for all hosts; `masked`: without secrets, to be looked at. None: the release has none.

    Raises RepositoryError.
    """
    release, target = deploy.release, deploy.target
    if release is None or not release.configuration:
        return None
    made = release.configuration
    layers = _layers(deploy, made["upto"])
    delivery = Delivery(made["env"], made["json"], tuple(made["files"]))
    if not layers.rows and not delivery.paths:
        return None
    hosts = Host.objects.filter(pk__among={run.host_id for run in runs if run.host_id})
    templates = _templates(target, deploy.revision, delivery)
    told = remembering.remembered(target, release.name) if layers.references() and not masked else {}
    return Configured(layers, delivery, templates, {host.pk: host for host in hosts}, masked, told)


def _templates(target: Target, revision: str, delivery: Delivery) -> dict[str, str]:
    texts = {}
    for path in delivery.files:
        content = revision_file.read(target.application, revision, path, most=BYTES_MOST)
        if content is None:
            raise ConfigurationUnusable(
                f"{path} is to be filled with the configuration of {target.slug}, but {revision[:7]} has no such file. "
                "Nothing was changed."
            )
        try:
            texts[path] = content.decode()
        except UnicodeDecodeError:
            raise ConfigurationUnusable(
                f"{path} at {revision[:7]} is not UTF-8, so no values can be put into it. Nothing was changed."
            ) from None
    return texts


def _fill(templates: Mapping[str, str], values: Mapping[str, str], host: str) -> dict[str, str]:
    try:
        return {path: substitute(text, values, file=path) for path, text in templates.items()}
    except PlaceUnknown as error:
        raise ConfigurationUnusable(f"For {host}: {error}") from None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
