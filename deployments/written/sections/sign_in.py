"""Who else says who people are, and what their groups mean here."""

from deployments import marked_values
from deployments.marked_yaml import Node
from deployments.written import fields
from deployments.written.fields import Field
from deployments.written.secrets import Secret
from deployments.written.section import Entry, Section
from environments.models import GroupMapping, SignInProvider, Team, User
from environments.providers import keeping
from environments.providers.errors import WrongMapping

_USUAL = keeping.Plan()


def _read_groups(node: Node) -> dict[str, list[str]]:
    read = fields.texts().read
    return {group: sorted(set(read(value))) for group, value in fields.mapping(node).items()}


class Providers(Section):
    """Whom passwords let in is in no file: that is said where one can still try whether one comes in."""

    name = "sign_in"
    models = (SignInProvider, GroupMapping)
    fields = {
        "title": fields.text(required=True),
        "enabled": fields.truth(usual=True),
        "issuer": fields.text(required=True),
        "client_id": fields.text(required=True),
        "secret": fields.secret(),
        "scopes": fields.text(_USUAL.scopes),
        "groups_claim": Field(lambda node: marked_values.text(node, ""), _USUAL.groups_claim),
        "lets_in": fields.text(_USUAL.lets_in),
        "domains": fields.text(),
        "links_by_mail": fields.truth(),
        "second_factors": fields.text(),
        "authorities": fields.text(),
        "groups": Field(_read_groups, {}),
    }

    def now(self) -> dict[str, Entry]:
        rows = SignInProvider.objects.prefetch_related("mappings__team").order_by("name")
        return {row.name: self._entry(row) for row in rows}

    def _entry(self, row: SignInProvider) -> Entry:
        groups: dict[str, list[str]] = {}
        for mapping in row.mappings.all():
            groups.setdefault(mapping.group, []).append(_words(mapping))
        secret = Secret(sealed=row.secret) if row.secret else None
        kept = {name: getattr(row, name) for name in keeping.KEPT}
        return kept | {"secret": secret, "groups": {group: sorted(words) for group, words in sorted(groups.items())}}

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        secret = entry["secret"]
        said = {name: entry[name] for name in keeping.KEPT}
        plan = keeping.Plan(name=key, secret=secret.plain if secret else None, **said)
        if before is None:
            provider = keeping.add(plan, by=by)
        else:
            provider = keeping.find(key)
            keeping.change(provider, plan, by=by)
        _write_groups(provider, entry["groups"], by)

    def remove(self, key: str, by: User | None) -> None:
        keeping.remove(keeping.find(key), by=by)


def _write_groups(provider: SignInProvider, groups: dict[str, list[str]], by: User | None) -> None:
    wanted = {(group, words) for group, meanings in groups.items() for words in meanings}
    there = {(row.group, _words(row)): row for row in provider.mappings.select_related("team")}
    for pair in sorted(there.keys() - wanted):
        keeping.unmap_group(provider, there[pair].pk, by=by)
    for group, words in sorted(wanted - there.keys()):
        team, role = _meaning(words)
        keeping.map_group(provider, group, team=team, role=role, by=by)


def _words(mapping: GroupMapping) -> str:
    return f"team {mapping.team}" if mapping.team else f"role {mapping.role}"


def _meaning(words: str) -> tuple[Team | None, str]:
    kind, _, name = words.partition(" ")
    team = Team.objects.filter(name=name).first() if kind == "team" else None
    if team is None and kind != "role":
        raise WrongMapping(f"{words[:80]!r} is no `team NAME` of a team that there is, and no `role ROLE`.")
    return team, name if kind == "role" else ""
