"""Values of the configuration, by the layer and the thing that they are set for: `target shop/staging`."""

from collections.abc import Mapping
from typing import Any

from deployments import marked_values
from deployments.marked_yaml import Node
from deployments.written import secrets
from deployments.written.fields import mapping, read_entry, text
from deployments.written.secrets import Secret
from deployments.written.section import Entry, Given, Section
from environments.configuration import changing, merging, referring
from environments.configuration.errors import NoSuchScope
from environments.configuration.scopes import Of, Scope
from environments.models import Application, ConfigurationValue, Environment, Host, Layer, Region, Target, User, Zone
from environments.secret_stores.references import Reference


def _read_value(node: Node) -> str | Secret | Reference | None:
    """A text, a secret by reference or where it lies, or null for a name that shall not be set here."""
    if node.value is None:
        return None
    if isinstance(node.value, dict):
        return _read_reference(node) if "store" in node.value else secrets.read(node)
    return marked_values.text(node, "")


def _read_reference(node: Node) -> Reference:
    """`{store: vault, path: shop/database, key: password}`."""
    said = read_entry(node, {"store": text(), "path": text(), "key": text()})
    return Reference(said["store"], said.get("path", ""), said.get("key", ""))


class Configuration(Section):
    name = "configuration"
    models = (ConfigurationValue,)

    def now(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        rows = merging.with_places(ConfigurationValue.objects.filter(latest=True))
        for row in sorted(rows, key=lambda row: (list(Layer.values).index(row.layer), str(row.of), row.name)):
            if row.is_removed or (row.layer == Layer.TARGET and row.of.name):  # type: ignore[attr-defined]
                continue
            value = row.reference or (Secret(sealed=row.text) if row.is_secret else row.text)
            found.setdefault(f"{row.layer} {Scope(row.of).name}", {})[row.name] = value  # type: ignore[arg-type]
        return found

    def read(self, node: Node) -> dict[str, Given]:
        return {
            key: Given({name: _read_value(one) for name, one in mapping(value).items()}, node.keys[key])
            for key, value in mapping(node).items()
        }

    def complete(self, entry: Entry, before: Entry | None) -> Entry:
        return {name: value for name, value in ((before or {}) | entry).items() if value is not None}

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        scope, there = _find_scope(key), before or {}
        for name, value in entry.items():
            if isinstance(value, Secret):
                if value.plain is not None:
                    changing.set_value(scope, name, value.plain, secret=True, by=by)
            elif there.get(name) == value:
                continue
            elif isinstance(value, Reference):
                referring.set_reference(scope, name, value, by=by)
            else:
                changing.set_value(scope, name, value, secret=False, by=by)
        for name in there:
            if name not in entry:
                changing.remove_value(scope, name, by=by)

    def remove(self, key: str, by: User | None) -> None:
        scope = _find_scope(key)
        rows = ConfigurationValue.objects.filter(latest=True, **scope.column)
        for name in [row.name for row in rows if not row.is_removed]:
            changing.remove_value(scope, name, by=by)

    def written(self, entries: Mapping[str, Entry]) -> Any:
        return dict(entries)


def _find_scope(key: str) -> Scope:
    layer, _, name = key.partition(" ")
    of = _find(layer, name)
    if of is None:
        known = ", ".join(Layer.values)
        raise NoSuchScope(
            f"There is no {key!r}. Write a layer and a name, as `target shop/staging`; layers are {known}. "
            "Nothing was changed."
        )
    return Scope(of)


def _find(layer: str, name: str) -> Of | None:
    first, _, second = name.partition("/")
    if layer == Layer.TARGET:
        return Target.objects.filter(application__name=first, environment__name=second, name="").first()
    if layer == Layer.ZONE:
        return Zone.objects.filter(region__name=first, name=second).first()
    models: dict[str, Any] = {
        Layer.APPLICATION: Application, Layer.ENVIRONMENT: Environment, Layer.REGION: Region, Layer.HOST: Host,
    }  # fmt: skip
    found: Of | None = models[layer].objects.filter(name=name).first() if layer in models else None
    return found
