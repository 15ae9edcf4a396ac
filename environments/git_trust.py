"""By which keys a git host is trusted, as a whole: what a written set-up says of it."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from environments import access, host_keys, ssh
from environments.host_keys import GitHost
from environments.models import GitHostKey, User
from environments.operator import operator
from environments.ssh import ScannedKey
from notifications import events


def set_keys(host: GitHost, keys: Sequence[ScannedKey], *, by: User | None) -> None:
    """From now on it is trusted by these keys and no other. Raises HostKeyError, NotAllowed."""
    access.require(by, access.ADMINISTER)
    actor, wanted = by.username if by else operator(), {key.key for key in keys}
    with transaction.atomic():
        for row in GitHostKey.objects.filter(host=host.name).exclude(key__in=wanted):
            facts: dict[str, Any] = {
                "algorithm": row.algorithm,
                "fingerprint": ssh.fingerprint(row.key),
                "git_host": host.name,
            }
            row.delete()
            events.record("host.key_distrusted", actor, **facts)
        for key in keys:
            host_keys.accept_git(host=host, key=key, by=actor)
