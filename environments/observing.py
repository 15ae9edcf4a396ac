"""Hosts that are only looked at: nothing is written to them, until somebody lets deploys go there.

ObservedError
├── OnlyObserved    what was asked for would take a part in deploys, or write there
├── NotObserved     deploys go there already
└── WrongFolder     this can be no folder to look in
"""

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db import transaction

from environments import access
from environments.models import Host, User
from environments.validation import validate_root
from notifications import events


class ObservedError(Exception):
    """`str()` is the sentence for every door."""


class OnlyObserved(ObservedError):
    pass


class NotObserved(ObservedError):
    pass


class WrongFolder(ObservedError):
    pass


def tell(hosts: Iterable[Host]) -> str:
    """Why nothing is done on those of the hosts that are only observed, as a sentence; "" when none is."""
    names = sorted(host.name for host in hosts if host.observed)
    if not names:
        return ""
    many = len(names) > 1
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return (
        f"{shown} {'are' if many else 'is'} only observed: nothing is written there. "
        f"Let deploys go to {'them' if many else 'it'} first, on {'their pages' if many else 'its page'}."
    )


def refuse(host: Host) -> None:
    """For what would take part in deploys. Raises OnlyObserved."""
    if host.observed:
        raise OnlyObserved(f"{tell([host])} Nothing was changed.")


def check_folder(root: str) -> str:
    """A folder to look in, or "". Raises WrongFolder."""
    folder = root.strip()
    try:
        if folder:
            validate_root(folder)
    except ValidationError as error:
        raise WrongFolder(f"{error.messages[0]} Nothing was changed.") from None
    return folder


def begin(host: Host, *, root: str = "", by: User | None) -> None:
    """A host that has just been made is only looked at. In the caller's transaction. Raises NotAllowed, WrongFolder."""
    access.require(by, access.ADMINISTER)
    host.observed, host.observed_root = True, check_folder(root)
    host.save(update_fields=["observed", "observed_root"])
    events.record("host.observed", _by(by), host=host.name)


def look_in(host: Host, root: str, *, by: User | None) -> bool:
    """In which folder it is looked for what serves, where no target says it; whether something changed.

    Raises NotObserved, WrongFolder, NotAllowed.
    """
    access.require(by, access.ADMINISTER)
    folder = check_folder(root)
    if not host.observed:
        raise NotObserved(f"Deploys go to {host.name}: its targets say which folders are theirs. Nothing was changed.")
    with transaction.atomic():
        rows = Host.objects.filter(pk=host.pk, observed=True).exclude(observed_root=folder)
        if not rows.update(observed_root=folder, asked_at=None):  # and looked at anew, soon
            return False
        events.record("host.folder_named", _by(by), host=host.name, folder=folder or "no folder")
    return True


def take_up(host: Host, *, by: User | None) -> None:
    """From now on deploys go to it as to any other host. Raises NotObserved, NotAllowed."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        if not Host.objects.filter(pk=host.pk, observed=True).update(observed=False, observed_root=""):
            raise NotObserved(f"Deploys go to {host.name} already. Nothing was changed.")
        events.record("host.taken_up", _by(by), host=host.name)
    host.observed, host.observed_root = False, ""


def _by(by: User | None) -> str:
    return by.username if by else ""
