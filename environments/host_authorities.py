"""Authorities that sign the keys of hosts: whose certificate is theirs is trusted, without a person looking at each.

AuthorityError
├── AuthorityWrong     what was pasted names no authority, or one for every host without saying so
└── AuthorityThere     it is trusted for these hosts already
"""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from environments import access, known_hosts, ssh
from environments.models import Host, HostAuthority, User
from environments.ssh import authorities
from environments.validation import validate_patterns
from notifications import events

LONGEST = 1000


class AuthorityError(Exception):
    """`str()` is the sentence for every door."""


class AuthorityWrong(AuthorityError):
    pass


class AuthorityThere(AuthorityError):
    pass


def trust(text: str, *, by: User | None) -> list[HostAuthority]:
    """Lines of known_hosts as `@cert-authority *.example.com ssh-ed25519 AAAA…`, all of them or none.

    Raises AuthorityWrong, AuthorityThere, NotAllowed.
    """
    access.require(by, access.ADMINISTER)
    try:
        found = known_hosts.read_authorities(text)
    except known_hosts.KnownHostsWrong as error:
        raise AuthorityWrong(f"{error} Nothing was changed.") from None
    if not found:
        raise AuthorityWrong("Write a line as `@cert-authority *.example.com ssh-ed25519 AAAA…`. Nothing was changed.")
    with transaction.atomic():
        rows = [_add(entry, by) for entry in found]
        Host.objects.filter(observed=True).update(asked_at=None)  # some may be spoken to now
        transaction.on_commit(authorities.forget)
    return rows


def _add(entry: known_hosts.Entry, by: User | None) -> HostAuthority:
    patterns = ",".join(entry.patterns)
    try:
        validate_patterns(patterns)
    except ValidationError as error:
        raise AuthorityWrong(f"{error.messages[0]} Nothing was changed.") from None
    if len(patterns) > LONGEST:
        raise AuthorityWrong(f"Patterns have at most {LONGEST} characters together. Nothing was changed.")
    actor = by.username if by else ""
    try:
        with transaction.atomic():
            row = HostAuthority.objects.create(
                patterns=patterns, algorithm=entry.key.algorithm, key=entry.key.key, accepted_by=actor or "the Deployer"
            )
    except IntegrityError:
        told = f"{entry.key.fingerprint} is trusted for {patterns} already"
        raise AuthorityThere(f"{told}. Nothing was changed.") from None
    events.record("authority.trusted", actor, fingerprint=entry.key.fingerprint, patterns=patterns)
    return row


def distrust(authority: HostAuthority, *, by: User | None) -> None:
    """What it signed counts for nothing from now on; hosts without a key that a person accepted are not spoken to."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        fingerprint, patterns = ssh.fingerprint(authority.key), authority.patterns
        authority.delete()
        events.record("authority.distrusted", by.username if by else "", fingerprint=fingerprint, patterns=patterns)
        transaction.on_commit(authorities.forget)
        transaction.on_commit(lambda: ssh.close_idle(-1))
