"""What lies outside: lists that hosts come from, stores of secrets, and the git hosts that are trusted."""

from collections.abc import Mapping
from typing import Any

from deployments import marked_values
from deployments.marked_yaml import Node
from deployments.written import fields
from deployments.written.fields import Field
from deployments.written.secrets import Secret
from deployments.written.section import Entry, Section
from environments import git_trust, host_authorities, host_keys, source_pages
from environments.models import GitHostKey, HostAuthority, HostSource, SecretStore, User
from environments.secret_stores import keeping as stores
from environments.secret_stores.errors import StoreWrong
from environments.sources import keeping as sources
from environments.sources.listing import SettingsWrong


def _read_settings(node: Node) -> dict[str, str]:
    return {name: marked_values.text(value, "") for name, value in fields.mapping(node).items()}


_USUAL = sources.Plan(kind="", settings={})


class Sources(Section):
    """A file takes none away: its hosts would become some that people have typed in."""

    name = "sources"
    models = (HostSource,)
    fields = {
        "kind": fields.text(required=True),
        "environment": fields.text(required=True),
        "settings": Field(_read_settings, {}),
        "secret": fields.secret(),
        "user": fields.text(_USUAL.user),
        "via": fields.text(),
        "zone": fields.text(),
        "share": fields.number(0, 100, _USUAL.share),
        "every_minutes": fields.number(0, sources.MOST_MINUTES, _USUAL.every_minutes),
        "before_deploys": fields.truth(),
        "trusted": fields.truth(),
    }

    def now(self) -> dict[str, Entry]:
        return {row.name: self._entry(row) for row in _rows().order_by("name")}

    def _entry(self, row: HostSource) -> Entry:
        plan = source_pages.plan_of(row)
        return {name: getattr(plan, name) for name in self.fields} | {
            "settings": _said(row.settings),
            "secret": _stored(row.secret),
        }

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        row = None if before is None else _rows().get(name=key)
        for name in ("kind", "environment"):
            if before is not None and entry[name] != before[name]:
                raise SettingsWrong({name: f"The {name} of a source stays; write another source down."})
        said = entry | {"secret": _given(entry["secret"])}
        sources.write_down(sources.Plan(name=key, **said), of=row, by=by)


class Stores(Section):
    """Where secrets lie that values refer to; the credential is a secret itself."""

    name = "stores"
    models = (SecretStore,)
    fields = {
        "kind": fields.text(required=True),
        "settings": Field(_read_settings, {}),
        "secret": fields.secret(),
    }

    def now(self) -> dict[str, Entry]:
        return {
            row.name: {"kind": row.kind, "settings": _said(row.settings), "secret": _stored(row.secret)}
            for row in SecretStore.objects.order_by("name")
        }

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        plan = stores.Plan(entry["kind"], key, entry["settings"], _given(entry["secret"]))
        if before is None:
            stores.add(plan, by=by)
        elif entry["kind"] != before["kind"]:
            raise StoreWrong({"kind": "The kind of a secret store stays; write another store down."})
        else:
            stores.change(stores.find(key), plan, by=by)

    def remove(self, key: str, by: User | None) -> None:
        stores.remove(stores.find(key), by=by)


class GitHosts(Section):
    """By which keys git hosts are trusted, as known_hosts names them: `host` or `[host]:port`."""

    name = "git_hosts"
    models = (GitHostKey,)
    fields = {"keys": fields.texts()}

    def now(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for row in GitHostKey.objects.order_by("host", "algorithm", "key"):
            found.setdefault(row.host, {"keys": []})["keys"].append(f"{row.algorithm} {row.key}")
        return found

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        host = host_keys.read_git_host(key)
        git_trust.set_keys(host, fields.host_keys(entry["keys"]), by=by)

    def remove(self, key: str, by: User | None) -> None:
        git_trust.set_keys(host_keys.read_git_host(key), [], by=by)

    def complete(self, entry: Entry, before: Entry | None) -> Entry:
        return fields.sort_keys(super().complete(entry, before))


class HostAuthorities(Section):
    """By their patterns: authorities whose signatures under keys of hosts are trusted."""

    name = "host_authorities"
    models = (HostAuthority,)
    fields = {"keys": fields.texts()}

    def now(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for row in HostAuthority.objects.order_by("patterns", "algorithm", "key"):
            found.setdefault(row.patterns, {"keys": []})["keys"].append(f"{row.algorithm} {row.key}")
        return found

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        wanted, there = entry["keys"], before["keys"] if before else []
        for row in HostAuthority.objects.filter(patterns=key):
            if f"{row.algorithm} {row.key}" not in wanted:
                host_authorities.distrust(row, by=by)
        fields.host_keys(wanted)  # refuses what is none
        for line in wanted:
            if line not in there:
                host_authorities.trust(f"@cert-authority {key} {line}", by=by)

    def remove(self, key: str, by: User | None) -> None:
        for row in HostAuthority.objects.filter(patterns=key):
            host_authorities.distrust(row, by=by)

    def complete(self, entry: Entry, before: Entry | None) -> Entry:
        return fields.sort_keys(super().complete(entry, before))


def _rows() -> Any:
    return HostSource.objects.select_related("environment", "zone__region")


def _said(settings: Mapping[str, str]) -> dict[str, str]:
    """What is empty says as much as what is not there."""
    return {name: text for name, text in sorted(settings.items()) if text}


def _stored(sealed: str) -> Secret | None:
    return Secret(sealed=sealed) if sealed else None


def _given(secret: Secret | None) -> str | None:
    """None for what is stored already, which the verbs leave as it is."""
    return secret.plain if secret else None
