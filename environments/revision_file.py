"""One file of a revision, read from the cached mirror. Errors are those of `environments.git`."""

import subprocess

from environments import repositories
from environments.git import RepositoryError, environ_of, run
from environments.models import Application


def read(application: Application, revision: str, name: str, *, most: int) -> bytes | None:
    """The content of the file at the root of `revision` (40 hex digits), of at most `most` bytes; None: there is none.

    Raises RepositoryError.
    """
    folder = repositories.ensure_revision(application, revision)
    try:
        listed = run(["ls-tree", "-z", "-l", "--full-tree", revision, "--", name], folder=folder, environ=environ_of())
        if not listed:
            return None
        mode, _, blob, size = listed.partition(b"\t")[0].decode().split()
        if mode not in ("100644", "100755"):
            raise RepositoryError(f"{name} at {revision[:7]} is no plain file. Nothing was changed.")
        if int(size) > most:
            raise RepositoryError(
                f"{name} at {revision[:7]} has {int(size):,} bytes; at most {most:,} are read. Nothing was changed."
            )
        return run(["cat-file", "blob", blob], folder=folder, environ=environ_of())
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise RepositoryError(f"{name} at {revision[:7]} could not be read: {said}") from None
