"""What stores said for a release, kept sealed with it: for its other hosts, for a retry weeks later, and for masks."""

import json
from collections.abc import Collection, Mapping

from django.db import IntegrityError, transaction

from environments.models import ConfigurationValue, FetchedSecrets, Target, ValueKind
from environments.sealed import seal, unseal
from environments.secret_stores.references import Found, Reference


def remembered(target: Target, release: str) -> dict[Reference, str]:
    """Values of one release. Raises CannotOpen."""
    row = FetchedSecrets.objects.filter(target=target, release=release).first()
    return _opened(row.sealed) if row else {}


def values_of(target: Target, releases: Collection[str]) -> frozenset[str]:
    """All values of several releases, for masks. Raises CannotOpen."""
    rows = FetchedSecrets.objects.filter(target=target, release__in=releases)
    return frozenset(value for row in rows for value in _opened(row.sealed).values() if value)


def remember(target: Target, release: str, found: Mapping[Reference, Found]) -> dict[Reference, str]:
    """Add what is not known yet; what another worker has stored first counts, and all of it is returned."""
    said = {reference: one.value for reference, one in found.items()}
    try:
        with transaction.atomic():
            FetchedSecrets.objects.create(target=target, release=release, sealed=_sealed(said))
        return said
    except IntegrityError:
        pass
    with transaction.atomic():
        row = FetchedSecrets.objects.select_for_update().get(target=target, release=release)
        said |= _opened(row.sealed)
        row.sealed = _sealed(said)
        row.save(update_fields=["sealed", "at"])
    return said


def note_versions(newest: Mapping[tuple[str, str], int]) -> None:
    """By store and path; so that places that got an older one are told so. 0 is none."""
    for row in ConfigurationValue.objects.filter(latest=True, kind=ValueKind.OUTSIDE) if any(newest.values()) else ():
        reference = Reference.read(row.text)
        version = newest.get((reference.store, reference.path))
        if version and version != row.seen_version:
            ConfigurationValue.objects.filter(pk=row.pk).update(seen_version=version)


def _sealed(values: Mapping[Reference, str]) -> str:
    return seal(json.dumps({reference.text: value for reference, value in values.items()}))


def _opened(sealed: str) -> dict[Reference, str]:
    return {Reference.read(text): value for text, value in json.loads(unseal(sealed)).items()}
