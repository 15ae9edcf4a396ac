"""Secrets that lie elsewhere: asked for before the first host of a release is prepared, once for all hosts, and kept
sealed with the release. A store that does not answer ends the deploy there, with nothing sent to any host.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from django.conf import settings
from django.db import transaction

from deployments import archives, builds, log
from deployments.models import Deploy, Release
from deployments.release_configuration import ConfigurationUnusable, wanted_from_outside
from environments.secret_stores import fetching, remembering
from environments.secret_stores.errors import NotFetched
from environments.secret_stores.references import Found, Reference

NAMED = 5
REMEMBERED = 100
_failed: OrderedDict[str, str] = OrderedDict()  # by the deploy's key: what its other batches need not ask again


def ensure(deploy: Deploy, interrupted: Callable[[], bool]) -> None:
    """Have the values of the deploy's release. Raises ConfigurationUnusable, BuildInterrupted, CannotOpen."""
    names = wanted_from_outside(deploy)
    if not names or deploy.release is None:
        return
    folder = Path(settings.VAR) / "secrets"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{deploy.release_id}.lock"
    with archives.alone(path, builds.Watch(say=lambda _: None, interrupted=interrupted)):
        try:
            missing = names.keys() - remembering.remembered(deploy.target, deploy.release.name).keys()
            if missing:
                _fetch(deploy, deploy.release, missing, names, interrupted)
        finally:
            path.unlink(missing_ok=True)


def _fetch(
    deploy: Deploy,
    release: Release,
    missing: Iterable[Reference],
    names: Mapping[Reference, list[str]],
    interrupted: Callable[[], bool],
) -> None:
    if deploy.key in _failed:
        raise ConfigurationUnusable(_failed[deploy.key])
    try:
        found = fetching.fetch(missing, interrupted=interrupted)
    except NotFetched as error:
        if interrupted():
            raise builds.BuildInterrupted("Its secret stores are asked no longer.") from None
        told = _not_fetched(error, names)
        _failed[deploy.key] = told
        while len(_failed) > REMEMBERED:
            _failed.popitem(last=False)
        log.say(deploy, told)
        raise ConfigurationUnusable(told) from None
    remembering.remember(deploy.target, release.name, found)
    _note_versions(release, found)
    log.say(deploy, _fetched(found, names))


def _not_fetched(error: NotFetched, names: Mapping[Reference, list[str]]) -> str:
    meant = error.reference
    store = meant.store if meant else ""
    of_store = [name for one, said in names.items() if one.store == store for name in said]
    told = names.get(meant, of_store) if meant else of_store
    return f"{_some(told)} cannot be had from the secret store {store}. {error}"


def _fetched(found: Mapping[Reference, Found], names: Mapping[Reference, list[str]]) -> str:
    """`Took DATABASE_URL, TOKEN from the secret store vault.`"""
    by_store: dict[str, list[str]] = {}
    for reference in found:
        by_store.setdefault(reference.store, []).extend(names[reference])
    return " ".join(f"Took {_some(said)} from the secret store {store}." for store, said in sorted(by_store.items()))


def _some(names: Iterable[str]) -> str:
    known = sorted(set(names))
    return ", ".join(known[:NAMED]) + (f" and {len(known) - NAMED} more" if len(known) > NAMED else "")


def _note_versions(release: Release, found: Mapping[Reference, Found]) -> None:
    """Which versions the release was given, so that a newer one is told as not live yet."""
    given = {one.text: said.version for one, said in found.items() if said.version}
    with transaction.atomic():
        row = Release.objects.select_for_update().get(pk=release.pk)
        told = row.configuration or {}
        row.configuration = told | {"versions": told.get("versions", {}) | given}
        row.save(update_fields=["configuration"])
