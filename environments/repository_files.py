"""The files of a revision, as proposals are made from them: their names, and the text of a few. From the mirror."""

import subprocess
from dataclasses import dataclass, field

from environments import repositories, revision_file
from environments.git import RepositoryError, environ_of, run
from environments.models import Application

MOST_FILES = 50_000
MOST_BYTES = 512 * 1024


@dataclass
class Files:
    """Names are whole paths; a text is read once, when it is asked for."""

    application: Application
    revision: str
    names: frozenset[str]
    _texts: dict[str, str] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def text(self, name: str) -> str:
        """ "" for a file that is not there, is too large or is no text."""
        if name not in self.names:
            return ""
        if name not in self._texts:
            try:
                content = revision_file.read(self.application, self.revision, name, most=MOST_BYTES) or b""
            except RepositoryError:
                content = b""
            self._texts[name] = content.decode(errors="replace")
        return self._texts[name]


def files_of(application: Application, revision: str) -> Files:
    """Raises RepositoryError."""
    folder = repositories.ensure_revision(application, revision)
    try:
        out = run(["ls-tree", "-r", "-z", "--name-only", "--full-tree", revision], folder=folder, environ=environ_of())
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise RepositoryError(f"The files of {application.name} could not be listed: {said}") from None
    names = out.decode(errors="replace").split("\0")[:-1]
    return Files(application, revision, frozenset(names[:MOST_FILES]))
