"""Where deploys are announced."""

from deployments import marked_values
from deployments.marked_yaml import Node
from deployments.written import fields
from deployments.written.fields import Field
from deployments.written.secrets import Secret
from deployments.written.section import Entry, Section
from environments.channels import keeping
from environments.channels.errors import ChannelWrong
from environments.channels.routing import Routing
from environments.models import User
from notifications.models import Channel

_LISTS = ("applications", "environments", "kinds", "outcomes")


def _read_texts(node: Node) -> dict[str, str]:
    return {name: marked_values.text(value, "") for name, value in fields.mapping(node).items()}


class Channels(Section):
    """What was sent there is not set up, but done; that a channel has stopped is the Deployer's to note."""

    name = "channels"
    models = (Channel,)
    fields = {
        "kind": fields.text(required=True),
        "owner": fields.text(),
        "settings": Field(_read_texts, {}),
        "secret": fields.secret(),
        **{name: fields.texts() for name in _LISTS},
        "templates": Field(_read_texts, {}),
    }

    def now(self) -> dict[str, Entry]:
        return {row.name: self._entry(row) for row in Channel.objects.order_by("name")}

    def _entry(self, row: Channel) -> Entry:
        said = {name: text for name, text in sorted(row.settings.items()) if text}
        entry = {name: getattr(row, name) for name in ("kind", "owner", *_LISTS)}
        secret = Secret(sealed=row.secret) if row.secret else None
        return entry | {"settings": said, "secret": secret, "templates": dict(sorted(row.templates.items()))}

    def complete(self, entry: Entry, before: Entry | None) -> Entry:
        """Lists in an order, so that equal ones compare equal."""
        whole = super().complete(entry, before)
        return whole | {name: sorted(set(whole[name])) for name in _LISTS}

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        if before is not None and entry["kind"] != before["kind"]:
            raise ChannelWrong({"kind": "The kind of a channel stays; write another channel down."})
        secret = entry["secret"]
        routing = Routing(**{name: entry[name] for name in _LISTS}, templates=entry["templates"])
        plan = keeping.Plan(
            kind=entry["kind"],
            name=key,
            settings=entry["settings"],
            secret=secret.plain if secret else None,
            routing=routing,
            owner=entry["owner"],
        )
        if before is None:
            keeping.add(plan, by=by)
        else:
            keeping.change(Channel.objects.get(name=key), plan, by=by)

    def remove(self, key: str, by: User | None) -> None:
        keeping.remove(Channel.objects.get(name=key), by=by)
