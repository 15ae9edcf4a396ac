"""Is there a build of a revision? It is asked over the network, and nobody waits for the answer longer than he said."""

import threading
import time

from deployments.artifacts import (
    ArtifactError,
    ArtifactNotAnswered,
    address_of,
    checksum_address_of,
    read_checksum,
    require_build,
)
from environments.models import Application

PAGE_SECONDS = 2.0
WORKER_SECONDS = 10.0
PATIENCE_SECONDS = 15.0
LOOKED_MOST = 1000

_looked: "dict[tuple[str, str, str], tuple[float, ArtifactError]]" = {}


def look(application: Application, revision: str, *, patient: bool = False, seconds: float | None = None) -> None:
    """Ask for the checksum, which comes last, and for the build itself. Raises ArtifactError.

    `patient`: a bad answer of the last seconds will do. `seconds` (2) bounds everything, a hanging name server too.
    """
    key = (address_of(application, revision), checksum_address_of(application, revision), application.artifact_token)
    at, error = _looked.get(key, (0.0, None))
    if patient and error and time.monotonic() - at < PATIENCE_SECONDS:
        raise error.with_traceback(None)
    found = _within(PAGE_SECONDS if seconds is None else seconds, application, revision)
    if found is None:
        _looked.pop(key, None)
        return
    while len(_looked) >= LOOKED_MOST:
        _looked.pop(next(iter(_looked)), None)
    _looked[key] = (time.monotonic(), found)
    raise found


def _within(seconds: float, application: Application, revision: str) -> ArtifactError | None:
    """What is wrong, asked in a thread that is left behind when it takes too long."""
    said: list[Exception | None] = []

    def ask() -> None:
        try:
            read_checksum(application, revision, seconds=seconds)
            require_build(application, revision, seconds=seconds)
            said.append(None)
        except Exception as error:  # noqa: BLE001 - raised below, by who waits for it
            said.append(error)

    thread = threading.Thread(target=ask, name="build-presence", daemon=True)
    thread.start()
    thread.join(seconds)
    if not said:
        return ArtifactNotAnswered(
            f"{checksum_address_of(application, revision)} did not answer within {seconds:.0f} s, so nobody knows "
            f"whether there is a build of {revision[:7]}. Is that server up?"
        )
    (error,) = said
    if error is not None and not isinstance(error, ArtifactError):
        raise error
    return error
