"""Applications: where the code lies, how it gets to hosts. Keys made for a repository are not written down."""

from deployments.written import fields
from deployments.written.secrets import Secret
from deployments.written.section import Entry, Section
from environments import adding_applications, editing_applications
from environments.adding_applications import Access
from environments.editing_applications import ApplicationPlan
from environments.models import Application, User

_USUAL = ApplicationPlan()


class Applications(Section):
    name = "applications"
    models = (Application,)
    fields = {
        "repository": fields.text(required=True),
        "default_branch": fields.text(_USUAL.default_branch),
        "https_user": fields.text(),
        "https_token": fields.secret(),
        "distribution": fields.text(_USUAL.distribution),
        "artifact_url": fields.text(),
        "artifact_sha256_url": fields.text(),
        "artifact_user": fields.text(),
        "artifact_token": fields.secret(),
        "build_command": fields.text(),
        "build_output": fields.text(),
        "build_time_limit": fields.number(1, 86_400, _USUAL.build_time_limit),
    }

    def now(self) -> dict[str, Entry]:
        return {row.name: self._entry(row) for row in Application.objects.order_by("name")}

    def _entry(self, row: Application) -> Entry:
        found = {name: getattr(row, name) for name in self.fields if not name.endswith("_token")}
        for name in ("https_token", "artifact_token"):
            sealed = getattr(row, name)
            found[name] = Secret(sealed=sealed) if sealed else None
        return found

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        way = Access(entry["https_user"], _plain(entry["https_token"]))
        if before is None:
            row = adding_applications.add_application(name=key, repository=entry["repository"], way=way, by=by)
        else:
            row = Application.objects.get(name=key)
            said = ("repository", "https_user")
            if way.token or any(entry[name] != before[name] for name in said):
                adding_applications.change_repository(row, repository=entry["repository"], way=way, by=by)
        wanted = ApplicationPlan(**{name: entry[name] for name in ApplicationPlan.__dataclass_fields__})
        token = _plain(entry["artifact_token"])
        editing_applications.change_application(row, wanted, artifact_token=token, by=by)

    def remove(self, key: str, by: User | None) -> None:
        adding_applications.remove_application(Application.objects.get(name=key), by=by)


def _plain(secret: Secret | None) -> str:
    """ "" for what is stored already, which the verbs leave as it is."""
    return (secret.plain or "") if secret else ""
